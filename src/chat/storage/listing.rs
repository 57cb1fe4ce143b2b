//! How far the archives list messages, and the rounds in which that goes on.
//!
//! A round takes the tail as it is when the round begins, account by account, so that entries
//! which lie together are written together. It goes in steps, each a commit of its own, so that
//! no message waits for a whole round. What is listed of an account is always older than what is
//! not.

use std::cmp::Ordering;

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use rusqlite::{Connection, params};

use super::accounts;
use super::numbers::{Account, Bits, Message, moment};
use super::tail::{Entry, Tail};

/// Entries of one account that are written at once.
const TOGETHER_MAX: usize = 64;

/// Where the listing has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// All messages up to this one are listed.
    settled: MessageId,
    /// The last message of the round under way; `settled` if there is none.
    until: MessageId,
    /// The last entry that the round has listed.
    reached: (AccountId, MessageId),
}

impl Listing {
    /// Everything up to a message is listed, and no round is under way.
    pub fn settled_at(settled: MessageId) -> Self {
        let none = (AccountId::from_random(0), MessageId::FIRST);
        Self { settled, until: settled, reached: none }
    }

    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut query =
            connection.prepare_cached("SELECT settled, until, account, id FROM listing")?;
        query.query_row([], |row| {
            let message = |column: usize| row.get(column).map(|Message(id)| id);
            let reached = (row.get(2).map(|Account(id)| id)?, message(3)?);
            Ok(Self { settled: message(0)?, until: message(1)?, reached })
        })
    }

    pub fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let (account, id) = self.reached;
        let values =
            params![Message(self.settled), Message(self.until), Account(account), Message(id)];
        connection
            .prepare_cached("UPDATE listing SET settled = ?1, until = ?2, account = ?3, id = ?4")?
            .execute(values)
            .map(drop)
    }

    /// All messages up to this one are listed.
    pub fn settled(&self) -> MessageId {
        self.settled
    }

    pub fn is_round_under_way(&self) -> bool {
        self.until > self.settled
    }

    /// An account's messages up to this one are listed.
    pub fn of(&self, account: AccountId) -> MessageId {
        let (reached, id) = self.reached;
        match account.cmp(&reached) {
            _ if !self.is_round_under_way() => self.settled,
            Ordering::Less => self.until,
            Ordering::Equal => id.max(self.settled),
            Ordering::Greater => self.settled,
        }
    }
}

/// What a round has still to do.
#[derive(Debug)]
pub(super) struct Round {
    listing: Listing,
    /// By account and message.
    entries: Vec<(AccountId, Entry)>,
    listed: usize,
}

impl Round {
    /// Takes up the round that is under way, or begins one.
    pub fn of(tail: &Tail) -> Self {
        let mut listing = tail.listing();
        if !listing.is_round_under_way() {
            listing.until = tail.newest();
        }
        let mut entries: Vec<_> =
            tail.entries().filter(|(_, entry)| entry.id <= listing.until).collect();
        entries.sort_unstable_by_key(|(account, entry)| (*account, entry.id));
        Self { listing, entries, listed: 0 }
    }

    /// How far it has come.
    pub fn listing(&self) -> Listing {
        self.listing
    }

    /// Lists the next entries, of one account, and gives their number: none at its end.
    pub fn list_some(&mut self, connection: &Connection) -> rusqlite::Result<usize> {
        let rest = &mut self.entries[self.listed..];
        let first = rest.first().map(|(account, _)| *account);
        let is_of_first = |(account, _): &&(AccountId, Entry)| Some(*account) == first;
        let count = rest.iter().take(TOGETHER_MAX).take_while(is_of_first).count();
        let together = &mut rest[..count];
        if let Some((account, last)) = together.last() {
            self.listing.reached = (*account, last.id);
            let bytes = together.iter().map(|(_, entry)| i64::from(entry.bytes)).sum();
            accounts::count_archived(connection, *account, bytes)?;
        }
        list(connection, together)?;
        self.listed += count;
        if self.listed == self.entries.len() {
            self.listing = Listing::settled_at(self.listing.until);
        }
        Ok(count)
    }
}

/// Lists entries in archive and conversed.
fn list(connection: &Connection, entries: &mut [(AccountId, Entry)]) -> rusqlite::Result<()> {
    let mut archive = connection
        .prepare_cached("INSERT INTO archive VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for (account, entry) in &*entries {
        archive.execute(params![
            Account(*account),
            Message(entry.id),
            entry.conversation,
            entry.is_outgoing,
            entry.expires_unix_ms.map(moment),
            entry.stream.map(Bits),
            entry.handled,
            entry.digest.filter(|_| entry.is_unique).map(Bits),
            entry.bytes,
        ])?;
    }
    entries.sort_unstable_by_key(|(_, entry)| (entry.conversation, entry.id));
    let mut conversed =
        connection.prepare_cached("INSERT INTO conversed VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (_, entry) in &*entries {
        conversed.execute(params![
            entry.conversation,
            Message(entry.id),
            entry.is_outgoing,
            entry.expires_unix_ms.map(moment),
            entry.digest.map(Bits),
        ])?;
    }
    Ok(())
}
