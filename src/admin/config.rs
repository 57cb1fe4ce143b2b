//! `[admin]`.

use std::net::SocketAddr;

use serde::Deserialize;

/// `[admin]`: the listener for metrics and health. It has no password: keep it on loopback or on a
/// network of your own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Addresses that answer `/metrics` and `/healthz`.
    pub listen: Vec<SocketAddr>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([127, 0, 0, 1], 9090))] }
    }
}
