//! The client's side of TLS: rustls without verification, and a session over its unbuffered API.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// What the client offers in its hello.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer {
    /// TLS 1.3 with TLS_AES_128_GCM_SHA256 and nothing else.
    pub aes_128_only: bool,
    /// Key exchange by X25519 and nothing else (no hybrid with ML-KEM, which old peers lack).
    pub x25519_only: bool,
    pub alpn: Alpn,
}

/// The protocol that the client names in its hello, RFC 7301.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpn {
    #[default]
    Http1,
    Http2,
    /// `xmpp-client`, XEP-0368.
    XmppClient,
    /// None: STARTTLS has said already what the stream is.
    None,
}

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
            Self::XmppClient => vec![b"xmpp-client".to_vec()],
            Self::None => Vec::new(),
        }
    }
}

/// A configuration that trusts any certificate and never resumes a session.
///
/// # Errors
/// The offer leaves nothing to agree on.
pub fn client_config(offer: Offer) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut provider = aws_lc_rs::default_provider();
    let mut versions = rustls::ALL_VERSIONS;
    if offer.aes_128_only {
        provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
        versions = ONLY_TLS13;
    }
    if offer.x25519_only {
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    }
    let provider = Arc::new(provider);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnything { provider }))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = offer.alpn.protocols();
    Ok(Arc::new(config))
}

/// One TLS connection without buffers of its own: ciphertext in, plaintext out, and back.
pub struct Session {
    connection: UnbufferedClientConnection,
    established: bool,
    closed: bool,
}

/// A broken TLS session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Protocol(#[from] rustls::Error),
    #[error("encoding: {0}")]
    Encode(#[from] EncodeError),
    #[error("encrypting: {0}")]
    Encrypt(#[from] EncryptError),
    #[error("not established")]
    NotEstablished,
}

impl Session {
    /// Starts a session; the first `advance` writes the ClientHello.
    ///
    /// # Errors
    /// The configuration and the name do not fit together.
    pub fn new(
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, SessionError> {
        let connection = UnbufferedClientConnection::new(Arc::clone(config), name)?;
        Ok(Self { connection, established: false, closed: false })
    }

    /// The handshake is complete on this side.
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// The peer has said that it will send no more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The server's certificate, DER, once it has come.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = self.connection.peer_certificates()?;
        chain.first().map(|certificate| certificate.as_ref())
    }

    /// Takes the whole records of `incoming`, appends what must be sent to `outgoing`, hands
    /// plaintext to `on_plaintext`, and returns how many bytes of `incoming` are used up.
    ///
    /// # Errors
    /// The peer broke the protocol, or sent an alert.
    pub fn advance(
        &mut self,
        incoming: &mut [u8],
        outgoing: &mut Vec<u8>,
        mut on_plaintext: impl FnMut(&[u8]),
    ) -> Result<usize, SessionError> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut incoming[used..]);
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        on_plaintext(record?.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut handshake) => {
                    append(outgoing, |spare| handshake.encode(spare))?;
                }
                ConnectionState::TransmitTlsData(transmit) => transmit.done(),
                ConnectionState::WriteTraffic(_) => {
                    self.established = true;
                    return Ok(used + discard);
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.closed = true;
                    return Ok(used + discard);
                }
                _ => return Ok(used + discard),
            }
            used += discard;
        }
    }

    /// Appends `plaintext` to `outgoing` as records.
    ///
    /// # Errors
    /// The handshake has not ended, or the key is worn out.
    pub fn encrypt(
        &mut self,
        plaintext: &[u8],
        outgoing: &mut Vec<u8>,
    ) -> Result<(), SessionError> {
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut []);
        let ConnectionState::WriteTraffic(mut traffic) = state? else {
            return Err(SessionError::NotEstablished);
        };
        let start = outgoing.len();
        let records = plaintext.len() / RECORD_BYTES_MAX + 1;
        outgoing.resize(start + plaintext.len() + records * RECORD_OVERHEAD_BYTES_MAX, 0);
        let written = traffic.encrypt(plaintext, &mut outgoing[start..])?;
        outgoing.truncate(start + written);
        Ok(())
    }
}

/// Lets `encode` write behind the end of `outgoing`, with as much room as it asks for.
fn append(
    outgoing: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<(), EncodeError> {
    let start = outgoing.len();
    let mut room = HANDSHAKE_ROOM_BYTES;
    loop {
        outgoing.resize(start + room, 0);
        match encode(&mut outgoing[start..]) {
            Ok(written) => {
                outgoing.truncate(start + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) => room = needed.required_size,
            Err(error) => return Err(error),
        }
    }
}

/// Load is not trust: a test server's certificate is its own.
#[derive(Debug)]
struct TrustAnything {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

static ONLY_TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A record's plaintext, RFC 8446 5.1.
const RECORD_BYTES_MAX: usize = 16_384;
/// Header, explicit nonce (TLS 1.2), type and tag, rounded up.
const RECORD_OVERHEAD_BYTES_MAX: usize = 64;
const HANDSHAKE_ROOM_BYTES: usize = 2048;
