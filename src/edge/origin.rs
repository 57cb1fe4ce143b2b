//! What every lane asks: shared once, read by all.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use super::access_log::AccessLog;
use super::api::ApiDoor;
use super::config::HttpConfig;
use super::limiter::RateLimiter;
use super::loader::Loader;
use super::route::Router;
use super::tls::ChallengeTokens;
use super::upload::Uploads;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Registry;

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
    /// On plaintext connections.
    pub plain: Vec<(HeaderName, HeaderValue)>,
    /// On TLS connections (`strict-transport-security`).
    pub tls: Vec<(HeaderName, HeaderValue)>,
}

impl ExtraFields {
    /// The fields of a connection.
    pub fn of(&self, tls: bool) -> &[(HeaderName, HeaderValue)] {
        if tls { &self.tls } else { &self.plain }
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
