//! The name of an object: the BLAKE3 of its bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The 32-byte BLAKE3 digest that names an object. Shown and parsed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; Digest::LEN]);

impl Digest {
    /// Bytes in a digest.
    pub const LEN: usize = 32;
    /// Characters in a digest's written form.
    pub const HEX_LEN: usize = 2 * Self::LEN;

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The 64 lower-case hex digits, without an allocation.
    pub fn to_hex(&self) -> [u8; Self::HEX_LEN] {
        let mut hex = [0; Self::HEX_LEN];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX_DIGITS[usize::from(byte >> 4)];
            pair[1] = HEX_DIGITS[usize::from(byte & 15)];
        }
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Strict: one written form per digest, so that one object has one address.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.len() != Self::HEX_LEN {
            return Err(DigestError::Length { len: text.len() });
        }
        let mut bytes = [0; Self::LEN];
        for (at, (byte, pair)) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)).enumerate()
        {
            *byte = nibble(pair[0], 2 * at)? << 4 | nibble(pair[1], 2 * at + 1)?;
        }
        Ok(Self(bytes))
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text is not 64 characters long.
    #[error("a digest has 64 hex digits, this has {len} bytes")]
    Length {
        /// Bytes found.
        len: usize,
    },
    /// A byte is not one of `0`–`9`, `a`–`f`.
    #[error("byte {at} (0x{byte:02x}) is not a lower-case hex digit")]
    NotHex {
        /// Where, counted from zero.
        at: usize,
        /// What stood there.
        byte: u8,
    },
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

fn nibble(byte: u8, at: usize) -> Result<u8, DigestError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(DigestError::NotHex { at, byte }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BLAKE3's official test vector for the empty input.
    const EMPTY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    fn check(text: &str, expected: Result<Digest, DigestError>) {
        assert_eq!(text.parse::<Digest>(), expected, "{text}");
    }

    #[test]
    fn round_trip() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        check(EMPTY, Ok(Digest::of(b"")));
    }

    #[test]
    fn refuses_other_forms() {
        check("", Err(DigestError::Length { len: 0 }));
        check(&EMPTY[1..], Err(DigestError::Length { len: 63 }));
        check(&EMPTY.to_uppercase(), Err(DigestError::NotHex { at: 0, byte: b'A' }));
        check(&EMPTY.replace('2', "g"), Err(DigestError::NotHex { at: 36, byte: b'g' }));
        check(&"é".repeat(32), Err(DigestError::NotHex { at: 0, byte: 0xc3 }));
    }
}
