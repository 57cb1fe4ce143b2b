//! One HTTP/1.1 connection of the load: socket, TLS session if any, answers under way.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustls::ClientConfig;
use socket2::{Domain, Protocol, Socket, Type};

use crate::load::{Fault, Origin};
use crate::tls::Session;

use super::answer::{Answer, AnswerReader};
use super::request::Asked;

/// A connection and all that is under way on it.
pub struct Connection {
    socket: TcpStream,
    session: Option<Session>,
    reader: AnswerReader,
    pub under_way: VecDeque<UnderWay>,
    /// Bytes that the socket did not take yet.
    unsent: Vec<u8>,
    /// Ciphertext of a record that has not come whole.
    leftover: Vec<u8>,
    pub stage: Stage,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay {
    pub asked: Asked,
    pub intended: Instant,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    Handshaking,
    Ready,
}

/// What one read brought.
#[derive(Debug, Default)]
pub struct Received {
    pub answers: Vec<Answer>,
    /// Body bytes, without heads.
    pub body_bytes: usize,
    /// Bytes off the socket; 0 if there were none.
    pub wire_bytes: usize,
    /// The peer will send no more.
    pub ended: bool,
}

impl Connection {
    /// Starts to connect.
    ///
    /// # Errors
    /// The machine refuses (descriptors, ports).
    pub fn open(origin: &Origin, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let session = match tls {
            Some(config) => {
                Some(Session::new(config, origin.server_name.clone()).map_err(io::Error::other)?)
            }
            None => None,
        };
        let domain = Domain::for_address(origin.address);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&origin.address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        Ok(Self {
            socket: socket.into(),
            session,
            reader: AnswerReader::default(),
            under_way: VecDeque::new(),
            unsent: Vec::new(),
            leftover: Vec::new(),
            stage: Stage::Connecting,
        })
    }

    /// The socket, for the poller.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Makes the close a reset, so that thousands of short connections leave no TIME_WAIT behind.
    pub fn reset_on_close(&self) {
        // A socket that is broken already needs no reset.
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    /// The socket can be written: ends connecting, or sends what waits.
    ///
    /// # Errors
    /// The connection is refused or broken.
    pub fn on_writable(&mut self) -> Result<(), Fault> {
        if self.stage == Stage::Connecting {
            if !matches!(self.socket.take_error(), Ok(None)) {
                return Err(Fault::Connection);
            }
            self.stage = Stage::Ready;
            if let Some(session) = &mut self.session {
                self.stage = Stage::Handshaking;
                session.advance(&mut [], &mut self.unsent, |_| {}).map_err(|_| Fault::Tls)?;
            }
        }
        self.flush()
    }

    /// Sends a request's bytes (encrypted here if the connection is).
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), Fault> {
        match &mut self.session {
            Some(session) => {
                session.encrypt(plaintext, &mut self.unsent).map_err(|_| Fault::Tls)?;
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

    /// Bytes of a body are due.
    pub fn is_inside_body(&self) -> bool {
        self.reader.body_left().is_some_and(|left| left > 0)
    }

    /// Reads once, at most `bytes_max` off the socket.
    ///
    /// # Errors
    /// The connection is broken or its bytes are not HTTP.
    pub fn receive(&mut self, scratch: &mut [u8], bytes_max: usize) -> Result<Received, Fault> {
        match &self.session {
            Some(_) => self.receive_tls(scratch, bytes_max),
            None => self.receive_plain(scratch, bytes_max),
        }
    }

    fn receive_plain(&mut self, scratch: &mut [u8], bytes_max: usize) -> Result<Received, Fault> {
        let mut received = Received::default();
        if let Some(left) = self.reader.body_left() {
            // The kernel drops the bytes without copying them: the client stays cheap.
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(bytes_max);
            let wanted = wanted.min(scratch.len());
            let taken = receive_into(&self.socket, &mut scratch[..wanted], RecvFlags::TRUNC)?;
            match taken {
                None => {}
                Some(0) => return Err(Fault::Connection),
                Some(bytes) => {
                    received.wire_bytes = bytes;
                    received.body_bytes = bytes;
                    received.answers.extend(self.reader.skip(bytes));
                }
            }
            return Ok(received);
        }
        let wanted = bytes_max.min(scratch.len()).min(PLAIN_READ_BYTES_MAX);
        match receive_into(&self.socket, &mut scratch[..wanted], RecvFlags::empty())? {
            None => {}
            Some(0) => self.end(&mut received)?,
            Some(bytes) => {
                received.wire_bytes = bytes;
                feed(&mut self.reader, &scratch[..bytes], &mut received)?;
            }
        }
        Ok(received)
    }

    fn receive_tls(&mut self, scratch: &mut [u8], bytes_max: usize) -> Result<Received, Fault> {
        let Some(session) = &mut self.session else { return Err(Fault::Tls) };
        let mut received = Received::default();
        let kept = self.leftover.len();
        scratch[..kept].copy_from_slice(&self.leftover);
        let end = kept.saturating_add(bytes_max.min(TLS_READ_BYTES_MAX)).min(scratch.len());
        let bytes = match receive_into(&self.socket, &mut scratch[kept..end], RecvFlags::empty())? {
            None => return Ok(received),
            Some(0) => {
                self.end(&mut received)?;
                return Ok(received);
            }
            Some(bytes) => bytes,
        };
        received.wire_bytes = bytes;
        let filled = &mut scratch[..kept + bytes];
        let (reader, mut fault) = (&mut self.reader, None);
        let used = session.advance(filled, &mut self.unsent, |plaintext| {
            if let Err(error) = feed(reader, plaintext, &mut received) {
                fault = Some(error);
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        let used = used.map_err(|_| Fault::Tls)?;
        let closed = session.is_closed();
        if self.stage == Stage::Handshaking && session.is_established() {
            self.stage = Stage::Ready;
        }
        self.leftover.clear();
        self.leftover.extend_from_slice(&filled[used..]);
        if closed {
            self.end(&mut received)?;
        }
        self.flush()?;
        Ok(received)
    }

    fn end(&mut self, received: &mut Received) -> Result<(), Fault> {
        received.answers.extend(self.reader.end().map_err(|_| Fault::Connection)?);
        received.ended = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        while !self.unsent.is_empty() {
            match rustix::net::send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(_) => return Err(Fault::Connection),
            }
        }
        Ok(())
    }

    fn send_directly(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => self.unsent.extend_from_slice(&bytes[sent..]),
            Err(Errno::AGAIN | Errno::INTR) => self.unsent.extend_from_slice(bytes),
            Err(_) => return Err(Fault::Connection),
        }
        Ok(())
    }
}

/// Bytes received, or `None` if there are none now.
fn receive_into(
    socket: &TcpStream,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Result<Option<usize>, Fault> {
    match rustix::net::recv(socket, buffer, flags) {
        Ok((_, bytes)) => Ok(Some(bytes)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(_) => Err(Fault::Connection),
    }
}

fn feed(reader: &mut AnswerReader, mut input: &[u8], received: &mut Received) -> Result<(), Fault> {
    while !input.is_empty() {
        let progress = reader.feed(input).map_err(|_| Fault::Protocol)?;
        received.body_bytes += progress.body_bytes;
        received.answers.extend(progress.answer);
        input = &input[progress.consumed..];
    }
    Ok(())
}

/// A head and the first part of its body; the rest of a large one is discarded unread.
const PLAIN_READ_BYTES_MAX: usize = 32 * 1024;
/// Many records per call, and still in the core's cache when they are opened.
const TLS_READ_BYTES_MAX: usize = 256 * 1024;
