//! XEP-0466 Ephemeral Messages: the archives forget a message when its time is over.
//!
//! Clients count from when a message is seen; the server, which does not see that, counts from when
//! it accepted the message.

use super::{Feature, Flow, MessageOut};
use crate::context::Context;
use crate::ns;
use crate::stanza::{Stanza, StanzaError};
use crate::time::Now;

pub(super) const FEATURE: Feature =
    Feature { message_out: Some(note_end), ..Feature::named("ephemeral") };

/// Notes when the message leaves the archives.
fn note_end(ctx: &mut Context<'_>, out: &mut MessageOut<'_>) -> Result<Flow, StanzaError> {
    if let Some(end_unix_ms) = end_of(out.stanza, ctx.now)? {
        out.expires_unix_ms =
            Some(out.expires_unix_ms.map_or(end_unix_ms, |end| end.min(end_unix_ms)));
    }
    Ok(Flow::Pass)
}

/// When the message ends by what it says, in milliseconds since 1970.
///
/// # Errors
/// `bad-request` where it says something, and nothing that can be read.
pub(crate) fn end_of(stanza: &Stanza, now: Now) -> Result<Option<u64>, StanzaError> {
    let Some(ephemeral) = stanza.find("ephemeral", ns::EPHEMERAL) else { return Ok(None) };
    // Who asks for an end must not get none because of a slip.
    let timer_s = ephemeral.attr("timer").and_then(|timer| timer.trim().parse::<u32>().ok());
    let timer_s = timer_s.ok_or_else(StanzaError::bad_request)?;
    // The text says nothing of 0: it ends the agreement, not the message.
    Ok((timer_s > 0).then(|| now.unix_ms + u64::from(timer_s) * 1000))
}

/// Messages whose time is over are removed this often.
pub(crate) const REMOVE_EXPIRED_EVERY_MS: u64 = 60_000;
