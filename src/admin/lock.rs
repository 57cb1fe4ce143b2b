//! The data folder's lock: one process at a time changes what lies in it (flock(2)).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::data::DataDir;

/// The file that carries the lock.
const LOCK_FILE: &str = "lock";
const FILE_MODE: u32 = 0o600;
/// A process id and a line feed are shorter.
const OWNER_BYTES_MAX: u64 = 32;

/// Held as long as the value lives; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    file: File,
    data_dir: PathBuf,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by another whimbrel{}; stop it, or take over from it by --take-over",
        data_dir.display(),
        owner.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Held {
        /// The data folder.
        data_dir: PathBuf,
        /// The other process, where it left its id.
        owner: Option<u32>,
    },
    /// The folder or the lock's file cannot be made.
    #[error("data_dir {} cannot be used: {reason}; correct data_dir or its owner", data_dir.display())]
    Unusable {
        /// The data folder.
        data_dir: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl DataLock {
    /// Makes the data folder if it is missing, and takes its lock without waiting.
    pub fn take(data_dir: &Path) -> Result<Self, LockError> {
        let unusable = |reason| LockError::Unusable { data_dir: data_dir.to_owned(), reason };
        DataDir::new(data_dir).make().map_err(unusable)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(data_dir.join(LOCK_FILE))
            .map_err(unusable)?;
        let lock = Self { file, data_dir: data_dir.to_owned() };
        lock.retake()?;
        Ok(lock)
    }

    /// Lets another process have it.
    pub fn release(&self) {
        // Closing it would do, unless a forked child still held the file.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }

    /// Takes it again after [`Self::release`].
    pub fn retake(&self) -> Result<(), LockError> {
        let data_dir = || self.data_dir.clone();
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // The id is for messages only; the lock holds without it.
                let _ = write_owner(&self.file);
                Ok(())
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let owner = read_owner(&self.file);
                Err(LockError::Held { data_dir: data_dir(), owner })
            }
            Err(error) => Err(LockError::Unusable { data_dir: data_dir(), reason: error.into() }),
        }
    }
}

fn read_owner(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(OWNER_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_owner(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_owner_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let first = DataLock::take(&data_dir).unwrap();
        let second = DataLock::take(&data_dir).unwrap_err();
        let pid = std::process::id();
        assert!(matches!(second, LockError::Held { owner: Some(owner), .. } if owner == pid));
        first.release();
        DataLock::take(&data_dir).unwrap();
    }
}
