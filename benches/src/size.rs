//! Sizes, rates and spans of time as people write them: `16KiB`, `1.2GiB/s`, `500ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::BenchError;

/// A count of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// Bytes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByteRate(pub f64);

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for ByteSize {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Self, BenchError> {
        let bytes = scaled(text, BYTE_UNITS).ok_or_else(|| refused(text, "a size like 16KiB"))?;
        Ok(Self(bytes.round() as u64))
    }
}

impl FromStr for ByteRate {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Self, BenchError> {
        let wanted = "a rate like 1.2GiB/s";
        let size = text.strip_suffix("/s").ok_or_else(|| refused(text, wanted))?;
        match scaled(size, BYTE_UNITS) {
            Some(rate) if rate > 0.0 => Ok(Self(rate)),
            _ => Err(refused(text, wanted)),
        }
    }
}

impl FromStr for Span {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Self, BenchError> {
        let seconds = scaled(text, TIME_UNITS).ok_or_else(|| refused(text, "a time like 10s"))?;
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (divisor, unit) = match self.0 {
            0..=1023 => return write!(f, "{} B", self.0),
            1024..=1_048_575 => (KIB, "KiB"),
            1_048_576..=1_073_741_823 => (MIB, "MiB"),
            _ => (GIB, "GiB"),
        };
        let value = self.0 as f64 / divisor;
        if value.fract() == 0.0 {
            write!(f, "{value:.0} {unit}")
        } else {
            write!(f, "{value:.2} {unit}")
        }
    }
}

/// A number and a unit of `units`, as the product. Refuses what is negative or not finite.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    let value = number.trim().parse::<f64>().ok()? * factor;
    (0.0..SCALED_MAX).contains(&value).then_some(value)
}

fn refused(text: &str, wanted: &'static str) -> BenchError {
    BenchError::Parse { text: text.to_owned(), wanted }
}

/// Bytes in a KiB.
pub const KIB: f64 = 1024.0;
/// Bytes in a MiB.
pub const MIB: f64 = 1024.0 * KIB;
/// Bytes in a GiB.
pub const GIB: f64 = 1024.0 * MIB;

const SCALED_MAX: f64 = 1e15;

const BYTE_UNITS: &[(&str, f64)] = &[
    ("", 1.0),
    ("B", 1.0),
    ("KiB", KIB),
    ("MiB", MIB),
    ("GiB", GIB),
    ("K", KIB),
    ("M", MIB),
    ("G", GIB),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
];

const TIME_UNITS: &[(&str, f64)] =
    &[("s", 1.0), ("", 1.0), ("ms", 1e-3), ("m", 60.0), ("h", 3600.0)];

#[cfg(test)]
mod tests {
    use super::*;

    fn check_size(text: &str, bytes: Option<u64>) {
        assert_eq!(text.parse::<ByteSize>().ok(), bytes.map(ByteSize), "{text}");
    }

    #[test]
    fn sizes() {
        check_size("0", Some(0));
        check_size("512", Some(512));
        check_size("16KiB", Some(16_384));
        check_size("100 MiB", Some(104_857_600));
        check_size("1.5k", Some(1536));
        check_size("2MB", Some(2_000_000));
        check_size("-1", None);
        check_size("KiB", None);
        check_size("1 parsec", None);
        check_size("1e300", None);
    }

    #[test]
    fn rates_need_a_second_and_are_not_zero() {
        assert_eq!("1.5GiB/s".parse::<ByteRate>().ok(), Some(ByteRate(1.5 * GIB)));
        assert!("1.5GiB".parse::<ByteRate>().is_err());
        assert!("0/s".parse::<ByteRate>().is_err());
    }

    #[test]
    fn spans() {
        assert_eq!("1.5s".parse::<Span>().ok(), Some(Span(Duration::from_millis(1500))));
        assert_eq!("250ms".parse::<Span>().ok(), Some(Span(Duration::from_millis(250))));
        assert!("soon".parse::<Span>().is_err());
    }

    #[test]
    fn sizes_are_shown_in_their_unit() {
        for (bytes, shown) in [(12, "12 B"), (16_384, "16 KiB"), (104_857_600, "100 MiB")] {
            assert_eq!(ByteSize(bytes).to_string(), shown);
        }
    }
}
