//! One connection's state in the io_uring lane. Idle, it is this struct and nothing more.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::token::{Op, Token};
use super::transfer::Transfer;
use crate::tls::Session;

/// A connection.
pub struct Connection {
    /// The socket; blocking, so that the ring waits for it, except inside a sendfile.
    pub socket: OwnedFd,
    /// The client.
    pub peer: SocketAddr,
    /// TLS, on a listener that speaks it.
    pub tls: Option<Box<Session>>,
    /// What the connection is doing.
    pub phase: Phase,
    /// State of the receive operation.
    pub receiving: Receiving,
    /// Plaintext received and not yet answered; without capacity when empty.
    pub input: Vec<u8>,
    /// Answers on their way.
    pub transfer: Option<Box<Transfer>>,
    /// When the connection is cut unless it makes progress, in seconds of the lane's clock.
    pub deadline_s: u32,
    /// The client has ended its side.
    pub peer_ended: bool,
    slot: u32,
    generation: u32,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for a request, or for the rest of its head.
    Reading,
    /// Waits for the loader.
    Loading,
    /// Sends answers.
    Sending,
    /// Waits for its receive to end, to be handed to the full lane.
    Leaving,
    /// Has said its last; waits for the client's end, so that what was sent is not lost to a
    /// reset (RFC 9112 9.6).
    Lingering,
    /// Waits for its operations to end, to be dropped.
    Closing,
}

/// State of a connection's receive operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiving {
    /// None is under way.
    Off,
    /// The kernel delivers what comes.
    Armed,
    /// Cancelled; its last completion is still to come.
    Stopping,
}

impl Connection {
    /// A fresh connection.
    pub fn new(socket: OwnedFd, peer: SocketAddr, slot: u32, generation: u32) -> Self {
        Self {
            socket,
            peer,
            tls: None,
            phase: Phase::Reading,
            receiving: Receiving::Off,
            input: Vec::new(),
            transfer: None,
            deadline_s: 0,
            peer_ended: false,
            slot,
            generation,
        }
    }

    /// The token of an operation of this connection.
    pub fn token(&self, op: Op) -> Token {
        Token { op, slot: self.slot, generation: self.generation }
    }

    /// Is `token` about this connection rather than one that had the slot before?
    pub fn owns(&self, token: Token) -> bool {
        token.generation == self.generation
    }

    /// The socket's descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Does the kernel still work on this connection?
    pub fn has_operations(&self) -> bool {
        self.receiving != Receiving::Off
            || self.transfer.as_ref().is_some_and(|transfer| transfer.in_flight)
    }

    /// Replaces what is unanswered; an empty rest holds no memory.
    pub fn keep_input(&mut self, rest: &[u8]) {
        self.input.clear();
        match rest.is_empty() {
            true => self.input = Vec::new(),
            false => self.input.extend_from_slice(rest),
        }
    }
}
