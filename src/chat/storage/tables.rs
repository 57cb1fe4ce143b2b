//! The connection that writes, and what it keeps in memory of the tables.

use std::path::Path;
use std::time::{Duration, Instant};

use chat_core::mls::{ClaimedKeyPackage, KeyPackageClaim};
use chat_core::transaction::{NewMessage, StorageError, Write};
use rusqlite::Connection;

use super::conversations::Conversations;
use super::error::{OpenError, WriteError};
use super::listing::Round;
use super::numbers::Bits;
use super::removal::{self, Step};
use super::tail::Tail;
use super::{Start, accounts, groups, items, key_packages, messages, schema};

/// Messages in the tail before a round of listing begins. Longer tails write fewer pages a message;
/// writer and readers keep the tail's rows without their stanzas in memory.
const ROUND_MESSAGES_MIN: usize = 2048;
/// Messages in the tail above which listing no longer waits until nothing else is to be done.
pub(super) const TAIL_MESSAGES_MAX: usize = 4096;
/// Entries that are listed then for each message that comes; it has two at most, so that the tail
/// grows shorter.
const ENTRIES_PER_MESSAGE: usize = 4;
/// How long messages are listed before the next commit may begin, unless listing is late.
pub(super) const LISTING_TIME_MAX: Duration = Duration::from_micros(500);

/// When a commit is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Before it returns.
    AtCommit,
    /// With the next one that is durable itself; it may be lost with the power before.
    AtNextCommit,
}

/// The tables, as the only one sees them that writes.
pub(super) struct Tables {
    connection: Connection,
    conversations: Conversations,
    tail: Tail,
    /// The round of listing that is under way.
    round: Option<Round>,
    /// Entries that the next step of listing has to list.
    entries_due: usize,
    /// Messages that ended until then are still to be removed.
    expired_unix_ms: Option<u64>,
    /// Conversations are still to be removed.
    is_leaving: bool,
}

impl Tables {
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = schema::open_to_write(path)?;
        let mut tables = Self {
            connection,
            conversations: Conversations::default(),
            tail: Tail::default(),
            round: None,
            entries_due: 0,
            expired_unix_ms: None,
            is_leaving: false,
        };
        tables.look_again().map_err(OpenError::database(path))?;
        Ok(tables)
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn start(&self) -> rusqlite::Result<Start> {
        let incarnation = self.connection.query_row(
            "SELECT value FROM meta WHERE name = 'incarnation'",
            [],
            |row| row.get(0).map(|Bits(incarnation)| incarnation),
        )?;
        Ok(Start { incarnation, newest: self.tail.newest() })
    }

    /// Whether [`Self::list_step`] has something to do.
    pub fn is_listing_due(&self) -> bool {
        self.tail.len() >= ROUND_MESSAGES_MIN || self.tail.listing().is_round_under_way()
    }

    /// Whether it has to be done before other things.
    pub fn is_listing_late(&self) -> bool {
        self.tail.len() >= TAIL_MESSAGES_MAX
    }

    /// Whether [`Self::remove_step`] has something to do.
    pub fn has_leftovers(&self) -> bool {
        self.is_leaving || self.expired_unix_ms.is_some()
    }

    /// Reads anew what is kept in memory: after a rollback it may be wrong.
    pub fn look_again(&mut self) -> rusqlite::Result<()> {
        self.conversations.forget();
        self.tail = Tail::default();
        self.tail.refresh(&self.connection)?;
        self.round = None;
        self.entries_due = 0;
        self.is_leaving = removal::is_leaving(&self.connection)?;
        Ok(())
    }

    pub fn begin(&self) -> rusqlite::Result<()> {
        self.run("BEGIN IMMEDIATE")
    }

    pub fn commit(&self) -> rusqlite::Result<()> {
        self.run("COMMIT")
    }

    /// Undoes the open transaction, if SQLite has not done so by itself. Commits are durable again,
    /// whatever was under way.
    pub fn rollback(&mut self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            self.run("ROLLBACK")?;
        }
        self.set_durability(Durability::AtCommit)?;
        self.look_again()
    }

    /// When the commits that follow are on disk. Not within a transaction.
    pub fn set_durability(&self, durability: Durability) -> rusqlite::Result<()> {
        let synchronous = match durability {
            Durability::AtCommit => "FULL",
            Durability::AtNextCommit => "NORMAL",
        };
        self.connection.pragma_update(None, "synchronous", synchronous)
    }

    /// Carries out writes of which a refusal undoes all, and nothing else of the open transaction.
    pub fn carry_out_apart(&mut self, writes: &[Write]) -> Result<(), WriteError> {
        self.run("SAVEPOINT apart")?;
        let done = self.carry_out(writes);
        if let Err(WriteError::Refused(_)) = done {
            self.run("ROLLBACK TO apart")?;
            self.look_again()?;
        }
        // A failure ends the whole transaction.
        if !matches!(done, Err(WriteError::Failed(_))) {
            self.run("RELEASE apart")?;
        }
        done
    }

    /// Carries out writes within the open transaction.
    pub fn carry_out(&mut self, writes: &[Write]) -> Result<(), WriteError> {
        writes.iter().try_for_each(|write| self.write(write))
    }

    /// Takes key packages out of stock, in a transaction of its own.
    pub fn claim(&mut self, claim: &KeyPackageClaim) -> rusqlite::Result<Vec<ClaimedKeyPackage>> {
        self.begin()?;
        let claimed = key_packages::claim(&self.connection, claim)?;
        self.commit()?;
        Ok(claimed)
    }

    /// Lists the whole tail.
    pub fn settle(&mut self) -> rusqlite::Result<()> {
        while self.tail.len() > 0 {
            self.entries_due = usize::MAX;
            self.list_step(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Lists what is due, at least the entries of one account, and more while there is time.
    pub fn list_step(&mut self, time: Duration) -> rusqlite::Result<()> {
        let begun = Instant::now();
        let mut due = std::mem::take(&mut self.entries_due);
        let mut round = self.round.take().unwrap_or_else(|| Round::of(&self.tail));
        loop {
            let listed = round.list_some(&self.connection)?;
            due = due.saturating_sub(listed);
            if listed == 0 || (due == 0 && begun.elapsed() >= time) {
                break;
            }
        }
        let listing = round.listing();
        listing.write(&self.connection)?;
        self.tail.set_listing(listing);
        self.round = listing.is_round_under_way().then_some(round);
        Ok(())
    }

    /// Removes a bounded part of what is still to be removed.
    pub fn remove_step(&mut self) -> rusqlite::Result<()> {
        if let Some(until_unix_ms) = self.expired_unix_ms {
            self.expire_step(until_unix_ms)?;
        } else if self.is_leaving {
            self.settle()?;
            let step = removal::remove_leaving(&self.connection)?;
            self.heed(step);
            self.is_leaving = removal::is_leaving(&self.connection)?;
        }
        Ok(())
    }

    fn expire_step(&mut self, until_unix_ms: u64) -> rusqlite::Result<()> {
        // Answers leave out what is over, so nobody waits for this: the tail is listed in steps, too.
        if self.tail.is_any_expired(until_unix_ms) {
            return self.list_step(LISTING_TIME_MAX);
        }
        let step = removal::remove_expired(&self.connection, until_unix_ms)?;
        if step.removed < removal::STEP_MESSAGES_MAX {
            self.expired_unix_ms = None;
        }
        self.heed(step);
        Ok(())
    }

    fn write(&mut self, write: &Write) -> Result<(), WriteError> {
        let connection = &self.connection;
        match write {
            Write::CreateAccount { account, number, created_unix_ms } => {
                accounts::create(connection, *account, number.as_deref(), *created_unix_ms)
            }
            Write::CreateRoom { room, created_unix_ms } => {
                accounts::create_room(connection, *room, *created_unix_ms)
            }
            Write::DeleteAccount { account } => {
                self.settle()?;
                accounts::delete(&self.connection, *account)?;
                removal::leave_all(&self.connection, *account)?;
                self.conversations.forget();
                self.begin_leaving()
            }
            Write::SetNumber { account, number } => {
                accounts::set_number(connection, *account, number.as_deref())
            }
            Write::Put { account, feature, key, value } => {
                accounts::put(connection, *account, feature, key, value)
            }
            Write::PutForOther { account, feature, key, value } => {
                accounts::put_if_there(connection, *account, feature, key, value)
            }
            Write::Remove { account, feature, key } => {
                accounts::remove(connection, *account, feature, key)
            }
            Write::Append(message) => self.append(message),
            Write::ReplaceMessage { id, stanza } => messages::replace(connection, *id, stanza),
            Write::RemoveArchived { account, ids } => {
                self.settle()?;
                let step = removal::remove_archived(&self.connection, *account, ids)?;
                self.heed(step);
                Ok(())
            }
            Write::RemoveConversation { account, peer, until } => {
                self.settle()?;
                removal::leave_conversation(&self.connection, *account, peer, *until)?;
                self.begin_leaving()
            }
            Write::RemoveExpired { until_unix_ms } => self.begin_expiring(*until_unix_ms),
            Write::SetCursor { account, device, received } => {
                accounts::set_cursor(connection, *account, device, *received)
            }
            Write::RemoveCursor { account, device } => {
                accounts::remove_cursor(connection, *account, device)
            }
            Write::PutItem { account, node, item, items_max } => {
                items::put(connection, *account, node, item, *items_max)
            }
            Write::RemoveItem { account, node, id } => {
                items::remove(connection, *account, node, id)
            }
            Write::RemoveItems { account, node } => items::remove_all(connection, *account, node),
            Write::PutKeyPackages { owner, packages } => {
                key_packages::put(connection, owner, packages)
            }
            Write::RemoveKeyPackages { account, device } => {
                key_packages::remove(connection, *account, device)
            }
            Write::ChangeGroup { owner, change } => groups::change(connection, *owner, change),
            Write::RemoveGroup { owner } => groups::remove(connection, *owner),
            Write::UseKeyPackages { claimant, references } => {
                key_packages::use_up(connection, *claimant, references)
            }
        }
    }

    fn append(&mut self, message: &NewMessage) -> Result<(), WriteError> {
        let newest = self.tail.newest();
        if message.id <= newest {
            let reason = format!("message {} is not newer than {newest}", message.id);
            return Err(WriteError::Refused(StorageError::Failed { reason }));
        }
        let row = messages::append(&self.connection, &mut self.conversations, message)?;
        self.tail.push(row);
        if self.is_listing_late() {
            self.entries_due += ENTRIES_PER_MESSAGE;
        }
        Ok(())
    }

    fn begin_leaving(&mut self) -> Result<(), WriteError> {
        self.is_leaving = true;
        let step = removal::remove_leaving(&self.connection)?;
        self.heed(step);
        Ok(())
    }

    fn begin_expiring(&mut self, until_unix_ms: u64) -> Result<(), WriteError> {
        key_packages::remove_ended(&self.connection, until_unix_ms / 1000)?;
        if removal::is_any_expired(&self.connection, until_unix_ms)? {
            self.expired_unix_ms = self.expired_unix_ms.max(Some(until_unix_ms));
        }
        Ok(())
    }

    fn heed(&mut self, step: Step) {
        if step.ended_conversation {
            self.conversations.forget();
        }
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute([]).map(drop)
    }
}
