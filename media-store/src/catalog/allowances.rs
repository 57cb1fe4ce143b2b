//! What each signed token has been used for.

use rusqlite::{Connection, OptionalExtension, params};

use super::{from_sql, to_sql};
use crate::{Allowance, StoreError, UnixSeconds};

/// Takes `uploads` and `bytes` from an allowance, or refuses.
pub(super) fn charge(
    connection: &Connection,
    allowance: &Allowance,
    uploads: u32,
    bytes: u64,
) -> Result<(), StoreError> {
    let mut query =
        connection.prepare_cached("SELECT uploads, bytes FROM allowance WHERE id = ?1")?;
    let (uploads_so_far, bytes_so_far) = query
        .query_row([&allowance.id], |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))
        .optional()?
        .unwrap_or_default();
    let uploads = uploads_so_far + u64::from(uploads);
    let bytes = bytes_so_far.saturating_add(bytes);
    if uploads > u64::from(allowance.count_max) || bytes > allowance.bytes_max {
        return Err(StoreError::AllowanceSpent {
            id: allowance.id.clone(),
            bytes_max: allowance.bytes_max,
        });
    }
    connection
        .prepare_cached(
            "INSERT INTO allowance VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET uploads = ?2, bytes = ?3, until = max(until, ?4)",
        )?
        .execute(params![
            allowance.id,
            to_sql(uploads),
            to_sql(bytes),
            to_sql(allowance.until.0)
        ])?;
    Ok(())
}

/// Takes the bytes of an upload whose length was not known when it began.
pub(super) fn charge_bytes(
    connection: &Connection,
    id: &str,
    bytes: u64,
    bytes_max: u64,
) -> Result<(), StoreError> {
    let charged = connection
        .prepare_cached(
            "UPDATE allowance SET bytes = bytes + ?2 WHERE id = ?1 AND bytes + ?2 <= ?3",
        )?
        .execute(params![id, to_sql(bytes), to_sql(bytes_max)])?;
    if charged == 0 {
        return Err(StoreError::AllowanceSpent { id: id.into(), bytes_max });
    }
    Ok(())
}

/// Gives back what an upload that came to nothing had taken.
pub(super) fn refund(connection: &Connection, id: &str, bytes: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE allowance SET uploads = max(uploads - 1, 0), bytes = max(bytes - ?2, 0)
             WHERE id = ?1",
        )?
        .execute(params![id, to_sql(bytes)])?;
    Ok(())
}

/// Forgets at most `limit` allowances that have ended; gives how many. An ended allowance is
/// refused by its end alone.
pub(crate) fn drop_ended_allowances(
    connection: &Connection,
    now: UnixSeconds,
    limit: u32,
) -> Result<u64, StoreError> {
    let dropped = connection
        .prepare_cached(
            "DELETE FROM allowance WHERE id IN
             (SELECT id FROM allowance WHERE until <= ?1 LIMIT ?2)",
        )?
        .execute(params![to_sql(now.0), limit])?;
    Ok(dropped as u64)
}
