//! The name of an upload, which is also the right to continue it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::StoreError;

/// A random, unguessable name of an upload: 128 bits as 26 characters of `a`–`z` and `2`–`7`
/// (RFC 4648 base32 in lower case), safe in a URL and as a file name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId([u8; UploadId::LEN]);

impl UploadId {
    /// Characters of the written form.
    pub const LEN: usize = 26;

    /// A new name, from the system's random source.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system gives no random bytes.
    pub fn random() -> Result<Self, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| StoreError::io("random bytes", "", error.into()))?;
        let mut rest = u128::from_le_bytes(bytes);
        Ok(Self(std::array::from_fn(|_| {
            let letter = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
            letter
        })))
    }

    /// The written form.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadId({self})")
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let letters: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| UploadIdError)?;
        if letters.iter().all(|letter| ALPHABET.contains(letter)) {
            Ok(Self(letters))
        } else {
            Err(UploadIdError)
        }
    }
}

impl Serialize for UploadId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for UploadId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not an upload's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an upload's name has 26 characters of a-z and 2-7")]
pub struct UploadIdError;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let id = UploadId::random().unwrap();
        assert_eq!(id.as_str().parse(), Ok(id));
        assert_ne!(id, UploadId::random().unwrap());
    }

    #[test]
    fn refuses_paths_and_other_lengths() {
        for text in ["", "../../../../../../etc/passw", "abcdefghijklmnopqrstuvwxy/"] {
            assert_eq!(text.parse::<UploadId>(), Err(UploadIdError), "{text}");
        }
    }
}
