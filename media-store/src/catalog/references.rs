//! Rows of references and what they add up to.

use rusqlite::{Connection, OptionalExtension, params};

use super::{from_sql, to_sql};
use crate::{Digest, StoreError, UnixSeconds, Usage};

/// A reference to be added.
#[derive(Debug, Clone)]
pub(crate) struct Referred {
    pub(crate) owner: String,
    pub(crate) until: Option<UnixSeconds>,
}

/// Adds a reference, or moves the end of the owner's one to the later of both.
pub(crate) fn refer(
    connection: &Connection,
    digest: &Digest,
    reference: &Referred,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    let until = reference.until.map(|until| to_sql(until.0));
    let added = connection
        .prepare_cached(
            "INSERT INTO reference (digest, owner, len, until)
             SELECT digest, ?2, len, ?3 FROM object WHERE digest = ?1
             ON CONFLICT DO UPDATE SET until =
                CASE WHEN until IS NULL OR ?3 IS NULL THEN NULL ELSE max(until, ?3) END",
        )?
        .execute(params![digest, reference.owner, until])?;
    if added == 0 {
        return Err(StoreError::UnknownObject(*digest));
    }
    connection
        .prepare_cached("UPDATE object SET renewed = max(renewed, ?2) WHERE digest = ?1")?
        .execute(params![digest, to_sql(now.0)])?;
    settle_until(connection, digest, now)
}

/// Drops the owner's reference; says whether there was one.
pub(crate) fn drop_reference(
    connection: &Connection,
    digest: &Digest,
    owner: &str,
    now: UnixSeconds,
) -> Result<bool, StoreError> {
    let dropped = connection
        .prepare_cached("DELETE FROM reference WHERE digest = ?1 AND owner = ?2")?
        .execute(params![digest, owner])?;
    if dropped > 0 {
        settle_until(connection, digest, now)?;
    }
    Ok(dropped > 0)
}

/// Drops at most `limit` references whose end has come; gives how many.
pub(crate) fn drop_ended_references(
    connection: &Connection,
    now: UnixSeconds,
    limit: u32,
) -> Result<u64, StoreError> {
    // The object's own `until` stays: it is the end of the last of them.
    let dropped = connection
        .prepare_cached(
            "DELETE FROM reference WHERE (digest, owner) IN
             (SELECT digest, owner FROM reference WHERE until <= ?1 LIMIT ?2)",
        )?
        .execute(params![to_sql(now.0), limit])?;
    Ok(dropped as u64)
}

/// Owner and end of each reference to the object.
pub(crate) fn references(
    connection: &Connection,
    digest: &Digest,
) -> Result<Vec<(String, Option<UnixSeconds>)>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT owner, until FROM reference WHERE digest = ?1 ORDER BY owner")?;
    let rows = query.query_map([digest], |row| {
        let until = row.get::<_, Option<i64>>(1)?.map(|until| UnixSeconds(from_sql(until)));
        Ok((row.get(0)?, until))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What an owner's references and open uploads hold.
pub(crate) fn usage(connection: &Connection, owner: &str) -> Result<Usage, StoreError> {
    let mut held =
        connection.prepare_cached("SELECT bytes, objects FROM usage WHERE owner = ?1")?;
    let held = held
        .query_row([owner], |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))
        .optional()?
        .unwrap_or_default();
    let mut open = connection.prepare_cached(
        "SELECT coalesce(sum(reserved), 0), count(*) FROM upload
         WHERE owner = ?1 AND digest IS NULL",
    )?;
    let open = open.query_row([owner], |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))?;
    Ok(Usage { bytes: held.0, objects: held.1, reserved_bytes: open.0, uploads: open.1 })
}

/// Keeps the object's `until` the end of its last reference; `now` if it has none any more.
fn settle_until(
    connection: &Connection,
    digest: &Digest,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE object SET until = CASE
                WHEN EXISTS (SELECT 1 FROM reference WHERE digest = ?1 AND until IS NULL) THEN NULL
                ELSE coalesce((SELECT max(until) FROM reference WHERE digest = ?1), ?2) END
             WHERE digest = ?1",
        )?
        .execute(params![digest, to_sql(now.0)])?;
    Ok(())
}
