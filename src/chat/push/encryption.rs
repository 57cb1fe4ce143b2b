//! RFC 8291 Message Encryption for Web Push: one record of RFC 8188's `aes128gcm`.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyUncompressedBin};
use aws_lc_rs::{hmac, rand};
use chat_core::features::web_push::Subscription;

/// Why something could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// The subscription's public key is no point of P-256.
    #[error("the subscription's key is no point of P-256")]
    Key,
    /// The system gave no random bytes, or the content is too long.
    #[error("the content cannot be sealed")]
    Seal,
}

/// Encrypts for a browser, under a key that is used once.
pub(super) fn encrypt(
    content: &[u8],
    subscription: &Subscription,
) -> Result<Vec<u8>, EncryptionError> {
    let own = PrivateKey::generate(&ECDH_P256).map_err(|_| EncryptionError::Seal)?;
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| EncryptionError::Seal)?;
    encrypt_with(content, subscription, &own, &salt)
}

/// The same with the key and the salt given.
pub(super) fn encrypt_with(
    content: &[u8],
    subscription: &Subscription,
    own: &PrivateKey,
    salt: &[u8; SALT_BYTES],
) -> Result<Vec<u8>, EncryptionError> {
    if content.len() > CONTENT_BYTES_MAX {
        return Err(EncryptionError::Seal);
    }
    let own_public = own.compute_public_key().map_err(|_| EncryptionError::Seal)?;
    let own_public: EcPublicKeyUncompressedBin<'static> =
        own_public.as_be_bytes().map_err(|_| EncryptionError::Seal)?;
    let own_public = own_public.as_ref();
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &*subscription.public_key);
    let secrets = agree(own, theirs, EncryptionError::Key, |shared| {
        Ok(Secrets::derive(shared, subscription, own_public, salt))
    })?;
    let mut sealed = Vec::with_capacity(HEADER_BYTES + content.len() + 1 + TAG_BYTES);
    sealed.extend_from_slice(content);
    // RFC 8188 2: the delimiter of the last record.
    sealed.push(2);
    let key = UnboundKey::new(&AES_128_GCM, &secrets.key).map_err(|_| EncryptionError::Seal)?;
    let nonce = Nonce::assume_unique_for_key(secrets.nonce);
    LessSafeKey::new(key)
        .seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
        .map_err(|_| EncryptionError::Seal)?;
    // RFC 8188 2.1: salt, record size, length of the key, key.
    let mut message = Vec::with_capacity(HEADER_BYTES + sealed.len());
    message.extend_from_slice(salt);
    message.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    message.push(POINT_BYTES);
    message.extend_from_slice(own_public);
    message.extend_from_slice(&sealed);
    Ok(message)
}

struct Secrets {
    key: [u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
}

impl Secrets {
    /// RFC 8291 3.4. Each step of HKDF needs one block.
    fn derive(shared: &[u8], theirs: &Subscription, own_public: &[u8], salt: &[u8]) -> Secrets {
        let pseudo_random = mac(&theirs.secret, &[shared]);
        let info: [&[u8]; 4] = [b"WebPush: info\0", &theirs.public_key, own_public, &[1]];
        let input = mac(&pseudo_random, &info);
        let pseudo_random = mac(salt, &[&input]);
        let key = mac(&pseudo_random, &[b"Content-Encoding: aes128gcm\0\x01"]);
        let nonce = mac(&pseudo_random, &[b"Content-Encoding: nonce\0\x01"]);
        Secrets { key: first(&key), nonce: first(&nonce) }
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; MAC_BYTES];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

fn first<const LEN: usize>(bytes: &[u8; MAC_BYTES]) -> [u8; LEN] {
    std::array::from_fn(|at| bytes[at])
}

pub(super) const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
const POINT_BYTES: u8 = 65;
const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES as usize;
/// RFC 8291 4: push services must take 4,096 bytes, in one record.
const RECORD_BYTES: u32 = 4096;
const CONTENT_BYTES_MAX: usize = 3993;
