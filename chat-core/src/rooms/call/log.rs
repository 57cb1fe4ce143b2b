//! What the room's log says of calls: that one began, and how it ended. Each stands there once, and a
//! device that was away reads it like any message.

use std::sync::Arc;

use super::super::delivery::{self, NewEntry};
use super::super::member::jid_of;
use super::super::{RoomContext, push};
use super::leaving::Ending;
use super::state::Call;
use super::{NS, PARTAKERS_NAMED_MAX, RINGING_MS, is_direct, records, ringing};
use crate::date_time;
use crate::id::MessageId;
use crate::jid::AccountId;
use crate::ns;
use crate::stanza::{Stanza, append_to_rendered};
use crate::xml::Element;

/// Says that a call began, where nobody has said so yet, and has members called.
pub(super) fn begin(ctx: &mut RoomContext<'_>, by: AccountId) {
    let (now, name) = (ctx.now, name_of(ctx, by));
    let is_first = ctx.room.calls.current.as_deref().is_some_and(|call| call.id.is_none());
    if !is_first {
        return;
    }
    let id = ctx.next_message_id();
    let Some(call) = ctx.room.calls.current.as_deref_mut() else { return };
    call.id = Some(id);
    call.by = by;
    call.began_unix_ms = now.unix_ms;
    let (is_video, is_silent) = (call.is_video, call.is_silent);
    let mut told = Element::new("call", NS)
        .with_attr("id", id.to_string())
        .with_attr("by", jid_of(ctx.config, by).as_str());
    if is_video {
        told.set_attr("video", "true");
    }
    let mut began = Element::new("began", NS);
    if !is_silent {
        call.rings_until_ms = Some(now.elapsed_ms + RINGING_MS);
        began.set_attr("ring", (RINGING_MS / 1000).to_string());
    }
    let body = match is_silent {
        true => format!("{name} started a call."),
        false => format!("{name} is calling."),
    };
    let invite = (!is_silent).then(|| ringing::invite(is_video));
    records::put_call(ctx);
    let message = entry(ctx, id, &body, told.with_child(began)).with_children(invite);
    append(ctx, id, &message);
    push::tell(ctx, by, &Arc::new(Stanza::from_element(&message)));
}

/// Says how a call ended, how long it was, and who took part.
pub(super) fn end(ctx: &mut RoomContext<'_>, call: &Call, ending: Ending) {
    let (Some(began), id) = (call.id, ctx.next_message_id()) else { return };
    let told = Element::new("call", NS)
        .with_attr("id", began.to_string())
        .with_attr("by", jid_of(ctx.config, call.by).as_str())
        .with_child(ended(ctx, call, ending));
    let is_missed = matches!(ending, Ending::Timeout | Ending::Cancel);
    let body = match (is_missed, ending) {
        (true, _) => format!("{} called.", name_of(ctx, call.by)),
        (false, Ending::Success) => "The call ended.".to_owned(),
        (false, _) => "The call was not answered.".to_owned(),
    };
    // XEP-0482: whoever rings by the invitation ceases to.
    let retract = Element::new("retract", ns::CALL_INVITES).with_attr("id", began.to_string());
    let retract = (!call.is_silent).then_some(retract);
    let message = entry(ctx, id, &body, told).with_children(retract);
    append(ctx, id, &message);
    if is_missed {
        push::tell(ctx, call.by, &Arc::new(Stanza::from_element(&message)));
    }
}

fn ended(ctx: &RoomContext<'_>, call: &Call, ending: Ending) -> Element {
    let length_ms = match call.is_answered() {
        true => call.lasted_unix_ms.saturating_sub(call.began_unix_ms),
        false => 0,
    };
    let reason = Element::new(ending.as_str(), ns::JINGLE);
    let mut ended = Element::new("ended", NS)
        .with_attr("began", date_time::format(call.began_unix_ms))
        .with_attr("length", (length_ms / 1000).to_string())
        .with_attr("count", call.took_part.len().to_string())
        .with_child(Element::new("reason", ns::JINGLE).with_child(reason));
    if call.is_video {
        ended.set_attr("video", "true");
    }
    let named = |name, account: &AccountId| {
        Element::new(name, NS).with_attr("jid", jid_of(ctx.config, *account).as_str())
    };
    let took_part = call.took_part.iter().take(PARTAKERS_NAMED_MAX);
    let declined = call.declined.keys().take(PARTAKERS_NAMED_MAX);
    ended
        .with_children(took_part.map(|account| named("took-part", account)))
        .with_children(declined.map(|account| named("declined", account)))
}

/// A message of the room itself, for programs and for people.
fn entry(ctx: &RoomContext<'_>, id: MessageId, body: &str, told: Element) -> Element {
    Element::new("message", ns::CLIENT)
        .with_attr("type", "groupchat")
        .with_attr("from", ctx.room.jid.as_str())
        .with_attr("id", id.to_string())
        .with_child(Element::new("body", ns::CLIENT).with_text(body))
        .with_child(told)
        .with_child(Element::new("fallback", ns::FALLBACK).with_attr("for", NS))
}

fn append(ctx: &mut RoomContext<'_>, id: MessageId, message: &Element) {
    let stanza_id = delivery::stanza_id(&ctx.room.jid, id);
    let stanza = append_to_rendered(&message.to_bytes(ns::CLIENT), &stanza_id);
    let entry = NewEntry { id, stanza: stanza.clone(), origin: None, expires_unix_ms: None };
    delivery::log(ctx, entry);
    delivery::fan_out(ctx, &stanza, Some(id));
}

fn name_of(ctx: &RoomContext<'_>, account: AccountId) -> String {
    let member = ctx.room.members.get(&account).filter(|_| !is_direct(ctx));
    member.map_or_else(|| "Somebody".to_owned(), |member| member.nick.to_string())
}
