//! XEP-0466 Ephemeral Messages: the archives forget a message when its time is over.
//!
//! Clients count from when a message is seen; the server, which does not see that, counts from when
//! it accepted the message.

use super::{Feature, Flow, MessageOut};
use crate::context::Context;
use crate::ns;
use crate::stanza::StanzaError;

pub(super) const FEATURE: Feature =
    Feature { message_out: Some(note_end), ..Feature::named("ephemeral") };

/// Notes when the message leaves the archives.
fn note_end(ctx: &mut Context<'_>, out: &mut MessageOut<'_>) -> Result<Flow, StanzaError> {
    let Some(ephemeral) = out.stanza.find("ephemeral", ns::EPHEMERAL) else {
        return Ok(Flow::Pass);
    };
    // Who asks for an end must not get none because of a slip.
    let timer_s = ephemeral.attr("timer").and_then(|timer| timer.trim().parse::<u32>().ok());
    let timer_s = timer_s.ok_or_else(StanzaError::bad_request)?;
    // The text says nothing of 0: it ends the agreement, not the message.
    if timer_s > 0 {
        let end_unix_ms = ctx.now.unix_ms + u64::from(timer_s) * 1000;
        out.expires_unix_ms =
            Some(out.expires_unix_ms.map_or(end_unix_ms, |end| end.min(end_unix_ms)));
    }
    Ok(Flow::Pass)
}

/// Messages whose time is over are removed this often.
pub(crate) const REMOVE_EXPIRED_EVERY_MS: u64 = 60_000;
