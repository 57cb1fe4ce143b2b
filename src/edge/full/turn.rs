//! A stream whose bytes leave at the end of its task's turn, all together.
//!
//! h2 flushes behind each DATA frame. Over TLS that was a send for each of the small answers that
//! one read of a connection brings about, and a third of their cost.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The end that hyper writes to. The stream underneath must gather what is written, and send by
/// itself once that is much.
#[derive(Debug)]
pub struct Gathered<S>(Rc<RefCell<S>>);

/// The end by which the task sends what was gathered.
#[derive(Debug)]
pub struct Turn<S>(Rc<RefCell<S>>);

/// Both ends of a stream.
pub fn gather<S>(stream: S) -> (Gathered<S>, Turn<S>) {
    let stream = Rc::new(RefCell::new(stream));
    (Gathered(Rc::clone(&stream)), Turn(stream))
}

impl<S: AsyncWrite + Unpin> Turn<S> {
    /// Sends; where the socket is full, the task is woken to come back.
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_end(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(context, output)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    /// Said at once; done by [`Turn::poll_end`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(context)
    }
}
