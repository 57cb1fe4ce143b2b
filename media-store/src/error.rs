//! What can go wrong, with the evidence.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Digest, UploadId};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The upload is, or would become, larger than it may be.
    #[error("{len} bytes are more than the {bytes_max} allowed")]
    TooLarge {
        /// Bytes announced, or reached so far.
        len: u64,
        /// Bytes allowed: the least of the configuration's, the allowance's and the announced.
        bytes_max: u64,
    },
    /// The account has no room left.
    #[error("{owner} uses {used} of {bytes_max} bytes and asks for {asked} more")]
    QuotaExceeded {
        /// The account.
        owner: String,
        /// Bytes that its references and open uploads hold.
        used: u64,
        /// Bytes asked for.
        asked: u64,
        /// Bytes allowed.
        bytes_max: u64,
    },
    /// An allowance (one signed token) has been used up.
    #[error("allowance {id} is used up (it was for {bytes_max} bytes)")]
    AllowanceSpent {
        /// The allowance.
        id: String,
        /// Bytes it allowed in all.
        bytes_max: u64,
    },
    /// An allowance has ended.
    #[error("allowance {id} has ended")]
    AllowanceEnded {
        /// The allowance.
        id: String,
    },
    /// The disk is full, or would be.
    #[error("no space left for media")]
    NoSpace,
    /// The bytes are not those that were announced. The upload is gone.
    #[error("the bytes have digest {actual}, announced was {expected}")]
    DigestMismatch {
        /// Announced.
        expected: Digest,
        /// Found.
        actual: Digest,
    },
    /// An upload was to be finished before all its bytes had come. It can go on.
    #[error("only {offset} of {len} bytes have come")]
    Incomplete {
        /// Bytes received.
        offset: u64,
        /// Bytes announced.
        len: u64,
    },
    /// Another part of the program holds this upload.
    #[error("upload {0} is in use")]
    Busy(UploadId),
    /// There is no such upload, or it has expired.
    #[error("no upload {0}")]
    UnknownUpload(UploadId),
    /// The upload is finished already.
    #[error("upload {id} is finished: {digest}")]
    AlreadyFinished {
        /// The upload.
        id: UploadId,
        /// The object it made.
        digest: Digest,
    },
    /// A resumed upload's file is not what its checkpoint says. It cannot go on.
    #[error("upload {id}: {found} bytes on disk, {offset} were acknowledged")]
    UploadDamaged {
        /// The upload.
        id: UploadId,
        /// Bytes acknowledged.
        offset: u64,
        /// Bytes found.
        found: u64,
    },
    /// There is no such object.
    #[error("no object {0}")]
    UnknownObject(Digest),
    /// The catalog lists an object whose bytes are not there.
    #[error("the bytes of object {0} are missing")]
    MissingBytes(Digest),
    /// A key of the configuration is wrong.
    #[error("[media] {key}: {reason}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder to restore into is not empty.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A backup's object is damaged.
    #[error("the backup's object {digest} is damaged: {reason}")]
    BackupDamaged {
        /// The object.
        digest: Digest,
        /// How.
        reason: String,
    },
    /// The catalog was written by a later version.
    #[error(
        "the catalog has schema {found}, this version knows up to {known}; start the later \
         version, or restore a backup into another data_dir"
    )]
    SchemaTooNew {
        /// Found.
        found: u32,
        /// Known.
        known: u32,
    },
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The catalog could not be read or written.
    #[error("catalog: {0}")]
    Catalog(Arc<rusqlite::Error>),
    /// The catalog's writer has stopped: the store is being closed, or the writer failed.
    #[error("the catalog's writer has stopped")]
    CatalogStopped,
    /// The remote store failed.
    #[error("remote store: {doing} {key}: {reason}")]
    Remote {
        /// What was being done.
        doing: &'static str,
        /// On which key.
        key: String,
        /// What the remote store or the network said.
        reason: String,
    },
}

impl StoreError {
    /// An error of the system; a full disk (ENOSPC, EDQUOT) becomes [`StoreError::NoSpace`].
    ///
    /// Callers that move an upload's bytes with an engine of their own map its errors here.
    pub fn io(doing: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io { doing, path: path.as_ref().into(), source },
        }
    }

    /// The same error for another of those who waited for one commit.
    pub(crate) fn of_commit(error: &Arc<rusqlite::Error>) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::NoSpace,
            _ => Self::Catalog(Arc::clone(error)),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::of_commit(&Arc::new(error))
    }
}

/// Names the file in an error of the system.
pub(crate) trait IoContext<T> {
    /// `doing` is a verb: "open", "rename".
    fn at(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T, StoreError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::io(doing, path, source))
    }
}

impl<T> IoContext<T> for rustix::io::Result<T> {
    fn at(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::io(doing, path, source.into()))
    }
}
