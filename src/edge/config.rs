//! `[http]`: the edge's listeners, limits and timeouts.

use std::net::SocketAddr;

use serde::Deserialize;

/// The `[http]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Plain HTTP listeners.
    pub listen: Vec<SocketAddr>,
    /// HTTPS listeners (HTTP/1.1 and HTTP/2 by ALPN).
    pub listen_tls: Vec<SocketAddr>,
    /// Is io_uring used: `auto` (where the kernel allows it) or `off`?
    pub io_uring: IoUring,
    /// Most connections at once; above it new ones wait in the listen queue. 0: as many as the
    /// descriptor limit allows.
    pub connections_max: usize,
    /// A request's head must be whole after this time, in seconds.
    pub head_timeout_s: u32,
    /// Time between two requests of one connection, in seconds.
    pub keep_alive_timeout_s: u32,
    /// A request's content must make progress (4 KiB) within this time, in seconds.
    pub body_timeout_s: u32,
    /// An answer must make progress (4 KiB) within this time, in seconds.
    pub write_timeout_s: u32,
    /// Memory for small files' contents, in bytes.
    pub cache_bytes_max: u64,
    /// Requests per second and client address (an IPv6 /64 counts as one); 0: no limit.
    /// Loopback is never limited.
    pub requests_per_s_max: u32,
    /// Requests that a client may make at once before `requests_per_s_max` holds it back.
    pub requests_burst_max: u32,
    /// `Strict-Transport-Security: max-age` in seconds on HTTPS answers; 0: no such header.
    /// Never sent with a self-signed certificate.
    pub hsts_max_age_s: u32,
}

/// Whether io_uring is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IoUring {
    /// Where the kernel allows it.
    Auto,
    /// Never: everything runs on tokio.
    Off,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            listen_tls: vec![SocketAddr::from(([127, 0, 0, 1], 8443))],
            io_uring: IoUring::Auto,
            connections_max: 0,
            head_timeout_s: 10,
            keep_alive_timeout_s: 75,
            body_timeout_s: 30,
            write_timeout_s: 30,
            cache_bytes_max: 64 << 20,
            requests_per_s_max: 0,
            requests_burst_max: 200,
            hsts_max_age_s: 31_536_000,
        }
    }
}
