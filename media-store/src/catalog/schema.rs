//! The catalog's schema: numbered steps, each applied once and recorded.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::to_sql;
use crate::{StoreError, UnixSeconds};

/// How long a connection waits for another's lock, in ms. Only a backup or a second process can
/// hold one for long.
const LOCK_WAIT_MS: u64 = 5_000;

struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// In order; a step never changes once it was released.
const MIGRATIONS: &[Migration] = &[Migration { name: "objects, references, uploads", sql: FIRST }];

const FIRST: &str = "
CREATE TABLE object (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    len INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    created INTEGER NOT NULL,
    renewed INTEGER NOT NULL, -- when a reference was last added: retention counts from it
    until INTEGER             -- end of the last reference; null: one has no end
) WITHOUT ROWID, STRICT;
CREATE INDEX object_until ON object (until) WHERE until IS NOT NULL;
CREATE INDEX object_renewed ON object (renewed);

CREATE TABLE reference (
    digest BLOB NOT NULL REFERENCES object (digest) ON DELETE CASCADE,
    owner TEXT NOT NULL,
    len INTEGER NOT NULL,
    until INTEGER,
    PRIMARY KEY (digest, owner)
) WITHOUT ROWID, STRICT;
CREATE INDEX reference_owner ON reference (owner);
CREATE INDEX reference_until ON reference (until) WHERE until IS NOT NULL;

CREATE TABLE usage (
    owner TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,
    objects INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TRIGGER reference_added AFTER INSERT ON reference BEGIN
    INSERT INTO usage VALUES (NEW.owner, NEW.len, 1)
    ON CONFLICT DO UPDATE SET bytes = bytes + NEW.len, objects = objects + 1;
END;
CREATE TRIGGER reference_gone AFTER DELETE ON reference BEGIN
    UPDATE usage SET bytes = bytes - OLD.len, objects = objects - 1 WHERE owner = OLD.owner;
    DELETE FROM usage WHERE owner = OLD.owner AND objects = 0;
END;

CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    len INTEGER,
    reserved INTEGER NOT NULL, -- bytes counted against the owner's quota
    bytes_max INTEGER NOT NULL,
    media_type TEXT,
    name TEXT,
    metadata TEXT,
    expected BLOB,
    reference_until INTEGER,
    allowance TEXT,
    allowance_bytes_max INTEGER,
    resumable INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    expiry_fixed INTEGER NOT NULL,
    publishing BLOB,           -- the digest it is about to get; its file may have been renamed
    digest BLOB                -- finished: the object it made
) WITHOUT ROWID, STRICT;
CREATE INDEX upload_owner ON upload (owner) WHERE digest IS NULL;
CREATE INDEX upload_expires ON upload (expires) WHERE digest IS NULL;
CREATE INDEX upload_publishing ON upload (publishing) WHERE publishing IS NOT NULL;
CREATE INDEX upload_digest ON upload (digest) WHERE digest IS NOT NULL;

CREATE TABLE allowance (
    id TEXT PRIMARY KEY,
    uploads INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX allowance_until ON allowance (until);

CREATE TABLE mark (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID, STRICT;
";

pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_millis(LOCK_WAIT_MS))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Brings the catalog to this version's schema.
pub(super) fn migrate(connection: &mut Connection, now: UnixSeconds) -> Result<(), StoreError> {
    // WAL with FULL: a commit is on disk, by one fdatasync, when it returns.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found = connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))?;
    let known = MIGRATIONS.len() as u32;
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for (version, step) in (1..).zip(MIGRATIONS).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS migration (
                version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied INTEGER NOT NULL
            ) STRICT",
        )?;
        transaction.execute_batch(step.sql)?;
        transaction.execute(
            "INSERT INTO migration VALUES (?1, ?2, ?3)",
            params![version, step.name, to_sql(now.0)],
        )?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A small value kept by name.
pub(crate) fn mark(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut query = connection.prepare_cached("SELECT value FROM mark WHERE name = ?1")?;
    Ok(query.query_row([name], |row| row.get(0)).optional()?)
}

pub(crate) fn set_mark(
    connection: &Connection,
    name: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO mark VALUES (?1, ?2)")?
        .execute(params![name, value])?;
    Ok(())
}

/// What SQLite finds wrong with the file; nothing if it is sound.
pub(crate) fn structure_faults(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut query = connection.prepare("PRAGMA quick_check(100)")?;
    let found: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|said| said != "ok").collect())
}
