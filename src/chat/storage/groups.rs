//! Rows of followed groups (RFC 9420), in parts.

use bytes::Bytes;
use chat_core::jid::AccountId;
use chat_core::mls::parts::PartsChange;
use rusqlite::{Connection, params};

use super::error::WriteError;
use super::numbers::{Account, Bits};

pub(super) fn change(
    connection: &Connection,
    owner: AccountId,
    change: &PartsChange,
) -> Result<(), WriteError> {
    let mut put = connection.prepare_cached(
        "INSERT INTO group_part VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET part = excluded.part",
    )?;
    for (number, part) in &change.put {
        put.execute(params![Account(owner), Bits(*number), &part[..]])?;
    }
    let mut remove =
        connection.prepare_cached("DELETE FROM group_part WHERE owner = ?1 AND number = ?2")?;
    for number in &change.remove {
        remove.execute(params![Account(owner), Bits(*number)])?;
    }
    Ok(())
}

pub(super) fn remove(connection: &Connection, owner: AccountId) -> Result<(), WriteError> {
    connection
        .prepare_cached("DELETE FROM group_part WHERE owner = ?1")?
        .execute([Account(owner)])?;
    Ok(())
}

pub(super) fn parts(
    connection: &Connection,
    owner: AccountId,
) -> rusqlite::Result<Vec<(u64, Bytes)>> {
    connection
        .prepare_cached("SELECT number, part FROM group_part WHERE owner = ?1 ORDER BY number")?
        .query_map([Account(owner)], |row| {
            Ok((row.get(0).map(|Bits(number)| number)?, row.get::<_, Vec<u8>>(1)?.into()))
        })?
        .collect()
}
