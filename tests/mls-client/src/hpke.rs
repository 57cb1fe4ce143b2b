//! RFC 9180 HPKE, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
//!
//! One message to a context, which is all that MLS needs.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use openmls_traits::types::CryptoError;

use crate::crypto::{hkdf_expand, hkdf_extract, open, seal};

/// What both sides share.
pub(crate) struct Context {
    key: Vec<u8>,
    nonce: Vec<u8>,
    exporter_secret: Vec<u8>,
}

impl Context {
    /// The sender's, with the encapsulated key.
    pub(crate) fn of_sender(
        receiver: &[u8],
        info: &[u8],
    ) -> Result<(Vec<u8>, Context), CryptoError> {
        let own = PrivateKey::generate(&X25519).map_err(|_| CryptoError::SenderSetupError)?;
        let enc = own.compute_public_key().map_err(|_| CryptoError::SenderSetupError)?;
        let enc = enc.as_ref().to_vec();
        let shared = shared_secret(&own, receiver, &enc, receiver)?;
        Ok((enc, Context::new(&shared, info)?))
    }

    /// The receiver's.
    pub(crate) fn of_receiver(
        enc: &[u8],
        receiver: &[u8],
        info: &[u8],
    ) -> Result<Context, CryptoError> {
        let own = PrivateKey::from_private_key(&X25519, receiver)
            .map_err(|_| CryptoError::ReceiverSetupError)?;
        let public = own.compute_public_key().map_err(|_| CryptoError::ReceiverSetupError)?;
        let shared = shared_secret(&own, enc, enc, public.as_ref())?;
        Context::new(&shared, info)
    }

    /// RFC 9180 5.1, KeySchedule in base mode.
    fn new(shared: &[u8], info: &[u8]) -> Result<Context, CryptoError> {
        let mut context = vec![MODE_BASE];
        context.extend(labeled_extract(&HPKE_SUITE, &[], b"psk_id_hash", &[]));
        context.extend(labeled_extract(&HPKE_SUITE, &[], b"info_hash", info));
        let secret = labeled_extract(&HPKE_SUITE, shared, b"secret", &[]);
        let expand = |label, len| labeled_expand(&HPKE_SUITE, &secret, label, &context, len);
        Ok(Context {
            key: expand(b"key", KEY_BYTES)?,
            nonce: expand(b"base_nonce", NONCE_BYTES)?,
            exporter_secret: expand(b"exp", HASH_BYTES)?,
        })
    }

    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        seal(&self.key, &self.nonce, aad, plaintext)
    }

    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        open(&self.key, &self.nonce, aad, sealed)
    }

    /// RFC 9180 5.3.
    pub(crate) fn export(&self, context: &[u8], len: usize) -> Result<Vec<u8>, CryptoError> {
        labeled_expand(&HPKE_SUITE, &self.exporter_secret, b"sec", context, len)
    }
}

/// RFC 9180 7.1.3: the private and the public key.
pub(crate) fn derive_key_pair(ikm: &[u8]) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
    let prk = labeled_extract(KEM_SUITE, &[], b"dkp_prk", ikm);
    let private = labeled_expand(KEM_SUITE, &prk, b"sk", &[], KEM_BYTES)?;
    let key = PrivateKey::from_private_key(&X25519, &private)
        .map_err(|_| CryptoError::CryptoLibraryError)?;
    let public = key.compute_public_key().map_err(|_| CryptoError::CryptoLibraryError)?;
    Ok((private, public.as_ref().to_vec()))
}

/// RFC 9180 4.1, ExtractAndExpand.
fn shared_secret(
    own: &PrivateKey,
    peer: &[u8],
    enc: &[u8],
    receiver: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let peer = UnparsedPublicKey::new(&X25519, peer);
    let agreed =
        agreement::agree(own, peer, CryptoError::InvalidPublicKey, |agreed| Ok(agreed.to_vec()))?;
    let prk = labeled_extract(KEM_SUITE, &[], b"eae_prk", &agreed);
    let context = [enc, receiver].concat();
    labeled_expand(KEM_SUITE, &prk, b"shared_secret", &context, HASH_BYTES)
}

/// RFC 9180 4.
fn labeled_extract(suite: &[u8], salt: &[u8], label: &[u8], ikm: &[u8]) -> [u8; HASH_BYTES] {
    hkdf_extract(salt, &[b"HPKE-v1", suite, label, ikm].concat())
}

/// RFC 9180 4.
fn labeled_expand(
    suite: &[u8],
    prk: &[u8],
    label: &[u8],
    info: &[u8],
    len: usize,
) -> Result<Vec<u8>, CryptoError> {
    let short = u16::try_from(len).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
    let info = [&short.to_be_bytes(), &b"HPKE-v1"[..], suite, label, info].concat();
    hkdf_expand(prk, &info, len)
}

const MODE_BASE: u8 = 0;
const KEM_SUITE: &[u8] = b"KEM\x00\x20";
const HPKE_SUITE: [u8; 10] = *b"HPKE\x00\x20\x00\x01\x00\x01";
const KEM_BYTES: usize = 32;
const HASH_BYTES: usize = 32;
const KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::{Context, derive_key_pair};

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    /// RFC 9180 A.1.1.
    #[test]
    fn the_rfc_s_first_vector_opens() {
        let (private, public) = derive_key_pair(&hex(
            "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
        ))
        .unwrap();
        let receiver = hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
        assert_eq!(private, receiver);
        assert_eq!(public, hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"));
        let enc = hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let context = Context::of_receiver(&enc, &receiver, &info).unwrap();
        let sealed = hex("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9\
             6d8770ac83d07bea87e13c512a");
        let opened = context.open(b"Count-0", &sealed).unwrap();
        assert_eq!(opened, b"Beauty is truth, truth beauty");
        assert_eq!(
            context.export(b"", 32).unwrap(),
            hex("3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee")
        );
    }

    #[test]
    fn what_one_seals_the_other_opens_and_no_third() {
        let (private, public) = derive_key_pair(&[1; 32]).unwrap();
        let (stranger, _) = derive_key_pair(&[2; 32]).unwrap();
        let (enc, sender) = Context::of_sender(&public, b"info").unwrap();
        let sealed = sender.seal(b"aad", b"hello").unwrap();
        let opened =
            |key: &[u8]| Context::of_receiver(&enc, key, b"info").unwrap().open(b"aad", &sealed);
        assert_eq!(opened(&private).unwrap(), b"hello");
        assert!(opened(&stranger).is_err());
    }
}
