//! Conversations: an account and a bare JID, known by a short number.

use std::hash::{Hash, Hasher};

use chat_core::jid::AccountId;
use hashbrown::{Equivalent, HashMap};
use rusqlite::{Connection, OptionalExtension, params};

use super::numbers::Account;

/// Conversations whose numbers are remembered; beyond it all are forgotten.
const REMEMBERED_MAX: usize = 1 << 16;

/// A conversation's number in the database.
pub(super) type Conversation = i64;

/// The numbers of conversations, of which the newest are in memory.
#[derive(Debug, Default)]
pub(super) struct Conversations(HashMap<Name, Conversation>);

impl Conversations {
    /// Number of a conversation, which begins if it is new; `None` where there is no such account.
    pub fn enter(
        &mut self,
        connection: &Connection,
        account: AccountId,
        peer: &str,
    ) -> rusqlite::Result<Option<Conversation>> {
        if let Some(known) = self.0.get(&NameRef { account, peer }) {
            return Ok(Some(*known));
        }
        let exists = connection
            .prepare_cached("SELECT 1 FROM account WHERE id = ?1")?
            .exists([Account(account)])?;
        if !exists {
            return Ok(None);
        }
        let found = match find(connection, account, peer)? {
            Some(found) => found,
            None => begin(connection, account, peer)?,
        };
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        self.0.insert(Name { account, peer: peer.into() }, found);
        Ok(Some(found))
    }

    /// Forgets what may no longer be so.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// Number of a conversation that was begun.
pub(super) fn find(
    connection: &Connection,
    account: AccountId,
    peer: &str,
) -> rusqlite::Result<Option<Conversation>> {
    connection
        .prepare_cached("SELECT id FROM conversation WHERE account = ?1 AND peer = ?2")?
        .query_row(params![Account(account), peer], |row| row.get(0))
        .optional()
}

fn begin(
    connection: &Connection,
    account: AccountId,
    peer: &str,
) -> rusqlite::Result<Conversation> {
    connection
        .prepare_cached("INSERT INTO conversation (account, peer) VALUES (?1, ?2)")?
        .insert(params![Account(account), peer])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Name {
    account: AccountId,
    peer: Box<str>,
}

struct NameRef<'a> {
    account: AccountId,
    peer: &'a str,
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `Name` is hashed.
        self.account.hash(state);
        self.peer.hash(state);
    }
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.account == name.account && *self.peer == *name.peer
    }
}
