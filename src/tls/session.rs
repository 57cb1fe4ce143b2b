//! One TLS connection of the server's side without a socket (RFC 8446, RFC 5246).
//!
//! Ciphertext goes in by [`Session::receive`], which hands out plaintext and gathers what must
//! be sent (handshake flights, tickets, key updates, alerts); plaintext becomes records by
//! [`Session::seal_into`]. Every lane speaks TLS through this type, and rustls' unbuffered
//! interface appears in no other file: an own record layer can replace sealing and opening here.

use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError};
use rustls::{
    CipherSuite, HandshakeKind, ProtocolVersion, ServerConfig, SupportedCipherSuite,
    Tls12CipherSuite,
};
use thiserror::Error;

use super::channel_binding::{self, EXPORTER_BYTES};
use super::client_hello;

/// Plaintext bytes that one record carries at most (RFC 8446, 5.1).
pub const RECORD_PLAINTEXT_BYTES_MAX: usize = 16 * 1024;

/// Bytes a record adds to its plaintext at most, over all versions and suites that are offered.
pub const RECORD_OVERHEAD_BYTES_MAX: usize = TLS12_GCM_OVERHEAD_BYTES;

/// Ciphertext bytes of a peer that a session keeps until they make a whole message. A record is
/// 18 KiB at most; a handshake message may span records, and a ClientHello with post-quantum
/// shares and many extensions stays under 8 KiB.
pub const INCOMING_BYTES_MAX: usize = 64 * 1024;

/// Output bytes beyond [`Session::sealed_len`] with which sealing never fails for lack of room:
/// an answer to the peer's key update and a key update of our own.
pub const SEAL_SLACK_BYTES: usize = 64;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Keys are not agreed yet: nothing can be sealed.
    Handshaking,
    /// Data flow both ways.
    Open,
    /// The peer said close_notify: it sends no more, and may still receive.
    PeerClosed,
    /// Both sides said close_notify, or the session failed.
    Closed,
}

/// The protocol agreed by ALPN (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// `h2`
    Http2,
    /// `http/1.1`, or none agreed: an older client speaks HTTP/1.
    Http1,
}

/// Why a session ended. An alert for the peer stands in the output of the call that failed.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The peer broke the protocol, offered nothing that fits, or sent a fatal alert.
    #[error("TLS: {0}")]
    Protocol(#[from] rustls::Error),
    /// A handshake message too long to be kept.
    #[error("TLS: peer left {bytes} bytes of unfinished messages, more than {INCOMING_BYTES_MAX}")]
    TooMuchUnfinished {
        /// Bytes that waited for their message to become whole.
        bytes: usize,
    },
    /// An earlier call failed.
    #[error("TLS: session failed before")]
    Failed,
}

/// Why plaintext was not sealed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// The output is too small; nothing was sealed.
    #[error("TLS records need {required_bytes} bytes of output")]
    OutputTooSmall {
        /// Bytes the output must have.
        required_bytes: usize,
    },
    /// The handshake is not finished, or close_notify was sent.
    #[error("TLS session is not open for sending")]
    NotOpen,
    /// The keys of a TLS 1.2 session have sealed as much as is safe: close the connection.
    #[error("TLS keys are used up")]
    KeysExhausted,
}

/// A TLS session of the server's side.
///
/// An idle session holds no buffer of its own.
pub struct Session {
    connection: UnbufferedServerConnection,
    /// Ciphertext that does not make a whole message yet; without capacity when empty.
    incoming: Vec<u8>,
    /// Records (key updates) that must leave before all others; rarely any.
    control: Vec<u8>,
    server_name: ServerName,
    exporter: Option<Box<[u8; EXPORTER_BYTES]>>,
    phase: Phase,
    overhead_bytes: u8,
    close_sent: bool,
    failed: bool,
}

enum ServerName {
    NotSeenYet,
    Seen(Option<Box<str>>),
}

impl Session {
    /// A new session that waits for a ClientHello.
    ///
    /// # Errors
    /// When `config` contradicts itself (rustls checks its fragment size).
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incoming: Vec::new(),
            control: Vec::new(),
            server_name: ServerName::NotSeenYet,
            exporter: None,
            phase: Phase::Handshaking,
            overhead_bytes: RECORD_OVERHEAD_BYTES_MAX as u8,
            close_sent: false,
            failed: false,
        })
    }

    /// Where the session stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the handshake still runs.
    pub fn is_handshaking(&self) -> bool {
        self.phase == Phase::Handshaking
    }

    /// The application protocol; meaningful once the handshake is over.
    pub fn alpn(&self) -> Alpn {
        match self.connection.alpn_protocol() {
            Some(b"h2") => Alpn::Http2,
            _ => Alpn::Http1,
        }
    }

    /// The host that the client asked for (SNI, RFC 6066), in lower case.
    pub fn server_name(&self) -> Option<&str> {
        match &self.server_name {
            ServerName::Seen(name) => name.as_deref(),
            ServerName::NotSeenYet => None,
        }
    }

    /// The version agreed, once it is.
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.connection.protocol_version()
    }

    /// The cipher suite agreed, once it is.
    pub fn cipher_suite(&self) -> Option<CipherSuite> {
        self.connection.negotiated_cipher_suite().map(|suite| suite.suite())
    }

    /// Whether the handshake took up an earlier session by its ticket.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The channel binding `tls-exporter` (RFC 9266): TLS 1.3 only, and only with
    /// [`Certificates::xmpp_config`](super::Certificates::xmpp_config).
    pub fn exporter(&self) -> Option<&[u8; EXPORTER_BYTES]> {
        self.exporter.as_deref()
    }

    /// Bytes of a peer's unfinished message that the session holds.
    pub fn incoming_len(&self) -> usize {
        self.incoming.len()
    }

    /// Takes `ciphertext` as it came from the socket, in any fragments, and opens what is whole;
    /// `ciphertext` is used as scratch.
    ///
    /// Plaintext goes to `plaintext` piece by piece, never more than came in; what the peer must
    /// get is appended to `reply`. The caller sends `reply` also after an error: it ends with the
    /// alert.
    ///
    /// # Errors
    /// [`SessionError`]: send `reply`, then close the connection.
    pub fn receive(
        &mut self,
        ciphertext: &mut [u8],
        reply: &mut Vec<u8>,
        mut plaintext: impl FnMut(&[u8]),
    ) -> Result<Phase, SessionError> {
        if self.failed {
            return Err(SessionError::Failed);
        }
        reply.append(&mut self.control);
        let outcome = if self.incoming.is_empty() {
            self.advance(ciphertext, reply, &mut plaintext)
                .and_then(|used| self.keep(&ciphertext[used..]))
        } else {
            self.receive_joined(ciphertext, reply, &mut plaintext)
        };
        match outcome {
            Ok(()) => Ok(self.phase),
            Err(error) => {
                self.fail(reply);
                Err(error)
            }
        }
    }

    /// The exact size of the records that carry `plaintext_len` bytes.
    pub fn sealed_len(&self, plaintext_len: usize) -> usize {
        let records = plaintext_len.div_ceil(RECORD_PLAINTEXT_BYTES_MAX);
        plaintext_len + records * usize::from(self.overhead_bytes)
    }

    /// Plaintext bytes whose records surely fit into `output_len` bytes.
    pub fn plaintext_fitting(&self, output_len: usize) -> usize {
        let record_len = self.sealed_len(RECORD_PLAINTEXT_BYTES_MAX);
        let output_len = output_len.saturating_sub(SEAL_SLACK_BYTES);
        let rest = (output_len % record_len).saturating_sub(usize::from(self.overhead_bytes));
        (output_len / record_len) * RECORD_PLAINTEXT_BYTES_MAX + rest
    }

    /// Seals `plaintext` into records of up to [`RECORD_PLAINTEXT_BYTES_MAX`] at the start of
    /// `output`, and returns their length: [`Session::sealed_len`], rarely a little more because
    /// a key update goes first. `output` of that length and [`SEAL_SLACK_BYTES`] always suffices.
    ///
    /// # Errors
    /// [`SealError`]; nothing was sealed.
    pub fn seal_into(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<usize, SealError> {
        if self.close_sent || self.failed {
            return Err(SealError::NotOpen);
        }
        loop {
            // rustls keeps positions in the bytes it was last shown: show it the same ones.
            match self.connection.process_tls_records(&mut self.incoming).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let control_len = self.control.len();
                    let data_output = output.get_mut(control_len..).unwrap_or_default();
                    return match traffic.encrypt(plaintext, data_output) {
                        Ok(len) => {
                            output[..control_len].copy_from_slice(&self.control);
                            self.control = Vec::new();
                            Ok(control_len + len)
                        }
                        Err(error) => Err(seal_error(error, control_len)),
                    };
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.control, |output| data.encode(output));
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return Err(SealError::NotOpen),
            }
        }
    }

    /// Like [`Session::seal_into`], at the end of a growing `output`.
    ///
    /// # Errors
    /// [`SealError`]; `output` is as before.
    pub fn seal(&mut self, plaintext: &[u8], output: &mut Vec<u8>) -> Result<(), SealError> {
        let start = output.len();
        output.resize(start + self.sealed_len(plaintext.len()), 0);
        let mut sealed = self.seal_into(plaintext, &mut output[start..]);
        if let Err(SealError::OutputTooSmall { required_bytes }) = sealed {
            output.resize(start + required_bytes, 0);
            sealed = self.seal_into(plaintext, &mut output[start..]);
        }
        output.truncate(start + sealed.as_ref().copied().unwrap_or(0));
        sealed.map(drop)
    }

    /// Appends close_notify to `reply`: nothing can be sealed after it. Does nothing the second
    /// time.
    pub fn close(&mut self, reply: &mut Vec<u8>) {
        if self.close_sent || self.failed {
            return;
        }
        self.close_sent = true;
        reply.append(&mut self.control);
        if queue_close_notify(&mut self.connection, &mut self.incoming, reply) == Queued::No
            && self.connection.protocol_version().is_none()
        {
            reply.extend_from_slice(&PLAIN_CLOSE_NOTIFY);
        }
        if self.phase == Phase::PeerClosed {
            self.phase = Phase::Closed;
        }
    }

    /// Joins `ciphertext` to what was left before, and opens what is whole now.
    fn receive_joined(
        &mut self,
        ciphertext: &[u8],
        reply: &mut Vec<u8>,
        plaintext: &mut impl FnMut(&[u8]),
    ) -> Result<(), SessionError> {
        let mut joined = std::mem::take(&mut self.incoming);
        joined.extend_from_slice(ciphertext);
        let used = self.advance(&mut joined, reply, plaintext)?;
        if used == joined.len() {
            return Ok(());
        }
        joined.drain(..used);
        check_unfinished(joined.len())?;
        // What is left is less than a message; a burst must not leave its room behind.
        if joined.capacity() > 2 * RECORD_PLAINTEXT_BYTES_MAX {
            joined.shrink_to(joined.len());
        }
        self.incoming = joined;
        Ok(())
    }

    fn keep(&mut self, rest: &[u8]) -> Result<(), SessionError> {
        check_unfinished(rest.len())?;
        if !rest.is_empty() {
            self.incoming.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Lets rustls work through `incoming`; returns how many of its bytes are done with.
    fn advance(
        &mut self,
        incoming: &mut [u8],
        reply: &mut Vec<u8>,
        plaintext: &mut impl FnMut(&[u8]),
    ) -> Result<usize, SessionError> {
        self.note_server_name(incoming);
        // What another session left when it failed is not this one's.
        drop(channel_binding::take_shown());
        let mut used = 0;
        loop {
            let status = self.connection.process_tls_records(&mut incoming[used..]);
            let discard = status.discard;
            let step = handle_state(status.state, reply, plaintext)?;
            used += discard;
            if self.phase == Phase::Handshaking {
                self.note_exporter();
            }
            match step {
                Step::Again => {}
                Step::PeerClosed => {
                    self.note_open();
                    self.phase = Phase::PeerClosed;
                }
                Step::Blocked => return Ok(used),
                Step::Open => {
                    self.note_open();
                    // After close_notify nothing more is read (RFC 8446, 6.1).
                    return Ok(if self.phase == Phase::PeerClosed { incoming.len() } else { used });
                }
                Step::Closed => {
                    self.phase = Phase::Closed;
                    return Ok(incoming.len());
                }
            }
        }
    }

    fn note_open(&mut self) {
        if self.phase != Phase::Handshaking {
            return;
        }
        self.phase = Phase::Open;
        if let Some(suite) = self.connection.negotiated_cipher_suite() {
            self.overhead_bytes = overhead_bytes(suite) as u8;
        }
    }

    fn note_exporter(&mut self) {
        if let Some(secret) = channel_binding::take_shown()
            && let Some(SupportedCipherSuite::Tls13(suite)) =
                self.connection.negotiated_cipher_suite()
        {
            self.exporter = Some(Box::new(channel_binding::exporter(suite, &secret)));
        }
    }

    // rustls' unbuffered connection does not tell the name.
    fn note_server_name(&mut self, incoming: &[u8]) {
        if let ServerName::NotSeenYet = self.server_name
            && let Some(hello) = client_hello::find(incoming)
        {
            self.server_name = ServerName::Seen(hello.server_name().map(Box::from));
        }
    }

    /// Marks the session failed and puts the alert into `reply`.
    ///
    /// rustls gives a few errors of abuse (floods of key updates, of empty records) without an
    /// alert; there the peer sees the connection close.
    fn fail(&mut self, reply: &mut Vec<u8>) {
        self.failed = true;
        self.phase = Phase::Closed;
        self.incoming = Vec::new();
        let before = reply.len();
        // A failed connection must not be shown bytes again; what it has to say stands first.
        while self.connection.wants_write() {
            let Ok(state) = self.connection.process_tls_records(&mut []).state else { break };
            if let ConnectionState::EncodeTlsData(mut data) = state {
                append(reply, |output| data.encode(output));
            }
        }
        if reply.len() == before && self.connection.protocol_version().is_none() {
            reply.extend_from_slice(&PLAIN_UNEXPECTED_MESSAGE);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("phase", &self.phase)
            .field("version", &self.version())
            .field("server_name", &self.server_name())
            .finish_non_exhaustive()
    }
}

fn seal_error(error: EncryptError, control_len: usize) -> SealError {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
            SealError::OutputTooSmall { required_bytes: control_len + required_size }
        }
        EncryptError::EncryptExhausted => SealError::KeysExhausted,
    }
}

/// What follows from one state of rustls' connection.
enum Step {
    Again,
    Blocked,
    Open,
    PeerClosed,
    Closed,
}

type State<'c, 'i> = Result<ConnectionState<'c, 'i, ServerConnectionData>, rustls::Error>;

fn handle_state(
    state: State<'_, '_>,
    reply: &mut Vec<u8>,
    plaintext: &mut impl FnMut(&[u8]),
) -> Result<Step, SessionError> {
    match state? {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                plaintext(record?.payload);
            }
            Ok(Step::Again)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            append(reply, |output| data.encode(output));
            Ok(Step::Again)
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(Step::Again)
        }
        ConnectionState::BlockedHandshake => Ok(Step::Blocked),
        ConnectionState::WriteTraffic(_) => Ok(Step::Open),
        ConnectionState::PeerClosed => Ok(Step::PeerClosed),
        ConnectionState::Closed => Ok(Step::Closed),
        // Early data are not offered (the limit is 0), so rustls refuses them before this.
        _ => Err(SessionError::Failed),
    }
}

fn append(reply: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let start = reply.len();
    let Err(EncodeError::InsufficientSize(size)) = encode(&mut []) else { return };
    reply.resize(start + size.required_size, 0);
    let written = encode(&mut reply[start..]).unwrap_or(0);
    reply.truncate(start + written);
}

#[derive(PartialEq, Eq)]
enum Queued {
    Yes,
    No,
}

/// Appends what stands ready and close_notify, if the keys are there.
fn queue_close_notify(
    connection: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    reply: &mut Vec<u8>,
) -> Queued {
    loop {
        match connection.process_tls_records(incoming).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(reply, |output| data.encode(output));
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let mut alerts = [0; ALERTS_BYTES_MAX];
                let len = traffic.queue_close_notify(&mut alerts).unwrap_or(0);
                reply.extend_from_slice(&alerts[..len]);
                return Queued::Yes;
            }
            _ => return Queued::No,
        }
    }
}

fn check_unfinished(bytes: usize) -> Result<(), SessionError> {
    if bytes > INCOMING_BYTES_MAX {
        return Err(SessionError::TooMuchUnfinished { bytes });
    }
    Ok(())
}

fn overhead_bytes(suite: SupportedCipherSuite) -> usize {
    match suite {
        SupportedCipherSuite::Tls13(_) => TLS13_OVERHEAD_BYTES,
        SupportedCipherSuite::Tls12(suite) if is_chacha(suite) => TLS12_CHACHA_OVERHEAD_BYTES,
        SupportedCipherSuite::Tls12(_) => TLS12_GCM_OVERHEAD_BYTES,
    }
}

fn is_chacha(suite: &Tls12CipherSuite) -> bool {
    matches!(
        suite.common.suite,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

/// Room for close_notify and a key update before it.
const ALERTS_BYTES_MAX: usize = 128;
/// Alerts before any keys are agreed (RFC 8446, 6).
const PLAIN_CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
const PLAIN_UNEXPECTED_MESSAGE: [u8; 7] = [21, 3, 3, 0, 2, 2, 10];

const HEADER_BYTES: usize = 5;
const TAG_BYTES: usize = 16;
/// Header, content type, tag (RFC 8446, 5.2).
const TLS13_OVERHEAD_BYTES: usize = HEADER_BYTES + 1 + TAG_BYTES;
/// Header, explicit nonce, tag (RFC 5288, 3).
const TLS12_GCM_OVERHEAD_BYTES: usize = HEADER_BYTES + 8 + TAG_BYTES;
/// Header, tag (RFC 7905, 2).
const TLS12_CHACHA_OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;
