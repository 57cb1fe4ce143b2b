//! The full lane: hyper on tokio, with files read and written by io_uring where there is one.
//!
//! It takes the connections that the fast lane hands over, and answers by the same decision.
//! A thread's connections stay on it and share its state without locks.

mod body;
mod connection;
mod disk;
mod facts;
mod gate;
mod respond;
mod shard;
mod socket;
mod streams;
#[cfg(test)]
mod tests;
mod turn;
mod vitals;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use self::disk::Disk;
pub(crate) use self::shard::{InFlight, Shard, Task};
pub(crate) use self::vitals::{Phase, Vitals};
use super::lane::HandedOver;
use super::lane::observer::Observer;
use super::metrics::LaneMetrics;
use super::origin::Origin;

/// The full lane's threads.
pub struct FullLane {
    threads: Vec<Thread>,
    orders: watch::Sender<Orders>,
}

struct Thread {
    connections: mpsc::Sender<HandedOver>,
    ended: std_mpsc::Receiver<()>,
    uploads: Arc<AtomicUsize>,
}

/// What the threads are told.
#[derive(Clone)]
struct Orders {
    origin: Arc<Origin>,
    /// Set where the lane ends: connections that stay longer are cut.
    ends_at: Option<Instant>,
    drains: bool,
    uploads: UploadsEnd,
}

/// How far the end of uploads has come; it only goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UploadsEnd {
    /// They are taken.
    #[default]
    NotYet,
    /// None begins; those that run go on.
    Refused,
    /// Those that run are cut, and what has come is made durable.
    Cut,
}

/// How files are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// By io_uring; where the kernel refuses, by threads.
    IoUring,
    /// By tokio's blocking threads.
    Threads,
}

impl FullLane {
    /// Starts `threads` threads (at least one).
    ///
    /// # Errors
    /// The system's, where a thread cannot be started.
    pub fn start(threads: usize, engine: Engine, origin: Arc<Origin>) -> io::Result<Self> {
        let (orders, told) = watch::channel(Orders {
            origin,
            ends_at: None,
            drains: false,
            uploads: UploadsEnd::NotYet,
        });
        let threads = (0..threads.max(1))
            .map(|index| Thread::start(index, engine, told.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self { threads, orders })
    }

    /// Where to hand connections to the thread of this number (counted round). A full queue
    /// means that the lane is overloaded.
    pub fn sender(&self, index: usize) -> mpsc::Sender<HandedOver> {
        self.threads[index % self.threads.len()].connections.clone()
    }

    /// Uploads that are being received.
    pub fn uploads(&self) -> usize {
        self.threads.iter().map(|thread| thread.uploads.load(Relaxed)).sum()
    }

    /// Has uploads end: soon the store is another process's.
    pub fn end_uploads(&self, end: UploadsEnd) {
        self.orders.send_modify(|orders| orders.uploads = end.max(orders.uploads));
    }

    /// Puts another origin in force, for requests from now on.
    pub fn replace_origin(&self, origin: Arc<Origin>) {
        self.orders.send_modify(|orders| orders.origin = origin);
    }

    /// Has connections end behind their running requests (`Connection: close`, GOAWAY). New
    /// ones are still taken, and end behind their first request.
    pub fn drain(&self) {
        self.orders.send_modify(|orders| orders.drains = true);
    }

    /// Drains, waits until all connections have ended but not longer than `within`, and cuts
    /// those that are left. Blocks.
    pub fn stop(self, within: Duration) {
        let ends_at = Instant::now() + within;
        self.orders.send_modify(|orders| {
            orders.drains = true;
            orders.ends_at = Some(ends_at);
        });
        for thread in self.threads {
            // A thread that waits for a dead disk in vain is left behind.
            let left = ends_at.saturating_duration_since(Instant::now()) + THREAD_END_TIME;
            let _ = thread.ended.recv_timeout(left);
        }
    }
}

impl Thread {
    fn start(index: usize, engine: Engine, told: watch::Receiver<Orders>) -> io::Result<Self> {
        let (connections, handed) = mpsc::channel(CONNECTIONS_WAITING_MAX);
        let (end, ended) = std_mpsc::sync_channel(1);
        let (begin, begun) = std_mpsc::sync_channel(1);
        let uploads = Arc::new(AtomicUsize::new(0));
        let counted = uploads.clone();
        std::thread::Builder::new().name(format!("full-{index}")).spawn(move || {
            let runtime = match Runtime::new(engine) {
                Ok(runtime) => runtime,
                Err(error) => return drop(begin.send(Err(error))),
            };
            let _ = begin.send(Ok(()));
            let disk = runtime.disk();
            runtime.block_on(run(index, disk, handed, told, counted));
            let _ = end.send(());
            // Only now: to drop a runtime may wait for a disk.
            drop(runtime);
        })?;
        begun.recv().map_err(io::Error::other)??;
        Ok(Self { connections, ended, uploads })
    }
}

async fn run(
    index: usize,
    disk: Disk,
    mut handed: mpsc::Receiver<HandedOver>,
    mut told: watch::Receiver<Orders>,
    uploads: Arc<AtomicUsize>,
) {
    let origin = Arc::clone(&told.borrow().origin);
    let metrics = LaneMetrics::new(&origin.registry, "full");
    let log = origin.access_log.as_ref().map(|log| log.sink());
    let lane = FIRST_LANE_NUMBER + index as u16;
    let shard = Shard::new(origin, Observer::new(metrics, log, lane), disk, uploads);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_fed = true;
    loop {
        let ends_at = told.borrow().ends_at;
        let overdue = ends_at.is_some_and(|end| end <= Instant::now());
        if ends_at.is_some() && (overdue || shard.connections() + shard.tasks() == 0) {
            break;
        }
        tokio::select! {
            connection = handed.recv(), if is_fed => match connection {
                Some(connection) => {
                    tokio::task::spawn_local(connection::serve(Rc::clone(&shard), connection));
                }
                // The fast lane is gone; what is open goes on.
                None => is_fed = false,
            },
            _ = seconds.tick() => shard.tick(),
            changed = told.changed() => {
                if changed.is_err() {
                    break;
                }
                let orders = told.borrow_and_update().clone();
                shard.replace_origin(orders.origin);
                shard.end_uploads(orders.uploads);
                if orders.drains {
                    shard.drain();
                }
            }
            () = tokio::time::sleep(END_LOOK_INTERVAL), if ends_at.is_some() => {}
        }
    }
    shard.watch.cut_all();
    // The cut ones are polled once, and let go of what they hold; what uploads have received is
    // made durable.
    let end = Instant::now() + CUT_TIME_MAX;
    tokio::time::sleep(CUT_TIME).await;
    while shard.tasks() > 0 && Instant::now() < end {
        tokio::time::sleep(CUT_TIME).await;
    }
}

enum Runtime {
    #[cfg(target_os = "linux")]
    Ring(tokio_uring::Runtime),
    Threads(tokio::runtime::Runtime, tokio::task::LocalSet),
}

impl Runtime {
    fn new(engine: Engine) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if engine == Engine::IoUring {
            let mut builder = tokio_uring::builder();
            builder.entries(RING_ENTRIES);
            match tokio_uring::Runtime::new(&builder) {
                Ok(runtime) => return Ok(Self::Ring(runtime)),
                Err(error) => tracing::warn!(%error, "no io_uring for files; threads serve them"),
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self::Threads(runtime, tokio::task::LocalSet::new()))
    }

    fn disk(&self) -> Disk {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring(_) => Disk::Ring,
            Self::Threads(..) => Disk::Threads,
        }
    }

    fn block_on(&self, future: impl Future<Output = ()>) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring(runtime) => runtime.block_on(future),
            Self::Threads(runtime, local) => local.block_on(runtime, future),
        }
    }
}

/// Connections that wait to be taken over, per thread.
const CONNECTIONS_WAITING_MAX: usize = 1024;
/// Request ids of this lane begin above those of the fast lane's threads.
const FIRST_LANE_NUMBER: u16 = 0x8000;
/// Submission entries of a thread's ring; its completion queue has twice as many.
const RING_ENTRIES: u32 = 1024;
/// How often a lane that ends looks whether its connections have.
const END_LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// What cut connections get to let go of their sockets.
const CUT_TIME: Duration = Duration::from_millis(20);
/// What interrupted uploads get to become durable.
const CUT_TIME_MAX: Duration = Duration::from_secs(2);
/// What a thread gets beyond its deadline before it is left behind.
const THREAD_END_TIME: Duration = Duration::from_millis(2500);
