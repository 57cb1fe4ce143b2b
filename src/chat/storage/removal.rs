//! Removal of messages from archives: at once where there are few, else step by step, so that no
//! commit is long. What is still to be removed is in no answer any more.
//!
//! What it removes has been listed before: a tail only grows.

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use super::accounts;
use super::conversations::{self, Conversation};
use super::numbers::{Account, Message, moment};

/// Messages that one step removes.
pub(super) const STEP_MESSAGES_MAX: u32 = 512;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Messages that it removed.
    pub removed: u32,
    /// A conversation is no more.
    pub ended_conversation: bool,
}

/// Takes messages out of one archive; unknown ones are passed over.
pub(super) fn remove_archived(
    connection: &Connection,
    account: AccountId,
    ids: &[MessageId],
) -> rusqlite::Result<Step> {
    let mut step = Step::default();
    let mut conversations = Vec::new();
    for id in ids {
        if let Some(conversation) = remove_from_archive(connection, account, *id)? {
            remove_from_conversation(connection, conversation, *id)?;
            release(connection, account, *id)?;
            conversations.push(conversation);
            step.removed += 1;
        }
    }
    step.ended_conversation = end_empty(connection, conversations)?;
    Ok(step)
}

/// Has a conversation removed up to a message.
pub(super) fn leave_conversation(
    connection: &Connection,
    account: AccountId,
    peer: &str,
    until: MessageId,
) -> rusqlite::Result<()> {
    let Some(conversation) = conversations::find(connection, account, peer)? else {
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT INTO leaving VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
        )?
        .execute(params![Account(account), conversation, Message(until)])?;
    Ok(())
}

/// Has all conversations of an account removed.
pub(super) fn leave_all(connection: &Connection, account: AccountId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO leaving SELECT account, id, ?2 FROM conversation
             WHERE account = ?1",
        )?
        .execute(params![Account(account), i64::MAX])?;
    Ok(())
}

/// Whether something is to be removed that no answer shows any more.
pub(super) fn is_leaving(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM leaving")?.exists([])
}

/// Removes a part of what is leaving.
pub(super) fn remove_leaving(connection: &Connection) -> rusqlite::Result<Step> {
    let mut step = Step::default();
    while step.removed < STEP_MESSAGES_MAX {
        let next = connection
            .prepare_cached("SELECT account, conversation, until FROM leaving LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((Account(account), conversation, Message(until))) = next else { break };
        let ids = first_of(connection, conversation, until, STEP_MESSAGES_MAX - step.removed)?;
        for id in &ids {
            remove_from_archive(connection, account, *id)?;
            remove_from_conversation(connection, conversation, *id)?;
            release(connection, account, *id)?;
        }
        step.removed += ids.len() as u32;
        if step.removed < STEP_MESSAGES_MAX {
            connection
                .prepare_cached("DELETE FROM leaving WHERE account = ?1 AND conversation = ?2")?
                .execute(params![Account(account), conversation])?;
            step.ended_conversation |= end_empty(connection, vec![conversation])?;
            // An account of a thousand empty conversations shall not make a long step either.
            step.removed += 1;
        }
    }
    Ok(step)
}

/// Whether a message's end has come.
pub(super) fn is_any_expired(
    connection: &Connection,
    until_unix_ms: u64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM message WHERE expires <= ?1")?
        .exists([moment(until_unix_ms)])
}

/// Removes some of the messages whose end has come, from all archives.
pub(super) fn remove_expired(
    connection: &Connection,
    until_unix_ms: u64,
) -> rusqlite::Result<Step> {
    type Side = (Option<Account>, Option<Conversation>);
    let mut expired = connection.prepare_cached(
        "SELECT id, sender, sent_in, receiver, received_in FROM message
         WHERE expires <= ?1 ORDER BY expires LIMIT ?2",
    )?;
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(Message, [Side; 2])> {
        Ok((row.get(0)?, [(row.get(1)?, row.get(2)?), (row.get(3)?, row.get(4)?)]))
    };
    let expired = expired
        .query_map(params![moment(until_unix_ms), STEP_MESSAGES_MAX], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut conversations = Vec::new();
    for (Message(id), sides) in &expired {
        for (account, conversation) in sides {
            let (Some(Account(account)), Some(conversation)) = (account, conversation) else {
                continue;
            };
            remove_from_archive(connection, *account, *id)?;
            remove_from_conversation(connection, *conversation, *id)?;
            conversations.push(*conversation);
        }
        connection.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([Message(*id)])?;
    }
    let ended_conversation = end_empty(connection, conversations)?;
    Ok(Step { removed: expired.len() as u32, ended_conversation })
}

fn first_of(
    connection: &Connection,
    conversation: Conversation,
    until: MessageId,
    ids_max: u32,
) -> rusqlite::Result<Vec<MessageId>> {
    connection
        .prepare_cached(
            "SELECT id FROM conversed WHERE conversation = ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
        )?
        .query_map(params![conversation, Message(until), ids_max], |row| {
            row.get(0).map(|Message(id)| id)
        })?
        .collect()
}

fn remove_from_archive(
    connection: &Connection,
    account: AccountId,
    id: MessageId,
) -> rusqlite::Result<Option<Conversation>> {
    let removed: Option<(Conversation, i64)> = connection
        .prepare_cached(
            "DELETE FROM archive WHERE account = ?1 AND id = ?2 RETURNING conversation, bytes",
        )?
        .query_row(params![Account(account), Message(id)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((conversation, bytes)) = removed else { return Ok(None) };
    accounts::count_archived(connection, account, -bytes)?;
    Ok(Some(conversation))
}

fn remove_from_conversation(
    connection: &Connection,
    conversation: Conversation,
    id: MessageId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM conversed WHERE conversation = ?1 AND id = ?2")?
        .execute(params![conversation, Message(id)])?;
    Ok(())
}

/// Notes that an archive no longer has the message, which goes with the last one.
fn release(connection: &Connection, account: AccountId, id: MessageId) -> rusqlite::Result<()> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM message WHERE id = ?2
             AND (sender IS NULL OR sender = ?1) AND (receiver IS NULL OR receiver = ?1)",
        )?
        .execute(params![Account(account), Message(id)])?;
    if gone > 0 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE message SET
                sent_in = iif(sender = ?1, NULL, sent_in), sender = nullif(sender, ?1),
                received_in = iif(receiver = ?1, NULL, received_in), receiver = nullif(receiver, ?1)
             WHERE id = ?2",
        )?
        .execute(params![Account(account), Message(id)])?;
    Ok(())
}

/// Forgets those of the conversations that have no message any more. Says whether it did.
fn end_empty(
    connection: &Connection,
    mut conversations: Vec<Conversation>,
) -> rusqlite::Result<bool> {
    conversations.sort_unstable();
    conversations.dedup();
    let mut end = connection.prepare_cached(
        "DELETE FROM conversation WHERE id = ?1
         AND NOT EXISTS (SELECT 1 FROM conversed WHERE conversation = ?1)
         AND NOT EXISTS (SELECT 1 FROM leaving
                         WHERE account = conversation.account AND conversation = ?1)",
    )?;
    let mut ended = 0;
    for conversation in conversations {
        ended += end.execute([conversation])?;
    }
    Ok(ended > 0)
}
