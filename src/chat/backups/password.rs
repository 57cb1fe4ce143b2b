//! OPAQUE (RFC 9807): a password opens something that neither the password nor a guess at it can be
//! worked out from on this side, but for whoever keeps the record. Each registration has a seed of its
//! own, which goes with the record: what is gone cannot be guessed at, whatever else was kept.
//!
//! The app's half is @serenity-kit/opaque, of the same suite: ristretto255, SHA-512, 3DH.

use opaque_ke::ksf::Identity;
use opaque_ke::rand::{CryptoRng, Error as RandomError, RngCore};
use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload,
    Ristretto255, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup, TripleDh,
};
use sha2::Sha512;

/// What both sides compute with. Stretching is the app's matter.
#[derive(Debug)]
pub(in crate::chat) struct Suite;

impl opaque_ke::CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Identity;
}

/// What the app sent is none of the messages of OPAQUE.
#[derive(Debug, thiserror::Error)]
#[error("this is no message of OPAQUE")]
pub struct Malformed;

/// A registration that was begun.
pub(super) struct Beginning {
    setup: ServerSetup<Suite>,
}

/// What is kept of a registration: the seed with its keys, and the app's record.
#[derive(Clone)]
pub(super) struct Kept {
    setup: ServerSetup<Suite>,
    record: ServerRegistration<Suite>,
}

/// A try at a password.
pub(super) struct Try {
    login: ServerLogin<Suite>,
}

impl Beginning {
    /// Begins a registration. Gives the answer to the app's request.
    pub(super) fn new(request: &[u8]) -> Result<(Self, Vec<u8>), Malformed> {
        let setup = ServerSetup::new(&mut Random);
        let request = RegistrationRequest::deserialize(request).map_err(|_| Malformed)?;
        let begun = ServerRegistration::start(&setup, request, WHO).map_err(|_| Malformed)?;
        Ok((Self { setup }, begun.message.serialize().to_vec()))
    }

    pub(super) fn finish(self, record: &[u8]) -> Result<Kept, Malformed> {
        let record = RegistrationUpload::deserialize(record).map_err(|_| Malformed)?;
        Ok(Kept { setup: self.setup, record: ServerRegistration::finish(record) })
    }
}

impl Kept {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.setup.serialize().as_slice(), self.record.serialize().as_slice()].concat()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (setup, record) = bytes.split_at_checked(SETUP_BYTES).ok_or(Malformed)?;
        Ok(Self {
            setup: ServerSetup::deserialize(setup).map_err(|_| Malformed)?,
            record: ServerRegistration::deserialize(record).map_err(|_| Malformed)?,
        })
    }

    /// Answers a try. Whether it is right is known when it is finished.
    pub(super) fn try_once(&self, request: &[u8]) -> Result<(Try, Vec<u8>), Malformed> {
        let request = CredentialRequest::deserialize(request).map_err(|_| Malformed)?;
        let parameters = ServerLoginParameters::default();
        let record = Some(self.record.clone());
        let begun = ServerLogin::start(&mut Random, &self.setup, record, request, WHO, parameters);
        let begun = begun.map_err(|_| Malformed)?;
        Ok((Try { login: begun.state }, begun.message.serialize().to_vec()))
    }
}

impl Try {
    /// Whether who tried knows the password.
    pub(super) fn proves(self, finalization: &[u8]) -> bool {
        let Ok(finalization) = CredentialFinalization::deserialize(finalization) else {
            return false;
        };
        self.login.finish(finalization, ServerLoginParameters::default()).is_ok()
    }
}

/// The system's random bytes, as OPAQUE asks for them.
pub(in crate::chat) struct Random;

impl CryptoRng for Random {}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_ne_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        // Without them nothing here would be secret.
        aws_lc_rs::rand::fill(bytes).expect("the system gives random bytes");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// Each registration has a seed of its own: nothing else need tell them apart.
const WHO: &[u8] = b"backup";
/// A seed of 64 bytes, a private key, and a public key that is not used.
const SETUP_BYTES: usize = 128;
