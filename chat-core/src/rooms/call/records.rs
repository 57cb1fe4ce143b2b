//! What is stored of a call, so that it is found again after a restart: that it lasts, and who is in.

use super::super::{CALL, CALLER, Room, RoomContext};
use super::endpoint::ParticipantName;
use super::state::{Call, Participant, Published, Signalling};
use super::{NS, RINGING_MS, telling};
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::transaction::Record;
use crate::xml::Element;

/// Reads a record as the room is loaded. Those of participants may come before that of their call.
pub(in super::super) fn take(room: &mut Room, record: &Record, value: &Element) {
    let Ok(by) = AccountId::parse(value.attr("by").unwrap_or(&record.key)) else { return };
    let call = room.calls.current.get_or_insert_with(|| Box::new(Call::new(0, by, 0)));
    let number = |name| value.attr(name).and_then(|text| text.parse().ok());
    if *record.feature == *CALL {
        call.by = by;
        call.id = value.attr("id").and_then(MessageId::parse);
        call.key = number("key").unwrap_or_default();
        call.is_video = value.attr("video").is_some();
        call.is_silent = value.attr("silent").is_some();
        call.began_unix_ms = number("began").unwrap_or_default();
        call.lasted_unix_ms = number("lasted").unwrap_or(call.began_unix_ms);
        return;
    }
    match value.attr("barred") {
        Some(_) => drop(call.barred.insert(by)),
        None => drop(call.took_part.insert(by)),
    }
    if let Some(participant) = participant(value) {
        call.participants.insert(by, participant);
    }
}

/// Goes on with a call that was stored: its participants are to join it again.
pub(in super::super) fn resume(ctx: &mut RoomContext<'_>) {
    let (now, is_offered) = (ctx.now, ctx.config.calls);
    let Some(call) = ctx.room.calls.current.as_deref_mut() else { return };
    if call.id.is_none() {
        ctx.room.calls.current = None;
        return;
    }
    let rings_until_unix_ms = call.began_unix_ms + RINGING_MS;
    let rings_ms = rings_until_unix_ms.saturating_sub(now.unix_ms);
    if rings_ms > 0 && !call.is_silent && !call.is_answered() {
        call.rings_until_ms = Some(now.elapsed_ms + rings_ms);
    }
    for participant in call.participants.values_mut() {
        // Where there is no endpoint any more, nobody is waited for.
        let since_ms = if is_offered { now.elapsed_ms } else { 0 };
        participant.signalling = Signalling::Awaited { since_ms };
    }
    telling::tell_to_rejoin(ctx);
}

/// Stores that the call lasts, once in a while: its end may be a crash.
pub(super) fn keep_up(ctx: &mut RoomContext<'_>) {
    let now_unix_ms = ctx.now.unix_ms;
    let Some(call) = ctx.room.calls.current.as_deref_mut() else { return };
    if !call.participants.values().any(Participant::is_in) {
        return;
    }
    call.lasted_unix_ms = now_unix_ms;
    if now_unix_ms >= call.stored_unix_ms + STORED_EVERY_MS {
        put_call(ctx);
    }
}

pub(super) fn put_call(ctx: &mut RoomContext<'_>) {
    let now_unix_ms = ctx.now.unix_ms;
    let Some(call) = ctx.room.calls.current.as_deref_mut() else { return };
    let Some(id) = call.id else { return };
    call.stored_unix_ms = now_unix_ms;
    let mut record = Element::new("call", NS)
        .with_attr("id", id.to_string())
        .with_attr("by", call.by.to_string())
        .with_attr("key", call.key.to_string())
        .with_attr("began", call.began_unix_ms.to_string())
        .with_attr("lasted", call.lasted_unix_ms.to_string());
    for (name, is_so) in [("video", call.is_video), ("silent", call.is_silent)] {
        if is_so {
            record.set_attr(name, "true");
        }
    }
    ctx.put(CALL, "", &record);
}

/// Stores whether an account is in the call.
pub(super) fn put_participant(ctx: &mut RoomContext<'_>, account: AccountId) {
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    let mut record = Element::new("participant", NS);
    if let Some(participant) = call.participants.get(&account) {
        record.set_attr("name", participant.name.to_string());
        record.set_attr("device", &*participant.device);
        record.set_attr("jid", participant.jid.as_str());
    }
    if call.barred.contains(&account) {
        record.set_attr("barred", "true");
    }
    ctx.put(CALLER, &account.to_string(), &record);
}

/// Removes all that was stored.
pub(super) fn remove(ctx: &mut RoomContext<'_>, call: &Call) {
    ctx.remove(CALL, "");
    for account in call.took_part.union(&call.barred) {
        ctx.remove(CALLER, &account.to_string());
    }
}

fn participant(value: &Element) -> Option<Participant> {
    Some(Participant {
        name: ParticipantName::parse(value.attr("name")?)?,
        device: value.attr("device")?.into(),
        jid: Jid::parse(value.attr("jid")?).ok()?,
        published: Published::default(),
        hand_unix_ms: None,
        signalling: Signalling::Awaited { since_ms: 0 },
    })
}

/// A call that lasts is stored so often.
const STORED_EVERY_MS: u64 = 60_000;
