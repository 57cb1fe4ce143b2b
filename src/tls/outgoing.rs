//! Records on their way to the socket.

use super::session::{
    RECORD_OVERHEAD_BYTES_MAX, RECORD_PLAINTEXT_BYTES_MAX, SEAL_SLACK_BYTES, SealError,
};

/// Sealed bytes that go to the socket in one call: four full records.
pub(super) const RECORDS_BYTES_MAX: usize =
    4 * (RECORD_PLAINTEXT_BYTES_MAX + RECORD_OVERHEAD_BYTES_MAX) + SEAL_SLACK_BYTES;

/// A queue of sealed bytes. Its room is given back when a connection goes idle.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    start: usize,
    /// End of the sealed bytes; what follows in `bytes` was used before and need not be cleared.
    end: usize,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether it should be sent before more is sealed.
    pub(super) fn is_full(&self) -> bool {
        self.end >= FULL_BYTES
    }

    /// Bytes that may be sealed into it now.
    pub(super) fn room(&self) -> usize {
        RECORDS_BYTES_MAX.saturating_sub(self.end)
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn consume(&mut self, sent: usize) {
        self.start += sent;
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Adds bytes that a session has to say besides data.
    pub(super) fn push(&mut self, reply: &[u8]) {
        let end = self.end + reply.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.end..end].copy_from_slice(reply);
        self.end = end;
    }

    /// Gives the room back, unless it is in use.
    pub(super) fn release_if_empty(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Room for `needed` bytes and some to come. A large record is followed by more, small ones may
    /// be all that there is.
    fn enlarged(&self, len: usize, needed: usize) -> usize {
        if len > PAGE_BYTES {
            return needed.max(RECORDS_BYTES_MAX);
        }
        needed.max(PAGE_BYTES).max((2 * self.bytes.len()).min(RECORDS_BYTES_MAX))
    }

    /// Lets `seal` write about `len` bytes to the end.
    pub(super) fn append(
        &mut self,
        len: usize,
        seal: impl FnOnce(&mut [u8]) -> Result<usize, SealError>,
    ) -> Result<(), SealError> {
        let needed = self.end + len + SEAL_SLACK_BYTES;
        if self.bytes.len() < needed {
            self.bytes.resize(self.enlarged(len, needed), 0);
        }
        self.end += seal(&mut self.bytes[self.end..])?;
        Ok(())
    }
}

/// From here on a further full record would not fit.
const FULL_BYTES: usize =
    RECORDS_BYTES_MAX - RECORD_PLAINTEXT_BYTES_MAX - RECORD_OVERHEAD_BYTES_MAX;

const PAGE_BYTES: usize = 4096;
