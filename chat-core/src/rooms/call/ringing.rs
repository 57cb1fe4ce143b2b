//! A call rings until it is answered, declined, cancelled, or nobody comes (XEP-0482).

use super::super::RoomContext;
use super::leaving::{self, Ending};
use super::{NS, RoomIq, asked, check, telling};
use crate::features::Reply;
use crate::jid::AccountId;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// `<decline/>`: the account does not come; it rings on none of its devices any more.
pub(in super::super) fn decline(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    check(ctx, iq.account)?;
    let wanted = asked::call_id(&iq.payload)?.ok_or_else(StanzaError::bad_request)?;
    let is_busy = asked::flag(&iq.payload, "busy")? == Some(true);
    let call = ctx.room.calls.current.as_deref_mut().filter(|call| call.id == Some(wanted));
    let call = call.ok_or_else(StanzaError::item_not_found)?;
    if call.participants.contains_key(&iq.account) {
        return Err(StanzaError::conflict());
    }
    let is_new = call.declined.insert(iq.account, is_busy).is_none();
    if is_new && call.rings_until_ms.is_some() {
        let why = Element::new("reason", ns::JINGLE)
            .with_child(Element::new(if is_busy { "busy" } else { "decline" }, ns::JINGLE));
        telling::tell_members(ctx, iq.account, "reject", Some(why));
        end_if_declined(ctx);
    }
    Ok(Reply::Result(None))
}

/// Somebody has come: it rings on no other device of that account.
pub(super) fn answered(ctx: &mut RoomContext<'_>, account: AccountId) {
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    if call.by != account && call.rings_until_ms.is_some() {
        telling::tell_members(ctx, account, "accept", None);
    }
}

/// Ends a call that nobody has answered in time.
pub(super) fn end_ringing(ctx: &mut RoomContext<'_>) {
    let now_ms = ctx.now.elapsed_ms;
    let Some(call) = ctx.room.calls.current.as_deref_mut() else { return };
    if call.rings_until_ms.is_none_or(|until_ms| now_ms < until_ms) {
        return;
    }
    if !call.is_answered() && call.joining == 0 {
        leaving::end(ctx, Ending::Timeout);
    } else if call.is_answered() {
        call.rings_until_ms = None;
    }
}

/// Says whether it rings for an account now.
pub(super) fn rings_for(call: &super::state::Call, account: AccountId) -> bool {
    call.rings_until_ms.is_some()
        && !call.took_part.contains(&account)
        && !call.declined.contains_key(&account)
}

/// Nobody is left who could come.
fn end_if_declined(ctx: &mut RoomContext<'_>) {
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    let has_declined =
        |account: &&AccountId| **account == call.by || call.declined.contains_key(*account);
    let are_all = ctx.room.members.keys().filter(has_declined).count() == ctx.room.members.len();
    if !are_all || call.is_answered() || call.joining > 0 {
        return;
    }
    let ending = match call.declined.values().all(|is_busy| *is_busy) {
        true => Ending::Busy,
        false => Ending::Decline,
    };
    leaving::end(ctx, ending);
}

/// The invitation of XEP-0482: that it is to be joined in this room stands in our own element.
pub(super) fn invite(is_video: bool) -> Element {
    let invite = Element::new("invite", ns::CALL_INVITES).with_child(Element::new("call", NS));
    match is_video {
        true => invite.with_attr("video", "true"),
        false => invite,
    }
}
