//! Makes [`Resource`]s: opens what a path stands for, away from the lanes, and remembers it.
//!
//! A disk that hangs holds up its own site only: each origin (a site, or the store) has a bound on
//! threads and on loads, and who waits longer than [`WAIT_MAX`] is told to come again.

mod memory;
mod origin;
mod systems;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{self, HeaderValue};
use media_store::Store;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout_at;

pub use systems::{FileSystems, tells_cached};

use self::memory::{Bounds, Departure, Key, Memory};
use self::origin::{Made, Origin};
use super::app::App;
use super::resource::{Resource, text};
use super::route::Route;
use super::site::{SiteConfig, SiteConfigError};

/// Contents up to this size are kept in memory, in bytes; larger ones are read from their file.
pub const SMALL_BYTES_MAX: u64 = 64 << 10;
/// How long a request waits for its resource.
pub const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a remembered resource is taken as it is.
pub const FRESH_FOR: Duration = Duration::from_secs(1);
/// Threads that an origin may hold at once: a disk that hangs holds all of its own.
const THREADS_PER_ORIGIN_MAX: usize = 32;
/// Threads of all origins together; tokio's pool has 512.
const THREADS_MAX: usize = 256;
/// Different paths of one origin that are loaded at once.
const LOADS_PER_ORIGIN_MAX: usize = 1024;
/// Loads begun by [`Loader::load_then`] that have not answered.
const LOADS_PENDING_MAX: usize = 4096;
/// Files kept open: a quarter of the descriptors, the rest is for connections.
const OPEN_FILES_SHARE: u64 = 4;
/// Files kept open at most, however many descriptors there are.
const OPEN_FILES_MAX: u64 = 16_384;
/// `Retry-After` of an answer that says "not now", in seconds.
pub const RETRY_AFTER_S: u16 = 5;

/// Loads resources; cheap to clone.
#[derive(Clone, Debug)]
pub struct Loader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    handle: Handle,
    /// The sites in the order of the configuration, then the store.
    origins: Vec<Arc<Origin>>,
    store: Option<usize>,
    app: Option<Arc<App>>,
    memory: Memory,
    systems: FileSystems,
    pending: Arc<Semaphore>,
    nowhere: Arc<Resource>,
    busy: Arc<Resource>,
}

impl Loader {
    /// A loader for sites, store and app, whose work runs on `handle` (a runtime with timers).
    /// `cache_bytes_max`: memory for small contents, in bytes.
    ///
    /// # Errors
    /// What is wrong with a site's configuration; a missing root is not.
    pub fn new(
        handle: Handle,
        sites: &[SiteConfig],
        store: Option<Store>,
        app: Option<Arc<App>>,
        cache_bytes_max: u64,
    ) -> Result<Self, SiteConfigError> {
        let count = sites.len() + usize::from(store.is_some());
        let threads = (THREADS_MAX / count.max(1)).clamp(1, THREADS_PER_ORIGIN_MAX);
        let mut origins = Vec::with_capacity(count);
        for site in sites {
            origins.push(Arc::new(Origin::site(site, threads)?));
        }
        let store = store.map(|store| {
            origins.push(Arc::new(Origin::store(store, threads)));
            origins.len() - 1
        });
        let bounds = Bounds {
            bytes_max: cache_bytes_max,
            files_max: open_files_max(),
            loads_per_origin_max: LOADS_PER_ORIGIN_MAX,
        };
        let shared = Shared {
            handle,
            origins,
            store,
            app,
            memory: Memory::new(bounds),
            systems: FileSystems::default(),
            pending: Arc::new(Semaphore::new(LOADS_PENDING_MAX)),
            nowhere: Arc::new(text(404, "404 Not Found\n")),
            busy: Arc::new(busy()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What `path` (as sent, percent-encoded, without query) stands for under `route` (a site,
    /// `App`, `Media` or `Upload`). Never fails: what cannot be served is a resource with its error
    /// status. What has not changed is the same `Arc`.
    pub async fn load(&self, route: Route, path: &str) -> Arc<Resource> {
        if let Some(resource) = self.of_app(route, path) {
            return resource;
        }
        let Some(index) = self.shared.origin_of(route) else { return self.shared.nowhere.clone() };
        let key = Key::new(route, path);
        match self.shared.memory.depart(&key, index, Instant::now()) {
            Departure::Known(resource) => resource,
            Departure::Full => self.shared.busy.clone(),
            Departure::Join(landed) => self.shared.wait(landed).await,
            Departure::Begin(begun, remembered) => {
                let landed = begun.subscribe();
                let origin = self.shared.origins[index].clone();
                let load = Load { shared: self.shared.clone(), origin, key };
                // A task of its own: it goes on when whoever asked first goes away.
                self.shared.handle.spawn(load.run(begun, remembered));
                self.shared.wait(landed).await
            }
        }
    }

    /// Like [`Loader::load`], for callers without an async runtime. `then` runs on a thread of
    /// the runtime, or at once on this one where too many loads are pending: with a 503.
    pub fn load_then(
        &self,
        route: Route,
        path: String,
        then: Box<dyn FnOnce(Arc<Resource>) + Send>,
    ) {
        let Ok(pending) = self.shared.pending.clone().try_acquire_owned() else {
            return then(self.shared.busy.clone());
        };
        let loader = self.clone();
        self.shared.handle.spawn(async move {
            let resource = loader.load(route, &path).await;
            drop(pending);
            then(resource);
        });
    }

    /// What is remembered of a path and needs no look at the disk yet.
    pub fn recall(&self, route: Route, path: &str) -> Option<Arc<Resource>> {
        let remembered = || self.shared.memory.recall(&Key::new(route, path), Instant::now());
        self.of_app(route, path).or_else(remembered)
    }

    /// The app whose files it serves.
    pub fn app(&self) -> Option<Arc<App>> {
        self.shared.app.clone()
    }

    /// The app's files are in memory as they are.
    fn of_app(&self, route: Route, path: &str) -> Option<Arc<Resource>> {
        self.shared.app.as_ref().filter(|_| route == Route::App).map(|app| app.get(path))
    }
}

impl Shared {
    fn origin_of(&self, route: Route) -> Option<usize> {
        match route {
            Route::Site(index) => {
                Some(usize::from(index)).filter(|index| Some(*index) != self.store)
            }
            Route::Media | Route::Upload => self.store,
            _ => None,
        }
        .filter(|index| *index < self.origins.len())
    }

    async fn wait(&self, mut landed: Landed) -> Arc<Resource> {
        match landed.wait_for(Option::is_some).await {
            Ok(resource) => resource.clone().unwrap_or_else(|| self.busy.clone()),
            // The load was dropped: the server stops, or it panicked.
            Err(_) => self.busy.clone(),
        }
    }
}

/// Where those who wait for one load hear of its end.
type Landed = watch::Receiver<Option<Arc<Resource>>>;

/// One load under way.
struct Load {
    shared: Arc<Shared>,
    origin: Arc<Origin>,
    key: Key,
}

impl Load {
    async fn run(self, begun: watch::Sender<Option<Arc<Resource>>>, remembered: Option<Made>) {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        let busy = self.shared.busy.clone();
        let ended = Ended { shared: self.shared.clone(), key: self.key.clone() };
        let threads = self.origin.threads.clone().acquire_owned();
        let Ok(Ok(thread)) = timeout_at(deadline, threads).await else {
            tracing::warn!(path = self.key.path(), "no thread is free to load this");
            drop(ended);
            begun.send_replace(Some(busy));
            return;
        };
        let path = self.key.path().to_owned();
        let job = self.shared.handle.clone().spawn_blocking(move || {
            let resource = self.make(remembered);
            drop((ended, thread));
            resource
        });
        let resource = match timeout_at(deadline, job).await {
            Ok(Ok(resource)) => resource,
            Ok(Err(_)) => busy,
            Err(_) => {
                // The thread stays until the disk answers, and so does the entry among the loads:
                // who asks again meanwhile is answered at once.
                tracing::warn!(path, "the disk has not answered in {} s", WAIT_MAX.as_secs());
                busy
            }
        };
        begun.send_replace(Some(resource));
    }

    /// Blocks.
    fn make(&self, remembered: Option<Made>) -> Arc<Resource> {
        let shed = || self.shared.memory.shed_files();
        match self.origin.make(&self.key, remembered, &self.shared.systems, shed) {
            Some(made) => {
                let resource = made.resource.clone();
                self.shared.memory.remember(&self.key, made, Instant::now());
                resource
            }
            // Not remembered: the next request tries again.
            None => {
                let page = self.origin.error_page(503, &self.shared.systems);
                page.unwrap_or_else(|| self.shared.busy.clone())
            }
        }
    }
}

/// Takes a load off the list when it ends, however it ends.
struct Ended {
    shared: Arc<Shared>,
    key: Key,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.shared.memory.land(&self.key);
    }
}

fn busy() -> Resource {
    let mut resource = text(503, "503 Service Unavailable\n");
    for variant in &mut resource.variants {
        let mut fields = std::mem::take(&mut variant.fields);
        fields.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        *variant =
            super::resource::Variant::new(503, None, variant.len, fields, variant.source.clone());
    }
    resource
}

fn open_files_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let descriptors = limit.current.unwrap_or(u64::MAX);
    (descriptors / OPEN_FILES_SHARE).clamp(1, OPEN_FILES_MAX) as usize
}

#[cfg(test)]
mod tests;
