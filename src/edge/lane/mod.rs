//! Lanes move the bytes of answers that `answer` decides.

pub mod cache;

use std::net::{SocketAddr, TcpStream};

/// A connection that leaves the lane that accepted it, for the full lane.
#[derive(Debug)]
pub struct HandedOver {
    /// The socket; blocking or not is up to the taker.
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// Plaintext that was read and not yet answered: it begins with a request's head.
    pub read: Vec<u8>,
}
