//! What every lane asks: shared once, read by all.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};

use super::access_log::AccessLog;
use super::api::ApiDoor;
use super::config::HttpConfig;
use super::limiter::RateLimiter;
use super::loader::Loader;
use super::route::Router;
use super::upload::Uploads;
use super::websocket::XmppDoor;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Registry;
use crate::tls::{Certificates, ChallengeTokens};

/// What every lane asks.
#[derive(Clone)]
pub struct Origin {
    /// Limits and timeouts.
    pub http: HttpConfig,
    /// Which part answers a request.
    pub router: Router,
    /// Makes resources.
    pub loader: Loader,
    /// Takes uploads; `None` where there is no store.
    pub uploads: Option<Uploads>,
    /// Takes requests for `/api/`; `None` where nobody answers them.
    pub api: Option<ApiDoor>,
    /// Takes XMPP clients; `None` where there is no chat.
    pub xmpp: Option<XmppDoor>,
    /// Answers of ACME challenges that are open now (RFC 8555 8.3).
    pub challenges: ChallengeTokens,
    /// Holds back clients that ask too much.
    pub limiter: Arc<RateLimiter>,
    /// Header fields that each answer carries.
    pub extra: ExtraFields,
    /// What `/healthz` says.
    pub health: Health,
    /// Where lanes register their counters.
    pub registry: Registry,
    /// Makes a sink for each lane; `None` where the access log is off.
    pub access_log: Option<Arc<AccessLog>>,
}

/// Header fields that each answer carries, by the kind of its connection.
#[derive(Clone, Debug, Default)]
pub struct ExtraFields {
    /// On TLS connections (`strict-transport-security`).
    tls: Vec<(HeaderName, HeaderValue)>,
    certificates: Option<Arc<Certificates>>,
}

impl ExtraFields {
    /// RFC 6797: clients shall come by TLS for so long.
    pub fn with_hsts(max_age_s: u64, certificates: Arc<Certificates>) -> Self {
        let value = HeaderValue::try_from(format!("max-age={max_age_s}"));
        let tls = value.map(|value| (STRICT_TRANSPORT_SECURITY, value)).into_iter().collect();
        Self { tls, certificates: Some(certificates) }
    }

    /// The fields of a connection. HSTS would lock people out of a server that proves itself by
    /// nothing but its own word (RFC 6797 8.4, 11.3), so it waits for a better certificate.
    pub fn of(&self, tls: bool) -> &[(HeaderName, HeaderValue)] {
        let is_trusted = |certificates: &Arc<Certificates>| !certificates.is_self_issued();
        match tls && self.certificates.as_ref().is_some_and(is_trusted) {
            true => &self.tls,
            false => &[],
        }
    }

    /// The fields as HTTP/1.1 lines.
    pub fn lines(&self, tls: bool) -> Vec<u8> {
        let mut lines = Vec::new();
        for (name, value) in self.of(tls) {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        lines
    }
}
