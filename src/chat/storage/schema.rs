//! The schema: numbered steps, each applied once and recorded; and how connections are set up.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use super::migrations::{MIGRATIONS, Migration};
use super::{OpenError, key_packages};

/// How long a connection waits for another's lock. Only recovery and the end of a log take one.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often it looks whether the log may be begun anew.
const LOCK_LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Pages that the writer keeps in memory.
const WRITER_CACHE_KIB: i64 = 32 << 10;
/// Pages that each reader keeps in memory.
const READER_CACHE_KIB: i64 = 8 << 10;
/// Copying goes past it.
const COPIER_CACHE_KIB: i64 = 64;
/// What stays of the log's file once it begins anew.
const LOG_BYTES_KEPT_MAX: i64 = 64 << 20;
/// Statements kept prepared; there are fewer.
const STATEMENTS_MAX: usize = 96;
/// Keys and chats are its owner's.
const FILE_MODE: u32 = 0o600;

/// Opens the file for the one connection that writes, making it if it is missing, and brings it
/// to this version's schema. What an earlier process left in the log is copied into it.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, OpenError> {
    make_file(path)?;
    let wrong = OpenError::database(path);
    let mut connection = connect(path, OpenFlags::default(), WRITER_CACHE_KIB).map_err(&wrong)?;
    migrate(path, &mut connection)?;
    begin_log_anew(&connection).map_err(&wrong)?;
    Ok(connection)
}

/// Makes the file if it is missing: SQLite would let others read it. Its log takes over the mode.
pub(super) fn make_file(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path);
    made.map(drop).map_err(OpenError::io(path))
}

/// Opens the file for a connection that reads.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect(path, flags, READER_CACHE_KIB).map_err(OpenError::database(path))
}

/// Opens the file for a connection that does nothing but copy the log.
pub(super) fn open_to_copy(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    connect(path, flags, COPIER_CACHE_KIB).map_err(OpenError::database(path))
}

/// Copies the whole log into the database, so that the next commit begins it anew. Waits for those
/// who read or copy it.
///
/// Needed where a sync may have failed: the system then forgets that pages of the log are not on
/// disk, and a later sync would not write them.
pub(super) fn begin_log_anew(connection: &Connection) -> rusqlite::Result<()> {
    let restart = "PRAGMA wal_checkpoint(RESTART)";
    let deadline = Instant::now() + LOCK_WAIT;
    // SQLite itself waits for readers, but not for another connection that copies the log.
    while connection.query_row(restart, [], |row| row.get::<_, bool>(0))? {
        if Instant::now() >= deadline {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                Some(format!("for {LOCK_WAIT:?} somebody has read or copied the log")),
            ));
        }
        std::thread::sleep(LOCK_LOOK_INTERVAL);
    }
    Ok(())
}

/// Copies what the log holds into the database as far as readers let it, without waiting.
pub(super) fn copy_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

fn connect(path: &Path, flags: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Otherwise a statement with `LIMIT ?` is planned anew each time a value is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    // A mapped page that cannot be read would kill the process.
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}

/// Gives the file's schema, if this version knows it.
pub(super) fn check_version(path: &Path, connection: &Connection) -> Result<u32, OpenError> {
    let found = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(OpenError::database(path))?;
    let known = MIGRATIONS.len() as u32;
    match found > known {
        true => Err(OpenError::SchemaTooNew { path: path.to_owned(), found, known }),
        false => Ok(found),
    }
}

/// Makes it known that what clients know of the past may not be so.
pub(super) fn renew_incarnation(connection: &Connection) -> rusqlite::Result<()> {
    let renew = "UPDATE meta SET value = abs(random() / 2) WHERE name = 'incarnation'";
    connection.execute(renew, [])?;
    key_packages::void(connection)
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    let wrong = OpenError::database(path);
    let found = check_version(path, connection)?;
    set_up_writer(connection).map_err(&wrong)?;
    for (version, step) in (1..).zip(MIGRATIONS).skip(found as usize) {
        apply(connection, version, step).map_err(&wrong)?;
    }
    Ok(())
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    // WAL with FULL: a commit is on disk, by one fdatasync, when it returns.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT_MAX)?;
    // The keeper copies the log; a commit shall not wait for that.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // What is removed is overwritten where its page is written anyway.
    connection.pragma_update(None, "secure_delete", "FAST")
}

fn apply(connection: &mut Connection, version: u32, step: &Migration) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied INTEGER NOT NULL
        ) STRICT",
    )?;
    transaction.execute_batch(step.sql)?;
    transaction.execute(
        "INSERT INTO migration VALUES (?1, ?2, unixepoch())",
        params![version, step.name],
    )?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_later_schema_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let connection = open_to_write(&path).unwrap();
        connection.pragma_update(None, "user_version", 1_000).unwrap();
        drop(connection);
        let error = open_to_write(&path).unwrap_err();
        assert!(matches!(error, OpenError::SchemaTooNew { found: 1_000, .. }), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }

    #[test]
    fn the_log_is_begun_anew_while_another_connection_copies_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let writer = open_to_write(&path).unwrap();
        writer.execute_batch("CREATE TABLE filler (page BLOB)").unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let copier = open_to_copy(&path).unwrap();
                while !is_done.load(Relaxed) {
                    copy_log(&copier).unwrap();
                }
            });
            for _ in 0..100 {
                let fill = "INSERT INTO filler VALUES (randomblob(65536))";
                writer.execute(fill, []).unwrap();
                begin_log_anew(&writer).unwrap();
            }
            is_done.store(true, Relaxed);
        });
    }

    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let _connection = open_to_write(&path).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, FILE_MODE, "{:?}", file.path());
        }
    }
}
