//! What waits to be sent to one client: a queue of bytes with a limit. Empty, it holds no memory.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Slices of one vectored write (the system's own limit is 1024).
pub const SLICES_MAX: usize = 64;

/// Bytes in the order in which they leave.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// What leaves next: mostly there is no more, and no queue is made for it.
    first: Bytes,
    rest: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    /// Adds to the end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            let is_first = self.is_empty();
            self.bytes += piece.len();
            if is_first { self.first = piece } else { self.rest.push_back(piece) }
        }
    }

    /// How much waits, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Does nothing wait?
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The first pieces, for a vectored write.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(std::iter::once(&self.first).chain(&self.rest))
        {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Takes about `bytes_max` from the front, at least one piece's part.
    pub fn take(&mut self, bytes_max: usize) -> Vec<u8> {
        let mut taken = Vec::with_capacity(self.bytes.min(bytes_max));
        while taken.len() < bytes_max && !self.is_empty() {
            let len = self.first.len().min(bytes_max - taken.len());
            taken.extend_from_slice(&self.first[..len]);
            self.consume(len);
        }
        taken
    }

    /// So much has left.
    pub fn consume(&mut self, mut bytes: usize) {
        self.bytes -= bytes;
        while bytes >= self.first.len() && !self.first.is_empty() {
            bytes -= self.first.len();
            self.first = self.rest.pop_front().unwrap_or_default();
        }
        self.first.advance(bytes);
        if self.rest.is_empty() {
            self.rest = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_leave_in_order_and_in_parts() {
        let mut outgoing = Outgoing::default();
        for piece in ["abc", "", "de", "fghi"] {
            outgoing.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(outgoing.bytes(), 9);
        outgoing.consume(4);
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outgoing.slices(&mut slices);
        let shown: Vec<&[u8]> = slices[..count].iter().map(|slice| &**slice).collect();
        assert_eq!(shown, [b"e".as_slice(), b"fghi"]);
        assert_eq!(outgoing.take(3), b"efg");
        assert_eq!(outgoing.take(100), b"hi");
        assert!(outgoing.is_empty());
        assert_eq!(outgoing.rest.capacity(), 0);
    }
}
