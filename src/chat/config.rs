//! `[xmpp]`: where clients come in, and what they may cost.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use chat_core::features::external_services::ExternalService;
use serde::Deserialize;

use super::external_services::{ExternalServiceConfig, ExternalServiceError};

/// The `[xmpp]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct XmppConfig {
    /// Whether there is a chat server.
    pub enabled: bool,
    /// Listeners for clients that begin without TLS and ask for it by STARTTLS (RFC 6120 5).
    pub listen: Vec<SocketAddr>,
    /// Listeners for clients with TLS from the start (XEP-0368).
    pub listen_tls: Vec<SocketAddr>,
    /// Who on this machine may log in without TLS; from elsewhere nobody may.
    pub plain_on_loopback: PlainOnLoopback,
    /// The WebSocket's URL as clients are told it (XEP-0156). Empty: the domain's, by the first
    /// HTTPS listener.
    pub websocket_url: String,
    /// Web origins (`https://app.example`) whose pages may open a WebSocket; empty: all.
    pub websocket_origins: Vec<String>,
    /// Most connections at once; above it new ones wait in the listen queue. 0: as many as the
    /// descriptor limit allows.
    pub connections_max: usize,
    /// Most connections of one address (an IPv6 /64 counts as one). 0: no limit. Loopback is
    /// never limited.
    pub connections_per_address_max: usize,
    /// Bytes of a stanza; RFC 6120 13.12 asks for at least 10,000.
    pub stanza_bytes_max: usize,
    /// Stanzas per second that a client may send for long. 0: no limit.
    pub stanzas_per_s_max: u32,
    /// Stanzas that a client may send at once before it is read more slowly.
    pub stanzas_burst_max: u32,
    /// Bytes per second that a client may send for long. 0: no limit.
    pub bytes_per_s_max: u32,
    /// Bytes that a client may send at once before it is read more slowly.
    pub bytes_burst_max: u32,
    /// Bytes of messages in one account's archive; above it they are refused until some are
    /// deleted. 0: no limit.
    pub archive_bytes_max: u64,
    /// Bytes of messages in one group's archive; above it members' messages are refused. 0: no
    /// limit.
    pub group_archive_bytes_max: u64,
    /// Bytes that may wait for a client which does not read; then it is cut, and may resume.
    pub outgoing_bytes_max: usize,
    /// A login must be done after this time, in seconds.
    pub login_timeout_s: u32,
    /// A client that has been silent so long is asked for a life sign, in seconds.
    pub idle_ping_s: u32,
    /// A client must take what is sent to it within this time, in seconds.
    pub write_timeout_s: u32,
    /// How long authors may delete their messages for everyone, in seconds. 0: for ever.
    pub retraction_within_s: u64,
    /// STUN and TURN servers that clients are told of (XEP-0215).
    pub external_service: Vec<ExternalServiceConfig>,
}

/// Who may log in without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainOnLoopback {
    /// Nobody.
    Never,
    /// WebSockets: pages that this machine serves to itself, and proxies that end TLS.
    WebSocket,
    /// WebSockets and TCP.
    All,
}

impl Default for XmppConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5222))],
            listen_tls: vec![SocketAddr::from(([127, 0, 0, 1], 5223))],
            plain_on_loopback: PlainOnLoopback::WebSocket,
            websocket_url: String::new(),
            websocket_origins: Vec::new(),
            connections_max: 0,
            connections_per_address_max: 100,
            stanza_bytes_max: 256 << 10,
            stanzas_per_s_max: 50,
            stanzas_burst_max: 500,
            bytes_per_s_max: 64 << 10,
            bytes_burst_max: 1 << 20,
            archive_bytes_max: 1 << 30,
            group_archive_bytes_max: 4 << 30,
            outgoing_bytes_max: 1 << 20,
            login_timeout_s: 30,
            idle_ping_s: 300,
            write_timeout_s: 60,
            retraction_within_s: 0,
            external_service: Vec::new(),
        }
    }
}

/// What is wrong with `[xmpp]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmppConfigError {
    /// A limit below what can work.
    #[error("{key} must be at least {least}")]
    TooSmall {
        /// The key.
        key: &'static str,
        /// What it must be at least.
        least: usize,
    },
    /// The WebSocket's URL is none.
    #[error("websocket_url must begin with wss:// or ws://")]
    WebSocketUrl,
    /// A STUN or TURN server is none.
    #[error("external_service {}: {reason}", .place + 1)]
    ExternalService {
        /// Its place in the list, from 0.
        place: usize,
        /// What is wrong with it.
        reason: ExternalServiceError,
    },
}

impl XmppConfigError {
    /// The key at fault.
    pub fn key(&self) -> String {
        match self {
            Self::TooSmall { key, .. } => (*key).to_owned(),
            Self::WebSocketUrl => "websocket_url".to_owned(),
            Self::ExternalService { place, reason } => {
                format!("external_service.{place}.{}", reason.key())
            }
        }
    }
}

impl XmppConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    /// The first fault.
    pub fn validate(&self) -> Result<(), XmppConfigError> {
        let least = [
            ("stanza_bytes_max", self.stanza_bytes_max, STANZA_BYTES_LEAST),
            ("stanzas_burst_max", self.stanzas_burst_max as usize, 1),
            ("bytes_burst_max", self.bytes_burst_max as usize, STANZA_BYTES_LEAST),
            ("outgoing_bytes_max", self.outgoing_bytes_max, self.stanza_bytes_max),
            ("login_timeout_s", self.login_timeout_s as usize, 1),
            ("idle_ping_s", self.idle_ping_s as usize, 1),
            ("write_timeout_s", self.write_timeout_s as usize, 1),
        ];
        if let Some((key, _, least)) = least.into_iter().find(|(_, value, least)| value < least) {
            return Err(XmppConfigError::TooSmall { key, least });
        }
        let url = &self.websocket_url;
        if !url.is_empty() && !url.starts_with("wss://") && !url.starts_with("ws://") {
            return Err(XmppConfigError::WebSocketUrl);
        }
        self.external_services().map(drop)
    }

    /// Makes relative paths ones below `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        self.external_service.iter_mut().for_each(|service| service.resolve(folder));
    }

    /// What the core is told of STUN and TURN servers. Reads their secrets.
    ///
    /// # Errors
    /// The first fault.
    pub fn external_services(&self) -> Result<Vec<ExternalService>, XmppConfigError> {
        let read = |(place, service): (usize, &ExternalServiceConfig)| {
            service.service().map_err(|reason| XmppConfigError::ExternalService { place, reason })
        };
        self.external_service.iter().enumerate().map(read).collect()
    }

    /// Whether a client of this address must have TLS before it logs in.
    pub fn requires_tls(&self, peer: IpAddr, is_websocket: bool) -> bool {
        let allowed = match self.plain_on_loopback {
            PlainOnLoopback::Never => false,
            PlainOnLoopback::WebSocket => is_websocket,
            PlainOnLoopback::All => true,
        };
        !(allowed && peer.to_canonical().is_loopback())
    }
}

/// RFC 6120 13.12.
const STANZA_BYTES_LEAST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(plain: PlainOnLoopback, peer: &str, is_websocket: bool, requires_tls: bool) {
        let config = XmppConfig { plain_on_loopback: plain, ..XmppConfig::default() };
        let required = config.requires_tls(peer.parse().unwrap(), is_websocket);
        assert_eq!(required, requires_tls, "{plain:?} {peer} {is_websocket}");
    }

    #[test]
    fn tls_is_required_unless_loopback_is_excepted() {
        check(PlainOnLoopback::Never, "127.0.0.1", true, true);
        check(PlainOnLoopback::WebSocket, "127.0.0.1", true, false);
        check(PlainOnLoopback::WebSocket, "127.0.0.1", false, true);
        check(PlainOnLoopback::All, "::ffff:127.0.0.1", false, false);
        check(PlainOnLoopback::All, "::1", false, false);
        check(PlainOnLoopback::All, "192.0.2.1", true, true);
    }

    #[test]
    fn limits_that_cannot_work_are_named() {
        let config = XmppConfig { stanza_bytes_max: 9_999, ..XmppConfig::default() };
        let error = config.validate().unwrap_err();
        assert_eq!(error.key(), "stanza_bytes_max");
        assert_eq!(error.to_string(), "stanza_bytes_max must be at least 10000");
        assert_eq!(XmppConfig::default().validate(), Ok(()));
    }
}
