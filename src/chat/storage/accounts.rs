//! Rows of accounts, their numbers, records and cursors.

use chat_core::id::MessageId;
use chat_core::jid::{AccountId, RoomId};
use chat_core::transaction::{Record, StorageError};
use rusqlite::{Connection, Error, OptionalExtension, ffi, params};

use super::error::WriteError;
use super::numbers::{Account, Message, moment};

const EXISTS_ACCOUNT: WriteError =
    WriteError::Refused(StorageError::Exists { what: "the account" });
const EXISTS_NUMBER: WriteError = WriteError::Refused(StorageError::Exists { what: "the number" });

pub(super) fn create(
    connection: &Connection,
    account: AccountId,
    number: Option<&str>,
    created_unix_ms: u64,
) -> Result<(), WriteError> {
    insert(connection, account, number, created_unix_ms, false)
}

pub(super) fn create_room(
    connection: &Connection,
    room: RoomId,
    created_unix_ms: u64,
) -> Result<(), WriteError> {
    insert(connection, room.owner(), None, created_unix_ms, true)
}

fn insert(
    connection: &Connection,
    account: AccountId,
    number: Option<&str>,
    created_unix_ms: u64,
    is_room: bool,
) -> Result<(), WriteError> {
    // One that was deleted may have messages that still are to be removed.
    let is_leaving = connection
        .prepare_cached("SELECT 1 FROM conversation WHERE account = ?1")?
        .exists([Account(account)])?;
    if is_leaving {
        return Err(EXISTS_ACCOUNT);
    }
    connection
        .prepare_cached(
            "INSERT INTO account (id, number, created, is_room) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![Account(account), number, moment(created_unix_ms), is_room])
        .map_err(refusal_of)?;
    Ok(())
}

/// Removes the account with its records, cursors and items; its conversations stay for now.
pub(super) fn delete(connection: &Connection, account: AccountId) -> Result<(), WriteError> {
    let deleted = connection
        .prepare_cached("DELETE FROM account WHERE id = ?1")?
        .execute([Account(account)])?;
    if deleted == 0 { Err(no_account(account)) } else { Ok(()) }
}

pub(super) fn set_number(
    connection: &Connection,
    account: AccountId,
    number: Option<&str>,
) -> Result<(), WriteError> {
    let changed = connection
        .prepare_cached("UPDATE account SET number = ?2 WHERE id = ?1")?
        .execute(params![Account(account), number])
        .map_err(refusal_of)?;
    if changed == 0 { Err(no_account(account)) } else { Ok(()) }
}

pub(super) fn put(
    connection: &Connection,
    account: AccountId,
    feature: &str,
    key: &str,
    value: &[u8],
) -> Result<(), WriteError> {
    connection
        .prepare_cached(
            "INSERT INTO record VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![Account(account), feature, key, value])
        .map_err(absence_of(account))?;
    Ok(())
}

/// Like [`put`]; where there is no such account, nothing is done.
pub(super) fn put_if_there(
    connection: &Connection,
    account: AccountId,
    feature: &str,
    key: &str,
    value: &[u8],
) -> Result<(), WriteError> {
    let exists = connection
        .prepare_cached("SELECT 1 FROM account WHERE id = ?1")?
        .exists([Account(account)])?;
    if exists { put(connection, account, feature, key, value) } else { Ok(()) }
}

/// Those of the accounts that exist and have none of the records, with what is to be told of them.
pub(super) fn without(
    connection: &Connection,
    accounts: &[AccountId],
    (feature, keys): (&str, &[Box<str>]),
    (counted, limit): (&str, usize),
    told: &[(&'static str, Box<str>)],
) -> rusqlite::Result<Vec<(AccountId, Vec<Record>)>> {
    let mut is_there =
        connection.prepare_cached("SELECT 1 FROM account WHERE id = ?1 AND NOT is_room")?;
    let mut has = connection
        .prepare_cached("SELECT 1 FROM record WHERE account = ?1 AND feature = ?2 AND key = ?3")?;
    // The record that reaches the limit tells enough.
    let last = i64::try_from(limit).unwrap_or(i64::MAX).saturating_sub(1);
    let mut at_limit = connection.prepare_cached(
        "SELECT 1 FROM record WHERE account = ?1 AND feature = ?2 LIMIT 1 OFFSET ?3",
    )?;
    let mut found = Vec::new();
    for account in accounts {
        let mut is_meant = is_there.exists([Account(*account)])?
            && !at_limit.exists(params![Account(*account), counted, last])?;
        for key in keys {
            is_meant = is_meant && !has.exists(params![Account(*account), feature, key])?;
        }
        if is_meant {
            found.push((*account, named(connection, *account, told)?));
        }
    }
    Ok(found)
}

/// Those of an account's records that are named, by feature and key.
fn named(
    connection: &Connection,
    account: AccountId,
    names: &[(&'static str, Box<str>)],
) -> rusqlite::Result<Vec<Record>> {
    let mut value = connection.prepare_cached(
        "SELECT value FROM record WHERE account = ?1 AND feature = ?2 AND key = ?3",
    )?;
    let mut records = Vec::new();
    for (feature, key) in names {
        let found: Option<Vec<u8>> = value
            .query_row(params![Account(account), feature, key], |row| row.get(0))
            .optional()?;
        let record = |value: Vec<u8>| Record {
            feature: (*feature).into(),
            key: key.clone(),
            value: value.into(),
        };
        records.extend(found.map(record));
    }
    Ok(records)
}

/// Those of the accounts that have a record of the feature.
pub(super) fn with(
    connection: &Connection,
    accounts: &[AccountId],
    feature: &str,
) -> rusqlite::Result<Vec<AccountId>> {
    let mut has =
        connection.prepare_cached("SELECT 1 FROM record WHERE account = ?1 AND feature = ?2")?;
    let mut found = Vec::new();
    for account in accounts {
        found.extend(has.exists(params![Account(*account), feature])?.then_some(*account));
    }
    Ok(found)
}

pub(super) fn remove(
    connection: &Connection,
    account: AccountId,
    feature: &str,
    key: &str,
) -> Result<(), WriteError> {
    connection
        .prepare_cached("DELETE FROM record WHERE account = ?1 AND feature = ?2 AND key = ?3")?
        .execute(params![Account(account), feature, key])?;
    Ok(())
}

/// Notes that an archive lists more, or less, than before. One of an account that is no more may
/// still be about to be removed.
pub(super) fn count_archived(
    connection: &Connection,
    account: AccountId,
    bytes: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE account SET archived = archived + ?2 WHERE id = ?1")?
        .execute(params![Account(account), bytes])
        .map(drop)
}

pub(super) fn set_cursor(
    connection: &Connection,
    account: AccountId,
    device: &str,
    received: MessageId,
) -> Result<(), WriteError> {
    connection
        .prepare_cached(
            "INSERT INTO cursor VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET received = excluded.received",
        )?
        .execute(params![Account(account), device, Message(received)])
        .map_err(absence_of(account))?;
    Ok(())
}

pub(super) fn remove_cursor(
    connection: &Connection,
    account: AccountId,
    device: &str,
) -> Result<(), WriteError> {
    connection
        .prepare_cached("DELETE FROM cursor WHERE account = ?1 AND device = ?2")?
        .execute(params![Account(account), device])?;
    Ok(())
}

pub(super) fn no_account(account: AccountId) -> WriteError {
    WriteError::Refused(StorageError::NoAccount { account })
}

/// A row that belongs to an account was refused for want of the account.
pub(super) fn absence_of(account: AccountId) -> impl Fn(Error) -> WriteError {
    move |error| match extended_code(&error) {
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => no_account(account),
        _ => error.into(),
    }
}

fn refusal_of(error: Error) -> WriteError {
    match extended_code(&error) {
        Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID) => EXISTS_ACCOUNT,
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE) => EXISTS_NUMBER,
        _ => error.into(),
    }
}

fn extended_code(error: &Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}
