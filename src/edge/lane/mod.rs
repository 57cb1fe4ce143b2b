//! Lanes move the bytes of answers that `answer` decides.

pub mod cache;
pub mod observer;
pub mod step;

use std::net::{SocketAddr, TcpStream};

use super::tls::Session;

/// A connection that leaves the lane that accepted it, for the full lane.
pub struct HandedOver {
    /// The socket; blocking or not is up to the taker.
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// Its TLS session, handshake done, if it has one.
    pub tls: Option<Box<Session>>,
    /// Plaintext that was read and not yet answered: it begins with a request's head.
    pub read: Vec<u8>,
}
