//! XEP-0198 5: what a client was told is handled stays handled after a crash.
//!
//! A client repeats what lies above the `h` of `<failed/>`, so that `h` must never be below one that
//! it was told before. Each stored message carries the `h` of its stream, and after it an `<a/>`
//! costs nothing. Other stanzas leave nothing on disk: where they lie above the last stored `h`, it
//! is written for the `<r/>` that asks, and the `<a/>` waits behind that commit as every output
//! does. A stream has that once a second at most. If it asks again meanwhile, it is told at once
//! what is durable (XEP-0198 4 forbids to withhold the answer, not to have handled less), and the
//! rest by the next tick: an `<a/>` may come unasked.

use super::{Feature, State};
use crate::account::Account;
use crate::context::Context;
use crate::id::StreamId;
use crate::transaction::Write;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature { load: Some(load), ..Feature::named(NAME) };

/// The newest `h` that each device was told beyond its stored messages.
#[derive(Debug, Default)]
pub struct Handled(Vec<Told>);

#[derive(Debug)]
struct Told {
    device: Box<str>,
    /// The number in the resumption id.
    stream: u64,
    handled: u32,
}

impl Handled {
    /// The `h` of a stream, given that of its last stored message.
    pub(crate) fn newest(&self, stream: u64, stored: Option<u32>) -> Option<u32> {
        let told = self.0.iter().find(|told| told.stream == stream).map(|told| told.handled);
        match (stored, told) {
            // Counts wrap: the one that is less than half of them ahead is the newer one.
            (Some(stored), Some(told)) if told.wrapping_sub(stored) > u32::MAX / 2 => Some(stored),
            (stored, told) => told.or(stored),
        }
    }

    fn set(&mut self, new: Told) {
        self.0.retain(|told| told.device != new.device);
        self.0.push(new);
    }
}

/// Answers `<r/>`.
pub(crate) fn answer(ctx: &mut Context<'_>, stream: StreamId) {
    let now_ms = ctx.now.elapsed_ms;
    let Some(session) = ctx.account.session_of_mut(stream) else { return };
    let Some(management) = &mut session.management else { return };
    if management.may_store_handled(now_ms) {
        store(ctx, stream);
    }
    send(ctx, stream);
}

/// Tells the clients that asked, and were told less than is handled, of the rest.
pub(crate) fn answer_late(ctx: &mut Context<'_>) {
    let owes = |session: &&crate::session::Session| session.owes_acknowledgement();
    let streams: Vec<StreamId> =
        ctx.account.sessions.iter().filter(owes).filter_map(|session| session.stream).collect();
    for stream in streams {
        store(ctx, stream);
        send(ctx, stream);
    }
}

/// Has all that a stream's session has handled outlast a crash, if anything does not yet.
pub(crate) fn store(ctx: &mut Context<'_>, stream: StreamId) {
    let write = outlast(ctx.account, stream, ctx.now.elapsed_ms);
    ctx.effects.writes.extend(write);
}

/// The write by which that outlasts a crash.
pub(crate) fn outlast(account: &mut Account, stream: StreamId, now_ms: u64) -> Option<Write> {
    let session = account.session_of_mut(stream)?;
    let device: Box<str> = session.resource().into();
    let management = session.management.as_mut()?;
    if management.is_handled_stored() {
        return None;
    }
    management.note_handled_stored(now_ms);
    let told = Told { device, stream: management.key(), handled: management.handled() };
    let record = Element::new("handled", NS)
        .with_attr("stream", told.stream.to_string())
        .with_attr("h", told.handled.to_string());
    let (account_id, key) = (account.id, told.device.clone());
    account.state.handled.set(told);
    let value = record.to_bytes("");
    Some(Write::Put { account: account_id, feature: NAME, key, value })
}

/// A device is forgotten.
pub(crate) fn forget(ctx: &mut Context<'_>, device: &str) {
    let known = &mut ctx.account.state.handled.0;
    let before = known.len();
    known.retain(|told| *told.device != *device);
    if known.len() < before {
        ctx.remove(NAME, device);
    }
}

fn send(ctx: &mut Context<'_>, stream: StreamId) {
    let Some(session) = ctx.account.session_of_mut(stream) else { return };
    let Some(management) = &mut session.management else { return };
    let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", management.answer());
    ctx.send_uncounted(stream, answer.into());
}

fn load(state: &mut State, device: &str, value: &Element) {
    let number = |name| value.attr(name).and_then(|number| number.parse::<u64>().ok());
    let handled = number("h").and_then(|handled| u32::try_from(handled).ok());
    if let (Some(stream), Some(handled)) = (number("stream"), handled) {
        state.handled.set(Told { device: device.into(), stream, handled });
    }
}

const NAME: &str = "handled";
/// Of records only; it never travels.
const NS: &str = "urn:whimbrel:handled:0";
