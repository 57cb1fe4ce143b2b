//! An answer's content on its way to hyper.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use media_store::RemoteObject;
use tokio::sync::mpsc;

use super::disk::{Disk, blocking, read_cached};
use super::shard::InFlight;
use crate::edge::answer::{Content, Piece};
use crate::edge::lane::observer::Record;
use crate::edge::range::ByteRange;
use crate::edge::resource::{FileSource, Source};

/// An answer's content. Dropping it ends the request: it is counted and logged.
pub struct Outgoing {
    part: Part,
    more: VecDeque<Piece>,
    streamed: Option<mpsc::Receiver<io::Result<Bytes>>>,
    unsent_bytes: u64,
    record: Option<Record>,
    request: InFlight,
}

enum Part {
    Nothing,
    Memory(Bytes),
    Stored { source: Stored, range: ByteRange },
    Reading { read: Reading, source: Stored, range: ByteRange },
}

#[derive(Clone)]
enum Stored {
    File(Arc<FileSource>),
    Remote(Arc<RemoteObject>),
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>>>>;

impl Outgoing {
    /// The content of an answer to `request`.
    pub fn new(content: Content, record: Option<Record>, request: InFlight) -> Self {
        let unsent_bytes = content.len();
        let (part, more, streamed) = match content {
            Content::None => (Part::Nothing, VecDeque::new(), None),
            Content::Part(source, range) => (Part::new(source, range), VecDeque::new(), None),
            Content::Pieces(pieces) => (Part::Nothing, pieces.into(), None),
            Content::Streamed { first, more } => (Part::Memory(first), VecDeque::new(), Some(more)),
        };
        Self { part, more, streamed, unsent_bytes, record, request }
    }

    /// The next bytes; `None` at the end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let len_max =
            if self.request.connection.http2 { HTTP2_CHUNK_BYTES } else { HTTP1_CHUNK_BYTES };
        loop {
            match &mut self.part {
                Part::Nothing => match self.more.pop_front() {
                    None => {
                        let Some(streamed) = &mut self.streamed else {
                            return Poll::Ready(Ok(None));
                        };
                        match ready!(streamed.poll_recv(context)).transpose()? {
                            Some(bytes) => self.part = Part::Memory(bytes),
                            None => self.streamed = None,
                        }
                    }
                    Some(Piece::Text(text)) => self.part = Part::Memory(text),
                    Some(Piece::Part(source, range)) => self.part = Part::new(source, range),
                },
                Part::Memory(bytes) => {
                    // HTTP/1 writes any length in one call; a stream of HTTP/2 shows by its
                    // chunks that it moves.
                    let chunk = match self.request.connection.http2 && bytes.len() > len_max {
                        true => bytes.split_to(len_max),
                        false => std::mem::take(bytes),
                    };
                    if bytes.is_empty() {
                        self.part = Part::Nothing;
                    }
                    return Poll::Ready(Ok(Some(chunk)));
                }
                Part::Stored { source, range } => {
                    let len = range.len.min(len_max as u64) as usize;
                    if let Some(chunk) = source.read_cached(range.start, len)? {
                        self.part = Part::after(source, *range, chunk.len());
                        return Poll::Ready(Ok(Some(chunk)));
                    }
                    let read = source.read(self.request.connection.shard.disk, *range, len);
                    self.part = Part::Reading { read, source: source.clone(), range: *range };
                }
                Part::Reading { read, source, range } => {
                    let chunk = ready!(read.as_mut().poll(context))?;
                    if chunk.is_empty() {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    self.part = Part::after(source, *range, chunk.len());
                    return Poll::Ready(Ok(Some(chunk)));
                }
            }
        }
    }
}

impl Part {
    fn new(source: Source, range: ByteRange) -> Self {
        match source {
            Source::Memory(bytes) => {
                Self::Memory(bytes.slice(range.start as usize..range.end() as usize))
            }
            Source::File(source) => Self::Stored { source: Stored::File(source), range },
            Source::Remote(source) => Self::Stored { source: Stored::Remote(source), range },
        }
    }

    /// What is left of a stored part behind a chunk.
    fn after(source: &Stored, range: ByteRange, len: usize) -> Self {
        let len = len as u64;
        if len >= range.len {
            return Self::Nothing;
        }
        let range = ByteRange { start: range.start + len, len: range.len - len };
        Self::Stored { source: source.clone(), range }
    }
}

impl Stored {
    fn read_cached(&self, offset: u64, len: usize) -> io::Result<Option<Bytes>> {
        match self {
            Self::File(source) => read_cached(source, offset, len),
            Self::Remote(_) => Ok(None),
        }
    }

    /// Reads from the beginning of `range`, about `len` bytes.
    fn read(&self, disk: Disk, range: ByteRange, len: usize) -> Reading {
        match self {
            Self::File(source) => Box::pin(disk.read(Arc::clone(source), range.start, len)),
            Self::Remote(source) => {
                let source = Arc::clone(source);
                let len = range.len.min(REMOTE_CHUNK_BYTES);
                Box::pin(blocking(move || {
                    source.read_at(range.start, len).map_err(io::Error::other)
                }))
            }
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match ready!(this.poll_next(context)) {
            Ok(Some(chunk)) => {
                this.unsent_bytes = this.unsent_bytes.saturating_sub(chunk.len() as u64);
                if this.request.connection.http2 {
                    this.request.vitals.sent(chunk.len());
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Ok(None) => Poll::Ready(None),
            Err(error) => {
                tracing::debug!(%error, unsent_bytes = this.unsent_bytes, "an answer was cut");
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.part, Part::Nothing) && self.more.is_empty() && self.streamed.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.streamed {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.unsent_bytes),
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        let shard = &self.request.connection.shard;
        shard.observer.borrow_mut().end(record, Instant::now(), self.unsent_bytes);
    }
}

const HTTP1_CHUNK_BYTES: usize = 256 * 1024;
/// A stream's progress shows chunk by chunk, so they are smaller.
const HTTP2_CHUNK_BYTES: usize = 64 * 1024;
/// A read of a remote store is a request of its own; larger ones make fewer.
const REMOTE_CHUNK_BYTES: u64 = 1024 * 1024;
