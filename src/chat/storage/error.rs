//! Why the database cannot be opened, and what SQLite's errors mean to the core.

use std::io;
use std::path::{Path, PathBuf};

use chat_core::transaction::StorageError;
use rusqlite::{Error, ErrorCode};

/// Why the chats cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration names another kind of storage.
    #[error(
        "[store] url = {url:?}: chats are kept in SQLite only; write \"sqlite:\" or \"sqlite:PATH\""
    )]
    Scheme {
        /// What was written.
        url: String,
    },
    /// A later version wrote the file.
    #[error(
        "{} has schema {found}, this version knows up to {known}; start the later version, or \
         restore a backup into another data_dir",
        path.display()
    )]
    SchemaTooNew {
        /// The file.
        path: PathBuf,
        /// The file's schema.
        found: u32,
        /// The newest known one.
        known: u32,
    },
    /// A copy is not as it was made.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        reason: String,
    },
    /// SQLite said so.
    #[error("{}: {reason}{}", path.display(), remedy(reason))]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: Error,
    },
    /// The system said so.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl OpenError {
    pub(super) fn database(path: &Path) -> impl Fn(Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::Database { path: path.clone(), reason }
    }

    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::Io { path: path.clone(), reason }
    }
}

/// Why a write was not carried out.
#[derive(Debug)]
pub(super) enum WriteError {
    /// It does not fit what is stored. The other transactions of its batch go on.
    Refused(StorageError),
    /// The database failed, and with it the whole batch.
    Failed(Error),
}

impl WriteError {
    pub(super) fn into_storage_error(self) -> StorageError {
        match self {
            Self::Refused(error) => error,
            Self::Failed(error) => failed(&error),
        }
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// As the core is told.
pub(super) fn failed(error: &Error) -> StorageError {
    StorageError::Failed { reason: error.to_string() }
}

/// What its reader can do, where that is known.
fn remedy(reason: &Error) -> &'static str {
    match reason.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; free some space",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "; the server must own it"
        }
        _ if is_corruption(reason) => "; restore a backup into another data_dir",
        _ => "",
    }
}

/// Whether no later attempt can succeed: the file is not what SQLite wrote.
pub(super) fn is_corruption(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
