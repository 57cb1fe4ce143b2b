//! `whimbrel backup` and `restore`: everything under data_dir that cannot be made anew.
//!
//! A backup is a folder: `chat.db` (accounts and messages), `media/` (a snapshot of the store),
//! `keys/` (certificates and signing keys), and `backup.json`, which is written last: without it
//! the backup is not whole. Objects in a
//! bucket stay there: then `media/` holds their catalog alone.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use media_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use super::data::{DataDir, KEY_FOLDERS};
use super::request::Report;
use crate::chat::storage::{self, OpenError};

const MANIFEST_FILE: &str = "backup.json";
const CHATS_FILE: &str = "chat.db";
const MEDIA_FOLDER: &str = "media";
const KEYS_FOLDER: &str = "keys";
/// Keys lie in it.
const FOLDER_MODE: u32 = 0o700;
/// A backup of a later layout is refused. The first had no chats.
const LAYOUT: u32 = 2;
const MANIFEST_BYTES_MAX: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    layout: u32,
    version: String,
    made_unix_s: u64,
    objects: u64,
    bytes: u64,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store said so.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The chats' database said so.
    #[error("{0}")]
    Chats(#[from] OpenError),
    /// The folder holds something already.
    #[error("{} is not empty; name a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// The folder holds no whole backup.
    #[error("{} holds no whole backup: {reason}", folder.display())]
    NoBackup {
        /// The folder.
        folder: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// There is data that a restore would replace.
    #[error(
        "data_dir {} holds chats or media already; move it away, or restore into another data_dir",
        .0.display()
    )]
    DataThere(PathBuf),
    /// A file could not be copied.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// Copies the data into `folder`, which must be empty or missing. The server may go on meanwhile.
pub fn backup(
    store: &Store,
    data: &DataDir,
    folder: &Path,
    report: &mut dyn Report,
) -> Result<(), BackupError> {
    make_folder(folder)?;
    if fs::read_dir(folder).map_err(at(folder))?.next().is_some() {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    // Before the media: what these chats refer to is then among them.
    if let Some(database) = data.chats().filter(|database| database.exists()) {
        let bytes = storage::back_up(database, &folder.join(CHATS_FILE), report)?;
        report.line(format!("chats, {}", indicatif::HumanBytes(bytes)));
    }
    let copied = store.snapshot_to(&folder.join(MEDIA_FOLDER), report)?;
    for key in KEY_FOLDERS {
        copy_all(&data.root().join(key), &folder.join(KEYS_FOLDER).join(key))?;
    }
    let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let manifest = Manifest {
        layout: LAYOUT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_unix_s: made.as_secs(),
        objects: copied.objects,
        bytes: copied.bytes,
    };
    write_manifest(folder, &manifest)?;
    if copied.missing > 0 {
        report.line(format!("{} objects were missing from the store", copied.missing));
    }
    if copied.remote > 0 {
        report.line(format!(
            "{} objects stay in the bucket; have it backed up or versioned by its own means",
            copied.remote
        ));
    }
    report.line(format!(
        "{} objects, {} in {}",
        copied.objects,
        indicatif::HumanBytes(copied.bytes),
        folder.display()
    ));
    Ok(())
}

/// Copies a backup into an empty data folder, comparing each object with its name.
pub fn restore(folder: &Path, data: &DataDir, report: &mut dyn Report) -> Result<(), BackupError> {
    read_manifest(folder)?;
    let chats = restore_chats(folder, data, report)?;
    let media = data.media();
    let restored = Store::restore(&folder.join(MEDIA_FOLDER), &media, report);
    let restored = restored.inspect_err(|_| {
        // It was not there before, so it is ours.
        let _ = chats.map(fs::remove_file);
    });
    let restored = match restored {
        Err(StoreError::NotEmpty(_)) => {
            return Err(BackupError::DataThere(data.root().to_owned()));
        }
        restored => restored?,
    };
    copy_all(&folder.join(KEYS_FOLDER), data.root())?;
    if restored.remote > 0 {
        report.line(format!(
            "{} objects are in the bucket that [media.s3] named; name it again",
            restored.remote
        ));
    }
    report.line(format!(
        "{} objects, {} in {}",
        restored.objects,
        indicatif::HumanBytes(restored.bytes),
        data.root().display()
    ));
    Ok(())
}

/// Gives the database if the backup had one.
fn restore_chats<'a>(
    folder: &Path,
    data: &'a DataDir,
    report: &mut dyn Report,
) -> Result<Option<&'a Path>, BackupError> {
    let Some(database) = data.chats() else { return Ok(None) };
    if storage::files_of(database).iter().any(|file| file.exists()) {
        return Err(BackupError::DataThere(data.root().to_owned()));
    }
    let copy = folder.join(CHATS_FILE);
    if !copy.exists() {
        return Ok(None);
    }
    let bytes = storage::restore(&copy, database, report)?;
    report.line(format!("chats, {}", indicatif::HumanBytes(bytes)));
    Ok(Some(database))
}

fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = folder.join(MANIFEST_FILE);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| error.into());
    let write = |text: Vec<u8>| {
        let mut file = File::create(&path)?;
        file.write_all(&text)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    };
    text.and_then(write).map_err(at(&path))
}

fn read_manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let wrong = |reason: String| BackupError::NoBackup { folder: folder.to_owned(), reason };
    let path = folder.join(MANIFEST_FILE);
    let bytes = fs::metadata(&path).map_err(|error| wrong(format!("{MANIFEST_FILE}: {error}")))?;
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(wrong(format!("{MANIFEST_FILE} is too large")));
    }
    let text = fs::read(&path).map_err(at(&path))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("{MANIFEST_FILE}: {error}")))?;
    match manifest.layout {
        1..=LAYOUT => Ok(manifest),
        layout => Err(wrong(format!("layout {layout}; this version knows {LAYOUT}"))),
    }
}

/// Copies a file or a folder with all in it, modes included; what is not there is left out.
fn copy_all(from: &Path, to: &Path) -> Result<(), BackupError> {
    let Ok(metadata) = fs::symlink_metadata(from) else { return Ok(()) };
    if metadata.is_dir() {
        make_folder(to)?;
        for entry in fs::read_dir(from).map_err(at(from))? {
            let name = entry.map_err(at(from))?.file_name();
            copy_all(&from.join(&name), &to.join(&name))?;
        }
    } else {
        if let Some(folder) = to.parent() {
            make_folder(folder)?;
        }
        fs::copy(from, to).map_err(at(from))?;
        File::open(to).and_then(|file| file.sync_all()).map_err(at(to))?;
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(at(folder))
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |reason| BackupError::Io { path: path.clone(), reason }
}
