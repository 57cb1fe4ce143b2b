//! RFC 3711 4.3, RFC 7714 11: session keys from what DTLS exported (RFC 5764 4.2).

use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// How packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// RFC 7714.
    AeadAes128Gcm,
    /// RFC 7714.
    AeadAes256Gcm,
    /// RFC 3711, the one that everybody has.
    Aes128CmHmacSha1_80,
}

impl Profile {
    pub(super) fn key_bytes(self) -> usize {
        if self == Self::AeadAes256Gcm { 32 } else { 16 }
    }

    pub(super) fn salt_bytes(self) -> usize {
        if self == Self::Aes128CmHmacSha1_80 { 14 } else { 12 }
    }

    /// Bytes that are exported for both directions.
    pub fn material_bytes(self) -> usize {
        2 * (self.key_bytes() + self.salt_bytes())
    }
}

/// What one direction is protected with.
#[derive(Clone)]
pub struct Master {
    key: Vec<u8>,
    salt: Vec<u8>,
}

impl Master {
    /// Cuts exported material into the client's and the server's (RFC 5764 4.2).
    ///
    /// # Errors
    /// When the material is not [`Profile::material_bytes`] long.
    pub fn split(profile: Profile, material: &[u8]) -> Result<[Self; 2], KeyError> {
        if material.len() != profile.material_bytes() {
            return Err(KeyError { bytes: material.len() });
        }
        let (keys, salts) = material.split_at(2 * profile.key_bytes());
        let (client_key, server_key) = keys.split_at(profile.key_bytes());
        let (client_salt, server_salt) = salts.split_at(profile.salt_bytes());
        let master = |key: &[u8], salt: &[u8]| Self { key: key.to_vec(), salt: salt.to_vec() };
        Ok([master(client_key, client_salt), master(server_key, server_salt)])
    }

    /// So many bytes under a label (RFC 3711 4.3.1); the key derivation rate is zero.
    pub(super) fn derive<const BYTES: usize>(&self, label: u8) -> Result<[u8; BYTES], KeyError> {
        let fault = KeyError { bytes: self.key.len() };
        let mut iv = [0; 16];
        // A salt of 96 bits stands as if zeros followed (RFC 7714 11).
        iv[..self.salt.len()].copy_from_slice(&self.salt);
        iv[7] ^= label;
        let algorithm = if self.key.len() == 32 { &cipher::AES_256 } else { &cipher::AES_128 };
        let key = UnboundCipherKey::new(algorithm, &self.key).map_err(|_| fault)?;
        let key = EncryptingKey::ctr(key).map_err(|_| fault)?;
        let mut out = [0; BYTES];
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        key.less_safe_encrypt(&mut out, context).map_err(|_| fault)?;
        Ok(out)
    }
}

/// Exported material of another length than its profile has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes of key material do not fit the profile")]
pub struct KeyError {
    /// What there was.
    pub bytes: usize,
}

/// Labels of RFC 3711 4.3.2.
pub(super) const RTP_KEY: u8 = 0;
pub(super) const RTP_AUTH: u8 = 1;
pub(super) const RTP_SALT: u8 = 2;
/// How far those of RTCP lie behind.
pub(super) const RTCP_OFFSET: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXUPPER.decode(text.as_bytes()).unwrap()
    }

    /// RFC 3711 B.3.
    #[test]
    fn keys_are_derived_as_in_rfc_3711() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let master = Master { key, salt };
        let derived = master.derive::<16>(RTP_KEY).unwrap();
        assert_eq!(derived[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let derived = master.derive::<14>(RTP_SALT).unwrap();
        assert_eq!(derived[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        let derived = master.derive::<20>(RTP_AUTH).unwrap();
        assert_eq!(derived[..16], hex("CEBE321F6FF7716B6FD4AB49AF256A15"));
    }
}
