//! A long value in parts, of which a small change rewrites few.
//!
//! It is cut where its content says so, so that what is inserted moves no later cut.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use bytes::Bytes;

/// The parts of a value as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    next: u64,
    order: Vec<(u64, Digest)>,
}

/// What a change of the value changes in the storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartsChange {
    /// Parts that are new, by number; number 0 says the order of all others.
    pub put: Vec<(u64, Bytes)>,
    /// Parts that go.
    pub remove: Vec<u64>,
}

type Digest = [u8; 32];

impl Parts {
    /// Notes that the value is this now, and says what that changes.
    pub fn change(&mut self, value: &[u8]) -> PartsChange {
        let mut known: BTreeMap<Digest, u64> =
            self.order.iter().map(|(number, digest)| (*digest, *number)).collect();
        let mut change = PartsChange::default();
        let mut order = Vec::with_capacity(self.order.len() + 2);
        for part in cut(value) {
            let digest = digest_of(part);
            let number = *known.entry(digest).or_insert_with(|| {
                self.next += 1;
                change.put.push((self.next, Bytes::copy_from_slice(part)));
                self.next
            });
            order.push((number, digest));
        }
        let kept: BTreeSet<u64> = order.iter().map(|(number, _)| *number).collect();
        change.remove = known.into_values().filter(|number| !kept.contains(number)).collect();
        self.order = order;
        change.put.push((ORDER, self.order_bytes()));
        change
    }

    /// Puts a value together from what is stored; `None` where parts are missing.
    pub fn join(stored: Vec<(u64, Bytes)>) -> Option<(Parts, Vec<u8>)> {
        let stored: BTreeMap<u64, Bytes> = stored.into_iter().collect();
        let (numbers, rest) = stored.get(&ORDER)?.as_chunks::<8>();
        if !rest.is_empty() {
            return None;
        }
        let mut parts = Parts::default();
        let mut value = Vec::new();
        for number in numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)) {
            let part = stored.get(&number)?;
            parts.next = parts.next.max(number);
            parts.order.push((number, digest_of(part)));
            value.extend_from_slice(part);
        }
        Some((parts, value))
    }

    fn order_bytes(&self) -> Bytes {
        self.order.iter().flat_map(|(number, _)| number.to_be_bytes()).collect::<Vec<_>>().into()
    }
}

/// Cuts behind each four bytes that look so, within bounds.
fn cut(mut value: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while !value.is_empty() {
        let longest = value.len().min(PART_BYTES_MAX);
        let is_cut = |end: &usize| {
            let last = value[end - 4..*end].try_into().map_or(0, u32::from_be_bytes);
            last.wrapping_mul(MIXER) >> (u32::BITS - PART_BITS) == 0
        };
        let end = (PART_BYTES_MIN..longest).find(is_cut).unwrap_or(longest);
        let (part, rest) = value.split_at(end);
        parts.push(part);
        value = rest;
    }
    parts
}

fn digest_of(part: &[u8]) -> Digest {
    let digest = digest::digest(&digest::SHA256, part);
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// The part that says the order of the others.
const ORDER: u64 = 0;
const PART_BYTES_MIN: usize = 256;
const PART_BYTES_MAX: usize = 8 << 10;
/// A cut comes about every 2^11 bytes.
const PART_BITS: u32 = 11;
/// Odd and without pattern: Knuth's.
const MIXER: u32 = 2_654_435_761;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::{Parts, PartsChange};

    fn carry_out(stored: &mut BTreeMap<u64, Bytes>, change: PartsChange) -> usize {
        let bytes = change.put.iter().map(|(_, part)| part.len()).sum();
        stored.extend(change.put);
        stored.retain(|number, _| !change.remove.contains(number));
        bytes
    }

    #[test]
    fn a_small_change_rewrites_little_and_all_is_read_back() {
        let mut random = ChaCha20Rng::from_seed([1; 32]);
        let mut value = vec![0; 200_000];
        random.fill_bytes(&mut value);
        let mut parts = Parts::default();
        let mut stored = BTreeMap::new();
        carry_out(&mut stored, parts.change(&value));
        for _ in 0..200 {
            let at = (random.next_u32() as usize) % value.len();
            match random.next_u32() % 3 {
                0 => value.splice(at..at, [1; 300]).for_each(drop),
                1 => drop(value.drain(at..(at + 300).min(value.len()))),
                _ => value[at] ^= 1,
            }
            let written = carry_out(&mut stored, parts.change(&value));
            assert!(written < 40_000, "{written} bytes");
            let (joined, read) = Parts::join(stored.clone().into_iter().collect()).unwrap();
            assert_eq!((&joined.order, &read), (&parts.order, &value));
        }
    }

    #[test]
    fn parts_of_no_pattern_are_bounded() {
        let mut parts = Parts::default();
        let change = parts.change(&[7; 100_000]);
        assert!(change.put.iter().all(|(_, part)| part.len() <= super::PART_BYTES_MAX));
    }

    #[test]
    fn parts_that_are_alike_are_stored_once_and_go_together() {
        let (mut parts, mut stored) = (Parts::default(), BTreeMap::new());
        carry_out(&mut stored, parts.change(&[7; 100_000]));
        let (_, read) = Parts::join(stored.clone().into_iter().collect()).unwrap();
        assert_eq!(read, [7; 100_000]);
        carry_out(&mut stored, parts.change(&[8; 300]));
        assert_eq!(stored.len(), 2, "the order and one part");
    }

    #[test]
    fn a_missing_part_is_noticed() {
        let mut parts = Parts::default();
        let change = parts.change(&[7; 100_000]);
        assert_eq!(Parts::join(change.put[1..].to_vec()), None);
    }
}
