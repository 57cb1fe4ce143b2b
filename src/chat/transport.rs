//! A client's socket, with TLS where it has it. A transport that waits holds no buffer: what is read
//! goes through the thread's scratch, and sealed bytes leave at once or wait for the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::outgoing::{Outgoing, SLICES_MAX};
use crate::tls::{Phase, Session};

/// A client's socket.
#[derive(Debug)]
pub struct Transport {
    socket: TcpStream,
    tls: Option<Box<Session>>,
    /// Bytes ready for the socket: sealed ones, or what goes out in the clear before a handshake.
    sealed: Vec<u8>,
    sent: usize,
}

/// What is left to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// All has left.
    Nothing,
    /// The socket takes no more now.
    Some,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Plaintext, perhaps none of it yet.
    Bytes,
    /// The peer sends no more.
    End,
}

impl Transport {
    /// Takes a socket over.
    ///
    /// # Errors
    /// The system's.
    pub fn new(stream: std::net::TcpStream, tls: Option<Box<Session>>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let socket = TcpStream::from_std(stream)?;
        Ok(Self { socket, tls, sealed: Vec::new(), sent: 0 })
    }

    /// The TLS session, if there is one.
    pub fn tls(&self) -> Option<&Session> {
        self.tls.as_deref()
    }

    /// Begins a handshake behind what waits to be sent in the clear (RFC 6120 5.4.2.3).
    pub fn start_tls(&mut self, session: Box<Session>, clear: &mut Outgoing) {
        self.sealed.append(&mut clear.take(usize::MAX));
        self.tls = Some(session);
    }

    /// Reads once through `scratch`, and appends plaintext to `plaintext`. Pending while the socket
    /// has nothing; after a read that does not fill `scratch` it is not asked whether there is more.
    ///
    /// # Errors
    /// The socket's, or TLS's; what TLS has to say of it still wants to be sent.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
        plaintext: &mut Vec<u8>,
    ) -> Poll<io::Result<(Received, usize)>> {
        let mut read = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut read))?;
        let len = read.filled().len();
        Poll::Ready(match len {
            0 => Ok((Received::End, 0)),
            len => self.open(&mut scratch[..len], plaintext),
        })
    }

    fn open(&mut self, read: &mut [u8], plaintext: &mut Vec<u8>) -> io::Result<(Received, usize)> {
        let len = read.len();
        let Some(session) = self.tls.as_deref_mut() else {
            plaintext.extend_from_slice(read);
            return Ok((Received::Bytes, len));
        };
        let opened = session.receive(read, &mut self.sealed, |opened| {
            plaintext.extend_from_slice(opened);
        });
        match opened.map_err(io::Error::other)? {
            Phase::PeerClosed | Phase::Closed if plaintext.is_empty() => Ok((Received::End, len)),
            _ => Ok((Received::Bytes, len)),
        }
    }

    /// Sends what TLS has to say and all of `outgoing`. Ready when nothing is left.
    ///
    /// # Errors
    /// The socket's, or TLS's.
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &mut Outgoing,
    ) -> Poll<io::Result<usize>> {
        self.write(outgoing, |socket, slices| match slices {
            [one] => Pin::new(socket).poll_write(context, one),
            all => Pin::new(socket).poll_write_vectored(context, all),
        })
    }

    /// As [`Self::poll_write`], for who is not woken when the socket takes more.
    ///
    /// # Errors
    /// The socket's, or TLS's.
    pub fn try_write(&mut self, outgoing: &mut Outgoing) -> io::Result<Left> {
        let written = self.write(outgoing, |socket, slices| {
            let tried = match slices {
                [one] => socket.try_write(one),
                all => socket.try_write_vectored(all),
            };
            match tried {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                tried => Poll::Ready(tried),
            }
        });
        match written {
            Poll::Ready(written) => written.map(|_| Left::Nothing),
            Poll::Pending => Ok(Left::Some),
        }
    }

    /// A single slice goes by `send`, which costs the system less than `writev`.
    fn write(
        &mut self,
        outgoing: &mut Outgoing,
        mut write: impl FnMut(&mut TcpStream, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut moved = 0;
        loop {
            if self.sent < self.sealed.len() {
                let rest = IoSlice::new(&self.sealed[self.sent..]);
                let len = ready!(write(&mut self.socket, &[rest]))?;
                self.sent += len;
                moved += len;
                if self.sent == self.sealed.len() {
                    (self.sealed, self.sent) = (Vec::new(), 0);
                }
                continue;
            }
            match self.tls.as_deref_mut() {
                _ if outgoing.is_empty() => return Poll::Ready(Ok(moved)),
                Some(session) if session.is_handshaking() => return Poll::Ready(Ok(moved)),
                Some(session) => {
                    let plaintext = outgoing.take(SEALED_AT_ONCE_BYTES);
                    session.seal(&plaintext, &mut self.sealed).map_err(io::Error::other)?;
                }
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                    let count = outgoing.slices(&mut slices);
                    let len = ready!(write(&mut self.socket, &slices[..count]))?;
                    outgoing.consume(len);
                    moved += len;
                }
            }
        }
    }

    /// Says that nothing more will be sent: close_notify, then the end of the socket's sending side.
    pub fn close(&mut self) {
        if let Some(session) = self.tls.as_deref_mut() {
            session.close(&mut self.sealed);
        }
    }

    /// Ends the sending side, once all is sent.
    pub fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    /// Bytes that wait for the socket.
    pub fn waiting_bytes(&self) -> usize {
        self.sealed.len() - self.sent
    }
}

/// Plaintext that is sealed in one go.
const SEALED_AT_ONCE_BYTES: usize = 64 * 1024;
