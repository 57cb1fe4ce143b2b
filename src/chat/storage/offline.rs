//! The same tables without threads, for commands while no server runs.

use std::path::Path;

use chat_core::transaction::{StorageError, Write};

use super::OpenError;
use super::error::failed;
use super::reader::Reader;
use super::tables::Tables;

/// The chats of a server that does not run. The caller holds the data's lock.
pub struct Offline {
    pub(super) tables: Tables,
    reader: Reader,
}

impl Offline {
    /// Opens the database, making it if it is missing.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let tables = Tables::open(path)?;
        Ok(Self { tables, reader: Reader::open(path)? })
    }

    /// Answers questions, of what is committed.
    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// Commits the writes together or not at all; they are on disk when it returns.
    ///
    /// # Errors
    /// As for a [`chat_core::transaction::Transaction`].
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        let failed = |error: rusqlite::Error| failed(&error);
        self.tables.begin().map_err(failed)?;
        let done = self.tables.carry_out(writes).map_err(|error| error.into_storage_error());
        if let Err(error) = done.and_then(|()| self.tables.commit().map_err(failed)) {
            self.tables.rollback().map_err(failed)?;
            return Err(error);
        }
        while self.tables.has_leftovers() {
            let step = self.tables.begin().and_then(|()| self.tables.remove_step());
            if let Err(error) = step.and_then(|()| self.tables.commit()) {
                self.tables.rollback().map_err(failed)?;
                return Err(failed(error));
            }
        }
        Ok(())
    }
}
