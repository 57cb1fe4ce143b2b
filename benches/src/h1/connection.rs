//! One HTTP/1.1 connection of the load: its link, and the answers under way.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use rustix::net::RecvFlags;
use rustls::ClientConfig;

use crate::link::{Link, LinkError, Stage, TlsSettings};
use crate::load::{Fault, Origin};

use super::answer::{Answer, AnswerReader};
use super::request::Asked;

/// A connection and all that is under way on it.
pub struct Connection {
    link: Link,
    reader: AnswerReader,
    pub under_way: VecDeque<UnderWay>,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay {
    pub asked: Asked,
    pub intended: Instant,
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
        let settings = tls.map(|config| TlsSettings {
            config: Arc::clone(config),
            server_name: origin.server_name.clone(),
        });
        Ok(Self {
            link: Link::open(origin.address, settings.as_ref())?,
            reader: AnswerReader::default(),
            under_way: VecDeque::new(),
        })
    }

    /// The socket, for the poller.
    pub fn socket(&self) -> &TcpStream {
        self.link.socket()
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.link.stage()
    }

    /// Makes the close a reset, so that thousands of short connections leave no TIME_WAIT behind.
    pub fn reset_on_close(&self) {
        self.link.reset_on_close();
    }

    /// The socket can be written: ends connecting, or sends what waits.
    ///
    /// # Errors
    /// The connection is refused or broken.
    pub fn on_writable(&mut self) -> Result<(), Fault> {
        Ok(self.link.on_writable()?)
    }

    /// Sends a request's bytes (encrypted here if the connection is).
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), Fault> {
        Ok(self.link.send(plaintext)?)
    }

    /// The socket did not take everything: watch for when it can be written.
    pub fn wants_write(&self) -> bool {
        self.link.wants_write()
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
        match self.reader.body_left() {
            Some(left) if !self.link.is_encrypted() => self.discard_body(left, scratch, bytes_max),
            _ => self.read(scratch, bytes_max),
        }
    }

    /// The kernel drops the bytes of a body without copying them: the client stays cheap.
    fn discard_body(
        &mut self,
        left: u64,
        scratch: &mut [u8],
        bytes_max: usize,
    ) -> Result<Received, Fault> {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(bytes_max).min(scratch.len());
        let arrived = self.link.receive_raw(&mut scratch[..wanted], RecvFlags::TRUNC)?;
        let bytes = arrived.wire_bytes;
        let mut received = Received { wire_bytes: bytes, body_bytes: bytes, ..Received::default() };
        if arrived.ended {
            return Err(Fault::Connection);
        }
        if bytes > 0 {
            received.answers.extend(self.reader.skip(bytes));
        }
        Ok(received)
    }

    fn read(&mut self, scratch: &mut [u8], bytes_max: usize) -> Result<Received, Fault> {
        let bytes_max = match self.link.is_encrypted() {
            true => bytes_max,
            false => bytes_max.min(PLAIN_READ_BYTES_MAX),
        };
        let (mut received, mut fault) = (Received::default(), None);
        let reader = &mut self.reader;
        let arrived = self.link.receive(scratch, bytes_max, |plaintext| {
            if let Err(error) = feed(reader, plaintext, &mut received) {
                fault = Some(error);
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        let arrived = arrived?;
        received.wire_bytes = arrived.wire_bytes;
        if arrived.ended {
            received.answers.extend(self.reader.end().map_err(|_| Fault::Connection)?);
            received.ended = true;
        }
        Ok(received)
    }
}

impl From<LinkError> for Fault {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Broken => Self::Connection,
            LinkError::Tls => Self::Tls,
        }
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
