//! `whimbrel account`: in a running server through its core, without one on the data itself.

use chat_core::transaction::StorageError;

use super::data::DataDir;
use super::request::Report;
use crate::chat::accounts::command::{AccountCommand, AccountCommandError, Desk};
use crate::chat::accounts::{Books, Ledger};
use crate::chat::storage::{Offline, OpenError};

/// Where commands on accounts go.
#[derive(Clone)]
pub struct AccountDoor {
    desk: Desk,
    ledger: Option<Ledger>,
}

/// Why a command on accounts failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountDoorError {
    /// The command failed.
    #[error("{0}")]
    Command(#[from] AccountCommandError),
    /// The chats cannot be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
}

impl AccountDoor {
    /// Commands by `desk`. With a `ledger` a running core carries them out, and nobody else may
    /// write; without one they work on the data, which must be the caller's.
    pub fn new(desk: Desk, ledger: Option<Ledger>) -> Self {
        Self { desk, ledger }
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// [`AccountDoorError`].
    pub fn carry_out(
        &self,
        data: &DataDir,
        command: &AccountCommand,
        report: &mut dyn Report,
    ) -> Result<(), AccountDoorError> {
        let mut line = |text| report.line(text);
        let mut ledger = self.ledger.clone();
        let mut offline;
        let books: &mut dyn Books = match (&mut ledger, data.chats()) {
            (Some(ledger), _) => ledger,
            (None, Some(database)) => {
                offline = Offline::open(database)?;
                &mut offline
            }
            (None, None) => {
                let reason = "the configuration names no database".to_owned();
                return Err(AccountCommandError::from(StorageError::Failed { reason }).into());
            }
        };
        Ok(self.desk.carry_out(books, command, &mut line)?)
    }
}
