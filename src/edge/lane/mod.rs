//! Lanes move the bytes of answers that `answer` decides.

pub mod cache;
pub mod observer;
pub mod portable;
#[cfg(target_os = "linux")]
pub mod ring;
pub mod step;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::OwnedSemaphorePermit;

use crate::tls::Session;

/// How long a connection without a request stays while the server drains, in seconds.
pub const IDLE_DRAIN_S: u32 = 5;

/// A connection that leaves the lane that accepted it, for the full lane.
pub struct HandedOver {
    /// The socket; blocking or not is up to the taker.
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// Its TLS session, if it has one; the handshake may be still to do.
    pub tls: Option<Box<Session>>,
    /// Plaintext that was read and not yet answered.
    pub read: Vec<u8>,
    /// Its place among the portable lane's connections, which are counted to their end.
    pub place: Option<OwnedSemaphorePermit>,
}

/// A listening socket and what is spoken on it.
#[derive(Clone)]
pub struct Listener {
    /// The socket, shared by all lanes.
    pub socket: Arc<TcpListener>,
    /// TLS, or plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

/// How far a lane's life has come; it only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// Accepts and serves.
    Serving,
    /// Accepts no more; a new process may have taken the listeners over.
    NotAccepting,
    /// Says `Connection: close` with the next answers.
    Draining,
    /// Cuts what is left and ends.
    Stopped,
}
