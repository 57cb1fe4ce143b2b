//! Carries a command out on the data itself: in the server for its admin socket, or in the command
//! line's own process while no server runs.

use std::fs::File;
use std::os::fd::OwnedFd;

use media_store::Store;

use super::account::{AccountDoor, AccountDoorError};
use super::backup::{self, BackupError};
use super::data::DataDir;
use super::media::{self, MediaError};
use super::request::{Report, Request};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A chore of the store.
    #[error("{0}")]
    Media(#[from] MediaError),
    /// Something with accounts.
    #[error("{0}")]
    Account(#[from] AccountDoorError),
    /// A backup.
    #[error("{0}")]
    Backup(#[from] BackupError),
    /// The command came without what it needs.
    #[error("the command came without its file")]
    FileMissing,
    /// Only a running server can do this.
    #[error("no server runs on this data_dir; start one by `whimbrel serve`")]
    NoServer,
    /// A relative path means something else in the server.
    #[error("a folder must be given by its absolute path")]
    RelativeFolder,
}

/// Carries out `request`; the descriptor is of `media put`'s file.
pub fn execute(
    store: &Store,
    data: &DataDir,
    accounts: &AccountDoor,
    request: &Request,
    descriptor: Option<OwnedFd>,
    report: &mut dyn Report,
) -> Result<(), CommandError> {
    match request {
        Request::MediaPut(put) => {
            let file = File::from(descriptor.ok_or(CommandError::FileMissing)?);
            media::put(store, put, file, report)?;
        }
        Request::MediaVerify => media::verify(store, report)?,
        Request::MediaGc => media::gc(store, report)?,
        Request::MediaScrub => media::scrub(store, report)?,
        Request::MediaStat => media::stat(store, report)?,
        Request::Account { command_on } => accounts.carry_out(data, command_on, report)?,
        Request::Backup { folder } if folder.is_relative() => {
            return Err(CommandError::RelativeFolder);
        }
        Request::Backup { folder } => backup::backup(store, data, folder, report)?,
        Request::Status | Request::TakeOver { .. } => return Err(CommandError::NoServer),
    }
    Ok(())
}
