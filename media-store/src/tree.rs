//! The BLAKE3 tree of an object, cut at groups of 1 MiB (BLAKE3 paper, section 2.1).
//!
//! A group of 1024 BLAKE3 chunks is a complete subtree, so its chaining value can be kept and the
//! object's digest computed from the list of them. It lets an upload resume without hashing again
//! and names the bad MiB of a damaged object.

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::Digest;

/// Bytes hashed into one chaining value. A power of two, as BLAKE3's tree demands.
pub const GROUP_BYTES: u64 = 1 << 20;
/// Bytes of a chaining value.
pub(crate) const VALUE_BYTES: usize = 32;

/// Hashes a stream of bytes and keeps the chaining value of each whole group.
#[derive(Clone)]
pub(crate) struct TreeHasher {
    values: Vec<ChainingValue>,
    group: Hasher,
    group_filled: u64,
}

/// A state that a [`TreeHasher`] can return to.
#[derive(Clone)]
pub(crate) struct TreeMark {
    values: usize,
    group: Hasher,
    group_filled: u64,
}

impl TreeHasher {
    pub(crate) fn new() -> Self {
        Self { values: Vec::new(), group: Hasher::new(), group_filled: 0 }
    }

    /// Goes on behind whole groups that were hashed before.
    pub(crate) fn after(values: Vec<ChainingValue>) -> Self {
        let group = group_hasher(values.len() as u64);
        Self { values, group, group_filled: 0 }
    }

    /// Bytes absorbed so far.
    pub(crate) fn len(&self) -> u64 {
        self.values.len() as u64 * GROUP_BYTES + self.group_filled
    }

    pub(crate) fn absorb(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // A full group is closed only when more follows: the root of a single group is not a
            // chaining value, and the last group may end exactly at its border.
            if self.group_filled == GROUP_BYTES {
                self.close_group();
            }
            let room = GROUP_BYTES - self.group_filled;
            let (now, later) = bytes.split_at(bytes.len().min(room as usize));
            self.group.update(now);
            self.group_filled += now.len() as u64;
            bytes = later;
        }
    }

    /// Chaining values of the groups that are whole and followed by more.
    pub(crate) fn closed_values(&self) -> &[ChainingValue] {
        &self.values
    }

    pub(crate) fn mark(&self) -> TreeMark {
        TreeMark {
            values: self.values.len(),
            group: self.group.clone(),
            group_filled: self.group_filled,
        }
    }

    pub(crate) fn return_to(&mut self, mark: &TreeMark) {
        self.values.truncate(mark.values);
        self.group = mark.group.clone();
        self.group_filled = mark.group_filled;
    }

    /// The digest of everything absorbed, and the chaining values of all groups if there are
    /// several.
    pub(crate) fn finish(mut self) -> (Digest, Vec<ChainingValue>) {
        if self.values.is_empty() {
            return (self.group.finalize().into(), Vec::new());
        }
        if self.group_filled > 0 {
            self.values.push(self.group.finalize_non_root());
        }
        (root(&self.values), self.values)
    }

    fn close_group(&mut self) {
        self.values.push(self.group.finalize_non_root());
        self.group = group_hasher(self.values.len() as u64);
        self.group_filled = 0;
    }
}

/// The digest of an object of several groups.
///
/// # Panics
/// With fewer than two values: such an object has no tree.
pub(crate) fn root(values: &[ChainingValue]) -> Digest {
    let (left, right) = split(values);
    merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).into()
}

/// The chaining value of the group that starts at `index * GROUP_BYTES`.
pub(crate) fn group_value(index: u64, bytes: &[u8]) -> ChainingValue {
    group_hasher(index).update(bytes).finalize_non_root()
}

/// The written form of a tree: its chaining values in order.
pub(crate) fn to_bytes(values: &[ChainingValue]) -> Vec<u8> {
    values.concat()
}

/// Reads a tree's written form; a torn last value is left out.
pub(crate) fn from_bytes(bytes: &[u8]) -> Vec<ChainingValue> {
    bytes.as_chunks::<VALUE_BYTES>().0.to_vec()
}

fn subtree(values: &[ChainingValue]) -> ChainingValue {
    match values {
        [value] => *value,
        _ => {
            let (left, right) = split(values);
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// The left subtree holds the largest power of two that leaves something for the right one.
fn split(values: &[ChainingValue]) -> (&[ChainingValue], &[ChainingValue]) {
    assert!(values.len() >= 2, "a tree has at least two groups");
    values.split_at(values.len().next_power_of_two() / 2)
}

fn group_hasher(index: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(index * GROUP_BYTES);
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = GROUP_BYTES as usize;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    /// Absorbed in pieces, interrupted at each group and rolled back once, the digest is BLAKE3's.
    fn check(len: usize, piece: usize) {
        let bytes = bytes(len);
        let mut hasher = TreeHasher::new();
        for piece in bytes.chunks(piece) {
            let mark = hasher.mark();
            hasher.absorb(&vec![7; MIB + 1]);
            hasher.return_to(&mark);
            hasher.absorb(piece);
            if hasher.group_filled == GROUP_BYTES {
                hasher.close_group();
                hasher = TreeHasher::after(from_bytes(&to_bytes(hasher.closed_values())));
            }
            assert!(hasher.len() <= len as u64);
        }
        if len > MIB {
            let (digest, values) = hasher.finish();
            assert_eq!(digest, Digest::of(&bytes), "len {len} in pieces of {piece}");
            assert_eq!(values.len(), len.div_ceil(MIB));
            for (at, group) in bytes.chunks(MIB).enumerate() {
                assert_eq!(values[at], group_value(at as u64, group));
            }
        } else if len < MIB {
            assert_eq!(hasher.finish(), (Digest::of(&bytes), Vec::new()));
        }
    }

    #[test]
    fn agrees_with_blake3() {
        check(0, 1);
        check(1, 1);
        check(MIB - 1, 65_536);
        check(MIB + 1, 65_537);
        check(2 * MIB, 100_000);
        check(3 * MIB, MIB);
        check(5 * MIB + 17, MIB / 2);
    }

    #[test]
    fn exactly_one_group() {
        let bytes = bytes(MIB);
        let mut hasher = TreeHasher::new();
        hasher.absorb(&bytes);
        assert_eq!(hasher.finish(), (Digest::of(&bytes), Vec::new()));
    }
}
