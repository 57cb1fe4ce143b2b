//! Rows of uploads: under way, and finished ones that still resolve to their object.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::allowances::{charge, charge_bytes, refund};
use super::objects::{ObjectRow, insert_object};
use super::references::{Referred, refer, usage};
use super::{from_sql, to_sql};
use crate::{Allowance, Digest, StoreError, UnixSeconds, UploadId};

#[derive(Debug, Clone)]
pub(crate) struct UploadRow {
    pub(crate) id: UploadId,
    pub(crate) owner: String,
    pub(crate) len: Option<u64>,
    pub(crate) reserved: u64,
    pub(crate) bytes_max: u64,
    pub(crate) media_type: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) expected: Option<Digest>,
    pub(crate) reference_until: Option<UnixSeconds>,
    pub(crate) allowance: Option<(String, u64)>,
    pub(crate) resumable: bool,
    pub(crate) offset: u64,
    pub(crate) created: UnixSeconds,
    pub(crate) expires: UnixSeconds,
    pub(crate) expiry_fixed: bool,
    pub(crate) publishing: Option<Digest>,
    pub(crate) digest: Option<Digest>,
}

pub(crate) struct NewUpload {
    pub(crate) row: UploadRow,
    pub(crate) allowance: Option<Allowance>,
    /// 0: no quota.
    pub(crate) quota_bytes_max: u64,
}

pub(crate) struct Finish {
    pub(crate) id: UploadId,
    pub(crate) object: ObjectRow,
    pub(crate) quota_bytes_max: u64,
}

pub(crate) fn upload(
    connection: &Connection,
    id: &UploadId,
) -> Result<Option<UploadRow>, StoreError> {
    let mut query = connection.prepare_cached("SELECT * FROM upload WHERE id = ?1")?;
    Ok(query.query_row([id.as_str()], read_row).optional()?)
}

/// Adds an upload, in the place of an unfinished one of that name, if quota and allowance let it.
pub(crate) fn insert_upload(connection: &Connection, new: &NewUpload) -> Result<(), StoreError> {
    let row = &new.row;
    if let Some(before) = upload(connection, &row.id)? {
        if let Some(digest) = before.digest {
            return Err(StoreError::AlreadyFinished { id: row.id, digest });
        }
        delete_upload(connection, &row.id)?;
    }
    check_room(connection, &row.owner, row.reserved, new.quota_bytes_max)?;
    if let Some(allowance) = &new.allowance {
        charge(connection, allowance, 1, row.len.unwrap_or(0))?;
    }
    connection
        .prepare_cached(
            "INSERT INTO upload VALUES
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )?
        .execute(params![
            row.id.as_str(),
            row.owner,
            row.len.map(to_sql),
            to_sql(row.reserved),
            to_sql(row.bytes_max),
            row.media_type,
            row.name,
            row.metadata,
            row.expected,
            row.reference_until.map(|until| to_sql(until.0)),
            row.allowance.as_ref().map(|(id, _)| id),
            row.allowance.as_ref().map(|(_, bytes_max)| to_sql(*bytes_max)),
            row.resumable,
            to_sql(row.offset),
            to_sql(row.created.0),
            to_sql(row.expires.0),
            row.expiry_fixed,
            row.publishing,
            row.digest,
        ])?;
    Ok(())
}

/// Notes the length of an upload that was begun without, if quota and allowance let it.
pub(crate) fn announce(
    connection: &Connection,
    id: &UploadId,
    len: u64,
    quota_bytes_max: u64,
) -> Result<(), StoreError> {
    let row = upload(connection, id)?.ok_or(StoreError::UnknownUpload(*id))?;
    let used = usage(connection, &row.owner)?;
    let others = (used.bytes + used.reserved_bytes).saturating_sub(row.reserved);
    check_quota(&row.owner, others, len, quota_bytes_max)?;
    if let Some((allowance, bytes_max)) = &row.allowance {
        charge_bytes(connection, allowance, len, *bytes_max)?;
    }
    connection
        .prepare_cached(
            "UPDATE upload SET len = ?2, reserved = ?2, bytes_max = ?2
             WHERE id = ?1 AND len IS NULL AND digest IS NULL",
        )?
        .execute(params![id.as_str(), to_sql(len)])?;
    Ok(())
}

/// Notes how many bytes are on disk, and until when the upload may go on.
pub(crate) fn checkpoint(
    connection: &Connection,
    id: &UploadId,
    offset: u64,
    expires: UnixSeconds,
) -> Result<(), StoreError> {
    let noted = connection
        .prepare_cached(
            "UPDATE upload SET offset = ?2, reserved = coalesce(len, ?2),
                expires = CASE WHEN expiry_fixed THEN expires ELSE ?3 END
             WHERE id = ?1 AND digest IS NULL",
        )?
        .execute(params![id.as_str(), to_sql(offset), to_sql(expires.0)])?;
    if noted == 0 { Err(StoreError::UnknownUpload(*id)) } else { Ok(()) }
}

/// Notes that the upload's file is about to become the object `digest`.
pub(crate) fn set_publishing(
    connection: &Connection,
    id: &UploadId,
    digest: Option<&Digest>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE upload SET publishing = ?2 WHERE id = ?1 AND digest IS NULL")?
        .execute(params![id.as_str(), digest])?;
    Ok(())
}

/// Makes the object known, its owner's reference with it, and the upload finished.
pub(crate) fn finish(connection: &Connection, finish: &Finish) -> Result<UploadRow, StoreError> {
    let Finish { id, object, quota_bytes_max } = finish;
    let mut row = upload(connection, id)?.ok_or(StoreError::UnknownUpload(*id))?;
    if let Some(digest) = row.digest {
        return Err(StoreError::AlreadyFinished { id: *id, digest });
    }
    let used = usage(connection, &row.owner)?;
    let others = (used.bytes + used.reserved_bytes).saturating_sub(row.reserved);
    if !is_referred(connection, &object.digest, &row.owner)? {
        check_quota(&row.owner, others, object.len, *quota_bytes_max)?;
    }
    if let (None, Some((allowance, bytes_max))) = (row.len, &row.allowance) {
        charge_bytes(connection, allowance, object.len, *bytes_max)?;
    }
    insert_object(connection, object)?;
    let reference = Referred { owner: row.owner.clone(), until: row.reference_until };
    refer(connection, &object.digest, &reference, object.renewed)?;
    connection
        .prepare_cached(
            "UPDATE upload SET digest = ?2, len = ?3, offset = ?3, reserved = 0, publishing = NULL
             WHERE id = ?1",
        )?
        .execute(params![id.as_str(), object.digest, to_sql(object.len)])?;
    row.digest = Some(object.digest);
    Ok(row)
}

/// Forgets an unfinished upload and gives back what it had taken of its allowance.
pub(crate) fn delete_upload(connection: &Connection, id: &UploadId) -> Result<bool, StoreError> {
    let Some(row) = upload(connection, id)?.filter(|row| row.digest.is_none()) else {
        return Ok(false);
    };
    connection.prepare_cached("DELETE FROM upload WHERE id = ?1")?.execute([id.as_str()])?;
    if let Some((allowance, _)) = &row.allowance {
        refund(connection, allowance, row.len.unwrap_or(0))?;
    }
    Ok(true)
}

/// At most `limit` unfinished uploads behind `after` that have expired, or that ended with the
/// process that received them (or are still received by this one).
pub(crate) fn dead_uploads(
    connection: &Connection,
    now: UnixSeconds,
    after: &str,
    limit: u32,
) -> Result<Vec<UploadId>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT * FROM upload WHERE digest IS NULL AND (expires <= ?1 OR NOT resumable)
         AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    let rows =
        query.query_map(params![to_sql(now.0), after, limit], |row| Ok(read_row(row)?.id))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Uploads that were being published; only a crash leaves one that nobody holds.
pub(crate) fn publishing_uploads(connection: &Connection) -> Result<Vec<UploadId>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT * FROM upload WHERE publishing IS NOT NULL")?;
    let rows = query.query_map([], |row| Ok(read_row(row)?.id))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether an unfinished upload is about to become this object.
pub(crate) fn is_publishing(connection: &Connection, digest: &Digest) -> Result<bool, StoreError> {
    let mut query = connection.prepare_cached("SELECT 1 FROM upload WHERE publishing = ?1")?;
    Ok(query.exists([digest])?)
}

/// Whether there is an unfinished upload of this name.
pub(crate) fn is_receiving(connection: &Connection, id: &UploadId) -> Result<bool, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT 1 FROM upload WHERE id = ?1 AND digest IS NULL")?;
    Ok(query.exists([id.as_str()])?)
}

/// How many uploads are unfinished.
pub(crate) fn uploads_receiving(connection: &Connection) -> Result<u64, StoreError> {
    let count = "SELECT count(*) FROM upload WHERE digest IS NULL";
    Ok(connection.query_row(count, [], |row| Ok(from_sql(row.get(0)?)))?)
}

fn is_referred(connection: &Connection, digest: &Digest, owner: &str) -> Result<bool, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT 1 FROM reference WHERE digest = ?1 AND owner = ?2")?;
    Ok(query.exists(params![digest, owner])?)
}

/// Whether an owner may have so many bytes more.
pub(crate) fn check_room(
    connection: &Connection,
    owner: &str,
    asked: u64,
    quota_bytes_max: u64,
) -> Result<(), StoreError> {
    let used = usage(connection, owner)?;
    check_quota(owner, used.bytes + used.reserved_bytes, asked, quota_bytes_max)
}

fn check_quota(owner: &str, used: u64, asked: u64, bytes_max: u64) -> Result<(), StoreError> {
    if bytes_max > 0 && used.saturating_add(asked) > bytes_max {
        return Err(StoreError::QuotaExceeded { owner: owner.into(), used, asked, bytes_max });
    }
    Ok(())
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<UploadRow> {
    let moment = |name| -> rusqlite::Result<_> {
        Ok(row.get::<_, Option<i64>>(name)?.map(|seconds| UnixSeconds(from_sql(seconds))))
    };
    let number =
        |name| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(name)?.map(from_sql)) };
    let id: String = row.get("id")?;
    let id = id.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let allowance: Option<String> = row.get("allowance")?;
    let allowance_bytes_max = number("allowance_bytes_max")?.unwrap_or(0);
    Ok(UploadRow {
        id,
        owner: row.get("owner")?,
        len: number("len")?,
        reserved: number("reserved")?.unwrap_or(0),
        bytes_max: number("bytes_max")?.unwrap_or(0),
        media_type: row.get("media_type")?,
        name: row.get("name")?,
        metadata: row.get("metadata")?,
        expected: row.get("expected")?,
        reference_until: moment("reference_until")?,
        allowance: allowance.map(|id| (id, allowance_bytes_max)),
        resumable: row.get("resumable")?,
        offset: number("offset")?.unwrap_or(0),
        created: moment("created")?.unwrap_or_default(),
        expires: moment("expires")?.unwrap_or_default(),
        expiry_fixed: row.get("expiry_fixed")?,
        publishing: row.get("publishing")?,
        digest: row.get("digest")?,
    })
}
