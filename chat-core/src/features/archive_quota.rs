//! RFC 6120 8.3.3.18: an archive has room for so many bytes. A message from or to an account whose
//! archive is full is refused with `<resource-constraint/>`, and comes through again once its owner
//! has deleted some.

use super::{Feature, Flow, MessageIn};
use crate::context::Context;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Query};

pub(super) const FEATURE: Feature =
    Feature { message_in: Some(enter), ..Feature::named("archive quota") };

/// Whether the account's archive takes a further message.
pub(super) fn check(ctx: &mut Context<'_>) -> Result<(), StanzaError> {
    if !is_full(ctx) {
        return Ok(());
    }
    recount(ctx);
    Err(StanzaError::resource_constraint().with_text(FULL))
}

/// The account has removed messages from its archive.
pub(super) fn removed(ctx: &mut Context<'_>) {
    if is_full(ctx) {
        recount(ctx);
    }
}

fn enter(ctx: &mut Context<'_>, message: &mut MessageIn<'_>) -> Result<Flow, StanzaError> {
    // What comes from the account itself was checked when it left.
    if message.message.id.is_some() && !ctx.account.jid.is_bare_of(message.from) {
        check(ctx)?;
    }
    Ok(Flow::Pass)
}

fn is_full(ctx: &Context<'_>) -> bool {
    ctx.config.archive_bytes_max.is_some_and(|max| ctx.account.archived_bytes >= max)
}

/// What was removed is known to storage alone. While the archive is full nothing is added that the
/// answer could miss.
fn recount(ctx: &mut Context<'_>) {
    let query = Query::ArchivedBytes(ctx.account.id);
    ctx.ask(query, |ctx, answer| {
        if let Ok(Answer::ArchivedBytes(bytes)) = answer {
            ctx.account.archived_bytes = bytes;
        }
    });
}

/// As the sender is told.
const FULL: &str = "An archive is full: its owner has to delete messages.";
