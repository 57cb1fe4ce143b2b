//! An upload whose bytes are coming.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use blake3::hazmat::ChainingValue;

use crate::catalog::{self, UploadRow};
use crate::claims::Claim;
use crate::error::IoContext;
use crate::place::{Staged, sync_folder};
use crate::tree::{self, GROUP_BYTES, TreeHasher, TreeMark, VALUE_BYTES};
use crate::{Digest, Object, Store, StoreError, UploadId};

/// An upload whose bytes are coming. One at a time holds an upload.
///
/// The caller may move the bytes by its own means: write them to [`Self::file`] at
/// [`Self::offset`], then call [`Self::absorb`]; [`Self::write`] does both.
///
/// Dropped unfinished, a resumable upload stays as it was at its last checkpoint; another leaves
/// nothing behind.
pub struct Receiving {
    store: Store,
    claim: Option<Claim<UploadId>>,
    row: UploadRow,
    file: File,
    hasher: TreeHasher,
    /// What the hasher returns to; the state that is durable.
    mark: TreeMark,
    /// Chaining values in the upload's tree file.
    values_kept: usize,
    is_settled: bool,
}

/// A durable state of an upload.
pub(crate) struct Checkpoint {
    hasher: TreeHasher,
    values_kept: usize,
}

impl Receiving {
    pub(crate) fn new(
        store: &Store,
        claim: Claim<UploadId>,
        row: UploadRow,
        file: File,
        checkpoint: Checkpoint,
    ) -> Self {
        Self {
            store: store.clone(),
            claim: Some(claim),
            row,
            file,
            mark: checkpoint.hasher.mark(),
            hasher: checkpoint.hasher,
            values_kept: checkpoint.values_kept,
            is_settled: false,
        }
    }

    /// The upload's name.
    pub fn id(&self) -> UploadId {
        self.row.id
    }

    /// Bytes absorbed so far; where the next go.
    pub fn offset(&self) -> u64 {
        self.hasher.len()
    }

    /// Bytes announced.
    pub fn len(&self) -> Option<u64> {
        self.row.len
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.offset() == 0
    }

    /// Whether all announced bytes have come.
    pub fn is_complete(&self) -> bool {
        self.row.len == Some(self.offset())
    }

    /// Bytes that may still come.
    pub fn room(&self) -> u64 {
        self.row.bytes_max.saturating_sub(self.offset())
    }

    /// When the upload is given up if it is not finished.
    pub fn expires(&self) -> crate::UnixSeconds {
        self.row.expires
    }

    /// The file that the bytes go to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Says the length of an upload that was begun without one; durable when it returns. What is
    /// announced already stays.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if it is more than allowed, [`StoreError::Incomplete`] if more has
    /// come, [`StoreError::QuotaExceeded`], [`StoreError::AllowanceSpent`], and errors of the
    /// catalog.
    pub fn announce(&mut self, len: u64) -> Result<(), StoreError> {
        if self.row.len.is_some() {
            return Ok(());
        }
        if len > self.row.bytes_max {
            return Err(StoreError::TooLarge { len, bytes_max: self.row.bytes_max });
        }
        let offset = self.offset();
        if len < offset {
            return Err(StoreError::Incomplete { offset, len });
        }
        let (id, quota) = (self.row.id, self.store.config().quota_bytes_max);
        self.store.catalog().write(move |catalog| catalog::announce(catalog, &id, len, quota))?;
        (self.row.len, self.row.reserved, self.row.bytes_max) = (Some(len), len, len);
        Ok(())
    }

    /// Takes in bytes that the caller has written to [`Self::file`] at [`Self::offset`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if they are more than announced or allowed; nothing is taken in.
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_room(bytes)?;
        self.hasher.absorb(bytes);
        Ok(())
    }

    /// Writes bytes behind those before, and takes them in.
    ///
    /// # Errors
    /// As [`Self::absorb`]; [`StoreError::NoSpace`] and [`StoreError::Io`], after which the offset
    /// is as before.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_room(bytes)?;
        self.file
            .write_all_at(bytes, self.offset())
            .at("write", self.store.part_path(&self.row.id))?;
        self.hasher.absorb(bytes);
        Ok(())
    }

    /// Makes what has come durable, and gives the offset that can now be acknowledged: it survives
    /// a kill and a power cut.
    ///
    /// # Errors
    /// Errors of disk and catalog; nothing new may be acknowledged then.
    pub fn checkpoint(&mut self) -> Result<u64, StoreError> {
        let (id, offset) = (self.row.id, self.offset());
        if offset != self.row.offset {
            let path = self.store.part_path(&id);
            self.file.sync_data().at("sync", &path)?;
            self.keep_closed_values()?;
            if self.row.offset == 0 {
                sync_folder(self.store.uploads_folder())?;
            }
        }
        let expires = self.store.now().plus(self.store.config().upload_expiry_s());
        self.store
            .catalog()
            .write(move |catalog| catalog::checkpoint(catalog, &id, offset, expires))?;
        if !self.row.expiry_fixed {
            self.row.expires = expires;
        }
        self.row.offset = offset;
        self.mark = self.hasher.mark();
        Ok(offset)
    }

    /// Discards what has come since the last checkpoint (a chunk whose checksum was wrong).
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn rollback(&mut self) -> Result<u64, StoreError> {
        self.hasher.return_to(&self.mark);
        let path = self.store.part_path(&self.row.id);
        self.file.set_len(self.offset()).at("cut", path)?;
        Ok(self.offset())
    }

    /// Gives the upload up and removes what came of it.
    ///
    /// # Errors
    /// Errors of disk and catalog.
    pub fn abandon(mut self) -> Result<(), StoreError> {
        self.is_settled = true;
        self.store.delete_upload(&self.row.id)
    }

    /// Makes the upload an object. What this returns is durable and may be acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`]; [`StoreError::DigestMismatch`], after which the upload is gone;
    /// [`StoreError::QuotaExceeded`] and [`StoreError::AllowanceSpent`] where no length was
    /// announced; errors of disk and catalog, after which a resumable upload can be resumed from
    /// its last checkpoint.
    pub fn finish(mut self) -> Result<Object, StoreError> {
        let offset = self.offset();
        if let Some(len) = self.row.len.filter(|len| *len != offset) {
            return Err(StoreError::Incomplete { offset, len });
        }
        let (digest, values) = std::mem::replace(&mut self.hasher, TreeHasher::new()).finish();
        if let Some(expected) = self.row.expected.filter(|expected| *expected != digest) {
            self.abandon()?;
            return Err(StoreError::DigestMismatch { expected, actual: digest });
        }
        self.publish(digest, offset, &values)?;
        self.is_settled = true;
        self.store.get(&digest)?.ok_or(StoreError::UnknownObject(digest))
    }

    fn check_room(&self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() as u64 <= self.room() {
            return Ok(());
        }
        let len = self.offset().saturating_add(bytes.len() as u64);
        Err(StoreError::TooLarge { len, bytes_max: self.row.bytes_max })
    }

    /// Puts the object in its place and in the catalog. Whoever else has the same bytes waits, and
    /// so does gc.
    fn publish(
        &mut self,
        digest: Digest,
        len: u64,
        values: &[ChainingValue],
    ) -> Result<(), StoreError> {
        let store = self.store.clone();
        let _changing = store.objects_changing().hold(digest);
        if self.is_stored(&digest, len)? {
            store.commit_finish(&self.row, digest, len)?;
            return store.remove_upload_files(&self.row.id);
        }
        let path = store.part_path(&self.row.id);
        let tree_path = store.upload_tree_path(&self.row.id);
        self.sync_whole(len, &path)?;
        if !values.is_empty() {
            keep_values(&tree_path, self.values_kept, values)?;
        }
        let tree_path = (!values.is_empty()).then_some(&*tree_path);
        let staged = Staged { path: &path, tree_path, len };
        let is_noted = self.row.offset > 0 && store.place().takes_staged_file();
        if is_noted {
            self.note_publishing(Some(digest))?;
        }
        let published = store
            .place()
            .publish(&digest, &staged)
            .and_then(|()| store.commit_finish(&self.row, digest, len));
        if let Err(error) = published {
            // A failure here leaves an object that the catalog does not know; gc removes it.
            if let Err(undo) = store.place().unpublish(&digest, &staged) {
                tracing::warn!(%undo, %digest, "an unfinished object was left behind");
            } else if is_noted {
                self.note_publishing(None)?;
            }
            return Err(error);
        }
        if store.place().takes_staged_file() {
            return Ok(());
        }
        store.remove_upload_files(&self.row.id)
    }

    fn is_stored(&self, digest: &Digest, len: u64) -> Result<bool, StoreError> {
        let known = self.store.catalog().read(|catalog| catalog::object(catalog, digest))?;
        // If the bytes of a known object were lost, these bring them back.
        Ok(known.is_some() && self.store.place().stored_len(digest)? == Some(len))
    }

    fn sync_whole(&self, len: u64, path: &Path) -> Result<(), StoreError> {
        // Bytes behind the offset can come of a write that failed in the middle.
        if self.file.metadata().at("stat", path)?.len() != len {
            self.file.set_len(len).at("cut", path)?;
        }
        self.file.sync_data().at("sync", path)
    }

    fn keep_closed_values(&mut self) -> Result<(), StoreError> {
        let values = self.hasher.closed_values();
        if values.len() > self.values_kept {
            let path = self.store.upload_tree_path(&self.row.id);
            keep_values(&path, self.values_kept, values)?;
            self.values_kept = values.len();
        }
        Ok(())
    }

    fn note_publishing(&self, digest: Option<Digest>) -> Result<(), StoreError> {
        let id = self.row.id;
        self.store
            .catalog()
            .write(move |catalog| catalog::set_publishing(catalog, &id, digest.as_ref()))
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.is_settled || self.row.resumable {
            return;
        }
        let id = self.row.id;
        if let Err(error) = self.store.remove_upload_files(&id) {
            tracing::warn!(%error, %id, "a dropped upload was left behind; gc will remove it");
        }
        self.store
            .catalog()
            .write_if_idle(move |catalog| catalog::delete_upload(catalog, &id).map(drop));
        // Only now may another begin under this name.
        self.claim = None;
    }
}

impl Checkpoint {
    pub(crate) fn start() -> Self {
        Self { hasher: TreeHasher::new(), values_kept: 0 }
    }

    /// Reads the state at `offset` of an upload's file: the values of whole groups from the tree
    /// file, the rest, at most a group, hashed again.
    pub(crate) fn read(
        file: &File,
        path: &Path,
        tree_path: &Path,
        offset: u64,
    ) -> Result<Self, StoreError> {
        // A group counts as whole only when more follows.
        let groups = offset.saturating_sub(1) / GROUP_BYTES;
        let mut values = match std::fs::read(tree_path) {
            Ok(bytes) => tree::from_bytes(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::io("read", tree_path, error)),
        };
        values.truncate(groups as usize);
        let values_kept = values.len();
        let mut hasher = TreeHasher::after(values);
        let mut buffer = vec![0; READ_BYTES];
        while hasher.len() < offset {
            let rest = offset - hasher.len();
            let piece = &mut buffer[..rest.min(READ_BYTES as u64) as usize];
            file.read_exact_at(piece, hasher.len()).at("read", path)?;
            hasher.absorb(piece);
        }
        Ok(Self { hasher, values_kept })
    }
}

impl std::fmt::Debug for Receiving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiving")
            .field("id", &self.row.id)
            .field("offset", &self.offset())
            .field("len", &self.row.len)
            .finish_non_exhaustive()
    }
}

const READ_BYTES: usize = 256 << 10;

/// Writes `values` behind the first `kept` of them, durably.
fn keep_values(path: &Path, kept: usize, values: &[ChainingValue]) -> Result<(), StoreError> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(path).at("open", path)?;
    let bytes = tree::to_bytes(values.get(kept..).unwrap_or_default());
    file.write_all_at(&bytes, (kept * VALUE_BYTES) as u64).at("write", path)?;
    // Values beyond these can be of bytes that were rolled back.
    file.set_len((values.len() * VALUE_BYTES) as u64).at("cut", path)?;
    file.sync_data().at("sync", path)
}
