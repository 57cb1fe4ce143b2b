//! What all streams of a server share, what carries one, and its limits before login.

use crate::jid::Jid;
use crate::sasl::{Channel, ChannelBindings, ServerSecret};
use crate::verification::Region;
use crate::xml::{Element, Limits};

use super::framing::Framing;

/// What all streams of a server share.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// The one domain that is served.
    pub domain: Jid,
    /// PLAIN is offered over TLS.
    pub plain: bool,
    /// The country whose national way of writing numbers is understood in user names.
    pub region: Option<Region>,
    /// XEP-0077 is offered before login.
    pub registration: bool,
    /// Salts of unknown users are derived from it.
    pub secret: ServerSecret,
    /// Milliseconds from the connection to the session.
    pub login_within_ms: u64,
    /// For elements of a client that has logged in.
    pub limits: Limits,
    /// More stream features after login, such as XEP-0115's `<c/>`.
    pub features: Vec<Element>,
}

impl StreamConfig {
    /// Defaults for a domain: PLAIN for clients that know nothing better, no registration.
    pub fn new(domain: Jid, secret: ServerSecret) -> Self {
        Self {
            domain,
            plain: true,
            region: None,
            registration: false,
            secret,
            login_within_ms: LOGIN_WITHIN_MS,
            limits: Limits::default(),
            features: Vec::new(),
        }
    }
}

/// What carries a stream.
#[derive(Clone, Debug)]
pub struct Transport {
    pub(super) framing: Framing,
    pub(super) channel: Channel,
    pub(super) starttls: StartTls,
}

/// Whether a stream that begins in the clear can or must change to TLS (RFC 6120 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTls {
    /// Nothing else is answered before.
    Required,
    /// Both ways are open: for peers on loopback, where the configuration says so.
    Optional,
    /// There is no TLS: for peers on loopback, where the configuration says so.
    Unavailable,
}

impl Transport {
    /// RFC 6120 3: TCP.
    pub fn tcp(starttls: StartTls) -> Self {
        Self { framing: Framing::Tcp, channel: Channel::Plaintext, starttls }
    }

    /// XEP-0368: TCP with TLS from the first byte.
    pub fn direct_tls(bindings: ChannelBindings) -> Self {
        let channel = Channel::Tls(bindings);
        Self { framing: Framing::Tcp, channel, starttls: StartTls::Unavailable }
    }

    /// RFC 7395: WebSocket. In the clear it is for peers on loopback.
    pub fn websocket(channel: Channel) -> Self {
        Self { framing: Framing::WebSocket, channel, starttls: StartTls::Unavailable }
    }
}

/// For elements of a client that is not known yet.
pub(super) const LIMITS_BEFORE_LOGIN: Limits = Limits {
    element_bytes_max: 10 * 1024,
    depth_max: 12,
    attributes_max: 16,
    children_max: 64,
    declarations_max: 32,
};
/// From the connection to the session, where nobody says otherwise.
const LOGIN_WITHIN_MS: u64 = 60_000;
/// From an answer about registration to the session: a code by text message takes its time.
pub(super) const REGISTRATION_DEADLINE_MS: u64 = 600_000;
/// Failed attempts to log in (RFC 6120 6.4.5 asks for 2 to 5).
pub(super) const FAILURES_MAX: u32 = 3;
/// A failed attempt is answered so much later for each that failed.
pub(super) const PENALTY_MS: u64 = 500;
/// IQs about registration on one stream.
pub(super) const REGISTRATIONS_MAX: u32 = 10;
