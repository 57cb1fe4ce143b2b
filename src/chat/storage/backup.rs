//! A copy of the chats while they are written to, and the way back.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use media_store::{Progress, ProgressUnit};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{OpenError, schema};

/// Pages between two looks at the progress: 1 MiB.
const STEP_PAGES: i32 = 256;

/// Copies the chats as they are at this moment into the file `copy`, which must not exist, and
/// gives its size in bytes. Writers go on meanwhile; only the log is not begun anew.
///
/// # Errors
/// Errors of disk and database; then there is no `copy`.
pub fn back_up(
    database: &Path,
    copy: &Path,
    progress: &mut dyn Progress,
) -> Result<u64, OpenError> {
    let source = schema::open_to_read(database)?;
    // All steps copy this one snapshot; without it they would begin anew with each commit.
    let begin = "BEGIN; SELECT value FROM meta;";
    source.execute_batch(begin).map_err(OpenError::database(database))?;
    let partial = Partial::of(copy)?;
    partial.fill(&source, progress)?;
    partial.publish(copy)
}

/// Copies a copy to where no database is yet, and gives its size in bytes. The restored one has
/// another incarnation, for it knows nothing of what came after the copy.
///
/// # Errors
/// [`OpenError::SchemaTooNew`], [`OpenError::Damaged`], and errors of disk and database; then
/// there is no `database`.
pub fn restore(
    copy: &Path,
    database: &Path,
    progress: &mut dyn Progress,
) -> Result<u64, OpenError> {
    let source = schema::open_to_read(copy)?;
    schema::check_version(copy, &source)?;
    let partial = Partial::of(database)?;
    let restored = partial.fill(&source, progress)?;
    let wrong = OpenError::database(&partial.0);
    let said: String =
        restored.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(&wrong)?;
    if said != "ok" {
        return Err(OpenError::Damaged { path: copy.to_owned(), reason: said });
    }
    schema::renew_incarnation(&restored).map_err(&wrong)?;
    drop(restored);
    partial.publish(database)
}

/// A copy that is not whole yet; it is removed if it never becomes so.
struct Partial(PathBuf);

impl Partial {
    fn of(path: &Path) -> Result<Self, OpenError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = Self(name.into());
        partial.remove();
        schema::make_file(&partial.0)?;
        Ok(partial)
    }

    fn fill(
        &self,
        source: &Connection,
        progress: &mut dyn Progress,
    ) -> Result<Connection, OpenError> {
        let Self(path) = self;
        let wrong = OpenError::database(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut copy = Connection::open_with_flags(path, flags).map_err(&wrong)?;
        let size = |name| source.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let page_bytes = size("page_size").map_err(&wrong)?.cast_unsigned();
        let pages = size("page_count").map_err(&wrong)?.cast_unsigned();
        progress.begin("chats", ProgressUnit::Bytes, Some(pages * page_bytes));
        let backup = Backup::new(source, &mut copy).map_err(&wrong)?;
        let mut remaining = pages;
        loop {
            let step = backup.step(STEP_PAGES).map_err(&wrong)?;
            let left = i64::from(backup.progress().remaining).cast_unsigned();
            progress.advance(remaining.saturating_sub(left) * page_bytes);
            remaining = left;
            match step {
                StepResult::Done => break,
                _ if progress.is_cancelled() => {
                    return Err(OpenError::io(path)(io::ErrorKind::Interrupted.into()));
                }
                _ => {}
            }
        }
        progress.end();
        drop(backup);
        // One file alone, also where nothing may be written beside it.
        copy.pragma_update(None, "journal_mode", "DELETE").map_err(&wrong)?;
        Ok(copy)
    }

    fn publish(&self, path: &Path) -> Result<u64, OpenError> {
        let wrong = OpenError::io(path);
        let file = OpenOptions::new().read(true).write(true).open(&self.0).map_err(&wrong)?;
        file.sync_all().map_err(&wrong)?;
        fs::rename(&self.0, path).map_err(&wrong)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(&wrong)?;
        }
        Ok(file.metadata().map_err(&wrong)?.len())
    }

    fn remove(&self) {
        // It may be published, or never have been made.
        let _ = fs::remove_file(&self.0);
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.remove();
    }
}
