//! Rows of messages: one each, whoever has it, and an entry for each archive that lists it.
//!
//! Listing a message at once would change a page of four trees beside the message's own, all at
//! random places: five times the writing, for one message. So a message comes with its entries in
//! its own row, behind all others; this *tail* is read on its own, and listed in `archive` and
//! `conversed` once it is long, sorted, so that entries share their pages' writing.

use chat_core::id::MessageId;
use chat_core::transaction::{ArchiveEntry, NewMessage, StorageError};
use rusqlite::{Connection, params};

use super::accounts::no_account;
use super::conversations::{Conversation, Conversations};
use super::error::WriteError;
use super::numbers::{Account, Bits, Message, moment};

/// An account that has the message, and in which conversation.
type Place = (Account, Conversation);

pub(super) fn append(
    connection: &Connection,
    conversations: &mut Conversations,
    message: &NewMessage,
) -> Result<(), WriteError> {
    let (sent, received) = sides(&message.entries).ok_or_else(|| unfit(message.id))?;
    let mut enter = |entry: Option<&ArchiveEntry>| -> Result<Option<Place>, WriteError> {
        let Some(ArchiveEntry { account, peer, .. }) = entry else { return Ok(None) };
        let conversation = conversations.enter(connection, *account, peer)?;
        let conversation = conversation.ok_or_else(|| no_account(*account))?;
        Ok(Some((Account(*account), conversation)))
    };
    let (sent, received) = (enter(sent)?, enter(received)?);
    let origin = message.origin;
    let digest = origin.map(|origin| origin.digest).filter(|digest| *digest != 0);
    connection
        .prepare_cached(
            "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            Message(message.id),
            sent.map(|(account, _)| account),
            sent.map(|(_, conversation)| conversation),
            received.map(|(account, _)| account),
            received.map(|(_, conversation)| conversation),
            origin.map(|origin| origin.stream).filter(|stream| *stream != 0).map(Bits),
            origin.map(|origin| origin.handled),
            digest.map(Bits),
            origin.map(|origin| origin.is_unique),
            message.expires_unix_ms.map(moment),
            &message.stanza[..],
        ])?;
    Ok(())
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

/// Lists the tail in archive and conversed. Gives the newest message.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<MessageId> {
    let settled = settled(connection)?;
    connection
        .prepare_cached(
            "INSERT INTO archive
             SELECT sender, id, sent_in, 1, expires, stream, handled, iif(is_unique, digest, NULL)
             FROM message WHERE id > ?1 AND sender IS NOT NULL
             UNION ALL
             SELECT receiver, id, received_in, 0, expires, iif(sender IS NULL, stream, NULL),
                 iif(sender IS NULL, handled, NULL),
                 iif(sender IS NULL AND is_unique, digest, NULL)
             FROM message WHERE id > ?1 AND receiver IS NOT NULL
             ORDER BY 1, 2",
        )?
        .execute([Message(settled)])?;
    connection
        .prepare_cached(
            "INSERT INTO conversed
             SELECT sent_in, id, 1, expires, digest
             FROM message WHERE id > ?1 AND sender IS NOT NULL
             UNION ALL
             SELECT received_in, id, 0, expires, digest
             FROM message WHERE id > ?1 AND receiver IS NOT NULL
             ORDER BY 1, 2",
        )?
        .execute([Message(settled)])?;
    let newest = newest(connection)?;
    connection
        .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'settled' AND value <> ?1")?
        .execute([Message(newest)])?;
    Ok(newest)
}

/// The newest message that was ever listed.
pub(super) fn settled(connection: &Connection) -> rusqlite::Result<MessageId> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'settled'")?
        .query_row([], |row| row.get(0))
        .map(|Message(id)| id)
}

/// The newest message that was ever stored. (The tail is listed before any is removed, so what is
/// listed does not go back.)
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<MessageId> {
    let stored = connection
        .prepare_cached("SELECT max(id) FROM message")?
        .query_row([], |row| row.get::<_, Option<Message>>(0))?;
    Ok(settled(connection)?.max(stored.map_or(MessageId::FIRST, |Message(id)| id)))
}

/// How many messages are in the tail.
pub(super) fn tail_len(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row(
        "SELECT count(*) FROM message WHERE id > (SELECT value FROM meta WHERE name = 'settled')",
        [],
        |row| row.get(0),
    )
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
