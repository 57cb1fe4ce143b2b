//! What participants say of themselves, and what admins want of them.

use super::super::RoomContext;
use super::super::affiliations::check_admin;
use super::super::member::jid_of;
use super::endpoint::{CallAnswer, CallRefusal, CallRequest};
use super::{NS, RoomIq, asked, check, is_direct, join, leaving, records, telling};
use crate::chat::Outward;
use crate::features::Reply;
use crate::jid::AccountId;
use crate::stanza::{ErrorType, StanzaError};
use crate::transaction::Answer;
use crate::xml::Element;

/// `<state/>`: what the device publishes and mutes, and whether its user's hand is raised.
pub(in super::super) fn change_state(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    check(ctx, iq.account)?;
    leaving::own_participant(ctx, iq)?;
    let now_unix_ms = ctx.now.unix_ms;
    let hand = asked::flag(&iq.payload, "hand")?;
    let call = ctx.room.calls.current.as_deref_mut().ok_or_else(StanzaError::item_not_found)?;
    let own = call.participants.get(&iq.account).ok_or_else(StanzaError::item_not_found)?;
    let published = asked::published(&iq.payload, own.published)?;
    join::check_pictures(call, iq.account, published)?;
    if let Some(own) = call.participants.get_mut(&iq.account) {
        own.published = published;
        own.hand_unix_ms = match hand {
            Some(true) => own.hand_unix_ms.or(Some(now_unix_ms)),
            Some(false) => None,
            None => own.hand_unix_ms,
        };
    }
    call.changed.insert(iq.account);
    telling::tell_changes(ctx);
    Ok(Reply::Result(None))
}

/// `<view/>`: what the device wants to see.
pub(in super::super) fn view(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check(ctx, iq.account)?;
    let participant = leaving::own_participant(ctx, iq)?;
    let view = asked::view(&iq.payload)?;
    let request = CallRequest::View { room: ctx.room.id, participant, view };
    let waiting = iq.request.clone();
    ctx.ask_outside(
        |query| Outward::Call { query, request: Box::new(request) },
        move |ctx, answer| {
            let done = match answer {
                Ok(Answer::Call(CallAnswer::Done)) => Ok(None),
                Ok(Answer::Call(CallAnswer::Refused(CallRefusal::NotHere))) => {
                    Err(StanzaError::item_not_found())
                }
                _ => Err(StanzaError::resource_constraint().with_type(ErrorType::Wait)),
            };
            ctx.answer(&waiting, done);
        },
    );
    Ok(Reply::Later)
}

/// `<mute/>`: an admin asks a participant to mute what it publishes. It is a request: the server
/// cannot see whether what is sealed is silence.
pub(in super::super) fn mute(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    let target = moderated(ctx, iq)?;
    let source = asked::source(&iq.payload)?;
    let call = ctx.room.calls.current.as_deref().ok_or_else(StanzaError::item_not_found)?;
    let target = call.participants.get(&target).ok_or_else(StanzaError::item_not_found)?;
    let (jid, id) = (target.jid.clone(), call.id);
    let mute = Element::new("mute", NS)
        .with_attr("by", jid_of(ctx.config, iq.account).as_str())
        .with_attr("source", source.as_str());
    telling::tell_one(ctx, &jid, telling::named(id).with_child(mute));
    Ok(Reply::Result(None))
}

/// `<remove/>`: an admin takes a participant out, who does not come back into this call.
pub(in super::super) fn remove(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    let target = moderated(ctx, iq)?;
    if let Some(call) = ctx.room.calls.current.as_deref_mut() {
        call.barred.insert(target);
    }
    let gone = leaving::take_out(ctx, target).ok_or_else(StanzaError::item_not_found)?;
    records::put_participant(ctx, target);
    telling::tell_out(ctx, &gone.jid, "removed");
    leaving::hang_up(ctx, gone.name);
    leaving::end_if_over(ctx, None);
    telling::tell_changes(ctx);
    Ok(Reply::Result(None))
}

/// The participant whom an admin names, who is not above that one.
fn moderated(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<AccountId, StanzaError> {
    check(ctx, iq.account)?;
    check_admin(ctx, iq.account)?;
    if is_direct(ctx) {
        return Err(StanzaError::not_allowed());
    }
    let wanted = asked::call_id(&iq.payload)?.ok_or_else(StanzaError::bad_request)?;
    let name = asked::participant(&iq.payload)?;
    let call = ctx.room.calls.current.as_deref().filter(|call| call.id == Some(wanted));
    let target = call.and_then(|call| call.participant(name)).map(|(account, _)| account);
    let target = target.ok_or_else(StanzaError::item_not_found)?;
    let affiliation = |account| ctx.room.members.get(account).map(|member| member.affiliation);
    match affiliation(&target) > affiliation(&iq.account) {
        true => Err(StanzaError::not_allowed()),
        false => Ok(target),
    }
}
