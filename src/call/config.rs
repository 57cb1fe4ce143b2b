//! The `[call]` section.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// Where calls' media go, and how that is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallConfig {
    /// Whether there are calls.
    pub enabled: bool,
    /// Addresses for calls' media.
    pub udp_listen: Vec<SocketAddr>,
    /// The addresses that clients are told, with the ports listened on: behind an address translation,
    /// for example. Empty: those listened on.
    pub public_addresses: Vec<IpAddr>,
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            udp_listen: vec![([127, 0, 0, 1], 3478).into()],
            public_addresses: Vec::new(),
        }
    }
}
