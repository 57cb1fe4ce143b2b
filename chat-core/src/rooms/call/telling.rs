//! What participants are told while a call lasts: messages that are not stored.

use super::super::RoomContext;
use super::super::member::jid_of;
use super::endpoint::Source;
use super::ringing::rings_for;
use super::state::{Call, Participant, Signalling};
use super::{NS, TELL_EVERY_MS};
use crate::context::{Copies, Entity};
use crate::date_time;
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::session::Session;
use crate::xml::Element;

/// The call as an account sees it.
pub(super) fn described(ctx: &RoomContext<'_>, call: &Call, account: AccountId) -> Element {
    let mut shown = named(call.id)
        .with_attr("by", jid_of(ctx.config, call.by).as_str())
        .with_attr("began", date_time::format(call.began_unix_ms));
    for (name, is_so) in [("video", call.is_video), ("ringing", rings_for(call, account))] {
        if is_so {
            shown.set_attr(name, "true");
        }
    }
    let participants = call.participants.iter();
    shown.with_children(participants.map(|(account, it)| participant(ctx, *account, it)))
}

fn participant(ctx: &RoomContext<'_>, account: AccountId, shown: &Participant) -> Element {
    let mut element = Element::new("participant", NS)
        .with_attr("id", shown.name.to_string())
        .with_attr("jid", jid_of(ctx.config, account).as_str())
        .with_attr("device", &*shown.device);
    for source in Source::ALL {
        if let Some(is_muted) = shown.published.of(source) {
            element.set_attr(source.as_str(), if is_muted { "muted" } else { "on" });
        }
    }
    if let Some(since_unix_ms) = shown.hand_unix_ms {
        element.set_attr("hand", date_time::format(since_unix_ms));
    }
    element
}

/// Tells all participants who has come, gone or changed, but not too often: what comes in between is
/// told together.
pub(super) fn tell_changes(ctx: &mut RoomContext<'_>) {
    let now_ms = ctx.now.elapsed_ms;
    let Some(call) = ctx.room.calls.current.as_deref_mut() else { return };
    let is_any = !call.changed.is_empty() || !call.gone.is_empty();
    if !is_any || (call.told_ms > 0 && now_ms < call.told_ms + TELL_EVERY_MS) {
        return;
    }
    call.told_ms = now_ms;
    let (changed, gone) = (std::mem::take(&mut call.changed), std::mem::take(&mut call.gone));
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    let gone = gone.iter().filter(|name| call.participant(**name).is_none());
    let gone = gone.map(|name| Element::new("gone", NS).with_attr("id", name.to_string()));
    let changed = changed
        .iter()
        .filter_map(|account| Some(participant(ctx, *account, call.participants.get(account)?)));
    let told = named(call.id).with_children(gone).with_children(changed);
    tell_all(ctx, told);
}

/// Tells all participants the same.
pub(super) fn tell_all(ctx: &mut RoomContext<'_>, told: Element) {
    let bytes = message(ctx, "headline", &ctx.room.jid, told).to_bytes(ns::CLIENT);
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    let mut copies = Copies::default();
    for (account, participant) in &call.participants {
        let Some(account) = ctx.accounts.get_mut(account) else { continue };
        let Some(resource) = participant.jid.resource() else { continue };
        ctx.touched.push(Entity::Account(account.id));
        if let Some(session) = account.session_mut(resource) {
            copies.add(session, &bytes, None, ctx.effects);
        }
    }
    copies.send(&bytes, ctx.effects);
}

/// Tells one participant.
pub(super) fn tell_one(ctx: &mut RoomContext<'_>, to: &Jid, told: Element) {
    let message = message(ctx, "headline", &ctx.room.jid, told);
    ctx.send_element(to, &message);
}

/// Tells a device that it is out of the call, and why.
pub(super) fn tell_out(ctx: &mut RoomContext<'_>, to: &Jid, why: &'static str) {
    let id = ctx.room.calls.current.as_deref().and_then(|call| call.id);
    tell_out_of(ctx, id, to, why);
}

/// As [`tell_out`], of a call that is no more.
pub(super) fn tell_out_of(
    ctx: &mut RoomContext<'_>,
    id: Option<MessageId>,
    to: &Jid,
    why: &'static str,
) {
    let out = Element::new("out", NS).with_attr("reason", why);
    tell_one(ctx, to, named(id).with_child(out));
}

/// Asks all participants to join again.
pub(super) fn tell_to_rejoin(ctx: &mut RoomContext<'_>) {
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    let (id, awaited) = (call.id, call.participants.values());
    let awaited: Vec<Jid> = awaited
        .filter(|participant| matches!(participant.signalling, Signalling::Awaited { .. }))
        .map(|participant| participant.jid.clone())
        .collect();
    for jid in awaited {
        tell_one(ctx, &jid, named(id).with_child(Element::new("rejoin", NS)));
    }
}

/// Tells all members' devices what an account does about the invitation (XEP-0482), also those at
/// which nobody looks: they ring.
pub(super) fn tell_members(
    ctx: &mut RoomContext<'_>,
    account: AccountId,
    what: &'static str,
    why: Option<Element>,
) {
    let Some(call) = ctx.room.calls.current.as_deref() else { return };
    let Some(id) = call.id else { return };
    let Some(member) = ctx.room.members.get(&account) else { return };
    let from = ctx.room.occupant_jid(&member.nick);
    let verdict = Element::new(what, ns::CALL_INVITES).with_attr("id", id.to_string());
    let verdict = verdict.with_child(Element::new("call", NS));
    let ours = Element::new(what, NS).with_attr("jid", jid_of(ctx.config, account).as_str());
    let told = named(Some(id)).with_child(ours.with_children(why));
    let message = message(ctx, "groupchat", &from, told).with_child(verdict);
    let bytes = message.to_bytes(ns::CLIENT);
    let (room, mut copies) = (ctx.room.id, Copies::default());
    let hears = |session: &&mut Session| {
        session.takes_messages() && (session.takes_groups || session.has_joined(room))
    };
    for member in ctx.room.members.keys() {
        let Some(account) = ctx.accounts.get_mut(member) else { continue };
        ctx.touched.push(Entity::Account(*member));
        for session in account.sessions.iter_mut().filter(hears) {
            copies.add(session, &bytes, None, ctx.effects);
        }
    }
    copies.send(&bytes, ctx.effects);
}

/// The element by which the room speaks of a call.
pub(super) fn named(id: Option<MessageId>) -> Element {
    let call = Element::new("call", NS);
    match id {
        Some(id) => call.with_attr("id", id.to_string()),
        None => call,
    }
}

fn message(ctx: &RoomContext<'_>, kind: &'static str, from: &Jid, told: Element) -> Element {
    debug_assert!(from.bare_str() == ctx.room.jid.as_str(), "the room speaks for itself");
    Element::new("message", ns::CLIENT)
        .with_attr("type", kind)
        .with_attr("from", from.as_str())
        .with_child(told)
        .with_child(Element::new("no-store", ns::HINTS))
}
