//! tus 1.0 checksum extension: `Upload-Checksum: <algorithm> <base64>`.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use data_encoding::BASE64;

/// What `Tus-Checksum-Algorithm` says.
pub const ALGORITHMS: &str = "sha1,sha256";

/// An algorithm for checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1: against accidents, not attackers; the extension demands it.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A checksum that a chunk must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    algorithm: Algorithm,
    sum: Vec<u8>,
}

/// Why `Upload-Checksum` cannot be used: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// The algorithm is none of ours.
    #[error("Upload-Checksum: the algorithm is not one of {ALGORITHMS}")]
    Algorithm,
    /// No algorithm and base64 value of its length.
    #[error("Upload-Checksum is malformed")]
    Malformed,
}

impl Expected {
    /// Parses the header's value.
    ///
    /// # Errors
    /// [`ChecksumError`].
    pub fn parse(header: &[u8]) -> Result<Self, ChecksumError> {
        let text = std::str::from_utf8(header).map_err(|_| ChecksumError::Malformed)?;
        let (name, sum) = text.trim().split_once(' ').ok_or(ChecksumError::Malformed)?;
        let (algorithm, len) = match name {
            "sha1" => (Algorithm::Sha1, 20),
            "sha256" => (Algorithm::Sha256, 32),
            _ => return Err(ChecksumError::Algorithm),
        };
        let sum = BASE64.decode(sum.as_bytes()).map_err(|_| ChecksumError::Malformed)?;
        if sum.len() == len { Ok(Self { algorithm, sum }) } else { Err(ChecksumError::Malformed) }
    }

    /// Begins to check a chunk.
    pub fn begin(self) -> Checking {
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => &SHA256,
        };
        Checking { context: Context::new(algorithm), sum: self.sum }
    }
}

/// A chunk that is being checked.
#[derive(Clone)]
pub struct Checking {
    context: Context,
    sum: Vec<u8>,
}

impl Checking {
    /// Takes in the chunk's next bytes.
    pub fn absorb(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Did the chunk have its checksum?
    pub fn holds(self) -> bool {
        self.context.finish().as_ref() == self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, chunk: &str, expected: Result<bool, ChecksumError>) {
        let got = Expected::parse(header.as_bytes()).map(|expected| {
            let mut checking = expected.begin();
            checking.absorb(chunk.as_bytes());
            checking.holds()
        });
        assert_eq!(got, expected, "{header}");
    }

    #[test]
    fn checksums() {
        check("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", "hello", Ok(true));
        check("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", "hellO", Ok(false));
        let sha256 = "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
        check(sha256, "hello", Ok(true));
        check(sha256, "hello ", Ok(false));
        check("md5 XUFAKrxLKna5cZ2REBfFkg==", "hello", Err(ChecksumError::Algorithm));
        check("sha1 XUFAKrxLKna5cZ2REBfFkg==", "hello", Err(ChecksumError::Malformed));
        check("sha1", "hello", Err(ChecksumError::Malformed));
        check("sha1 !", "hello", Err(ChecksumError::Malformed));
    }
}
