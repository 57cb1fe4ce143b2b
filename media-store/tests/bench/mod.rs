//! A store in a folder of its own, and what the tests ask of it.

#![allow(dead_code)]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use media_store::{
    Clock, Digest, Object, ObjectSource, Store, StoreConfig, UnixSeconds, UploadSpec,
};

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;
pub const MIB: usize = 1 << 20;

/// A store in a folder of its own, with a clock that the test moves.
pub struct Bench {
    pub store: Store,
    pub folder: tempfile::TempDir,
    time: Arc<AtomicU64>,
    config: StoreConfig,
}

impl Bench {
    pub fn new(config: StoreConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(AtomicU64::new(1_800_000_000));
        let store = open(&folder, &config, &time);
        Self { store, folder, time, config }
    }

    pub fn reopen(self) -> Self {
        let Self { store, folder, time, config } = self;
        drop(store);
        let store = open(&folder, &config, &time);
        Self { store, folder, time, config }
    }

    /// Lets time pass, and gives the time then.
    pub fn pass(&self, seconds: u64) -> UnixSeconds {
        UnixSeconds(self.time.fetch_add(seconds, Ordering::Relaxed) + seconds)
    }

    pub fn put(&self, owner: &str, bytes: &[u8]) -> Object {
        let spec = UploadSpec { len: Some(bytes.len() as u64), ..UploadSpec::by(owner) };
        let mut upload = self.store.begin(spec).unwrap();
        upload.write(bytes).unwrap();
        upload.finish().unwrap()
    }

    /// The file of an object.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.path().join("objects").join(&name[..2]).join(&name[2..4]).join(name)
    }

    /// Files under the folder, the catalog's own left out.
    pub fn files(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.folder.path().join("objects")) + count(&self.folder.path().join("uploads"))
    }
}

fn open(folder: &tempfile::TempDir, config: &StoreConfig, time: &Arc<AtomicU64>) -> Store {
    let time = Arc::clone(time);
    let clock = Clock::new(move || UnixSeconds(time.load(Ordering::Relaxed)));
    Store::open_with_clock(folder.path(), config, clock).unwrap()
}

pub fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 253) as u8).collect()
}

pub fn read(object: &Object) -> Vec<u8> {
    let ObjectSource::File(mut file) = object.open().unwrap() else { panic!("not a file") };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}
