//! XEP-0352 Client State Indication: while nobody looks, presence waits, the newest of each sender.

use bytes::Bytes;

use super::Feature;
use crate::context::Context;
use crate::id::StreamId;
use crate::jid::Jid;
use crate::session::Session;

pub(super) const FEATURE: Feature = Feature::named("client-state");

/// The client said `<active/>` or `<inactive/>`.
pub(crate) fn set_inactive(ctx: &mut Context<'_>, stream: StreamId, is_inactive: bool) {
    let Some(session) = ctx.account.session_of_mut(stream) else { return };
    session.is_inactive = is_inactive;
    if !is_inactive {
        flush(ctx, stream);
    }
}

/// Keeps presence back from a session that nobody looks at. Says whether it did.
pub(crate) fn hold_presence(session: &mut Session, from: &Jid, stanza: &Bytes) -> bool {
    if !session.is_inactive {
        return false;
    }
    let held = &mut session.extra_mut().held_presence;
    let place = held.iter().position(|(sender, _)| sender == from);
    match place {
        Some(place) => held[place].1 = stanza.clone(),
        None if held.len() == HELD_MAX => return false,
        None => held.push((from.clone(), stanza.clone())),
    }
    true
}

/// Sends what was held back, before something that must not overtake it.
pub(crate) fn flush(ctx: &mut Context<'_>, stream: StreamId) {
    let Some(session) = ctx.account.session_of_mut(stream) else { return };
    let Some(extra) = &mut session.extra else { return };
    let held = std::mem::take(&mut extra.held_presence);
    let resource = session.resource().to_owned();
    for (_, stanza) in held {
        ctx.send(&resource, stanza, None);
    }
}

/// Senders whose presence is held back for one session.
const HELD_MAX: usize = 512;
