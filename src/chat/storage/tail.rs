//! The tail: the newest messages, which archives do not list yet, or not all of them.
//!
//! Its rows stay in memory from question to question, and at the writer from commit to commit:
//! within a tail rows are only added, and whatever removes one lists the tail first.

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use rusqlite::{Connection, Row};

use super::conversations::Conversation;
use super::listing::Listing;
use super::numbers::{Account, Bits, Message, unix_ms};

/// The rows behind what all archives list.
#[derive(Debug)]
pub(super) struct Tail {
    listing: Listing,
    rows: Vec<TailRow>,
}

/// A message, whoever has it.
#[derive(Debug)]
pub(super) struct TailRow {
    pub id: MessageId,
    pub sent: Option<Place>,
    pub received: Option<Place>,
    pub stream: Option<u64>,
    pub handled: Option<u32>,
    pub digest: Option<u64>,
    pub is_unique: bool,
    pub expires_unix_ms: Option<u64>,
    /// Of the stanza.
    pub bytes: u32,
}

/// An account that has the message, and in which conversation.
pub(super) type Place = (AccountId, Conversation);

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
    pub bytes: u32,
}

impl Tail {
    /// Reads what the open transaction sees.
    pub fn refresh(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.set_listing(Listing::read(connection)?);
        let mut query = connection.prepare_cached(
            "SELECT id, sender, sent_in, receiver, received_in, stream, handled, digest,
                is_unique, expires, length(stanza)
             FROM message WHERE id > ?1 ORDER BY id",
        )?;
        for row in query.query_map([Message(self.newest())], read_row)? {
            self.rows.push(row?);
        }
        Ok(())
    }

    /// Adds a message, which is newer than all others.
    pub fn push(&mut self, row: TailRow) {
        self.rows.push(row);
    }

    /// How many messages there are that not all archives list.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has a message whose end has come.
    pub fn is_any_expired(&self, until_unix_ms: u64) -> bool {
        let is_over = |expires: u64| expires <= until_unix_ms;
        self.rows.iter().any(|row| row.expires_unix_ms.is_some_and(is_over))
    }

    /// The newest message, in the tail or before it.
    pub fn newest(&self) -> MessageId {
        self.rows.last().map_or(self.listing.settled(), |row| row.id)
    }

    pub fn listing(&self) -> Listing {
        self.listing
    }

    /// Forgets what all archives list now.
    pub fn set_listing(&mut self, listing: Listing) {
        let settled = listing.settled();
        if settled != self.listing.settled() {
            self.rows.drain(..self.rows.partition_point(|row| row.id <= settled));
        }
        self.listing = listing;
    }

    /// What is not listed of any account, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (AccountId, Entry)> {
        let accounts = |row: &TailRow| [row.sent, row.received].into_iter().flatten();
        let entries = self.rows.iter().flat_map(move |row| {
            accounts(row).filter_map(|(account, _)| Some((account, row.entry_of(account)?)))
        });
        entries.filter(|(account, entry)| entry.id > self.listing.of(*account))
    }

    /// What is not listed of an account, oldest first.
    pub fn of(&self, account: AccountId) -> impl DoubleEndedIterator<Item = Entry> {
        let listed = self.listing.of(account);
        let rows = &self.rows[self.rows.partition_point(|row| row.id <= listed)..];
        rows.iter().filter_map(move |row| row.entry_of(account))
    }
}

impl Default for Tail {
    fn default() -> Self {
        Self { listing: Listing::settled_at(MessageId::FIRST), rows: Vec::new() }
    }
}

impl TailRow {
    fn entry_of(&self, account: AccountId) -> Option<Entry> {
        let of = |side: Option<Place>| {
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
            bytes: self.bytes,
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
        bytes: row.get(10)?,
    })
}
