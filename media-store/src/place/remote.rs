//! An object in a remote store.

use bytes::Bytes;

use crate::StoreError;

/// An object's bytes in a remote store, read by ranges.
#[derive(Debug, Clone)]
pub struct RemoteObject {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {}

impl RemoteObject {
    /// Bytes in the object.
    pub fn len(&self) -> u64 {
        match self.kind {}
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads `len` bytes from `offset`, fewer at the object's end. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Remote`] and [`StoreError::MissingBytes`].
    pub fn read_at(&self, _offset: u64, _len: u64) -> Result<Bytes, StoreError> {
        match self.kind {}
    }
}
