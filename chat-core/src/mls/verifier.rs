//! What the server knows of cryptography: SHA-256 and Ed25519's verification, by aws-lc-rs.
//!
//! openmls asks for more, and gets an error: nothing here encrypts, opens, signs or derives.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use openmls::prelude::tls_codec::SecretVLBytes;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig,
    HpkeKeyPair, KemOutput, SignatureScheme,
};

/// The one suite of encrypted conversations.
pub(super) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// Hashes and verifies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verifier;

impl OpenMlsCrypto for Verifier {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        (suite == SUITE).then_some(()).ok_or(CryptoError::UnsupportedCiphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE]
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match hash {
            HashType::Sha2_256 => Ok(digest::digest(&digest::SHA256, data).as_ref().to_vec()),
            _ => Err(CryptoError::UnsupportedHashAlgorithm),
        }
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        if scheme != SignatureScheme::ED25519 {
            return Err(CryptoError::UnsupportedSignatureScheme);
        }
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(data, signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn hkdf_extract(&self, _: HashType, _: &[u8], _: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        Err(CryptoError::UnsupportedKdf)
    }

    fn hmac(&self, _: HashType, _: &[u8], _: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        Err(CryptoError::UnsupportedHashAlgorithm)
    }

    fn hkdf_expand(
        &self,
        _: HashType,
        _: &[u8],
        _: &[u8],
        _: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        Err(CryptoError::UnsupportedKdf)
    }

    fn aead_encrypt(
        &self,
        _: AeadType,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::UnsupportedAeadAlgorithm)
    }

    fn aead_decrypt(
        &self,
        _: AeadType,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::UnsupportedAeadAlgorithm)
    }

    fn signature_key_gen(&self, _: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn sign(&self, _: SignatureScheme, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn hpke_seal(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        Err(CryptoError::HpkeEncryptionError)
    }

    fn hpke_open(
        &self,
        _: HpkeConfig,
        _: &HpkeCiphertext,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        Err(CryptoError::SenderSetupError)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        Err(CryptoError::ReceiverSetupError)
    }

    fn derive_hpke_keypair(&self, _: HpkeConfig, _: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        Err(CryptoError::UnsupportedKdf)
    }
}
