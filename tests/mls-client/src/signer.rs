//! A device's signature key.

use aws_lc_rs::signature::KeyPair;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;

use crate::Error;
use crate::crypto::{Crypto, signing_key};

/// An Ed25519 key.
pub(crate) struct DeviceKey {
    seed: Vec<u8>,
    public: Vec<u8>,
}

impl DeviceKey {
    pub(crate) fn generate() -> Result<DeviceKey, Error> {
        let made = Crypto.signature_key_gen(SignatureScheme::ED25519);
        let (seed, public) = made.map_err(Error::refused("make a key"))?;
        Ok(DeviceKey { seed, public })
    }

    pub(crate) fn from_seed(seed: Vec<u8>) -> Result<DeviceKey, Error> {
        let key = signing_key(&seed).map_err(Error::refused("read a key"))?;
        let public = key.public_key().as_ref().to_vec();
        Ok(DeviceKey { seed, public })
    }

    pub(crate) fn seed(&self) -> &[u8] {
        &self.seed
    }

    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }
}

impl Signer for DeviceKey {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signed = Crypto.sign(SignatureScheme::ED25519, payload, &self.seed);
        signed.map_err(SignerError::CryptoError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
