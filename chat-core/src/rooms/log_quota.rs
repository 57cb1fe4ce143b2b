//! RFC 6120 8.3.3.18: a room's log has room for so many bytes, as an account's archive has
//! (`features/archive_quota.rs`). What members write is refused above it. What the room itself
//! says, of its members and of its group (RFC 9420), always has room: nobody could leave otherwise.

use super::RoomContext;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Query};

/// Whether the log takes a further message of a member.
pub(super) fn check(ctx: &mut RoomContext<'_>) -> Result<(), StanzaError> {
    let bytes_max = ctx.config.group_archive_bytes_max;
    if bytes_max.is_none_or(|bytes_max| ctx.room.logged_bytes < bytes_max) {
        return Ok(());
    }
    recount(ctx);
    Err(StanzaError::resource_constraint().with_text(FULL))
}

/// Messages go when their time is over, which storage alone knows.
fn recount(ctx: &mut RoomContext<'_>) {
    ctx.ask(Query::ArchivedBytes(ctx.room.id.owner()), |ctx, answer| {
        if let Ok(Answer::ArchivedBytes(bytes)) = answer {
            ctx.room.logged_bytes = bytes;
        }
    });
}

/// As the sender is told.
const FULL: &str = "The group's archive is full.";
