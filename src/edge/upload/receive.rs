//! Moves a request's content into an upload.
//!
//! It runs as a task of its own: when the client goes away in the middle, hyper drops the
//! request, and what has come is still made durable.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Buf;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use media_store::{Object, Receiving, StoreError, UnixSeconds};
use tokio::sync::oneshot;

use super::checksum::Checking;
use crate::edge::full::{InFlight, Phase, Shard, Task, Vitals};

/// What became of an upload's content.
pub enum Received {
    /// All announced bytes are there, and the object is durable.
    Finished(Object),
    /// More is to come; the offset is durable.
    Partial {
        /// Bytes received.
        offset: u64,
        /// When the upload is given up.
        expires: UnixSeconds,
    },
}

/// Why content was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The content did not have its checksum, and was discarded.
    #[error("the chunk does not have its checksum")]
    Checksum,
    /// The client went away in the middle; what came is kept.
    #[error("the content ended too early")]
    Cut,
}

/// What becomes of an upload whose content ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// What came is kept, to be resumed (tus).
    Stays,
    /// Nothing stays (PUT).
    Goes,
}

/// Takes a request's content into an upload, and finishes the upload if that was all of it.
///
/// # Errors
/// [`ReceiveError`].
pub async fn receive(
    receiving: Receiving,
    content: Incoming,
    checking: Option<Checking>,
    interrupted: Interrupted,
    request: &InFlight,
) -> Result<Received, ReceiveError> {
    let shard = &request.connection.shard;
    let pour = Pour {
        receiving: Some(receiving),
        checking,
        interrupted,
        buffer: Vec::with_capacity(BUFFER_BYTES),
        unkept_bytes: 0,
        kept_at: Instant::now(),
        shard: Rc::clone(shard),
        vitals: Rc::clone(&request.vitals),
        http2: request.connection.http2,
    };
    let task = Task::new(request);
    let (tell, told) = oneshot::channel();
    tokio::task::spawn_local(async move {
        let _task = task;
        if let Err(Err(error)) = tell.send(pour.run(content).await) {
            tracing::debug!(%error, "an upload was interrupted");
        }
    });
    told.await.unwrap_or(Err(ReceiveError::Cut))
}

struct Pour {
    /// Absent only while the store works at it.
    receiving: Option<Receiving>,
    checking: Option<Checking>,
    interrupted: Interrupted,
    buffer: Vec<u8>,
    /// Bytes since the last checkpoint.
    unkept_bytes: u64,
    kept_at: Instant,
    shard: Rc<Shard>,
    vitals: Rc<Vitals>,
    http2: bool,
}

impl Pour {
    async fn run(mut self, content: Incoming) -> Result<Received, ReceiveError> {
        let outcome = match self.pour(content).await {
            Ok(()) => self.settle().await,
            Err(ReceiveError::Cut) => self.keep_what_came().await,
            Err(error) => Err(error),
        };
        let is_full = matches!(outcome, Err(ReceiveError::Store(StoreError::NoSpace)));
        if let Some(receiving) = self.receiving.take() {
            // What is there already would only keep the disk full: even the catalog needs room to
            // note the upload's end. Else dropping is enough; it may wait for the disk.
            let end = move || match is_full {
                true => {
                    let emptied = receiving.file().set_len(0);
                    receiving.abandon()?;
                    emptied.map_err(|error| StoreError::io("empty", "an upload", error))
                }
                false => {
                    drop(receiving);
                    Ok(())
                }
            };
            if let Err(error) = store_work(end).await {
                tracing::warn!(%error, "an upload was left behind; gc will remove it");
            }
        }
        outcome
    }

    async fn pour(&mut self, mut content: Incoming) -> Result<(), ReceiveError> {
        while let Some(frame) = content.frame().await {
            let frame = frame.map_err(|_| ReceiveError::Cut)?;
            let Ok(mut data) = frame.into_data() else { continue };
            if self.http2 {
                self.vitals.received(data.len());
            }
            while !data.is_empty() {
                let len = data.len().min(BUFFER_BYTES - self.buffer.len());
                self.buffer.extend_from_slice(&data[..len]);
                data.advance(len);
                if self.buffer.len() == BUFFER_BYTES {
                    self.flush().await?;
                }
            }
        }
        self.flush().await
    }

    /// Writes what is gathered, then hashes it.
    async fn flush(&mut self) -> Result<(), ReceiveError> {
        let (Some(receiving), false) = (&mut self.receiving, self.buffer.is_empty()) else {
            return Ok(());
        };
        let (offset, room) = (receiving.offset(), receiving.room());
        let len = self.buffer.len() as u64;
        if len > room {
            let (len, bytes_max) = (offset.saturating_add(len), offset.saturating_add(room));
            return Err(StoreError::TooLarge { len, bytes_max }.into());
        }
        self.vitals.enter(Phase::Working);
        let failed = |source| StoreError::io("write", "an upload", source);
        let file = receiving.file().try_clone().map_err(failed)?;
        let bytes = std::mem::take(&mut self.buffer);
        self.buffer = self.shard.disk.write(file, bytes, offset).await.map_err(failed)?;
        receiving.absorb(&self.buffer)?;
        if let Some(checking) = &mut self.checking {
            checking.absorb(&self.buffer);
        }
        self.buffer.clear();
        self.unkept_bytes += len;
        let due = self.unkept_bytes >= KEEP_EACH_BYTES || self.kept_at.elapsed() >= KEEP_EACH;
        // What has no proof yet is not kept.
        if due && self.checking.is_none() && self.interrupted == Interrupted::Stays {
            self.checkpoint().await?;
        }
        self.vitals.enter(Phase::Busy);
        Ok(())
    }

    /// All content has come.
    async fn settle(&mut self) -> Result<Received, ReceiveError> {
        self.vitals.enter(Phase::Working);
        if self.checking.take().is_some_and(|checking| !checking.holds()) {
            self.with_store(Receiving::rollback).await?;
            return Err(ReceiveError::Checksum);
        }
        if self.receiving.as_ref().is_some_and(Receiving::is_complete)
            && let Some(receiving) = self.receiving.take()
        {
            return Ok(Received::Finished(store_work(move || receiving.finish()).await?));
        }
        let (offset, expires) = self.checkpoint().await?;
        Ok(Received::Partial { offset, expires })
    }

    async fn keep_what_came(&mut self) -> Result<Received, ReceiveError> {
        if self.checking.is_none() && self.interrupted == Interrupted::Stays {
            self.flush().await?;
            self.checkpoint().await?;
        }
        Err(ReceiveError::Cut)
    }

    async fn checkpoint(&mut self) -> Result<(u64, UnixSeconds), StoreError> {
        (self.unkept_bytes, self.kept_at) = (0, Instant::now());
        self.with_store(|receiving| Ok((receiving.checkpoint()?, receiving.expires()))).await
    }

    /// Has the store work at the upload on a thread that may wait.
    async fn with_store<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Receiving) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Gone only if the store panicked over it before.
        let mut receiving = self.receiving.take().ok_or(StoreError::CatalogStopped)?;
        let (receiving, outcome) = store_work(move || {
            let outcome = work(&mut receiving);
            Ok((receiving, outcome))
        })
        .await?;
        self.receiving = Some(receiving);
        outcome
    }
}

/// Has the store work on a thread that may wait.
///
/// # Errors
/// The work's; [`StoreError::Io`] where it panicked or the server ends.
pub async fn store_work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(StoreError::io("run", "", io::Error::other(error))))
}

const BUFFER_BYTES: usize = 256 * 1024;
/// A kill loses at most so much of what has come,
const KEEP_EACH_BYTES: u64 = 64 << 20;
/// or what came in so long.
const KEEP_EACH: Duration = Duration::from_secs(5);
