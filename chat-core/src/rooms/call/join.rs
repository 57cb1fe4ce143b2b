//! A member's device comes into a call, which begins with the first.

use super::super::affiliations::{check_may, check_member};
use super::super::{RoomContext, log_quota, sealed};
use super::endpoint::{CallAnswer, CallRefusal, CallRequest, Descriptions, ParticipantName};
use super::state::{Call, Participant, Published, Signalling};
use super::{
    NS, PARTICIPANTS_MAX, PICTURES_MAX, RoomIq, asked, check, leaving, log, records, ringing,
    telling,
};
use crate::chat::Outward;
use crate::context::Request;
use crate::features::Reply;
use crate::id::MessageId;
use crate::jid::AccountId;
use crate::stanza::{ErrorType, StanzaError};
use crate::transaction::{Answer, StorageError};
use crate::xml::Element;

/// Somebody who has asked to come in, while the endpoint is asked.
struct Joining {
    request: Request,
    account: AccountId,
    device: Box<str>,
    published: Published,
    name: ParticipantName,
    /// [`Call::key`] of the call that is meant.
    key: u64,
}

/// `<join/>`: the call that lasts, or a new one; again, for another connection, or to come back.
pub(in super::super) fn join(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check(ctx, iq.account)?;
    sealed::check_blocking(ctx, iq.account)?;
    let (account, device) = (iq.account, device_of(ctx, &iq.request));
    let offers = asked::descriptions(&iq.payload)?;
    let known = ctx.room.calls.current.as_deref().and_then(|call| call.participants.get(&account));
    let known = known.filter(|participant| participant.device == device);
    let before = known.map(|participant| participant.published).unwrap_or_default();
    let published = asked::published(&iq.payload, before)?;
    let is_in = known.is_some_and(Participant::is_in);
    let is_silent = asked::flag(&iq.payload, "ring")? == Some(false);
    let wanted = asked::call_id(&iq.payload)?;
    let has_offers = offers.publish.is_some() || offers.subscribe.is_some();
    if !has_offers && !is_in {
        return Err(StanzaError::bad_request().with_text("there is nothing to answer"));
    }
    let is_first = admit(ctx, account, wanted, published)?;
    if is_first {
        begin(ctx, account, published, is_silent);
    }
    let Some(call) = ctx.room.calls.current.as_deref_mut() else { return Ok(Reply::Later) };
    let participant = call.name_of(account, &device);
    let joining = Joining {
        request: iq.request.clone(),
        account,
        device,
        published,
        name: participant,
        key: call.key,
    };
    call.joining += 1;
    if !has_offers {
        settle(ctx, joining, Ok(Answer::Call(CallAnswer::Joined(offers))));
        return Ok(Reply::Later);
    }
    let request = CallRequest::Join { room: ctx.room.id, participant, offers, is_first };
    ctx.ask_outside(
        |query| Outward::Call { query, request: Box::new(request) },
        move |ctx, answer| settle(ctx, joining, answer),
    );
    Ok(Reply::Later)
}

/// Whether the member may come in. Says whether a call begins by that.
fn admit(
    ctx: &mut RoomContext<'_>,
    account: AccountId,
    wanted: Option<MessageId>,
    published: Published,
) -> Result<bool, StanzaError> {
    let current = ctx.room.calls.current.as_deref();
    if wanted.is_some() && current.and_then(|call| call.id) != wanted {
        return Err(StanzaError::item_not_found().with_text("the call has ended"));
    }
    let Some(call) = current else {
        check_may(ctx, account, |ctx| ctx.room.settings.post)?;
        if ctx.room.members.len() < 2 {
            return Err(StanzaError::not_allowed().with_text("there is nobody to call"));
        }
        log_quota::check(ctx)?;
        return match ctx.room.calls.may_begin(ctx.now.elapsed_ms) {
            true => Ok(true),
            false => Err(StanzaError::policy_violation()
                .with_type(ErrorType::Wait)
                .with_text("too many calls")),
        };
    };
    if call.barred.contains(&account) {
        return Err(StanzaError::forbidden());
    }
    let is_in = call.participants.contains_key(&account);
    if !is_in && call.participants.len() + call.joining >= PARTICIPANTS_MAX {
        return Err(StanzaError::resource_constraint()
            .with_text(format!("a call has at most {PARTICIPANTS_MAX} participants")));
    }
    check_pictures(call, account, published)?;
    Ok(false)
}

/// Pictures cost much more than voices.
pub(super) fn check_pictures(
    call: &Call,
    account: AccountId,
    published: Published,
) -> Result<(), StanzaError> {
    match published.has_picture() && call.pictures_beside(account) >= PICTURES_MAX {
        true => Err(StanzaError::resource_constraint()
            .with_text(format!("a call has at most {PICTURES_MAX} pictures"))),
        false => Ok(()),
    }
}

fn begin(ctx: &mut RoomContext<'_>, by: AccountId, published: Published, is_silent: bool) {
    let key = ctx.random();
    let mut call = Call::new(key, by, ctx.now.unix_ms);
    call.is_video = published.has_picture();
    call.is_silent = is_silent || ctx.room.members.len() > super::RINGING_MEMBERS_MAX;
    ctx.room.calls.current = Some(Box::new(call));
}

/// The device as it names itself, or else by its session.
pub(super) fn device_of(ctx: &RoomContext<'_>, request: &Request) -> Box<str> {
    let session = ctx.session(&request.from);
    let device = session.and_then(|session| session.extra.as_ref()?.device.as_ref());
    match device {
        Some(device) => device.to_string().into(),
        None => request.from.resource().unwrap_or_default().into(),
    }
}

/// The endpoint has answered.
fn settle(ctx: &mut RoomContext<'_>, joining: Joining, answer: Result<Answer, StorageError>) {
    let answers = answers(answer);
    let admitted = readmit(ctx, &joining);
    match (admitted, answers) {
        (Ok(()), Ok(answers)) => {
            let joined = enter(ctx, &joining, answers);
            ctx.answer(&joining.request, Ok(joined));
        }
        (Ok(()), Err(error)) => ctx.answer(&joining.request, Err(error)),
        (Err(error), _) => {
            leaving::hang_up(ctx, joining.name);
            ctx.answer(&joining.request, Err(error));
        }
    }
    leaving::end_if_over(ctx, None);
    telling::tell_changes(ctx);
}

fn answers(answer: Result<Answer, StorageError>) -> Result<Descriptions, StanzaError> {
    match answer {
        Ok(Answer::Call(CallAnswer::Joined(answers))) => Ok(answers),
        Ok(Answer::Call(CallAnswer::Refused(CallRefusal::Offer { reason }))) => {
            Err(StanzaError::not_acceptable().with_text(String::from(reason)))
        }
        Ok(Answer::Call(CallAnswer::Refused(CallRefusal::Full { reason }))) => {
            Err(StanzaError::resource_constraint().with_text(String::from(reason)))
        }
        _ => Err(StanzaError::resource_constraint().with_type(ErrorType::Wait)),
    }
}

/// Whether who asked may still come in, now that the endpoint has answered.
fn readmit(ctx: &mut RoomContext<'_>, joining: &Joining) -> Result<(), StanzaError> {
    let call = ctx.room.calls.current.as_deref_mut().filter(|call| call.key == joining.key);
    let call = call.ok_or_else(StanzaError::item_not_found)?;
    call.joining = call.joining.saturating_sub(1);
    if call.barred.contains(&joining.account) {
        return Err(StanzaError::forbidden());
    }
    check_member(ctx, joining.account)
}

/// Makes the device a participant, in place of another one of its account.
fn enter(ctx: &mut RoomContext<'_>, joining: &Joining, answers: Descriptions) -> Option<Element> {
    let account = joining.account;
    log::begin(ctx, account);
    let call = ctx.room.calls.current.as_deref_mut()?;
    let known = call.participants.remove(&account);
    let is_same = known.as_ref().is_some_and(|known| known.device == joining.device);
    let hand_unix_ms = known.as_ref().and_then(|known| known.hand_unix_ms);
    let participant = Participant {
        name: joining.name,
        device: joining.device.clone(),
        jid: joining.request.from.clone(),
        published: joining.published,
        hand_unix_ms,
        signalling: Signalling::Here,
    };
    call.participants.insert(account, participant);
    if call.participants.len() > 1 {
        call.changed.insert(account);
    }
    call.declined.remove(&account);
    let is_new = call.took_part.insert(account);
    if let Some(known) = known.filter(|_| !is_same) {
        call.gone.push(known.name);
        telling::tell_out(ctx, &known.jid, "moved");
        leaving::hang_up(ctx, known.name);
    }
    records::put_participant(ctx, account);
    if is_new {
        ringing::answered(ctx, account);
    }
    let call = ctx.room.calls.current.as_deref()?;
    let text = |name, text: Box<str>| Element::new(name, NS).with_text(text);
    let joined = Element::new("joined", NS)
        .with_attr("participant", joining.name.to_string())
        .with_children(answers.publish.map(|answer| text("publish", answer)))
        .with_children(answers.subscribe.map(|answer| text("subscribe", answer)))
        .with_child(telling::described(ctx, call, account));
    Some(joined)
}
