//! A client's socket that tells its life signs.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::vitals::Vitals;

/// A client's socket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    vitals: Rc<Vitals>,
}

impl Socket {
    /// Takes over a socket.
    pub fn new(stream: std::net::TcpStream, vitals: Rc<Vitals>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let stream = TcpStream::from_std(stream)?;
        Ok(Self { stream, vitals })
    }

    /// Lets go of the socket.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.stream.into_std()
    }

    fn note_sent<T>(
        &self,
        outcome: Poll<io::Result<T>>,
        len: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match &outcome {
            Poll::Pending => self.vitals.blocked(),
            Poll::Ready(Ok(sent)) => self.vitals.sent(len(sent)),
            Poll::Ready(Err(_)) => {}
        }
        outcome
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = output.filled().len();
        std::task::ready!(Pin::new(&mut this.stream).poll_read(context, output))?;
        this.vitals.received(output.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_sent(outcome, |sent| *sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_sent(outcome, |sent| *sent)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Who writes flushes when nothing is left to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.vitals.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
