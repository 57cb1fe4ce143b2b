//! What the server draws or keeps secret: nonces, and the key behind salts and tokens.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use rand_chacha::rand_core::CryptoRng;

use super::hash::ScramHash;
use super::keys::{SALT_BYTES, Salt};

/// The server's part of a SCRAM nonce; each exchange draws its own.
#[derive(Clone, Debug)]
pub struct ServerNonce(pub(crate) String);

impl ServerNonce {
    const RANDOM_BYTES: usize = 24;

    /// A fresh one.
    pub fn draw(random: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; Self::RANDOM_BYTES];
        random.fill_bytes(&mut bytes);
        // Base64 has no comma, which would end the attribute.
        Self(BASE64.encode(&bytes))
    }
}

/// A key that never leaves the server and outlives it: the salts that unknown users are shown and
/// the devices' tokens are derived from it. Whoever changes it logs out all devices.
#[derive(Clone)]
pub struct ServerSecret(hmac::Key);

impl ServerSecret {
    /// Bytes of the secret.
    pub const BYTES: usize = 32;

    /// From 32 random bytes that the storage keeps.
    pub fn new(bytes: &[u8; Self::BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The salt of an account that does not exist: always the same, so that asking twice tells
    /// nothing.
    pub(crate) fn salt_of_unknown(&self, name: &str) -> Salt {
        let tag = self.derive("salt", &[name.as_bytes()]);
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&tag.as_ref()[..SALT_BYTES]);
        Salt(salt)
    }

    /// Bytes that no proof fits, of the length that `hash` gives.
    pub(crate) fn key_of_unknown(&self, hash: ScramHash, name: &str) -> Vec<u8> {
        let half = |part: &[u8]| self.derive("key", &[part, name.as_bytes()]);
        let mut key = [half(b"1").as_ref(), half(b"2").as_ref()].concat();
        key.truncate(hash.output_bytes());
        key
    }

    /// HMAC-SHA-256 over `parts`, each with its length before it so that none runs into the next.
    pub(crate) fn derive(&self, purpose: &str, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [purpose.as_bytes()].iter().chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign()
    }
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret")
    }
}
