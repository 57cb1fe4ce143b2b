//! Signed tokens that allow uploads.
//!
//! A token is `1.<claims>.<mac>`: version, JSON claims and a BLAKE3 keyed hash over version and
//! claims, both in URL-safe base64 without padding (RFC 4648 5). Whoever holds one may use it, so
//! tokens are never logged.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use media_store::{Allowance, Digest, UnixSeconds, UploadId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who uploads: the account that the object's first reference belongs to.
    pub owner: String,
    /// Bytes of all uploads together.
    pub bytes_max: u64,
    /// Uploads.
    pub count_max: u32,
    /// The digest that the bytes must have.
    pub expected: Option<Digest>,
    /// When the owner's reference to the object ends; `None`: never.
    pub reference_until: Option<UnixSeconds>,
    /// From when on no upload may begin.
    pub expires: UnixSeconds,
    /// How it may be used.
    pub purpose: Purpose,
}

/// How a token may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Purpose {
    /// To create uploads by tus.
    Tus,
    /// For one PUT of XEP-0363.
    Slot(Slot),
}

/// A place for one file, named before its bytes exist (XEP-0363 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The upload's name.
    pub id: UploadId,
    /// The file's name.
    pub name: String,
    /// The file's exact length, in bytes.
    pub len: u64,
    /// The file's media type, if it was declared.
    pub media_type: Option<String>,
}

impl Slot {
    /// The path of the slot's PUT and GET address.
    pub fn path(&self) -> String {
        format!("/upload/{}/{}", self.id, utf8_percent_encode(&self.name, ENCODED))
    }
}

/// Makes and checks tokens.
#[derive(Clone)]
pub struct UploadTokens {
    key: [u8; KEY_BYTES],
}

/// Why a token is refused. None of these tells anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none of this server's.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key's file cannot be made, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key's file is not one.
    #[error("{}: {found} bytes, a key has {KEY_BYTES}", .path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length, in bytes.
        found: usize,
    },
}

/// A token that holds, and what is counted under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// What it allows.
    pub grant: Grant,
    /// Its name, under which its uploads are counted.
    pub id: String,
}

impl Permit {
    /// The store's form of the limits.
    pub fn allowance(&self) -> Allowance {
        Allowance {
            id: self.id.clone(),
            count_max: self.grant.count_max,
            bytes_max: self.grant.bytes_max,
            until: self.grant.expires,
        }
    }
}

impl UploadTokens {
    /// Reads the key in `data_dir/secrets/upload.key`, or makes one.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let folder = data_dir.join("secrets");
        let path = folder.join("upload.key");
        match read_key(&path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make_key(&folder, &path)?;
                read_key(&path)
            }
            outcome => outcome,
        }
        .map(Self::from_key)
    }

    /// Tokens under a key of the caller's.
    pub fn from_key(key: [u8; KEY_BYTES]) -> Self {
        Self { key: blake3::derive_key("whimbrel 2026 upload tokens", &key) }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// If the system gives no random bytes for its name.
    pub fn issue(&self, grant: &Grant) -> io::Result<String> {
        let claims = Claims {
            id: BASE64URL_NOPAD.encode(&random::<ID_BYTES>()?),
            owner: grant.owner.clone(),
            bytes_max: grant.bytes_max,
            count_max: grant.count_max,
            expected: grant.expected.map(|digest| digest.to_string()),
            reference_until: grant.reference_until.map(|until| until.0),
            expires: grant.expires.0,
            purpose: grant.purpose.clone(),
        };
        let claims = serde_json::to_vec(&claims).map_err(io::Error::other)?;
        let signed = format!("{VERSION}.{}", BASE64URL_NOPAD.encode(&claims));
        let mac = self.mac(&signed);
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(mac.as_bytes())))
    }

    /// Checks a token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now: UnixSeconds) -> Result<Permit, TokenError> {
        self.claims(token).ok_or(TokenError::Invalid).and_then(|permit| {
            if permit.grant.expires <= now { Err(TokenError::Expired) } else { Ok(permit) }
        })
    }

    fn claims(&self, token: &str) -> Option<Permit> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let mac: [u8; blake3::OUT_LEN] =
            BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?.try_into().ok()?;
        // blake3's hashes compare in constant time.
        if self.mac(signed) != blake3::Hash::from_bytes(mac) {
            return None;
        }
        let claims = signed.strip_prefix(VERSION)?.strip_prefix('.')?;
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
        serde_json::from_slice::<Claims>(&claims).ok()?.permit()
    }

    fn mac(&self, signed: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.key, signed.as_bytes())
    }
}

impl fmt::Debug for UploadTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadTokens").finish_non_exhaustive()
    }
}

/// Names are short: a token stands in a URL.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "o")]
    owner: String,
    #[serde(rename = "b")]
    bytes_max: u64,
    #[serde(rename = "c")]
    count_max: u32,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    reference_until: Option<u64>,
    #[serde(rename = "e")]
    expires: u64,
    #[serde(rename = "p")]
    purpose: Purpose,
}

impl Claims {
    fn permit(self) -> Option<Permit> {
        let expected = match self.expected {
            None => None,
            Some(hex) => Some(hex.parse().ok()?),
        };
        let grant = Grant {
            owner: self.owner,
            bytes_max: self.bytes_max,
            count_max: self.count_max,
            expected,
            reference_until: self.reference_until.map(UnixSeconds),
            expires: UnixSeconds(self.expires),
            purpose: self.purpose,
        };
        Some(Permit { grant, id: self.id })
    }
}

fn read_key(path: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let mut key = Vec::new();
    let mut read = || fs::File::open(path)?.take(2 * KEY_BYTES as u64).read_to_end(&mut key);
    read().map_err(|source| KeyError::Io { path: path.into(), source })?;
    let found = key.len();
    key.try_into().map_err(|_| KeyError::Length { path: path.into(), found })
}

/// A key appears whole or not at all, and another process's key is never replaced.
fn make_key(folder: &Path, path: &Path) -> Result<(), KeyError> {
    let make = || {
        fs::DirBuilder::new().recursive(true).create(folder)?;
        let name = BASE64URL_NOPAD.encode(&random::<ID_BYTES>()?);
        let new = folder.join(format!("upload.key.{name}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&random::<KEY_BYTES>()?)?;
        file.sync_all()?;
        let linked = fs::hard_link(&new, path);
        fs::remove_file(&new)?;
        fs::File::open(folder)?.sync_all()?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    };
    make().map_err(|source| KeyError::Io { path: path.into(), source })
}

fn random<const LEN: usize>() -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

const VERSION: &str = "1";
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 12;
/// A slot's name and type are the long parts.
const TOKEN_BYTES_MAX: usize = 4096;
/// What RFC 3986 leaves unreserved stays.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1000);

    fn grant() -> Grant {
        Grant {
            owner: "alice".into(),
            bytes_max: 10,
            count_max: 2,
            expected: Some(Digest::of(b"x")),
            reference_until: Some(UnixSeconds(5000)),
            expires: UnixSeconds(1001),
            purpose: Purpose::Tus,
        }
    }

    #[test]
    fn a_token_says_what_it_was_made_for() {
        let tokens = UploadTokens::from_key([1; 32]);
        let slot = Slot {
            id: UploadId::random().unwrap(),
            name: "a b/ü.jpg".into(),
            len: 7,
            media_type: Some("image/jpeg".into()),
        };
        assert!(slot.path().ends_with("/a%20b%2F%C3%BC.jpg"), "{}", slot.path());
        for purpose in [Purpose::Tus, Purpose::Slot(slot)] {
            let grant = Grant { purpose, ..grant() };
            let token = tokens.issue(&grant).unwrap();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(token.chars().all(plain), "{token}");
            assert_eq!(tokens.verify(&token, NOW).unwrap().grant, grant);
        }
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let tokens = UploadTokens::from_key([1; 32]);
        let token = tokens.issue(&grant()).unwrap();
        assert_eq!(tokens.verify(&token, UnixSeconds(1001)), Err(TokenError::Expired));
        let other = UploadTokens::from_key([2; 32]);
        assert_eq!(other.verify(&token, NOW), Err(TokenError::Invalid));
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(tokens.verify(&changed, NOW), Err(TokenError::Invalid), "{index}");
        }
        for token in ["", ".", "..", "1..", "1.e30.", &token[..token.len() - 1]] {
            assert_eq!(tokens.verify(token, NOW), Err(TokenError::Invalid), "{token}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let token = UploadTokens::open(folder.path()).unwrap().issue(&grant()).unwrap();
        assert!(UploadTokens::open(folder.path()).unwrap().verify(&token, NOW).is_ok());
        let path = folder.path().join("secrets/upload.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"short").unwrap();
        assert!(matches!(UploadTokens::open(folder.path()), Err(KeyError::Length { .. })));
    }
}
