//! A socket and its TLS session, if it has one: bytes out, bytes in, no buffer while idle.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{Domain, Protocol, Socket, Type};

use crate::tls::Session;

/// A connection of any protocol.
pub struct Link {
    socket: TcpStream,
    session: Option<Session>,
    /// Bytes that the socket did not take yet.
    unsent: Vec<u8>,
    /// Ciphertext of a record that has not come whole.
    leftover: Vec<u8>,
    stage: Stage,
}

/// How far a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    Handshaking,
    Ready,
}

/// How TLS is to be spoken on a link.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    pub config: Arc<ClientConfig>,
    pub server_name: ServerName<'static>,
}

/// Why a link is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("connection broke")]
    Broken,
    #[error("TLS failed")]
    Tls,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrived {
    /// Bytes off the socket; 0 if there were none.
    pub wire_bytes: usize,
    /// The peer will send no more.
    pub ended: bool,
}

impl Link {
    /// Starts to connect; with `tls`, the handshake follows.
    ///
    /// # Errors
    /// The machine refuses (descriptors, ports).
    pub fn open(address: SocketAddr, tls: Option<&TlsSettings>) -> io::Result<Self> {
        let session = tls.map(new_session).transpose().map_err(io::Error::other)?;
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        Ok(Self {
            socket: socket.into(),
            session,
            unsent: Vec::new(),
            leftover: Vec::new(),
            stage: Stage::Connecting,
        })
    }

    /// The socket, for the poller.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Bytes are encrypted, or will be.
    pub fn is_encrypted(&self) -> bool {
        self.session.is_some()
    }

    /// The server's certificate, DER.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.session.as_ref()?.peer_certificate()
    }

    /// Makes the close a reset, so that thousands of short connections leave no TIME_WAIT behind.
    pub fn reset_on_close(&self) {
        // A socket that is broken already needs no reset.
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    /// Goes over to TLS on a link that was plain so far (STARTTLS).
    ///
    /// # Errors
    /// The link is broken, or its settings do not fit together.
    pub fn start_tls(&mut self, settings: &TlsSettings) -> Result<(), LinkError> {
        self.session = Some(new_session(settings).map_err(|_| LinkError::Tls)?);
        self.greet()?;
        self.flush()
    }

    /// The socket can be written: ends connecting, or sends what waits.
    ///
    /// # Errors
    /// The connection is refused or broken.
    pub fn on_writable(&mut self) -> Result<(), LinkError> {
        if self.stage == Stage::Connecting {
            if !matches!(self.socket.take_error(), Ok(None)) {
                return Err(LinkError::Broken);
            }
            self.stage = Stage::Ready;
            self.greet()?;
        }
        self.flush()
    }

    /// Sends bytes, encrypted here if the link is.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), LinkError> {
        match &mut self.session {
            Some(session) => {
                session.encrypt(plaintext, &mut self.unsent).map_err(|_| LinkError::Tls)?;
            }
            None if self.unsent.is_empty() => return self.send_directly(plaintext),
            None => self.unsent.extend_from_slice(plaintext),
        }
        self.flush()
    }

    /// The socket did not take everything: watch for when it can be written.
    pub fn wants_write(&self) -> bool {
        self.stage == Stage::Connecting || !self.unsent.is_empty()
    }

    /// Reads once, at most `bytes_max` off the socket, and hands the plaintext on.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn receive(
        &mut self,
        scratch: &mut [u8],
        bytes_max: usize,
        mut on_plaintext: impl FnMut(&[u8]),
    ) -> Result<Arrived, LinkError> {
        let Some(session) = &mut self.session else {
            let wanted = bytes_max.min(scratch.len());
            let arrived = self.receive_raw(&mut scratch[..wanted], RecvFlags::empty())?;
            if arrived.wire_bytes > 0 {
                on_plaintext(&scratch[..arrived.wire_bytes]);
            }
            return Ok(arrived);
        };
        let kept = self.leftover.len();
        scratch[..kept].copy_from_slice(&self.leftover);
        let end = kept.saturating_add(bytes_max.min(TLS_READ_BYTES_MAX)).min(scratch.len());
        let mut arrived = receive_into(&self.socket, &mut scratch[kept..end], RecvFlags::empty())?;
        if arrived.wire_bytes == 0 {
            return Ok(arrived);
        }
        let filled = &mut scratch[..kept + arrived.wire_bytes];
        let used = session
            .advance(filled, &mut self.unsent, &mut on_plaintext)
            .map_err(|_| LinkError::Tls)?;
        if self.stage == Stage::Handshaking && session.is_established() {
            self.stage = Stage::Ready;
        }
        arrived.ended = session.is_closed();
        self.leftover.clear();
        self.leftover.extend_from_slice(&filled[used..]);
        self.flush()?;
        Ok(arrived)
    }

    /// Reads once off the socket of a link without TLS.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn receive_raw(&self, buffer: &mut [u8], flags: RecvFlags) -> Result<Arrived, LinkError> {
        receive_into(&self.socket, buffer, flags)
    }

    /// Begins the TLS handshake, where there is one.
    fn greet(&mut self) -> Result<(), LinkError> {
        if let Some(session) = &mut self.session {
            self.stage = Stage::Handshaking;
            session.advance(&mut [], &mut self.unsent, |_| {}).map_err(|_| LinkError::Tls)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LinkError> {
        while !self.unsent.is_empty() {
            match rustix::net::send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(_) => return Err(LinkError::Broken),
            }
        }
        Ok(())
    }

    fn send_directly(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => self.unsent.extend_from_slice(&bytes[sent..]),
            Err(Errno::AGAIN | Errno::INTR) => self.unsent.extend_from_slice(bytes),
            Err(_) => return Err(LinkError::Broken),
        }
        Ok(())
    }
}

fn new_session(settings: &TlsSettings) -> Result<Session, crate::tls::SessionError> {
    Session::new(&settings.config, settings.server_name.clone())
}

/// Bytes received, none, or the end.
fn receive_into(
    socket: &TcpStream,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Result<Arrived, LinkError> {
    match rustix::net::recv(socket, buffer, flags) {
        Ok((_, 0)) => Ok(Arrived { wire_bytes: 0, ended: true }),
        Ok((_, wire_bytes)) => Ok(Arrived { wire_bytes, ended: false }),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Arrived::default()),
        Err(_) => Err(LinkError::Broken),
    }
}

/// Many records per call, and still in the core's cache when they are opened.
const TLS_READ_BYTES_MAX: usize = 256 * 1024;
