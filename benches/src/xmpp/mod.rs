//! A lean XMPP client for load: one thread carries thousands of sessions.
//!
//! It builds no tree and keeps no buffer for a session at rest: a scanner finds where each element
//! ends, and what is needed of it is searched for in its bytes.

pub mod account;
pub mod client;
mod fast;
pub mod find;
mod framing;
mod login;
pub mod pool;
pub mod questions;
pub mod register;
mod scan;
mod scram;
mod websocket;

use std::net::SocketAddr;

use rustls_pki_types::ServerName;

use crate::error::BenchError;
use crate::link::TlsSettings;
use crate::tls::{self, Alpn, Offer};

pub use account::Account;
pub use client::{Event, Wishes};
pub use fast::FastUse;
pub use login::user_agent_id;
pub use pool::Pool;
pub use scram::Mechanism;

/// What carries the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// TCP without encryption
    Plain,
    /// TCP, encrypted by STARTTLS (RFC 6120 5)
    Starttls,
    /// TLS from the first byte (XEP-0368)
    Tls,
    /// WebSocket over plain HTTP (RFC 7395)
    Websocket,
    /// WebSocket over HTTPS
    WebsocketTls,
}

/// A server as clients see it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    pub domain: String,
    pub transport: Transport,
    /// The HTTP path of a WebSocket.
    pub websocket_path: String,
    /// How TLS is spoken, on the transports that have it.
    pub tls: Option<TlsSettings>,
}

impl Transport {
    /// The stream travels in WebSocket messages.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Websocket | Self::WebsocketTls)
    }

    /// TLS begins with the first byte.
    fn is_tls_at_once(self) -> bool {
        matches!(self, Self::Tls | Self::WebsocketTls)
    }

    fn alpn(self) -> Option<Alpn> {
        match self {
            Self::Plain | Self::Websocket => None,
            Self::Starttls => Some(Alpn::None),
            Self::Tls => Some(Alpn::XmppClient),
            Self::WebsocketTls => Some(Alpn::Http1),
        }
    }
}

impl Endpoint {
    /// A server at `address` that answers for `domain`.
    ///
    /// # Errors
    /// The domain cannot be a TLS server name.
    pub fn new(
        address: SocketAddr,
        domain: &str,
        transport: Transport,
        websocket_path: &str,
    ) -> Result<Self, BenchError> {
        let tls = match transport.alpn() {
            None => None,
            Some(alpn) => Some(TlsSettings {
                config: tls::client_config(Offer { alpn, ..OFFER })?,
                server_name: ServerName::try_from(domain.to_owned()).map_err(|_| {
                    BenchError::Parse { text: domain.to_owned(), wanted: "a domain" }
                })?,
            }),
        };
        Ok(Self {
            address,
            domain: domain.to_owned(),
            transport,
            websocket_path: websocket_path.to_owned(),
            tls,
        })
    }

    /// The TLS settings of a link that begins with TLS.
    fn tls_at_once(&self) -> Option<&TlsSettings> {
        self.tls.as_ref().filter(|_| self.transport.is_tls_at_once())
    }
}

/// The same cipher and key exchange for all: peers on OpenSSL 3.0 have no hybrid with ML-KEM.
const OFFER: Offer = Offer { aes_128_only: true, x25519_only: true, alpn: Alpn::None };
