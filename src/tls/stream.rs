//! A [`Session`] joined to a socket: what hyper and the WebSocket code read and write.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outgoing::Outgoing;
use super::session::{Alpn, Phase, RECORD_PLAINTEXT_BYTES_MAX, SealError, Session, SessionError};

/// A TLS connection of the server's side over `S`.
///
/// Writes are sealed at once and sent in batches of up to 64 KiB: call flush when a message is
/// complete, as hyper does. An idle stream holds no buffer. Reading ends (0 bytes) when the peer
/// says close_notify or closes its socket; [`TlsStream::is_closed_by_peer`] tells which.
#[derive(Debug)]
pub struct TlsStream<S> {
    socket: S,
    session: Session,
    /// Opened bytes that no read has taken yet.
    plaintext: Unread,
    outgoing: Outgoing,
    /// Who waits for room in the socket; a read that finds something to send must not steal the
    /// socket's attention from them.
    writer: Option<Waker>,
    failure: Option<SessionError>,
    at_end: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Does the handshake of a new connection. Dropping the future drops the connection; the
    /// caller sets the deadline.
    ///
    /// # Errors
    /// The socket's error, or [`SessionError`] inside of an [`io::Error`] when the peer's
    /// handshake fails; it has been sent the alert.
    pub async fn accept(config: Arc<ServerConfig>, socket: S) -> io::Result<Self> {
        let session = Session::new(config).map_err(io::Error::other)?;
        let mut stream = Self::resume(session, socket, &mut [], Vec::new());
        stream.handshake().await?;
        Ok(stream)
    }

    /// Takes over a connection in the middle: `ciphertext` was read from the socket and not yet
    /// given to the session, `plaintext` was opened and not yet used. What the session had to
    /// send before must have been sent.
    pub fn resume(session: Session, socket: S, ciphertext: &mut [u8], plaintext: Vec<u8>) -> Self {
        let mut stream = Self {
            at_end: matches!(session.phase(), Phase::PeerClosed | Phase::Closed),
            socket,
            session,
            plaintext: Unread { bytes: plaintext, start: 0 },
            outgoing: Outgoing::default(),
            writer: None,
            failure: None,
        };
        if !ciphertext.is_empty() {
            stream.open(ciphertext, &mut ReadBuf::new(&mut []));
        }
        stream
    }

    /// Finishes the handshake, if it is not finished. Cancel-safe.
    ///
    /// # Errors
    /// As [`TlsStream::accept`].
    pub async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_handshake(context)).await
    }

    /// The application protocol agreed.
    pub fn alpn(&self) -> Alpn {
        self.session.alpn()
    }

    /// The TLS session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The socket underneath.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Whether the peer said close_notify: nothing it sent was cut off.
    pub fn is_closed_by_peer(&self) -> bool {
        matches!(self.session.phase(), Phase::PeerClosed)
    }

    /// Takes the connection apart: the session, the socket, and what was opened but not read.
    /// What is sealed must have been flushed.
    pub fn into_parts(mut self) -> (S, Session, Vec<u8>) {
        self.plaintext.bytes.drain(..self.plaintext.start);
        (self.socket, self.session, self.plaintext.bytes)
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.is_handshaking() && self.failure.is_none() {
            ready!(self.poll_send(context))?;
            ready!(self.poll_fill(context, &mut ReadBuf::new(&mut [])))?;
            if self.at_end {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        ready!(self.poll_send(context))?;
        Poll::Ready(self.take_failure())
    }

    /// Reads once from the socket and opens what came: into `output` first, the rest is kept.
    fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // On the stack, so that a connection that waits holds no buffer.
        let mut scratch = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut ciphertext = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut ciphertext))?;
        if ciphertext.filled().is_empty() {
            self.at_end = true;
        } else {
            self.open(ciphertext.filled_mut(), output);
        }
        Poll::Ready(Ok(()))
    }

    fn open(&mut self, ciphertext: &mut [u8], output: &mut ReadBuf<'_>) {
        let plaintext = &mut self.plaintext;
        let mut reply = Vec::new();
        let outcome = self.session.receive(ciphertext, &mut reply, |opened| {
            let direct =
                if plaintext.is_empty() { opened.len().min(output.remaining()) } else { 0 };
            output.put_slice(&opened[..direct]);
            plaintext.append(&opened[direct..]);
        });
        self.outgoing.push(&reply);
        match outcome {
            Ok(Phase::PeerClosed | Phase::Closed) => self.at_end = true,
            Ok(Phase::Handshaking | Phase::Open) => {}
            Err(error) => self.failure = Some(error),
        }
    }

    /// Sends all that is sealed.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = match Pin::new(&mut self.socket).poll_write(context, self.outgoing.unsent())
            {
                Poll::Ready(sent) => sent?,
                Poll::Pending => return Poll::Pending,
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.consume(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// [`Self::poll_send`] for those who write: remembers who waits.
    fn poll_send_for_writer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.poll_send(context);
        self.writer = outcome.is_pending().then(|| context.waker().clone());
        outcome
    }

    /// Sends what reading brought up (alerts, answers to key updates), unless a writer waits and
    /// will send it.
    fn poll_send_for_reader(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writer.is_some() { Poll::Ready(Ok(())) } else { self.poll_send(context) }
    }

    fn take_failure(&mut self) -> io::Result<()> {
        match self.failure.take() {
            Some(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            None => Ok(()),
        }
    }

    /// Makes the stream ready to seal: open, with room for more records.
    fn poll_writable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.session.is_handshaking() {
            ready!(self.poll_handshake(context))?;
        }
        if self.outgoing.is_full() {
            ready!(self.poll_send_for_writer(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Seals as much of `plaintext` as there is room for.
    fn seal(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        let mut len = plaintext.len().min(self.session.plaintext_fitting(self.outgoing.room()));
        if len < plaintext.len() && len > RECORD_PLAINTEXT_BYTES_MAX {
            // No small record in the middle of a large body.
            len -= len % RECORD_PLAINTEXT_BYTES_MAX;
        }
        let session = &mut self.session;
        self.outgoing
            .append(session.sealed_len(len), |output| session.seal_into(&plaintext[..len], output))
            .map_err(seal_failure)?;
        Ok(len)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if output.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = output.filled().len();
        loop {
            this.plaintext.read(output);
            if output.filled().len() > before {
                // What arrived whole before a fault is handed out before the fault is told.
                let _ = this.poll_send_for_reader(context);
                return Poll::Ready(Ok(()));
            }
            if this.failure.is_some() {
                ready!(this.poll_send_for_reader(context))?;
                return Poll::Ready(this.take_failure());
            }
            if this.at_end {
                return Poll::Ready(Ok(()));
            }
            if let Poll::Ready(sent) = this.poll_send_for_reader(context) {
                sent?;
            }
            if this.poll_fill(context, output)?.is_pending() {
                this.outgoing.release_if_empty();
                return Poll::Pending;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        plaintext: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_writable(context))?;
        if plaintext.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let len = self.seal(plaintext)?;
        if self.outgoing.is_full()
            && let Poll::Ready(sent) = self.poll_send_for_writer(context)
        {
            sent?;
        }
        Poll::Ready(Ok(len))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_writable(context))?;
        let mut written = 0;
        let mut rest = slices;
        while let Some((first, more)) = rest.split_first() {
            if first.is_empty() {
                rest = more;
                continue;
            }
            if self.outgoing.is_full() {
                break;
            }
            let (small, others) = rest.split_at(count_gathered(rest));
            let (sealed, given) = if small.len() > 1 {
                let record = gather(small);
                rest = others;
                (self.seal(&record)?, record.len())
            } else {
                rest = more;
                (self.seal(first)?, first.len())
            };
            written += sealed;
            if sealed < given {
                break;
            }
        }
        if self.outgoing.is_full()
            && let Poll::Ready(sent) = self.poll_send_for_writer(context)
        {
            sent?;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_for_writer(context))?;
        self.outgoing.release_if_empty();
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut reply = Vec::new();
        this.session.close(&mut reply);
        this.outgoing.push(&reply);
        ready!(this.poll_send_for_writer(context))?;
        Pin::new(&mut this.socket).poll_shutdown(context)
    }
}

/// Opened bytes that wait to be read.
#[derive(Debug)]
struct Unread {
    bytes: Vec<u8>,
    start: usize,
}

impl Unread {
    fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    fn append(&mut self, opened: &[u8]) {
        self.bytes.extend_from_slice(opened);
    }

    fn read(&mut self, output: &mut ReadBuf<'_>) {
        if self.is_empty() {
            return;
        }
        let unread = &self.bytes[self.start..];
        let len = unread.len().min(output.remaining());
        output.put_slice(&unread[..len]);
        self.start += len;
        if self.is_empty() {
            *self = Self { bytes: Vec::new(), start: 0 };
        }
    }
}

/// How many of the first slices go into one record together: small ones, as long as they fit.
fn count_gathered(slices: &[IoSlice<'_>]) -> usize {
    let mut bytes = 0;
    slices
        .iter()
        .take_while(|slice| {
            bytes += slice.len();
            slice.len() < GATHER_BYTES_MAX && bytes <= RECORD_PLAINTEXT_BYTES_MAX
        })
        .count()
}

fn gather(slices: &[IoSlice<'_>]) -> Vec<u8> {
    let mut record = Vec::with_capacity(slices.iter().map(|slice| slice.len()).sum());
    for slice in slices {
        record.extend_from_slice(slice);
    }
    record
}

fn seal_failure(error: SealError) -> io::Error {
    let kind = match error {
        SealError::NotOpen => io::ErrorKind::BrokenPipe,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Ciphertext bytes taken from the socket at once.
const READ_BYTES: usize = 32 * 1024;

/// A slice of this size costs less as a record of its own than copied into a shared one.
const GATHER_BYTES_MAX: usize = 8 * 1024;
