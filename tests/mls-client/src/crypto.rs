//! MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 (RFC 9420 17.1) by aws-lc-rs.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac, rand};
use openmls::prelude::tls_codec::SecretVLBytes;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext,
    HpkeConfig, HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
};

use crate::hpke;

/// The one suite of encrypted conversations.
pub const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The suite's operations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crypto;

/// The system's random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct RandomError;

impl OpenMlsRand for Crypto {
    type Error = RandomError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        let mut bytes = [0; N];
        rand::fill(&mut bytes).map_err(|_| RandomError)?;
        Ok(bytes)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, RandomError> {
        let mut bytes = vec![0; len];
        rand::fill(&mut bytes).map_err(|_| RandomError)?;
        Ok(bytes)
    }
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        (suite == SUITE).then_some(()).ok_or(CryptoError::UnsupportedCiphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE]
    }

    fn hkdf_extract(
        &self,
        hash: HashType,
        salt: &[u8],
        ikm: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash)?;
        Ok(hkdf_extract(salt, ikm).as_slice().into())
    }

    fn hmac(
        &self,
        hash: HashType,
        key: &[u8],
        message: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash)?;
        Ok(hmac_sha256(key, &[message]).as_slice().into())
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        okm_len: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        check_hash(hash)?;
        Ok(hkdf_expand(prk, info, okm_len)?.into())
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_hash(hash)?;
        Ok(digest::digest(&digest::SHA256, data).as_ref().to_vec())
    }

    fn aead_encrypt(
        &self,
        algorithm: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_aead(algorithm)?;
        seal(key, nonce, aad, data)
    }

    fn aead_decrypt(
        &self,
        algorithm: AeadType,
        key: &[u8],
        sealed: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_aead(algorithm)?;
        open(key, nonce, aad, sealed)
    }

    fn signature_key_gen(
        &self,
        scheme: SignatureScheme,
    ) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        check_scheme(scheme)?;
        let seed: [u8; 32] =
            self.random_array().map_err(|_| CryptoError::InsufficientRandomness)?;
        Ok((seed.to_vec(), signing_key(&seed)?.public_key().as_ref().to_vec()))
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        check_scheme(scheme)?;
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(data, signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn sign(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_scheme(scheme)?;
        Ok(signing_key(key)?.sign(data).as_ref().to_vec())
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        receiver: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        check_hpke(&config)?;
        let (kem_output, context) = hpke::Context::of_sender(receiver, info)?;
        let ciphertext = context.seal(aad, plaintext)?;
        Ok(HpkeCiphertext { kem_output: kem_output.into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        receiver: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_hpke(&config)?;
        let context = hpke::Context::of_receiver(input.kem_output.as_slice(), receiver, info)?;
        context.open(aad, input.ciphertext.as_slice()).map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        receiver: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        check_hpke(&config)?;
        let (kem_output, context) = hpke::Context::of_sender(receiver, info)?;
        Ok((kem_output, context.export(exporter_context, exporter_length)?.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        receiver: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        check_hpke(&config)?;
        let context = hpke::Context::of_receiver(enc, receiver, info)?;
        Ok(context.export(exporter_context, exporter_length)?.into())
    }

    fn derive_hpke_keypair(
        &self,
        config: HpkeConfig,
        ikm: &[u8],
    ) -> Result<HpkeKeyPair, CryptoError> {
        check_hpke(&config)?;
        let (private, public) = hpke::derive_key_pair(ikm)?;
        Ok(HpkeKeyPair { private: private.into(), public })
    }
}

/// A key that signs, from its seed.
pub(crate) fn signing_key(seed: &[u8]) -> Result<Ed25519KeyPair, CryptoError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CryptoError::SigningError)
}

/// RFC 5869 2.2.
pub(crate) fn hkdf_extract(salt: &[u8], ikm: &[u8]) -> [u8; HASH_BYTES] {
    hmac_sha256(salt, &[ikm])
}

/// RFC 5869 2.3.
pub(crate) fn hkdf_expand(prk: &[u8], info: &[u8], len: usize) -> Result<Vec<u8>, CryptoError> {
    if len > 255 * HASH_BYTES {
        return Err(CryptoError::HkdfOutputLengthInvalid);
    }
    let mut output = Vec::with_capacity(len + HASH_BYTES);
    let mut last: &[u8] = &[];
    let mut block;
    for counter in 1..=len.div_ceil(HASH_BYTES) {
        let counter = u8::try_from(counter).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        block = hmac_sha256(prk, &[last, info, &[counter]]);
        output.extend_from_slice(&block);
        last = &block;
    }
    output.truncate(len);
    Ok(output)
}

/// AES-128-GCM.
pub(crate) fn seal(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let (key, nonce) = aead(key, nonce)?;
    let mut sealed = plaintext.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed)
        .map_err(|_| CryptoError::CryptoLibraryError)?;
    Ok(sealed)
}

/// AES-128-GCM.
pub(crate) fn open(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let (key, nonce) = aead(key, nonce)?;
    let mut opened = sealed.to_vec();
    let len = key
        .open_in_place(nonce, Aad::from(aad), &mut opened)
        .map_err(|_| CryptoError::AeadDecryptionError)?
        .len();
    opened.truncate(len);
    Ok(opened)
}

fn aead(key: &[u8], nonce: &[u8]) -> Result<(LessSafeKey, Nonce), CryptoError> {
    let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| CryptoError::InvalidLength)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::InvalidLength)?;
    Ok((LessSafeKey::new(key), nonce))
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; HASH_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().try_into().expect("HMAC-SHA-256 gives 32 bytes")
}

fn check_hash(hash: HashType) -> Result<(), CryptoError> {
    (hash == HashType::Sha2_256).then_some(()).ok_or(CryptoError::UnsupportedHashAlgorithm)
}

fn check_aead(algorithm: AeadType) -> Result<(), CryptoError> {
    (algorithm == AeadType::Aes128Gcm).then_some(()).ok_or(CryptoError::UnsupportedAeadAlgorithm)
}

fn check_scheme(scheme: SignatureScheme) -> Result<(), CryptoError> {
    (scheme == SignatureScheme::ED25519)
        .then_some(())
        .ok_or(CryptoError::UnsupportedSignatureScheme)
}

fn check_hpke(config: &HpkeConfig) -> Result<(), CryptoError> {
    match config {
        HpkeConfig(HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::AesGcm128) => {
            Ok(())
        }
        _ => Err(CryptoError::UnsupportedCiphersuite),
    }
}

/// Of SHA-256.
const HASH_BYTES: usize = 32;
