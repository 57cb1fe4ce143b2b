//! RFC 5764 DTLS-SRTP: who the peer is, by the fingerprint in its offer, and the keys of its media.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use dimpl::{Dtls, DtlsCertificate, Output, SrtpProfile};

use super::sdp::{Fingerprint, Setup};
use super::srtp::{KeyError, Master, Opener, Profile, Sealer};

/// The largest record that is written, in bytes.
const RECORD_BYTES_MAX: usize = 2048;
/// Between two tries of a flight, at first.
const RETRY_MS: u64 = 250;

/// Why there is no secured connection.
#[derive(Debug, thiserror::Error)]
pub enum DtlsError {
    /// The peer broke the protocol, or has given up.
    #[error("DTLS: {0}")]
    Protocol(#[from] dimpl::Error),
    /// It has another certificate than its offer says.
    #[error("the certificate's fingerprint is {actual}, not {expected}")]
    Fingerprint {
        /// What the offer says.
        expected: Fingerprint,
        /// What it has.
        actual: Fingerprint,
    },
    /// It knows none of the ways to protect media.
    #[error("no common SRTP profile")]
    Profile,
    /// What was exported is not what its profile needs.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// What we are known by for as long as the process lives: a connection does not outlast it either.
pub struct Certificate {
    certificate: DtlsCertificate,
    config: Arc<dimpl::Config>,
    /// For answers.
    pub fingerprint: Fingerprint,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// None is made.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// DTLS is not to be had.
    #[error("DTLS: {0}")]
    Dtls(#[from] dimpl::Error),
}

impl Certificate {
    /// Makes one, with a key on P-256 as all peers know it.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make() -> Result<Self, CertificateError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let made = rcgen::CertificateParams::new(Vec::<String>::new())?.self_signed(&key)?;
        let fingerprint = fingerprint_of(made.der());
        let private_key = key.serialize_der();
        let certificate = DtlsCertificate { certificate: made.der().to_vec(), private_key };
        // Who speaks has proven its address by ICE: a cookie would cost a round trip for nothing.
        let config = dimpl::Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(Duration::from_millis(RETRY_MS))
            .flight_retries(6);
        Ok(Self { certificate, config: Arc::new(config.build()?), fingerprint })
    }
}

/// A handshake under way.
pub struct Handshake {
    dtls: Dtls,
    expected: Fingerprint,
    is_client: bool,
    due: Option<Instant>,
    is_proven: bool,
    is_connected: bool,
    keys: Option<(Opener, Sealer)>,
}

/// Where a handshake has come to.
pub enum Progress {
    /// It goes on.
    Handshake(Box<Handshake>),
    /// The peer is who its offer says, and there are keys.
    Secured(Box<Secured>),
}

/// A connection with keys.
pub struct Secured {
    /// What the peer sends.
    pub opener: Opener,
    /// What we send.
    pub sealer: Sealer,
    dtls: Dtls,
}

impl Handshake {
    /// Waits for the peer, or is ready to begin, as its offer has it.
    pub fn new(
        now: Instant,
        certificate: &Certificate,
        expected: Fingerprint,
        setup: Setup,
    ) -> Self {
        let own = certificate.certificate.clone();
        // Version 1.2: there the choice among SRTP's profiles is ours, and it is AES-GCM. In 1.3 dimpl
        // takes the peer's first one, and with Chromium that is AES-CM, at 2.5 times the cost.
        let mut dtls = Dtls::new_12(certificate.config.clone(), own, now);
        let is_client = setup == Setup::Passive;
        if is_client {
            dtls.set_active(true);
        }
        let due = is_client.then_some(now);
        let (is_proven, is_connected) = (false, false);
        Self { dtls, expected, is_client, due, is_proven, is_connected, keys: None }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes a datagram; `send` gets what is to be answered.
    ///
    /// # Errors
    /// When there will be no connection.
    pub fn handle(
        mut self: Box<Self>,
        now: Instant,
        packet: &[u8],
        send: impl FnMut(&[u8]),
    ) -> Result<Progress, DtlsError> {
        self.dtls.handle_timeout(now)?;
        self.dtls.handle_packet(packet)?;
        self.drain(send)?;
        self.progress()
    }

    /// Sends again what was lost, and in the client's role begins.
    ///
    /// # Errors
    /// When it was tried often enough.
    pub fn handle_timeout(
        mut self: Box<Self>,
        now: Instant,
        send: impl FnMut(&[u8]),
    ) -> Result<Progress, DtlsError> {
        self.dtls.handle_timeout(now)?;
        self.drain(send)?;
        self.progress()
    }

    fn progress(mut self: Box<Self>) -> Result<Progress, DtlsError> {
        if !(self.is_connected && self.is_proven) {
            return Ok(Progress::Handshake(self));
        }
        let (opener, sealer) = self.keys.take().ok_or(DtlsError::Profile)?;
        Ok(Progress::Secured(Box::new(Secured { opener, sealer, dtls: self.dtls })))
    }

    fn drain(&mut self, mut send: impl FnMut(&[u8])) -> Result<(), DtlsError> {
        let mut buffer = [0; RECORD_BYTES_MAX];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => send(packet),
                Output::PeerCert(certificate) => {
                    let (expected, actual) = (self.expected, fingerprint_of(certificate));
                    if expected != actual {
                        return Err(DtlsError::Fingerprint { expected, actual });
                    }
                    self.is_proven = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    self.keys = Some(keys_of(&material, profile, self.is_client)?);
                }
                Output::Connected => self.is_connected = true,
                Output::Timeout(due) => {
                    self.due = Some(due);
                    return Ok(());
                }
                Output::BufferTooSmall { .. } => return Err(DtlsError::Profile),
                _ => {}
            }
        }
    }
}

/// What a datagram of a secured connection was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that concerns us.
    Nothing,
    /// The peer closes.
    Closed,
}

impl Secured {
    /// Takes a datagram of DTLS: a repeat of the handshake's end, or the end of all.
    ///
    /// # Errors
    /// When the peer breaks the protocol.
    pub fn handle(
        &mut self,
        now: Instant,
        packet: &[u8],
        send: impl FnMut(&[u8]),
    ) -> Result<Heard, DtlsError> {
        self.dtls.handle_timeout(now)?;
        self.dtls.handle_packet(packet)?;
        Ok(self.drain(send))
    }

    /// Tells the peer that it is over.
    pub fn close(&mut self, send: impl FnMut(&[u8])) {
        // One that is closed already has nothing to tell.
        if self.dtls.close().is_ok() {
            self.drain(send);
        }
    }

    fn drain(&mut self, mut send: impl FnMut(&[u8])) -> Heard {
        let (mut buffer, mut heard) = ([0; RECORD_BYTES_MAX], Heard::Nothing);
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => send(packet),
                Output::CloseNotify => heard = Heard::Closed,
                Output::Timeout(_) | Output::BufferTooSmall { .. } => return heard,
                _ => {}
            }
        }
    }
}

fn keys_of(
    material: &[u8],
    profile: SrtpProfile,
    is_client: bool,
) -> Result<(Opener, Sealer), DtlsError> {
    let profile = match profile {
        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
        SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmHmacSha1_80,
        _ => return Err(DtlsError::Profile),
    };
    let [client, server] = Master::split(profile, material)?;
    let (theirs, ours) = if is_client { (server, client) } else { (client, server) };
    Ok((Opener::new(profile, &theirs)?, Sealer::new(profile, &ours)?))
}

fn fingerprint_of(certificate: &[u8]) -> Fingerprint {
    let hash = digest::digest(&digest::SHA256, certificate);
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(hash.as_ref());
    Fingerprint(fingerprint)
}
