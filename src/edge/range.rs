//! Byte ranges (RFC 9110 14.1.2, 14.2), with a bound on what one request may ask for.

/// Most ranges of one request that are honoured; a header with more is ignored and the whole
/// representation is served, which RFC 9110 14.2 allows against floods.
pub const RANGES_MAX: usize = 16;

/// A range inside a representation: never empty, never past its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte's offset.
    pub start: u64,
    /// Length in bytes, at least 1.
    pub len: u64,
}

impl ByteRange {
    /// Offset behind the last byte.
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// `bytes first-last/complete`, as `Content-Range` has it.
    pub fn content_range(&self, complete_len: u64) -> String {
        format!("bytes {}-{}/{complete_len}", self.start, self.end() - 1)
    }
}

/// What a `Range` header asks of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Serve it whole: no valid range, or one that is not worth honouring.
    Whole,
    /// One part.
    One(ByteRange),
    /// Several parts that do not overlap, in the order asked for.
    Many(Vec<ByteRange>),
    /// None of the ranges lies inside: 416.
    Unsatisfiable,
}

impl Ranges {
    /// Parses a `Range` header for a representation of `complete_len` bytes. A header that is
    /// malformed or of another unit counts as absent (RFC 9110 14.2).
    pub fn parse(header: &[u8], complete_len: u64) -> Self {
        let Some(specs) = specs(header) else { return Self::Whole };
        if specs.len() > RANGES_MAX {
            return Self::Whole;
        }
        // An empty representation has no part to name in Content-Range.
        if complete_len == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
            return Self::Whole;
        }
        let inside: Vec<_> = specs.iter().filter_map(|spec| spec.resolve(complete_len)).collect();
        match inside.len() {
            0 => Self::Unsatisfiable,
            1 => Self::One(inside[0]),
            _ => Self::many(inside, complete_len),
        }
    }

    fn many(ranges: Vec<ByteRange>, complete_len: u64) -> Self {
        let mut ranges = if overlap(&ranges) { coalesce(ranges) } else { ranges };
        let asked: u64 = ranges.iter().map(|range| range.len).sum();
        match ranges.len() {
            _ if asked >= complete_len => Self::Whole,
            1 => Self::One(ranges.remove(0)),
            _ => Self::Many(ranges),
        }
    }
}

#[derive(Clone, Copy)]
enum Spec {
    From(u64),
    FromTo(u64, u64),
    Suffix(u64),
}

impl Spec {
    fn parse(spec: &[u8]) -> Option<Self> {
        let dash = spec.iter().position(|byte| *byte == b'-')?;
        let (first, last) = (&spec[..dash], &spec[dash + 1..]);
        match (first.is_empty(), last.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Self::Suffix(number(last)?)),
            (false, true) => Some(Self::From(number(first)?)),
            (false, false) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    fn resolve(self, complete_len: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::From(first) => (first, complete_len),
            Self::FromTo(first, last) => (first, last.saturating_add(1).min(complete_len)),
            Self::Suffix(len) => (complete_len.saturating_sub(len), complete_len),
        };
        (start < end).then(|| ByteRange { start, len: end - start })
    }
}

fn specs(header: &[u8]) -> Option<Vec<Spec>> {
    let equals = header.iter().position(|byte| *byte == b'=')?;
    if !header[..equals].eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let list = header[equals + 1..].split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    // One more than is honoured tells a flood without reading all of it.
    let specs: Option<Vec<_>> =
        list.filter(|spec| !spec.is_empty()).take(RANGES_MAX + 1).map(Spec::parse).collect();
    specs.filter(|specs| !specs.is_empty())
}

/// Digits only; a number too large for `u64` lies past every end.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    })
}

fn overlap(ranges: &[ByteRange]) -> bool {
    ranges.iter().enumerate().any(|(index, one)| {
        ranges[..index].iter().any(|other| one.start <= other.end() && other.start <= one.end())
    })
}

fn coalesce(mut ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<ByteRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end() => {
                last.len = last.end().max(range.end()) - last.start;
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, len: u64, expected: &str) {
        let shown = match Ranges::parse(header.as_bytes(), len) {
            Ranges::Whole => "whole".to_owned(),
            Ranges::Unsatisfiable => "416".to_owned(),
            Ranges::One(range) => format!("{}-{}", range.start, range.end() - 1),
            Ranges::Many(ranges) => {
                let show = |range: &ByteRange| format!("{}-{}", range.start, range.end() - 1);
                ranges.iter().map(show).collect::<Vec<_>>().join(",")
            }
        };
        assert_eq!(shown, expected, "{header} of {len}");
    }

    #[test]
    fn single() {
        check("bytes=0-4", 10, "0-4");
        check("bytes=5-", 10, "5-9");
        check("bytes=-5", 10, "5-9");
        check("bytes=-50", 10, "0-9");
        check("bytes=3-500", 10, "3-9");
        check("bytes=0-99999999999999999999999", 10, "0-9");
        check("Bytes=9-9", 10, "9-9");
        check("bytes=10-", 10, "416");
        check("bytes=-0", 10, "416");
        check("bytes=0-", 0, "416");
        check("bytes=-5", 0, "whole");
    }

    #[test]
    fn malformed_is_ignored() {
        for header in [
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-3",
            "bytes=a-b",
            "items=0-1",
            "bytes=1-2x",
            "bytes=0-1,x",
        ] {
            check(header, 10, "whole");
        }
    }

    #[test]
    fn several() {
        check("bytes=0-1, 4-5", 10, "0-1,4-5");
        check("bytes=4-5,0-1", 10, "4-5,0-1");
        check("bytes=0-1,20-30", 10, "0-1");
        check("bytes=0-3,2-5", 10, "0-5");
        check("bytes=0-5,5-9", 10, "whole");
        check("bytes=20-,30-", 10, "416");
        check(&format!("bytes={}", "0-0,".repeat(500)), 10, "whole");
    }
}
