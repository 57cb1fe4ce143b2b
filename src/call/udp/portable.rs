//! One datagram at a time, where the system has no batches.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::DATAGRAM_BYTES_MAX;
use crate::call::outbox::Outbox;

/// A datagram as it came.
pub struct Inbox {
    bytes: Vec<u8>,
    received: Option<(SocketAddr, usize)>,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        Self { bytes: vec![0; DATAGRAM_BYTES_MAX], received: None }
    }

    /// Reads one datagram, if one has come. Gives how many.
    ///
    /// # Errors
    /// When the socket does not work. What is told of earlier datagrams by ICMP is passed over.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.received = None;
        match socket.recv_from(&mut self.bytes) {
            Ok((len, from)) => {
                self.received = Some((from, len));
                Ok(1)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused => Ok(0),
                _ => Err(error),
            },
        }
    }

    /// The datagram, and who sent it.
    pub fn datagram(&mut self, _at: usize) -> Option<(SocketAddr, &mut [u8])> {
        let (from, len) = self.received?;
        Some((from, &mut self.bytes[..len]))
    }
}

/// Sends batches.
#[derive(Debug, Default)]
pub struct Sender;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the system did not take.
    pub dropped: u64,
}

impl Sender {
    /// Sends all of a batch. What a full socket does not take is dropped: it would come too late.
    pub fn send(&mut self, sockets: &[UdpSocket], outbox: &Outbox) -> Sent {
        let (datagrams, mut bytes) = outbox.datagrams();
        let mut sent = Sent::default();
        for datagram in datagrams {
            let (own, rest) = bytes.split_at(datagram.len);
            let socket = sockets.get(datagram.path.socket);
            let taken = socket.map(|socket| socket.send_to(own, datagram.path.remote));
            sent.dropped += u64::from(!matches!(taken, Some(Ok(_))));
            bytes = rest;
        }
        sent
    }
}
