//! Where the bytes of finished objects are.

mod local;
mod remote;

use std::path::Path;

use crate::{Digest, ObjectSource, StoreConfig, StoreError};

pub(crate) use local::{LocalPlace, folder_names, remove_file, sync_folder};
pub use remote::RemoteObject;

/// The place of finished objects.
pub(crate) enum Place {
    Local(LocalPlace),
}

/// A finished upload's files.
pub(crate) struct Staged<'a> {
    pub(crate) path: &'a Path,
    /// The chaining values' file, where the object has several groups.
    pub(crate) tree_path: Option<&'a Path>,
    pub(crate) len: u64,
}

impl Place {
    pub(crate) fn open(root: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        config.validate()?;
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
        }
    }

    /// Undoes [`Self::publish`] of an object that the catalog then refused: the staged files are
    /// back.
    pub(crate) fn unpublish(&self, digest: &Digest, staged: &Staged<'_>) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.unpublish(digest, staged),
        }
    }

    /// The length of the object's bytes; none if they are not there.
    pub(crate) fn stored_len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match self {
            Self::Local(local) => local.stored_len(digest),
        }
    }

    /// Removes the object's bytes; readers that have opened them keep them.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.remove(digest),
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
        }
    }

    pub(crate) fn source(&self, digest: &Digest, _len: u64) -> Result<ObjectSource, StoreError> {
        match self {
            Self::Local(local) => local.file(digest).map(ObjectSource::File),
        }
    }
}
