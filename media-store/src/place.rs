//! Where the bytes of finished objects are.

mod local;
mod remote;
#[cfg(feature = "s3")]
mod s3;

use std::os::unix::fs::FileExt;
use std::path::Path;

use blake3::hazmat::ChainingValue;

use crate::error::IoContext;
use crate::tree::{self, GROUP_BYTES};
use crate::verify::group_len;
use crate::{Digest, ObjectSource, StoreConfig, StoreError};

pub(crate) use local::{LocalPlace, OBJECTS_FOLDER, folder_names, remove_file, sync_folder};
pub use remote::RemoteObject;

/// The place of finished objects.
pub(crate) enum Place {
    Local(LocalPlace),
    #[cfg(feature = "s3")]
    S3(s3::S3Place),
}

/// A finished upload's files.
pub(crate) struct Staged<'a> {
    pub(crate) path: &'a Path,
    /// The chaining values' file, where the object has several groups.
    pub(crate) tree_path: Option<&'a Path>,
    /// Bytes in the file.
    #[cfg_attr(not(feature = "s3"), expect(dead_code))]
    pub(crate) len: u64,
}

impl Place {
    pub(crate) fn open(root: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        config.validate()?;
        #[cfg(feature = "s3")]
        if let (crate::PlaceKind::S3, Some(s3)) = (config.place, &config.s3) {
            return Ok(Self::S3(s3::S3Place::open(s3)?));
        }
        Ok(Self::Local(LocalPlace::open(root)?))
    }

    /// Whether publishing takes the staged file away, so that a crash between publishing and the
    /// catalog's commit would lose a checkpointed upload if it were not noted before.
    pub(crate) fn takes_staged_file(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Puts a finished upload's bytes, on disk already, in their place; durable when it returns.
    pub(crate) fn publish(&self, digest: &Digest, staged: &Staged<'_>) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.publish(digest, staged),
            #[cfg(feature = "s3")]
            Self::S3(s3) => s3.publish(digest, staged),
        }
    }

    /// Undoes [`Self::publish`] of an object that the catalog then refused: the staged files are
    /// back.
    pub(crate) fn unpublish(&self, digest: &Digest, staged: &Staged<'_>) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.unpublish(digest, staged),
            #[cfg(feature = "s3")]
            Self::S3(s3) => s3.remove(digest),
        }
    }

    /// The length of the object's bytes; none if they are not there.
    pub(crate) fn stored_len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match self {
            Self::Local(local) => local.stored_len(digest),
            #[cfg(feature = "s3")]
            Self::S3(s3) => s3.stored_len(digest),
        }
    }

    /// Removes the object's bytes; readers that have opened them keep them.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.remove(digest),
            #[cfg(feature = "s3")]
            Self::S3(s3) => s3.remove(digest),
        }
    }

    /// Calls `visit` with each object whose bytes or tree are in the place, known or not; perhaps
    /// more than once.
    pub(crate) fn each(
        &self,
        visit: &mut dyn FnMut(Digest) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.each(visit),
            #[cfg(feature = "s3")]
            Self::S3(s3) => s3.each(visit),
        }
    }

    /// The chaining values kept beside the object, if any.
    pub(crate) fn tree(&self, digest: &Digest) -> Result<Option<Vec<ChainingValue>>, StoreError> {
        let bytes = match self {
            Self::Local(local) => local.tree_bytes(digest)?,
            #[cfg(feature = "s3")]
            Self::S3(s3) => s3.tree_bytes(digest)?,
        };
        Ok(bytes.map(|bytes| tree::from_bytes(&bytes)))
    }

    pub(crate) fn reader(&self, digest: &Digest, len: u64) -> Result<Reader, StoreError> {
        self.source(digest, len).map(Reader)
    }

    /// The folder, if the objects are in one.
    pub(crate) fn local(&self) -> Option<&LocalPlace> {
        match self {
            Self::Local(local) => Some(local),
            #[cfg(feature = "s3")]
            Self::S3(_) => None,
        }
    }

    /// The bytes of an object of `len` bytes, to be read.
    pub(crate) fn source(
        &self,
        digest: &Digest,
        #[cfg_attr(not(feature = "s3"), expect(unused_variables))] len: u64,
    ) -> Result<ObjectSource, StoreError> {
        match self {
            Self::Local(local) => local.file(digest).map(ObjectSource::File),
            #[cfg(feature = "s3")]
            Self::S3(s3) => Ok(ObjectSource::Remote(s3.object(digest, len))),
        }
    }
}

/// Reads an object group by group.
pub(crate) struct Reader(ObjectSource);

impl Reader {
    /// One group of an object of `len` bytes; none if it cannot be read, which is logged.
    pub(crate) fn group(&self, index: u64, len: u64) -> Option<Vec<u8>> {
        let (offset, len) = (index * GROUP_BYTES, group_len(index, len));
        let read = match &self.0 {
            ObjectSource::File(file) => {
                let mut bytes = vec![0; len as usize];
                file.read_exact_at(&mut bytes, offset).map(|()| bytes).at("read", "object")
            }
            ObjectSource::Remote(remote) => remote.read_at(offset, len).map(Vec::from),
        };
        read.inspect_err(|error| tracing::error!(%error, offset, "an object cannot be read")).ok()
    }
}
