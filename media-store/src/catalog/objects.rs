//! Rows of objects.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::{from_sql, to_sql};
use crate::{Digest, StoreError, UnixSeconds};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectRow {
    pub(crate) digest: Digest,
    pub(crate) len: u64,
    pub(crate) media_type: String,
    pub(crate) created: UnixSeconds,
    pub(crate) renewed: UnixSeconds,
    pub(crate) until: Option<UnixSeconds>,
}

/// Before which moments an object must have ended to be collected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expired {
    /// Its last reference ended at or before this.
    pub(crate) until: UnixSeconds,
    /// Its last reference was added at or before this; none: no retention.
    pub(crate) renewed: Option<UnixSeconds>,
}

pub(crate) fn object(
    connection: &Connection,
    digest: &Digest,
) -> Result<Option<ObjectRow>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT digest, len, media_type, created, renewed, until FROM object WHERE digest = ?1",
    )?;
    Ok(query.query_row([digest], read_row).optional()?)
}

/// At most `limit` objects in the order of their digests, behind `after`.
pub(crate) fn objects_after(
    connection: &Connection,
    after: Option<&Digest>,
    limit: u32,
) -> Result<Vec<ObjectRow>, StoreError> {
    let after = after.map_or(&[][..], |digest| &digest.0[..]);
    let mut query = connection.prepare_cached(
        "SELECT digest, len, media_type, created, renewed, until
         FROM object WHERE digest > ?1 ORDER BY digest LIMIT ?2",
    )?;
    let rows = query.query_map(params![after, limit], read_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// At most `limit` objects behind `after` that may be collected, in the order of their digests.
pub(crate) fn expired_objects(
    connection: &Connection,
    expired: Expired,
    after: Option<&Digest>,
    limit: u32,
) -> Result<Vec<Digest>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT digest FROM object WHERE until <= ?1 AND digest > ?3
         UNION SELECT digest FROM object WHERE renewed <= ?2 AND digest > ?3
         ORDER BY digest LIMIT ?4",
    )?;
    let after = after.map_or(&[][..], |digest| &digest.0[..]);
    let rows = query.query_map(
        params![to_sql(expired.until.0), expired.renewed_sql(), after, limit],
        |row| row.get(0),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes the object, its references and the uploads that made it, if it may (still) be
/// collected. Says whether it did.
pub(crate) fn delete_object(
    connection: &Connection,
    digest: &Digest,
    expired: Expired,
) -> Result<bool, StoreError> {
    let deleted = connection
        .prepare_cached("DELETE FROM object WHERE digest = ?1 AND (until <= ?2 OR renewed <= ?3)")?
        .execute(params![digest, to_sql(expired.until.0), expired.renewed_sql()])?;
    if deleted == 0 {
        return Ok(false);
    }
    connection.prepare_cached("DELETE FROM upload WHERE digest = ?1")?.execute([digest])?;
    Ok(true)
}

/// Adds the object; one that is there already keeps its type.
pub(crate) fn insert_object(connection: &Connection, row: &ObjectRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO object (digest, len, media_type, created, renewed, until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            row.digest,
            to_sql(row.len),
            row.media_type,
            to_sql(row.created.0),
            to_sql(row.renewed.0),
            row.until.map(|until| to_sql(until.0)),
        ])?;
    Ok(())
}

/// Number and bytes of all objects.
pub(crate) fn totals(connection: &Connection) -> Result<(u64, u64), StoreError> {
    Ok(connection.query_row("SELECT count(*), coalesce(sum(len), 0) FROM object", [], |row| {
        Ok((from_sql(row.get(0)?), from_sql(row.get(1)?)))
    })?)
}

impl Expired {
    fn renewed_sql(self) -> i64 {
        self.renewed.map_or(-1, |renewed| to_sql(renewed.0))
    }
}

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        bytes.try_into().map(Self).map_err(|_| FromSqlError::InvalidBlobSize {
            expected_size: Self::LEN,
            blob_size: bytes.len(),
        })
    }
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<ObjectRow> {
    Ok(ObjectRow {
        digest: row.get(0)?,
        len: from_sql(row.get(1)?),
        media_type: row.get(2)?,
        created: UnixSeconds(from_sql(row.get(3)?)),
        renewed: UnixSeconds(from_sql(row.get(4)?)),
        until: row.get::<_, Option<i64>>(5)?.map(|until| UnixSeconds(from_sql(until))),
    })
}
