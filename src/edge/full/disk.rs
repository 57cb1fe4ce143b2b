//! Reads and writes of files away from the lane: by io_uring where there is one, else by tokio's
//! blocking threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

#[cfg(target_os = "linux")]
use crate::edge::loader::tells_cached;
use crate::edge::resource::FileSource;

/// How a thread of the full lane waits for disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// By the thread's own ring.
    #[cfg(target_os = "linux")]
    Ring,
    /// By tokio's blocking threads.
    Threads,
}

impl Disk {
    /// Reads up to `len` bytes at `offset`; fewer, but at least one, when that is all at hand.
    ///
    /// Dropping the future leaves the read to itself: its buffer and descriptor live until the
    /// disk answers.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the file has become shorter.
    pub async fn read(self, source: Arc<FileSource>, offset: u64, len: usize) -> io::Result<Bytes> {
        let bytes = match self {
            // Of a FUSE file io_uring believes that it never waits, and reads it in place: one that
            // hangs would hold up the whole thread. What does not tell is read by a thread.
            #[cfg(target_os = "linux")]
            Self::Ring if source.tells_cached => {
                let file = tokio_uring::fs::File::from_std(source.file.try_clone()?);
                let (outcome, buffer) = file.read_at(Vec::with_capacity(len), offset).await;
                outcome?;
                buffer
            }
            _ => {
                let permit = match source.readers.clone() {
                    // Nobody closes it.
                    Some(readers) => readers.acquire_owned().await.ok(),
                    None => None,
                };
                blocking(move || {
                    let _reads = permit;
                    let mut buffer = vec![0; len];
                    let read = source.file.read_at(&mut buffer, offset)?;
                    buffer.truncate(read);
                    Ok(buffer)
                })
                .await?
            }
        };
        if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes.into()) }
    }

    /// Writes all of `bytes` at `offset`, and gives the buffer back.
    ///
    /// # Errors
    /// The system's; how much was written before is not told.
    pub async fn write(self, file: File, bytes: Vec<u8>, offset: u64) -> io::Result<Vec<u8>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring if tells_cached(&file) => {
                let file = tokio_uring::fs::File::from_std(file);
                let (outcome, bytes) = file.write_all_at(bytes, offset).await;
                outcome.map(|()| bytes)
            }
            _ => blocking(move || file.write_all_at(&bytes, offset).map(|()| bytes)).await,
        }
    }
}

/// Reads what lies in the page cache, without waiting; `None` where a disk must be asked.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] where the file has become shorter.
pub fn read_cached(source: &FileSource, offset: u64, len: usize) -> io::Result<Option<Bytes>> {
    if !source.tells_cached {
        return Ok(None);
    }
    let mut buffer = vec![0; len];
    match preadv2_nowait(&source.file, &mut buffer, offset) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => {
            buffer.truncate(read);
            Ok(Some(buffer.into()))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(target_os = "linux")]
fn preadv2_nowait(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut slices = [io::IoSliceMut::new(buffer)];
    Ok(preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT)?)
}

#[cfg(not(target_os = "linux"))]
fn preadv2_nowait(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Runs what blocks on a thread that may.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        // It panicked, or the runtime ends.
        Err(error) => Err(io::Error::other(error)),
    }
}
