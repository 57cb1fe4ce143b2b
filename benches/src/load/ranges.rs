//! Byte ranges of a fixed length at random places, RFC 9110 14.

use fastrand::Rng;

/// Draws ranges; an object's size is learnt from the Content-Range of its first answer.
#[derive(Debug)]
pub struct Ranges {
    bytes: u64,
    totals: Vec<Option<u64>>,
}

/// One range to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedRange {
    pub first: u64,
    /// Inclusive, as on the wire.
    pub last: u64,
    /// The length the answer must have, once the object's size is known.
    pub due_bytes: Option<u64>,
}

impl Ranges {
    /// Ranges of `bytes` (at least 1) over `targets` objects.
    pub fn new(bytes: u64, targets: usize) -> Self {
        Self { bytes: bytes.max(1), totals: vec![None; targets] }
    }

    /// The next range of `target`: at its start until its size is known.
    pub fn draw(&self, target: usize, random: &mut Rng) -> AskedRange {
        let Some(total) = self.totals[target] else {
            return AskedRange { first: 0, last: self.bytes - 1, due_bytes: None };
        };
        let length = self.bytes.min(total);
        let first = random.u64(0..=total - length);
        AskedRange { first, last: first + length - 1, due_bytes: Some(length) }
    }

    /// Notes the size that an answer told (an empty object has no ranges).
    pub fn learn(&mut self, target: usize, total: Option<u64>) {
        if let Some(total) = total.filter(|total| *total > 0) {
            self.totals[target] = Some(total);
        }
    }
}

/// The size of the whole object in `bytes 0-9/100`.
pub fn parse_total(content_range: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(content_range).ok()?;
    text.strip_prefix("bytes ")?.split_once('/')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals() {
        assert_eq!(parse_total(b"bytes 0-9/100"), Some(100));
        assert_eq!(parse_total(b"bytes 0-9/*"), None);
        assert_eq!(parse_total(b"pages 0-9/100"), None);
    }

    #[test]
    fn ranges_stay_inside_the_object() {
        let mut random = Rng::with_seed(1);
        let mut ranges = Ranges::new(10, 2);
        assert_eq!(ranges.draw(0, &mut random), AskedRange { first: 0, last: 9, due_bytes: None });
        ranges.learn(0, Some(25));
        ranges.learn(1, Some(4));
        for _ in 0..1_000 {
            let range = ranges.draw(0, &mut random);
            assert!(range.last < 25 && range.last - range.first == 9, "{range:?}");
        }
        let whole = AskedRange { first: 0, last: 3, due_bytes: Some(4) };
        assert_eq!(ranges.draw(1, &mut random), whole);
    }
}
