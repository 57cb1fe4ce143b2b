//! Taking connections from the listeners, and stopping to.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::Lane;
use super::connection::{Connection, Receiving};
use super::token::{Op, Token};
use super::uring::Completion;
use crate::edge::lane::Listener;
use crate::tls::Session;

/// A listener of this lane.
pub struct Listening {
    /// The socket, and TLS.
    pub listener: Listener,
    /// Is an accept under way?
    pub armed: bool,
    /// Is it given up, for a new process?
    pub given_up: bool,
}

impl Listening {
    /// A listener that is not listened on yet.
    pub fn new(listener: Listener) -> Self {
        Self { listener, armed: false, given_up: false }
    }
}

impl Lane {
    /// Is a listener waiting for descriptors or for room?
    pub(super) fn is_accept_paused(&self) -> bool {
        self.listeners.iter().any(|listening| !listening.armed && !listening.given_up)
    }

    /// Listens wherever it is not done already, while there is room.
    pub(super) fn accept_on_all(&mut self) {
        if self.connections.len() >= self.connections_max {
            return;
        }
        for (index, listening) in self.listeners.iter_mut().enumerate() {
            if !listening.armed && !listening.given_up {
                listening.armed = true;
                self.uring.accept(listening.listener.socket.as_raw_fd(), accept_token(index));
            }
        }
    }

    /// Gives the listeners up; what they hold in their queues is the next process's.
    pub(super) fn stop_accepting(&mut self) {
        for (index, listening) in self.listeners.iter_mut().enumerate() {
            listening.given_up = true;
            if listening.armed {
                self.uring.cancel(accept_token(index));
            }
        }
    }

    pub(super) fn accepted(&mut self, completion: Completion) {
        let index = completion.token.slot as usize;
        if !completion.more {
            self.listeners[index].armed = false;
        }
        if completion.result < 0 {
            return self.accept_failed(completion.result);
        }
        // SAFETY: the kernel has just made this descriptor for us, and told nobody else.
        #[allow(unsafe_code)]
        let socket = unsafe { OwnedFd::from_raw_fd(completion.result) };
        self.admit(index, socket);
        if self.connections.len() >= self.connections_max && self.listeners[index].armed {
            self.uring.cancel(accept_token(index));
        } else if !completion.more && !self.listeners[index].given_up {
            self.accept_on_all();
        }
    }

    fn admit(&mut self, index: usize, socket: OwnedFd) {
        let peer = rustix::net::getpeername(&socket).ok().flatten();
        // A peer that is gone already has no address.
        let Some(peer) = peer.and_then(|address| address.try_into().ok()) else { return };
        let tls = match &self.listeners[index].listener.tls {
            None => None,
            Some(config) => match Session::new(config.clone()) {
                Ok(session) => Some(Box::new(session)),
                Err(error) => return tracing::error!(%error, "no TLS session"),
            },
        };
        let deadline_s = self.clock.now_s + self.origin.http.head_timeout_s;
        let slot = self.connections.insert(|slot, generation| {
            let mut connection = Connection::new(socket, peer, slot, generation);
            connection.tls = tls;
            connection.deadline_s = deadline_s;
            connection
        });
        self.observer.metrics.accepted.inc();
        self.observer.metrics.connections.inc();
        self.receive(slot);
    }

    pub(super) fn receive(&mut self, slot: u32) {
        let Some(connection) = self.connections.get(slot) else { return };
        if connection.receiving == Receiving::Off && !connection.peer_ended {
            connection.receiving = Receiving::Armed;
            self.uring.receive(connection.fd(), connection.token(Op::Receive));
        }
    }

    /// The tick listens again: descriptors may have become free.
    fn accept_failed(&mut self, result: i32) {
        match -result {
            libc::ECANCELED | libc::ECONNABORTED | libc::EINTR => {}
            errno => {
                let error = std::io::Error::from_raw_os_error(errno);
                tracing::warn!(%error, connections = self.connections.len(),
                    "cannot accept: raise the descriptor limit or lower [http] connections_max");
            }
        }
    }
}

fn accept_token(index: usize) -> Token {
    Token { op: Op::Accept, slot: index as u32, generation: 0 }
}
