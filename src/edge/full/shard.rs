//! One thread of the full lane: what its connections share, without locks.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::mpsc::OwnedPermit;

use super::UploadsEnd;
use super::disk::Disk;
use super::vitals::{Patience, Phase, Vitals, Watch};
use crate::edge::lane::cache::{Cache, Hit};
use crate::edge::lane::observer::Observer;
use crate::edge::origin::Origin;
use crate::edge::resource::Resource;
use crate::edge::route::Route;
use crate::edge::websocket::WebSocketClient;

/// One thread of the full lane.
pub struct Shard {
    origin: RefCell<Arc<Origin>>,
    cache: RefCell<Cache>,
    /// Metrics and the access log.
    pub observer: RefCell<Observer>,
    /// Deadlines of everything on this thread.
    pub watch: Rc<Watch>,
    /// How it waits for disks.
    pub disk: Disk,
    connections: Cell<usize>,
    tasks: Arc<AtomicUsize>,
    drains: Cell<bool>,
    uploads_end: Cell<UploadsEnd>,
}

impl Shard {
    /// A thread without connections.
    /// `tasks` is where it counts its uploads.
    pub fn new(
        origin: Arc<Origin>,
        observer: Observer,
        disk: Disk,
        tasks: Arc<AtomicUsize>,
    ) -> Rc<Self> {
        Rc::new(Self {
            origin: RefCell::new(origin),
            cache: RefCell::new(Cache::new()),
            observer: RefCell::new(observer),
            watch: Rc::default(),
            disk,
            connections: Cell::new(0),
            tasks,
            drains: Cell::new(false),
            uploads_end: Cell::default(),
        })
    }

    /// What the lanes ask.
    pub fn origin(&self) -> Arc<Origin> {
        Arc::clone(&self.origin.borrow())
    }

    /// Puts another origin in force, for requests from now on.
    pub fn replace_origin(&self, origin: Arc<Origin>) {
        *self.origin.borrow_mut() = origin;
        self.cache.borrow_mut().clear();
    }

    /// A second has passed.
    pub fn tick(&self) {
        let patience = Patience::new(&self.origin.borrow().http, self.drains());
        self.watch.tick(&patience);
        self.cache.borrow_mut().sweep(Instant::now());
    }

    /// Has each connection end behind its running requests, or behind the next if it has none.
    pub fn drain(&self) {
        if !self.drains.replace(true) {
            self.watch.hurry();
        }
    }

    /// Do connections end behind their running requests?
    pub fn drains(&self) -> bool {
        self.drains.get()
    }

    /// Has uploads end.
    pub fn end_uploads(&self, end: UploadsEnd) {
        self.uploads_end.set(end);
        if end == UploadsEnd::Cut {
            self.watch.cut_uploads();
        }
    }

    /// May uploads begin?
    pub fn takes_uploads(&self) -> bool {
        self.uploads_end.get() == UploadsEnd::NotYet
    }

    /// Connections open.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Uploads that are received, or still made durable.
    pub fn tasks(&self) -> usize {
        self.tasks.load(Relaxed)
    }

    /// What `path` stands for, if it is remembered. A stale one still serves while the loader is
    /// asked.
    pub fn recall(
        self: &Rc<Self>,
        origin: &Origin,
        route: Route,
        path: &str,
        now: Instant,
    ) -> Option<Arc<Resource>> {
        match self.cache.borrow_mut().get(route, path, now) {
            Hit::Fresh(resource) => Some(resource),
            Hit::Stale(resource) => {
                let (shard, loader) = (Rc::clone(self), origin.loader.clone());
                let path = path.to_owned();
                tokio::task::spawn_local(async move {
                    let resource = loader.load(route, &path).await;
                    shard.cache.borrow_mut().insert(route, &path, resource, Instant::now());
                });
                Some(resource)
            }
            Hit::Miss => None,
        }
    }

    /// What `path` stands for, by the loader.
    pub async fn load(&self, origin: &Origin, route: Route, path: &str) -> Arc<Resource> {
        let resource = origin.loader.load(route, path).await;
        self.cache.borrow_mut().insert(route, path, Arc::clone(&resource), Instant::now());
        resource
    }
}

/// One connection, as its requests see it.
pub struct Connection {
    /// Its thread.
    pub shard: Rc<Shard>,
    /// The client's address.
    pub peer: SocketAddr,
    /// Does it come over TLS?
    pub tls: bool,
    /// Is it HTTP/2?
    pub http2: bool,
    /// Set once a WebSocket was agreed on: where the connection goes when hyper lets it go.
    pub leaves_to: Cell<Option<OwnedPermit<WebSocketClient>>>,
    vitals: Rc<Vitals>,
    in_flight: Cell<u32>,
    /// Life signs of the HTTP/2 stream whose future hyper is about to hand to its executor.
    pub next_stream: Cell<Option<Rc<Vitals>>>,
}

impl Connection {
    /// A connection that begins; its protocol is known.
    pub fn new(
        shard: Rc<Shard>,
        peer: SocketAddr,
        tls: bool,
        http2: bool,
        vitals: Rc<Vitals>,
    ) -> Rc<Self> {
        if http2 {
            vitals.enter(Phase::Idle);
        } else {
            vitals.bytes_begin_heads();
        }
        Rc::new(Self {
            shard,
            peer,
            tls,
            http2,
            leaves_to: Cell::new(None),
            vitals,
            in_flight: Cell::new(0),
            next_stream: Cell::new(None),
        })
    }

    /// Does the peer take nothing more for now?
    pub fn is_blocked(&self) -> bool {
        self.vitals.is_blocked()
    }

    /// A request's head has come.
    pub fn begin_request(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        let vitals = if self.http2 {
            // Streams have their own deadlines; the connection's is for a peer that takes nothing.
            self.vitals.enter(Phase::Working);
            let stream = self.shard.watch.begin(Phase::Busy);
            self.next_stream.set(Some(Rc::clone(&stream)));
            stream
        } else {
            self.vitals.enter(Phase::Busy);
            Rc::clone(&self.vitals)
        };
        InFlight { connection: Rc::clone(self), vitals }
    }
}

/// A request that is being answered, until its answer's content is handed over whole.
pub struct InFlight {
    /// Its connection.
    pub connection: Rc<Connection>,
    /// Life signs: the stream's in HTTP/2, the connection's in HTTP/1.
    pub vitals: Rc<Vitals>,
}

impl InFlight {
    /// The server works; the peer is not to blame for the time.
    pub fn working<T>(&self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        let vitals = Rc::clone(&self.vitals);
        async move {
            vitals.enter(Phase::Working);
            let outcome = work.await;
            vitals.enter(Phase::Busy);
            outcome
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.in_flight.set(connection.in_flight.get() - 1);
        if connection.in_flight.get() == 0 {
            connection.vitals.enter(Phase::Idle);
        }
    }
}

/// Counts a connection while it is open.
pub struct Open(Rc<Shard>);

impl Open {
    /// A connection begins.
    pub fn new(shard: &Rc<Shard>) -> Self {
        shard.connections.set(shard.connections.get() + 1);
        shard.observer.borrow().metrics.connections.inc();
        Self(Rc::clone(shard))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.observer.borrow().metrics.connections.dec();
    }
}

/// Counts an upload until what came of it is durable, even if its connection is gone.
pub struct Task {
    shard: Rc<Shard>,
    vitals: Rc<Vitals>,
}

impl Task {
    /// An upload begins.
    pub fn new(request: &InFlight) -> Self {
        let (shard, vitals) = (Rc::clone(&request.connection.shard), Rc::clone(&request.vitals));
        shard.tasks.fetch_add(1, Relaxed);
        vitals.uploads(true);
        if shard.uploads_end.get() == UploadsEnd::Cut {
            vitals.cut();
        }
        Self { shard, vitals }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.vitals.uploads(false);
        self.shard.tasks.fetch_sub(1, Relaxed);
    }
}
