//! What was loaded, least recently used first, and what is being loaded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hashlink::LinkedHashMap;
use tokio::sync::watch;

use super::origin::Made;
use super::{FRESH_FOR, Landed};
use crate::edge::resource::{Resource, Source};
use crate::edge::route::Route;

/// Who asked for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    route: Route,
    path: Box<str>,
}

impl Key {
    pub(super) fn new(route: Route, path: &str) -> Self {
        Self { route, path: path.into() }
    }

    pub(super) fn route(&self) -> Route {
        self.route
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes_max: u64,
    pub(super) files_max: usize,
    pub(super) loads_per_origin_max: usize,
}

/// Remembered resources and loads under way.
#[derive(Debug)]
pub(super) struct Memory {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: LinkedHashMap<Key, Entry>,
    bytes: u64,
    files: usize,
    loads: HashMap<Key, (usize, Landed)>,
    loads_by_origin: HashMap<usize, usize>,
}

#[derive(Debug)]
struct Entry {
    made: Made,
    checked: Instant,
    bytes: u64,
    files: usize,
}

/// How a request for a resource goes on.
pub(super) enum Departure {
    /// It is at hand.
    Known(Arc<Resource>),
    /// Another request has it loaded.
    Join(Landed),
    /// It is to be loaded; what was remembered of it may still be right.
    Begin(watch::Sender<Option<Arc<Resource>>>, Option<Made>),
    /// Too much is being loaded from there.
    Full,
}

impl Memory {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default() }
    }

    pub(super) fn recall(&self, key: &Key, now: Instant) -> Option<Arc<Resource>> {
        self.lock().fresh(key, now)
    }

    /// Begins, joins or spares a load.
    pub(super) fn depart(&self, key: &Key, origin: usize, now: Instant) -> Departure {
        let mut state = self.lock();
        if let Some(resource) = state.fresh(key, now) {
            return Departure::Known(resource);
        }
        if let Some((_, landed)) = state.loads.get(key) {
            return Departure::Join(landed.clone());
        }
        let loads = state.loads_by_origin.entry(origin).or_default();
        if *loads >= self.bounds.loads_per_origin_max {
            return Departure::Full;
        }
        *loads += 1;
        let (begun, landed) = watch::channel(None);
        state.loads.insert(key.clone(), (origin, landed));
        let remembered = state.entries.get(key).map(|entry| entry.made.clone());
        Departure::Begin(begun, remembered)
    }

    /// A load has ended.
    pub(super) fn land(&self, key: &Key) {
        let mut state = self.lock();
        if let Some((origin, _)) = state.loads.remove(key)
            && let Some(loads) = state.loads_by_origin.get_mut(&origin)
        {
            *loads = loads.saturating_sub(1);
        }
    }

    /// Remembers what was made; forgets what was not used for longest.
    pub(super) fn remember(&self, key: &Key, made: Made, now: Instant) {
        let (bytes, files) = cost(key, &made.resource);
        let mut forgotten = Vec::new();
        let mut state = self.lock();
        forgotten.extend(state.forget(key));
        state.bytes += bytes;
        state.files += files;
        state.entries.insert(key.clone(), Entry { made, checked: now, bytes, files });
        while state.bytes > self.bounds.bytes_max || state.files > self.bounds.files_max {
            let Some(oldest) = state.entries.front().map(|(key, _)| key.clone()) else { break };
            forgotten.extend(state.forget(&oldest));
        }
        // Closing a file may wait for its disk: not under the lock.
        drop(state);
        drop(forgotten);
    }

    /// Lets go of half of the open files, for descriptors have run out.
    pub(super) fn shed_files(&self) {
        let mut forgotten = Vec::new();
        let mut state = self.lock();
        let keep = state.files / 2;
        let holders: Vec<Key> = state
            .entries
            .iter()
            .filter(|(_, entry)| entry.files > 0)
            .map(|(key, _)| key.clone())
            .collect();
        for key in holders {
            if state.files <= keep {
                break;
            }
            forgotten.extend(state.forget(&key));
        }
        drop(state);
        drop(forgotten);
    }

    /// Makes everything as old as if `time` had passed.
    #[cfg(test)]
    pub(super) fn age_all(&self, time: std::time::Duration) {
        for (_, entry) in self.lock().entries.iter_mut() {
            entry.checked -= time;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh(&mut self, key: &Key, now: Instant) -> Option<Arc<Resource>> {
        let entry = self.entries.to_back(key)?;
        let is_fresh = now.saturating_duration_since(entry.checked) < FRESH_FOR;
        is_fresh.then(|| entry.made.resource.clone())
    }

    fn forget(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.bytes;
        self.files -= entry.files;
        Some(entry)
    }
}

/// Bytes and open files that remembering a resource takes.
fn cost(key: &Key, resource: &Resource) -> (u64, usize) {
    let mut bytes = ENTRY_BYTES + 2 * key.path.len() as u64;
    let mut files = 0;
    for variant in &resource.variants {
        bytes += VARIANT_BYTES + 2 * variant.head.len() as u64;
        match &variant.source {
            Source::Memory(content) => bytes += content.len() as u64,
            Source::File(_) => files += 1,
            Source::Remote(_) => {}
        }
    }
    (bytes, files)
}

/// What an entry takes besides its path and its variants, in bytes; an estimate.
const ENTRY_BYTES: u64 = 512;
/// What a variant takes besides head and content, in bytes; an estimate.
const VARIANT_BYTES: u64 = 1024;
