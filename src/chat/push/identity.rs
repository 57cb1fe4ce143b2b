//! RFC 8292 Voluntary Application Server Identification: push services know us by a key.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use http::Uri;

/// Our key, and whom a push service may write to.
pub struct Identity {
    key: EcdsaKeyPair,
    contact: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The key's file cannot be made, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key's file is not one.
    #[error("{}: no key of P-256 in PKCS #8", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
}

impl Identity {
    /// Reads the key in `data_dir/secrets/push.key`, or makes one. Browsers' subscriptions are
    /// bound to it. `contact` is a `mailto:` or `https:` URI.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn open(data_dir: &Path, contact: &str) -> Result<Self, IdentityError> {
        let folder = data_dir.join("secrets");
        let path = folder.join("push.key");
        let failed = |source| IdentityError::Io { path: path.clone(), source };
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_key(&folder, &path).map_err(failed)?;
                fs::read(&path)
            }
            outcome => outcome,
        };
        let bytes = bytes.map_err(failed)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes);
        let key = key.map_err(|_| IdentityError::Form { path: path.clone() })?;
        Ok(Self { key, contact: contact.to_owned() })
    }

    /// The public key: a point of P-256, uncompressed.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// The `Authorization` of a request to this endpoint (RFC 8292 3), or `None` where it cannot be
    /// signed.
    pub(super) fn authorization(&self, endpoint: &Uri, now_unix_s: u64) -> Option<String> {
        let audience = format!("{}://{}", endpoint.scheme_str()?, endpoint.authority()?);
        let claims = serde_json::json!({
            "aud": audience,
            "exp": now_unix_s + TOKEN_S,
            "sub": self.contact,
        });
        let signed = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"ES256"}"#),
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        );
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        let signature = BASE64URL_NOPAD.encode(signature.as_ref());
        let key = BASE64URL_NOPAD.encode(self.public_key());
        Some(format!("vapid t={signed}.{signature}, k={key}"))
    }
}

/// A key appears whole or not at all, and another process's key is never replaced.
fn make_key(folder: &Path, path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(io::Error::other)?;
    let new = folder.join(format!("push.key.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(key.as_ref())?;
    file.sync_all()?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    fs::File::open(folder)?.sync_all()?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Seconds for which a token counts; RFC 8292 2 allows a day.
const TOKEN_S: u64 = 12 * 3600;
