//! What the file systems can do, asked once of each.

use std::collections::HashMap;
use std::fs::File;
use std::io::IoSliceMut;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::edge::resource::FileSource;

/// File systems by device, and whether they tell cached pages from others.
#[derive(Debug, Default)]
pub struct FileSystems {
    tell_cached: Mutex<HashMap<u64, bool>>,
}

impl FileSystems {
    /// A source of an open file that lies on device `dev`.
    pub fn source(&self, file: File, dev: u64) -> Arc<FileSource> {
        let known = self.lock().get(&dev).copied();
        let tells_cached = known.unwrap_or_else(|| {
            let tells = tells_cached(&file);
            // Devices come and go with mounts; forgetting them all costs a probe each.
            let mut systems = self.lock();
            if systems.len() >= SYSTEMS_MAX {
                systems.clear();
            }
            systems.insert(dev, tells);
            tells
        });
        Arc::new(FileSource { file, tells_cached })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, bool>> {
        self.tell_cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Can an open, readable file's system tell a cached page from another? preadv2(2): EAGAIN says
/// that the page is not cached, EOPNOTSUPP that nobody can tell.
pub fn tells_cached(file: &File) -> bool {
    let mut byte = [0];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT);
    matches!(read, Ok(_) | Err(Errno::AGAIN))
}

/// Devices remembered.
const SYSTEMS_MAX: usize = 256;
