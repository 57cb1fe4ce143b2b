//! An object in a remote store.

use bytes::Bytes;

use crate::StoreError;

/// An object's bytes in a remote store, read by ranges. Cheap to clone. A build without the
/// feature `s3` has none.
#[derive(Clone)]
pub struct RemoteObject {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "s3")]
    S3 { bucket: std::sync::Arc<super::s3::Bucket>, digest: crate::Digest, len: u64 },
}

impl RemoteObject {
    #[cfg(feature = "s3")]
    pub(super) fn in_bucket(
        bucket: std::sync::Arc<super::s3::Bucket>,
        digest: crate::Digest,
        len: u64,
    ) -> Self {
        Self { kind: Kind::S3 { bucket, digest, len } }
    }

    /// Bytes in the object.
    pub fn len(&self) -> u64 {
        match self.kind {
            #[cfg(feature = "s3")]
            Kind::S3 { len, .. } => len,
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads `len` bytes from `offset`, fewer at the object's end. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Remote`], and [`StoreError::MissingBytes`] if the object is not there.
    pub fn read_at(&self, offset: u64, len: u64) -> Result<Bytes, StoreError> {
        let len = len.min(self.len().saturating_sub(offset));
        if len == 0 {
            return Ok(Bytes::new());
        }
        match self.kind {
            #[cfg(feature = "s3")]
            Kind::S3 { ref bucket, ref digest, .. } => bucket.read(digest, offset, len),
        }
    }
}

impl std::fmt::Debug for RemoteObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteObject").field("len", &self.len()).finish_non_exhaustive()
    }
}
