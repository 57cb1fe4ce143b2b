//! The catalog: which objects, references and uploads there are (SQLite in WAL mode).
//!
//! Writes go to one thread that commits them in groups; reads use connections of their own and
//! see what was committed.

mod allowances;
mod objects;
mod references;
mod schema;
mod uploads;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

pub(crate) use allowances::drop_ended_allowances;
pub(crate) use objects::expired_objects;
pub(crate) use objects::{Expired, ObjectRow, delete_object, object, objects_after, totals};
pub(crate) use references::{
    Referred, drop_ended_references, drop_reference, refer, references, usage,
};
pub(crate) use schema::{connect, mark, set_mark, structure_faults};
pub(crate) use uploads::{
    Finish, NewUpload, UploadRow, announce, check_room, checkpoint, dead_uploads, delete_upload,
    finish, insert_upload, is_publishing, is_receiving, publishing_uploads, set_publishing, upload,
    uploads_receiving,
};

use crate::{Clock, StoreError};

/// The catalog's file name in the store's folder.
pub(crate) const CATALOG_FILE: &str = "catalog.sqlite";
/// Connections kept for readers; more are opened at need and closed after use.
const READERS_KEPT_MAX: usize = 8;

pub(crate) struct Catalog {
    path: PathBuf,
    writer: writer::Writer,
    readers: Mutex<Vec<Connection>>,
}

impl Catalog {
    pub(crate) fn open(path: &Path, clock: &Clock) -> Result<Self, StoreError> {
        let mut connection = schema::connect(path, OpenFlags::default())?;
        schema::migrate(&mut connection, clock.now())?;
        let writer = writer::Writer::start(connection)?;
        Ok(Self { path: path.to_owned(), writer, readers: Mutex::default() })
    }

    /// Runs `work` in the next group commit; returns once it is on disk. What `work` did is undone
    /// if it fails, without harm to others of the group.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(work)
    }

    /// Like [`Self::write`] without waiting; left out if the queue is full. For tidying that gc
    /// would do as well.
    pub(crate) fn write_if_idle(
        &self,
        work: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) {
        self.writer.write_if_idle(work);
    }

    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => schema::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let outcome = work(&reader)?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT_MAX {
            readers.push(reader);
        }
        Ok(outcome)
    }
}

/// Numbers are kept as SQLite's signed ones; none of ours comes near the border.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
