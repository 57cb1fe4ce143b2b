//! Accounts as commands read and write them: in a running server, or on the data under its lock.

use chat_core::access::FEATURE;
use chat_core::jid::AccountId;
use chat_core::transaction::{Answer, Query, Record, StorageError, Write};

use super::ledger::Found;
use crate::chat::storage::{ListedAccount, Offline};

/// Where a command finds accounts.
pub trait Books {
    /// The account that somebody calls so: by its id, or by a number in E.164.
    ///
    /// # Errors
    /// The storage's.
    fn find(&mut self, user: &str) -> Result<Option<Found>, StorageError>;

    /// The answer to a question of the core's kind, from what is committed.
    ///
    /// # Errors
    /// The storage's.
    fn ask(&mut self, query: Query) -> Result<Answer, StorageError>;

    /// At most `accounts_max` accounts behind `after`, in the order of their ids.
    ///
    /// # Errors
    /// The storage's.
    fn list(
        &mut self,
        after: Option<AccountId>,
        accounts_max: u32,
    ) -> Result<Vec<ListedAccount>, StorageError>;

    /// The records of a feature, of the accounts from the first to the last of these ids.
    ///
    /// # Errors
    /// The storage's.
    fn records(
        &mut self,
        feature: &'static str,
        first: AccountId,
        last: AccountId,
    ) -> Result<Vec<(AccountId, Record)>, StorageError>;

    /// Writes of one account, together or not at all; `log_out` ends its streams.
    ///
    /// # Errors
    /// The storage's; nothing was written then.
    fn write(
        &mut self,
        account: AccountId,
        writes: Vec<Write>,
        log_out: bool,
    ) -> Result<(), StorageError>;
}

impl Books for Offline {
    fn find(&mut self, user: &str) -> Result<Option<Found>, StorageError> {
        let found = self.reader().find(user, &[FEATURE])?;
        Ok(found.map(|login| Found {
            account: login.account,
            number: login.number,
            records: login.records,
        }))
    }

    fn ask(&mut self, query: Query) -> Result<Answer, StorageError> {
        self.reader().answer(&query)
    }

    fn list(
        &mut self,
        after: Option<AccountId>,
        accounts_max: u32,
    ) -> Result<Vec<ListedAccount>, StorageError> {
        self.reader().accounts(after, accounts_max)
    }

    fn records(
        &mut self,
        feature: &'static str,
        first: AccountId,
        last: AccountId,
    ) -> Result<Vec<(AccountId, Record)>, StorageError> {
        self.reader().records(feature, first, last)
    }

    fn write(&mut self, _: AccountId, writes: Vec<Write>, _: bool) -> Result<(), StorageError> {
        self.commit(&writes)
    }
}
