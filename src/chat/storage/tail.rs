//! The tail as a reader sees it: the newest messages, which no archive lists yet.
//!
//! Its rows stay in memory from question to question: within a tail rows are only added, and
//! whatever removes one lists the tail first.

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use rusqlite::{Connection, Row};

use super::conversations::Conversation;
use super::messages;
use super::numbers::{Account, Bits, Message, unix_ms};

/// The rows behind what is listed.
#[derive(Debug, Default)]
pub(super) struct Tail {
    settled: MessageId,
    rows: Vec<TailRow>,
}

#[derive(Debug)]
struct TailRow {
    id: MessageId,
    sent: Option<(AccountId, Conversation)>,
    received: Option<(AccountId, Conversation)>,
    stream: Option<u64>,
    handled: Option<u32>,
    digest: Option<u64>,
    is_unique: bool,
    expires_unix_ms: Option<u64>,
}

/// A message of the tail as one account has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub id: MessageId,
    pub conversation: Conversation,
    pub is_outgoing: bool,
    /// Of a message that the account wrote.
    pub stream: Option<u64>,
    /// Of a message that the account wrote.
    pub handled: Option<u32>,
    pub digest: Option<u64>,
    /// Of a message that the account wrote.
    pub is_unique: bool,
    pub expires_unix_ms: Option<u64>,
}

impl Tail {
    /// Reads what the open transaction sees.
    pub fn refresh(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let settled = messages::settled(connection)?;
        if settled != self.settled {
            self.rows.clear();
            self.settled = settled;
        }
        let known = self.rows.last().map_or(settled, |row| row.id);
        let mut query = connection.prepare_cached(
            "SELECT id, sender, sent_in, receiver, received_in, stream, handled, digest,
                is_unique, expires
             FROM message WHERE id > ?1 ORDER BY id",
        )?;
        for row in query.query_map([Message(known)], read_row)? {
            self.rows.push(row?);
        }
        Ok(())
    }

    /// What an account has, oldest first.
    pub fn of(&self, account: AccountId) -> impl DoubleEndedIterator<Item = Entry> {
        self.rows.iter().filter_map(move |row| row.entry_of(account))
    }
}

impl TailRow {
    fn entry_of(&self, account: AccountId) -> Option<Entry> {
        let of = |side: Option<(AccountId, Conversation)>| {
            side.filter(|(of, _)| *of == account).map(|(_, conversation)| conversation)
        };
        let sent = of(self.sent);
        let conversation = sent.or(of(self.received))?;
        let is_outgoing = sent.is_some();
        // A message to oneself has a receiver only, who wrote it.
        let is_author = is_outgoing || self.sent.is_none();
        Some(Entry {
            id: self.id,
            conversation,
            is_outgoing,
            stream: self.stream.filter(|_| is_author),
            handled: self.handled.filter(|_| is_author),
            digest: self.digest,
            is_unique: self.is_unique && is_author,
            expires_unix_ms: self.expires_unix_ms,
        })
    }
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<TailRow> {
    let side = |account: usize, conversation: usize| -> rusqlite::Result<_> {
        let account: Option<Account> = row.get(account)?;
        Ok(account.map(|Account(id)| id).zip(row.get::<_, Option<Conversation>>(conversation)?))
    };
    Ok(TailRow {
        id: row.get(0).map(|Message(id)| id)?,
        sent: side(1, 2)?,
        received: side(3, 4)?,
        stream: row.get::<_, Option<Bits>>(5)?.map(|Bits(stream)| stream),
        handled: row.get(6)?,
        digest: row.get::<_, Option<Bits>>(7)?.map(|Bits(digest)| digest),
        is_unique: row.get::<_, Option<bool>>(8)?.unwrap_or(false),
        expires_unix_ms: row.get::<_, Option<i64>>(9)?.map(unix_ms),
    })
}
