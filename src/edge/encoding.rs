//! Content codings of precompressed files and their negotiation (RFC 9110 8.4, 12.5.3).

/// A coding in which a file may lie ready beside its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `br`, RFC 7932.
    Brotli,
    /// `zstd`, RFC 8878.
    Zstd,
    /// `gzip`, RFC 1952.
    Gzip,
}

impl Encoding {
    /// All codings; at equal quality the earlier is taken.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The coding's name in `Accept-Encoding` and `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What a precompressed file's name ends with, dot included.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// A quality in thousandths: 0 is "never", 1000 the most.
type Quality = u16;

/// Which of `available` (or `None`: identity) answers an `Accept-Encoding` header? Identity
/// serves where nothing better is acceptable, even when it was refused (RFC 9110 12.5.3).
pub fn negotiate(
    header: Option<&[u8]>,
    available: impl Iterator<Item = Encoding>,
) -> Option<Encoding> {
    let header = header?;
    let (mut best, mut best_quality) = (None, 0);
    for encoding in available {
        let quality = quality_of(header, encoding.name()).unwrap_or(0);
        if quality > best_quality {
            (best, best_quality) = (Some(encoding), quality);
        }
    }
    // Identity that is not mentioned is acceptable but not preferred.
    match explicit_quality(header, "identity") {
        Some(identity) if identity > best_quality => None,
        _ => best,
    }
}

fn quality_of(header: &[u8], name: &str) -> Option<Quality> {
    explicit_quality(header, name)
        .or_else(|| (name == "gzip").then(|| explicit_quality(header, "x-gzip")).flatten())
        .or_else(|| explicit_quality(header, "*"))
}

fn explicit_quality(header: &[u8], name: &str) -> Option<Quality> {
    header.split(|byte| *byte == b',').find_map(|item| {
        let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let coding = parts.next()?;
        coding
            .eq_ignore_ascii_case(name.as_bytes())
            .then(|| {
                parts.find_map(|parameter| match parameter {
                    [b'q' | b'Q', b'=', value @ ..] => Some(parse_quality(value)),
                    _ => None,
                })
            })
            .map(|quality| quality.unwrap_or(1000))
    })
}

/// RFC 9110 12.4.2; what is malformed counts as refused.
fn parse_quality(value: &[u8]) -> Quality {
    let text = std::str::from_utf8(value).unwrap_or("0");
    let quality: f32 = text.parse().unwrap_or(0.0);
    if quality.is_finite() { (quality.clamp(0.0, 1.0) * 1000.0).round() as Quality } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: Option<&str>) {
        let got = negotiate(Some(header.as_bytes()), Encoding::ALL.into_iter());
        assert_eq!(got.map(Encoding::name), expected, "{header}");
    }

    #[test]
    fn quality_decides_and_order_breaks_ties() {
        check("gzip, deflate, br, zstd", Some("br"));
        check("gzip;q=1.0, br;q=0.5", Some("gzip"));
        check("br;q=0, zstd;q=0.001", Some("zstd"));
        check("*", Some("br"));
        check("*;q=0", None);
        check("br;q=0, *;q=0.5", Some("zstd"));
        check("identity, gzip;q=0.5", None);
        check("identity;q=0.5, GZIP", Some("gzip"));
        check("x-gzip", Some("gzip"));
        check("gzip;q=nan", None);
        check("deflate", None);
        check("", None);
    }

    #[test]
    fn no_header_means_identity() {
        assert_eq!(negotiate(None, Encoding::ALL.into_iter()), None);
    }
}
