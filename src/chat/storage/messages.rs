//! Rows of messages: one each, whoever has it, and an entry for each archive that lists it.
//!
//! Listing a message at once would change a page of four trees beside the message's own, all at
//! random places: five times the writing, for one message. So a message comes with its entries in
//! its own row, behind all others; this *tail* is read on its own, and listed in `archive` and
//! `conversed` once it is long, account by account, so that entries share their pages' writing.

use chat_core::id::MessageId;
use chat_core::transaction::{ArchiveEntry, NewMessage, StorageError};
use rusqlite::{Connection, params};

use super::accounts::no_account;
use super::conversations::Conversations;
use super::error::WriteError;
use super::numbers::{Account, Bits, Message, moment};
use super::tail::{Place, TailRow};

/// Stores a message, and gives its row as the tail has it.
pub(super) fn append(
    connection: &Connection,
    conversations: &mut Conversations,
    message: &NewMessage,
) -> Result<TailRow, WriteError> {
    let (sent, received) = sides(&message.entries).ok_or_else(|| unfit(message.id))?;
    let mut enter = |entry: Option<&ArchiveEntry>| -> Result<Option<Place>, WriteError> {
        let Some(ArchiveEntry { account, peer, .. }) = entry else { return Ok(None) };
        let conversation = conversations.enter(connection, *account, peer)?;
        let conversation = conversation.ok_or_else(|| no_account(*account))?;
        Ok(Some((*account, conversation)))
    };
    let (sent, received) = (enter(sent)?, enter(received)?);
    let origin = message.origin;
    let row = TailRow {
        id: message.id,
        sent,
        received,
        stream: origin.map(|origin| origin.stream).filter(|stream| *stream != 0),
        handled: origin.map(|origin| origin.handled),
        digest: origin.map(|origin| origin.digest).filter(|digest| *digest != 0),
        is_unique: origin.is_some_and(|origin| origin.is_unique),
        expires_unix_ms: message.expires_unix_ms,
        bytes: u32::try_from(message.stanza.len()).unwrap_or(u32::MAX),
    };
    connection
        .prepare_cached(
            "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            Message(row.id),
            row.sent.map(|(account, _)| Account(account)),
            row.sent.map(|(_, conversation)| conversation),
            row.received.map(|(account, _)| Account(account)),
            row.received.map(|(_, conversation)| conversation),
            row.stream.map(Bits),
            row.handled,
            row.digest.map(Bits),
            origin.map(|origin| origin.is_unique),
            row.expires_unix_ms.map(moment),
            &message.stanza[..],
        ])?;
    Ok(row)
}

pub(super) fn replace(
    connection: &Connection,
    id: MessageId,
    stanza: &[u8],
) -> Result<(), WriteError> {
    connection
        .prepare_cached("UPDATE message SET stanza = ?2 WHERE id = ?1")?
        .execute(params![Message(id), stanza])?;
    Ok(())
}

/// Sender's and receiver's entry, if they are what a message can have.
fn sides(entries: &[ArchiveEntry]) -> Option<(Option<&ArchiveEntry>, Option<&ArchiveEntry>)> {
    match entries {
        [] => Some((None, None)),
        [sent] if sent.is_outgoing => Some((Some(sent), None)),
        [received] => Some((None, Some(received))),
        [one, other] if one.is_outgoing != other.is_outgoing && one.account != other.account => {
            let (sent, received) = if one.is_outgoing { (one, other) } else { (other, one) };
            Some((Some(sent), Some(received)))
        }
        _ => None,
    }
}

fn unfit(id: MessageId) -> WriteError {
    WriteError::Refused(StorageError::Failed {
        reason: format!("message {id} is for other archives than a sender's and a receiver's"),
    })
}
