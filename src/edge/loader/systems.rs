//! What the file systems can do, asked once of each.

use std::collections::HashMap;
use std::fs::File;
use std::io::IoSliceMut;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::sync::Semaphore;

use crate::edge::resource::FileSource;

/// File systems by device: for each that does not tell cached pages from others, the permits of
/// its readers.
#[derive(Debug, Default)]
pub struct FileSystems {
    readers: Mutex<HashMap<u64, Option<Arc<Semaphore>>>>,
}

impl FileSystems {
    /// A source of an open file that lies on device `dev`.
    pub fn source(&self, file: File, dev: u64) -> Arc<FileSource> {
        let known = self.lock().get(&dev).cloned();
        let readers = known.unwrap_or_else(|| {
            let permits = || Arc::new(Semaphore::new(READERS_MAX));
            let readers = if tells_cached(&file) { None } else { Some(permits()) };
            // Devices come and go with mounts; forgetting them all costs a probe each.
            let mut systems = self.lock();
            if systems.len() >= SYSTEMS_MAX {
                systems.clear();
            }
            systems.entry(dev).or_insert(readers).clone()
        });
        Arc::new(FileSource { file, tells_cached: readers.is_none(), readers })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Option<Arc<Semaphore>>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Can an open, readable file's system tell a cached page from another? preadv2(2): EAGAIN says
/// that the page is not cached, EOPNOTSUPP that nobody can tell.
pub fn tells_cached(file: &File) -> bool {
    let mut byte = [0];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT);
    matches!(read, Ok(_) | Err(Errno::AGAIN))
}

/// Threads that read files of one file system at once; each thread of the full lane has 512.
const READERS_MAX: usize = 64;
/// Devices remembered.
const SYSTEMS_MAX: usize = 256;
