//! A participant goes, by itself or not; the last one ends the call.

use super::super::RoomContext;
use super::endpoint::{CallAnswer, CallRequest, ParticipantName};
use super::state::{Call, Participant, Signalling};
use super::{
    REJOIN_WITHIN_MS, RoomIq, SIGNALLING_LOST_MS, asked, check_offered, is_direct, join, log,
    records, telling,
};
use crate::chat::Outward;
use crate::features::Reply;
use crate::jid::AccountId;
use crate::stanza::StanzaError;
use crate::transaction::Answer;

/// How a call ended: the conditions of XEP-0166 7.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was answered.
    Success,
    /// Nobody came while it rang.
    Timeout,
    /// Who began it has gone while it rang.
    Cancel,
    /// Nobody wanted to come.
    Decline,
    /// Nobody could: they are in another call.
    Busy,
}

impl Ending {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Ending::Success => "success",
            Ending::Timeout => "timeout",
            Ending::Cancel => "cancel",
            Ending::Decline => "decline",
            Ending::Busy => "busy",
        }
    }
}

/// `<leave/>`, by the device that takes part.
pub(in super::super) fn leave(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    check_offered(ctx)?;
    own_participant(ctx, iq)?;
    depart(ctx, iq.account);
    Ok(Reply::Result(None))
}

/// The participant whose device asks.
///
/// # Errors
/// `item-not-found` where the call that is named has ended, or another device is in it.
pub(super) fn own_participant(
    ctx: &RoomContext<'_>,
    iq: &RoomIq,
) -> Result<ParticipantName, StanzaError> {
    let wanted = asked::call_id(&iq.payload)?.ok_or_else(StanzaError::bad_request)?;
    let call = ctx.room.calls.current.as_deref().filter(|call| call.id == Some(wanted));
    let own = call.and_then(|call| call.participants.get(&iq.account));
    let own = own.filter(|own| own.device == join::device_of(ctx, &iq.request));
    own.map(|own| own.name).ok_or_else(StanzaError::item_not_found)
}

/// An account is out, because it wants to be or is no member any more.
pub(in super::super) fn depart(ctx: &mut RoomContext<'_>, account: AccountId) {
    let Some(gone) = take_out(ctx, account) else { return };
    if !ctx.room.members.contains_key(&account) {
        telling::tell_out(ctx, &gone.jid, "removed");
    }
    hang_up(ctx, gone.name);
    end_if_over(ctx, None);
    telling::tell_changes(ctx);
}

/// Takes an account out, and leaves to the caller what follows.
pub(super) fn take_out(ctx: &mut RoomContext<'_>, account: AccountId) -> Option<Participant> {
    let now_unix_ms = ctx.now.unix_ms;
    let call = ctx.room.calls.current.as_deref_mut()?;
    let gone = call.participants.remove(&account)?;
    call.changed.remove(&account);
    call.gone.push(gone.name);
    if gone.is_in() {
        call.lasted_unix_ms = now_unix_ms;
    }
    records::put_participant(ctx, account);
    Some(gone)
}

/// Has the endpoint let a participant go, whatever comes between.
pub(super) fn hang_up(ctx: &mut RoomContext<'_>, participant: ParticipantName) {
    if !ctx.config.calls {
        return;
    }
    let request = CallRequest::Leave { room: ctx.room.id, participant };
    ctx.ask_outside(
        |query| Outward::Call { query, request: Box::new(request) },
        move |ctx, answer| {
            let is_done =
                matches!(answer, Ok(Answer::Call(CallAnswer::Done | CallAnswer::Joined(_))));
            let waiting = &mut ctx.room.calls.hanging_up;
            if !is_done && !waiting.contains(&participant) {
                waiting.push(participant);
            }
        },
    );
}

/// Tries once more what the endpoint had no time for.
pub(super) fn hang_up_again(ctx: &mut RoomContext<'_>) {
    for participant in std::mem::take(&mut ctx.room.calls.hanging_up) {
        let call = ctx.room.calls.current.as_deref();
        // Who has come back since is in.
        if call.and_then(|call| call.participant(participant)).is_none() {
            hang_up(ctx, participant);
        }
    }
}

/// Takes out whose signalling is lost for too long, and who has not come back after a restart.
pub(super) fn remove_lost(ctx: &mut RoomContext<'_>) {
    let now_ms = ctx.now.elapsed_ms;
    let (mut lost, mut changed) = (Vec::new(), Vec::new());
    for (account, participant) in participants(ctx) {
        let session = ctx.session(&participant.jid);
        let is_here = session.is_some_and(|session| session.stream.is_some());
        let signalling = match (participant.signalling, is_here) {
            (Signalling::Awaited { since_ms }, _) if now_ms >= since_ms + REJOIN_WITHIN_MS => {
                lost.push((*account, participant.jid.clone()));
                continue;
            }
            (Signalling::Lost { since_ms }, false) if now_ms >= since_ms + SIGNALLING_LOST_MS => {
                lost.push((*account, participant.jid.clone()));
                continue;
            }
            (Signalling::Here, false) => Signalling::Lost { since_ms: now_ms },
            (Signalling::Lost { .. }, true) => Signalling::Here,
            (unchanged, _) => unchanged,
        };
        if signalling != participant.signalling {
            changed.push((*account, signalling));
        }
    }
    for (account, signalling) in changed {
        let call = ctx.room.calls.current.as_deref_mut();
        if let Some(known) = call.and_then(|call| call.participants.get_mut(&account)) {
            known.signalling = signalling;
        }
    }
    for (account, jid) in lost {
        telling::tell_out(ctx, &jid, "lost");
        depart(ctx, account);
    }
}

fn participants<'a>(
    ctx: &'a RoomContext<'_>,
) -> impl Iterator<Item = (&'a AccountId, &'a Participant)> {
    ctx.room.calls.current.iter().flat_map(|call| &call.participants)
}

/// Ends a call in which nobody is left, or one of two whose other side is gone.
pub(super) fn end_if_over(ctx: &mut RoomContext<'_>, ending: Option<Ending>) {
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    let is_left_alone = is_direct(ctx) && call.is_answered() && call.participants.len() < 2;
    if call.joining > 0 || !(call.participants.is_empty() || is_left_alone) {
        return;
    }
    let ending = match (call.is_answered(), ending) {
        (true, _) => Ending::Success,
        (false, Some(ending)) => ending,
        (false, None) if call.rings_until_ms.is_some() => Ending::Cancel,
        (false, None) => Ending::Success,
    };
    end(ctx, ending);
}

/// Ends a call for all who are in it.
pub(super) fn end(ctx: &mut RoomContext<'_>, ending: Ending) {
    let Some(mut call) = ctx.room.calls.current.take() else { return };
    if call.participants.values().any(Participant::is_in) {
        call.lasted_unix_ms = ctx.now.unix_ms;
    }
    release(ctx, &call, ending.as_str());
    if call.id.is_some() {
        records::remove(ctx, &call);
        log::end(ctx, &call, ending);
    }
}

/// The room ends, and its call with it.
pub(in super::super) fn abort(ctx: &mut RoomContext<'_>) {
    let Some(call) = ctx.room.calls.current.take() else { return };
    release(ctx, &call, "gone");
    records::remove(ctx, &call);
}

fn release(ctx: &mut RoomContext<'_>, call: &Call, why: &'static str) {
    for participant in call.participants.values() {
        telling::tell_out_of(ctx, call.id, &participant.jid, why);
        hang_up(ctx, participant.name);
    }
}
