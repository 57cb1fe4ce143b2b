//! A finished object and its bytes.

use std::fmt;
use std::fs::File;

use crate::catalog::ObjectRow;
use crate::{Digest, RemoteObject, Store, StoreError, UnixSeconds};

/// A finished object. Its bytes never change.
#[derive(Clone)]
#[non_exhaustive]
pub struct Object {
    /// The BLAKE3 of its bytes, and its name.
    pub digest: Digest,
    /// Bytes.
    pub len: u64,
    /// The media type that its first upload declared. See [`crate::is_active`].
    pub media_type: String,
    /// When it came first.
    pub created: UnixSeconds,
    /// When the last reference to it ends, or the retention; none: neither does. An object whose
    /// `until` has come is not to be served any more, though it comes back to life when a
    /// reference is added within the grace time.
    pub until: Option<UnixSeconds>,
    store: Store,
}

/// An object's bytes.
#[derive(Debug)]
pub enum ObjectSource {
    /// A file of its own. It is never truncated; it stays readable though the object be collected.
    File(File),
    /// In a remote store.
    Remote(RemoteObject),
}

impl Object {
    pub(crate) fn new(store: &Store, row: ObjectRow) -> Self {
        let retained = store.config().retention_s().map(|seconds| row.renewed.plus(seconds));
        let until = match (row.until, retained) {
            (Some(until), Some(retained)) => Some(until.min(retained)),
            (until, retained) => until.or(retained),
        };
        let ObjectRow { digest, len, media_type, created, .. } = row;
        Self { digest, len, media_type, created, until, store: store.clone() }
    }

    /// Whether the object may be served at `now`.
    pub fn is_live(&self, now: UnixSeconds) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Opens the bytes.
    ///
    /// # Errors
    /// [`StoreError::MissingBytes`] if the object has been collected since it was got, or its
    /// bytes were lost; [`StoreError::Io`].
    pub fn open(&self) -> Result<ObjectSource, StoreError> {
        self.store.place().source(&self.digest, self.len)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("digest", &self.digest)
            .field("len", &self.len)
            .field("media_type", &self.media_type)
            .field("created", &self.created)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
