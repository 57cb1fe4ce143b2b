//! Beginning, resuming and giving up uploads.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::catalog::{self, Finish, NewUpload, ObjectRow, UploadRow};
use crate::claims::Claim;
use crate::error::IoContext;
use crate::media_type::media_type;
use crate::place::remove_file;
use crate::receive::{Checkpoint, Receiving};
use crate::{Digest, Store, StoreError, UnixSeconds, UploadId};

/// What is known of an upload before its bytes come. [`UploadSpec::by`] gives one to fill in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadSpec {
    /// Who uploads: the object's first reference, and whose quota it takes.
    pub owner: String,
    /// The upload's name, where it was given away before (XEP-0363's slot); none: a new one.
    pub id: Option<UploadId>,
    /// Bytes to come, if known.
    pub len: Option<u64>,
    /// The declared media type.
    pub media_type: Option<String>,
    /// The file's name.
    pub name: Option<String>,
    /// Whatever the caller wants to find in [`UploadState`] again (tus' `Upload-Metadata`).
    pub metadata: Option<String>,
    /// The digest that the bytes must have.
    pub expected: Option<Digest>,
    /// When the owner's reference to the object ends; none: never.
    pub reference_until: Option<UnixSeconds>,
    /// What the upload draws on, if it was allowed by a token.
    pub allowance: Option<Allowance>,
    /// When the upload is given up if it is not finished; none: the configuration's
    /// `upload_expiry_hours` after its last checkpoint.
    pub expires: Option<UnixSeconds>,
    /// Whether it stays when its [`Receiving`] is dropped, to be resumed (tus). One that is not
    /// resumable (a plain PUT) leaves nothing behind when it is dropped.
    pub resumable: bool,
}

/// What a signed token allows: so many uploads of so many bytes in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The token's name: what has been used of it is counted under it.
    pub id: String,
    /// Uploads.
    pub count_max: u32,
    /// Bytes of all of them.
    pub bytes_max: u64,
    /// Until when uploads may begin.
    pub until: UnixSeconds,
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadState {
    /// Bytes are missing.
    Receiving(ReceivingState),
    /// It has become an object. Kept as long as the object.
    Finished(FinishedState),
}

/// An unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivingState {
    /// Who uploads.
    pub owner: String,
    /// Bytes acknowledged: those of the last checkpoint.
    pub offset: u64,
    /// Bytes announced.
    pub len: Option<u64>,
    /// The declared media type.
    pub media_type: Option<String>,
    /// The file's name.
    pub name: Option<String>,
    /// What the caller gave in [`UploadSpec::metadata`].
    pub metadata: Option<String>,
    /// When it is given up.
    pub expires: UnixSeconds,
}

/// A finished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FinishedState {
    /// Who uploaded.
    pub owner: String,
    /// The object.
    pub digest: Digest,
    /// Bytes in the object.
    pub len: u64,
    /// The media type of this upload: declared, or guessed from its name.
    pub media_type: String,
    /// The file's name.
    pub name: Option<String>,
    /// What the caller gave in [`UploadSpec::metadata`].
    pub metadata: Option<String>,
}

impl UploadSpec {
    /// An upload by `owner` of which nothing else is known.
    pub fn by(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), ..Self::default() }
    }
}

impl Store {
    /// Begins an upload. What can be refused is refused here, before bytes are sent.
    ///
    /// An unfinished upload of the same id that nobody holds is replaced.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::QuotaExceeded`], [`StoreError::NoSpace`],
    /// [`StoreError::AllowanceSpent`], [`StoreError::AllowanceEnded`],
    /// [`StoreError::AlreadyFinished`], [`StoreError::Busy`], and errors of disk and catalog.
    pub fn begin(&self, spec: UploadSpec) -> Result<Receiving, StoreError> {
        let bytes_max = self.bytes_max(&spec)?;
        let id = spec.id.map_or_else(UploadId::random, Ok)?;
        let claim = self.hold_upload(id)?;
        let row = self.new_row(id, &spec, bytes_max);
        let new = NewUpload {
            row: row.clone(),
            allowance: spec.allowance,
            quota_bytes_max: self.config().quota_bytes_max,
        };
        self.catalog().write(move |catalog| catalog::insert_upload(catalog, &new))?;
        let begun = self
            .remove_upload_files(&id)
            .and_then(|()| open_part(&self.part_path(&id)))
            .map(|file| Receiving::new(self, claim, row, file, Checkpoint::start()));
        begun.inspect_err(|_| {
            self.catalog()
                .write_if_idle(move |catalog| catalog::delete_upload(catalog, &id).map(drop));
        })
    }

    /// Says whether `owner` could begin an upload of `len` bytes now, as [`Self::begin`] would.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::QuotaExceeded`], [`StoreError::NoSpace`], and errors
    /// of disk and catalog.
    pub fn check_room(&self, owner: &str, len: u64) -> Result<(), StoreError> {
        self.bytes_max(&UploadSpec { len: Some(len), ..UploadSpec::by(owner) })?;
        let quota_bytes_max = self.config().quota_bytes_max;
        self.catalog().read(|catalog| catalog::check_room(catalog, owner, len, quota_bytes_max))
    }

    /// Goes on with a resumable upload from its last checkpoint, without hashing again what lies
    /// before (but for the last MiB).
    ///
    /// # Errors
    /// [`StoreError::UnknownUpload`] (also when it has expired), [`StoreError::AlreadyFinished`],
    /// [`StoreError::Busy`], [`StoreError::UploadDamaged`], and errors of disk and catalog.
    pub fn resume(&self, id: &UploadId) -> Result<Receiving, StoreError> {
        let claim = self.hold_upload(*id)?;
        let mut row = self.upload_row(id)?.ok_or(StoreError::UnknownUpload(*id))?;
        self.settle_publishing(&mut row)?;
        if let Some(digest) = row.digest {
            return Err(StoreError::AlreadyFinished { id: *id, digest });
        }
        if !row.resumable || row.expires <= self.now() {
            return Err(StoreError::UnknownUpload(*id));
        }
        let path = self.part_path(id);
        let file = open_part(&path)?;
        let found = file.metadata().at("stat", &path)?.len();
        if found < row.offset {
            return Err(StoreError::UploadDamaged { id: *id, offset: row.offset, found });
        }
        // What came after the last checkpoint was not acknowledged and may not be whole.
        file.set_len(row.offset).at("cut", &path)?;
        let checkpoint = Checkpoint::read(&file, &path, &self.upload_tree_path(id), row.offset)?;
        Ok(Receiving::new(self, claim, row, file, checkpoint))
    }

    /// Gives up an unfinished upload and removes what came of it (tus termination).
    ///
    /// # Errors
    /// [`StoreError::UnknownUpload`], [`StoreError::AlreadyFinished`], [`StoreError::Busy`], and
    /// errors of disk and catalog.
    pub fn abandon(&self, id: &UploadId) -> Result<(), StoreError> {
        let _claim = self.hold_upload(*id)?;
        let mut row = self.upload_row(id)?.ok_or(StoreError::UnknownUpload(*id))?;
        self.settle_publishing(&mut row)?;
        if let Some(digest) = row.digest {
            return Err(StoreError::AlreadyFinished { id: *id, digest });
        }
        self.delete_upload(id)
    }

    /// How far an upload is; none if there is no such, or it has expired.
    ///
    /// # Errors
    /// Errors of disk and catalog.
    pub fn upload(&self, id: &UploadId) -> Result<Option<UploadState>, StoreError> {
        let Some(mut row) = self.upload_row(id)? else { return Ok(None) };
        if row.publishing.is_some()
            && let Some(_claim) = self.uploads_in_use().try_hold(*id)
        {
            // Read again: whoever held it may just have finished.
            let Some(now) = self.upload_row(id)? else { return Ok(None) };
            row = now;
            self.settle_publishing(&mut row)?;
        }
        let expired = row.digest.is_none() && row.expires <= self.now();
        Ok((!expired).then(|| UploadState::from(row)))
    }

    /// Completes what a crash cut off between an upload's renaming and its entry in the catalog.
    /// The caller holds the upload.
    pub(crate) fn settle_publishing(&self, row: &mut UploadRow) -> Result<(), StoreError> {
        let Some(digest) = row.publishing else { return Ok(()) };
        let _changing = self.objects_changing().hold(digest);
        if self.part_path(&row.id).exists() {
            return Ok(());
        }
        // The file was synced before it was renamed: if it is there, it is whole.
        let Some(len) = self.place().stored_len(&digest)? else { return Ok(()) };
        if row.len.is_some_and(|announced| announced != len) {
            return Ok(());
        }
        *row = self.commit_finish(row, digest, len)?;
        Ok(())
    }

    /// Enters the object of an upload whose bytes are in their place.
    pub(crate) fn commit_finish(
        &self,
        row: &UploadRow,
        digest: Digest,
        len: u64,
    ) -> Result<UploadRow, StoreError> {
        let now = self.now();
        let finish = Finish {
            id: row.id,
            object: ObjectRow {
                digest,
                len,
                media_type: media_type(row.media_type.as_deref(), row.name.as_deref()),
                created: now,
                renewed: now,
                until: row.reference_until,
            },
            quota_bytes_max: self.config().quota_bytes_max,
        };
        self.catalog().write(move |catalog| catalog::finish(catalog, &finish))
    }

    /// Removes an unfinished upload that the caller holds.
    pub(crate) fn delete_upload(&self, id: &UploadId) -> Result<(), StoreError> {
        let gone = *id;
        self.catalog().write(move |catalog| catalog::delete_upload(catalog, &gone))?;
        self.remove_upload_files(id)
    }

    pub(crate) fn remove_upload_files(&self, id: &UploadId) -> Result<(), StoreError> {
        remove_file(&self.part_path(id))?;
        remove_file(&self.upload_tree_path(id))
    }

    pub(crate) fn part_path(&self, id: &UploadId) -> PathBuf {
        self.uploads_folder().join(format!("{id}{PART_SUFFIX}"))
    }

    pub(crate) fn upload_tree_path(&self, id: &UploadId) -> PathBuf {
        self.uploads_folder().join(format!("{id}{TREE_SUFFIX}"))
    }

    pub(crate) fn upload_row(&self, id: &UploadId) -> Result<Option<UploadRow>, StoreError> {
        self.catalog().read(|catalog| catalog::upload(catalog, id))
    }

    fn hold_upload(&self, id: UploadId) -> Result<Claim<UploadId>, StoreError> {
        self.uploads_in_use().try_hold(id).ok_or(StoreError::Busy(id))
    }

    /// The bytes that an upload may have, after checking those it announces.
    fn bytes_max(&self, spec: &UploadSpec) -> Result<u64, StoreError> {
        let mut bytes_max = self.config().object_bytes_max;
        if let Some(allowance) = &spec.allowance {
            if allowance.until <= self.now() {
                return Err(StoreError::AllowanceEnded { id: allowance.id.clone() });
            }
            bytes_max = bytes_max.min(allowance.bytes_max);
        }
        let Some(len) = spec.len else { return Ok(bytes_max) };
        if len > bytes_max {
            return Err(StoreError::TooLarge { len, bytes_max });
        }
        if len.saturating_add(FREE_BYTES_KEPT) > self.free_bytes()? {
            return Err(StoreError::NoSpace);
        }
        Ok(len)
    }

    fn new_row(&self, id: UploadId, spec: &UploadSpec, bytes_max: u64) -> UploadRow {
        let now = self.now();
        UploadRow {
            id,
            owner: spec.owner.clone(),
            len: spec.len,
            reserved: spec.len.unwrap_or(0),
            bytes_max,
            media_type: spec.media_type.clone(),
            name: spec.name.clone(),
            metadata: spec.metadata.clone(),
            expected: spec.expected,
            reference_until: spec.reference_until,
            allowance: spec.allowance.as_ref().map(|it| (it.id.clone(), it.bytes_max)),
            resumable: spec.resumable,
            offset: 0,
            created: now,
            expires: spec.expires.unwrap_or(now.plus(self.config().upload_expiry_s())),
            expiry_fixed: spec.expires.is_some(),
            publishing: None,
            digest: None,
        }
    }
}

impl From<UploadRow> for UploadState {
    fn from(row: UploadRow) -> Self {
        match row.digest {
            Some(digest) => Self::Finished(FinishedState {
                digest,
                len: row.offset,
                media_type: media_type(row.media_type.as_deref(), row.name.as_deref()),
                owner: row.owner,
                name: row.name,
                metadata: row.metadata,
            }),
            None => Self::Receiving(ReceivingState {
                owner: row.owner,
                offset: row.offset,
                len: row.len,
                media_type: row.media_type,
                name: row.name,
                metadata: row.metadata,
                expires: row.expires,
            }),
        }
    }
}

/// The bytes of an upload under way.
pub(crate) const PART_SUFFIX: &str = ".part";
/// The chaining values of its whole groups.
pub(crate) const TREE_SUFFIX: &str = ".tree";
/// Bytes of the disk that uploads do not take, so that the catalog can still be written.
const FREE_BYTES_KEPT: u64 = 16 << 20;

fn open_part(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .at("open", path)
}

/// Whether a file in the folder of uploads is of this upload.
pub(crate) fn upload_of_file(name: &str) -> Option<UploadId> {
    let id = name.strip_suffix(PART_SUFFIX).or_else(|| name.strip_suffix(TREE_SUFFIX))?;
    id.parse().ok()
}
