//! The fast lane: one thread, one io_uring, all its connections.
//!
//! It answers GET and HEAD of resources that are ready, and hands everything else, with the
//! bytes already read, to the full lane. It never opens a file and never waits for a disk.

mod accept;
mod connection;
mod serve;
mod slots;
mod token;
mod transfer;
mod uring;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc;

use self::accept::Listening;
use self::connection::Phase;
use self::slots::Slots;
use self::token::{Op, Token};
use self::transfer::Transfer;
use self::uring::{Completion, Uring};
use crate::edge::conditional::format_date;
use crate::edge::lane::cache::Cache;
use crate::edge::lane::observer::Observer;
use crate::edge::lane::{HandedOver, IDLE_DRAIN_S, Life, Listener};
use crate::edge::origin::Origin;
use crate::edge::resource::Resource;
use crate::edge::route::Route;

/// Messages that may wait for a lane.
const COMMANDS_MAX: usize = 1024;
/// Resources that a lane awaits from the loader at once; above it requests get a 503.
const LOADS_MAX: usize = 512;
/// How often a lane looks at its deadlines, in milliseconds.
const TICK_MS: u32 = 1000;
/// Transfers kept for the next answers.
const POOLED_TRANSFERS_MAX: usize = 64;
/// What a lane lends for reading files before they are sealed, in bytes.
const SCRATCH_BYTES: usize = 64 * 1024;

/// What a lane is told.
pub enum Command {
    /// The loader's answer.
    Loaded {
        /// As it was asked for.
        route: Route,
        /// As it was asked for.
        path: String,
        /// What it stands for.
        resource: Arc<Resource>,
    },
    /// Go on to a later part of life.
    Live(Life),
    /// Serve by a changed configuration.
    Replace(Arc<Origin>),
}

/// How other threads reach a lane.
#[derive(Clone)]
pub struct LaneHandle {
    commands: SyncSender<Command>,
    wake: Arc<OwnedFd>,
    connections: Arc<AtomicUsize>,
}

/// A lane's end of its [`LaneHandle`]; survives the lane, so that a restarted one goes on.
pub struct Inbox {
    commands: Receiver<Command>,
    wake: Arc<OwnedFd>,
}

impl LaneHandle {
    /// A handle and the inbox that it fills.
    pub fn new() -> io::Result<(Self, Inbox)> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, commands) = sync_channel(COMMANDS_MAX);
        Ok((
            Self { commands: sender, wake: wake.clone(), connections: Arc::default() },
            Inbox { commands, wake },
        ))
    }

    /// Connections that the lane held when it last went to sleep.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Tells the lane something. A full inbox blocks until the lane has read: callers are not
    /// lanes.
    pub fn tell(&self, command: Command) {
        let command = match self.commands.try_send(command) {
            Ok(()) => None,
            Err(TrySendError::Full(command)) => Some(command),
            Err(TrySendError::Disconnected(_)) => return,
        };
        if let Some(command) = command {
            let _ = self.commands.send(command);
        }
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

/// What a lane is made of.
pub struct Setup {
    /// What both lanes ask.
    pub origin: Arc<Origin>,
    /// Listeners, shared with the other lanes.
    pub listeners: Vec<Listener>,
    /// Where unusual connections go.
    pub full: mpsc::Sender<HandedOver>,
    /// Metrics and access log of this lane.
    pub observer: Observer,
    /// This lane's own handle, which it gives to the loader.
    pub handle: LaneHandle,
    /// Most connections of this lane.
    pub connections_max: usize,
}

/// Can this process use io_uring as the fast lane does?
pub fn is_available() -> io::Result<()> {
    Uring::new().map(drop)
}

/// Runs a lane on this thread until [`Life::Stopped`].
///
/// # Errors
/// The ring cannot be set up, or fails.
pub fn run(setup: Setup, inbox: &Inbox) -> io::Result<()> {
    let mut lane = Lane::new(setup)?;
    lane.uring.await_event(inbox.wake.as_raw_fd(), WAKE);
    let mut completions = Vec::with_capacity(1024);
    while !lane.has_ended() {
        lane.uring.wait(lane.tick_ms(), &mut completions)?;
        lane.clock.read();
        for completion in completions.drain(..) {
            lane.complete(completion, inbox);
        }
        lane.tick();
        lane.handle.connections.store(lane.connections.len(), Relaxed);
    }
    Ok(())
}

const WAKE: Token = Token { op: Op::Wake, slot: 0, generation: 0 };

struct Lane {
    uring: Uring,
    origin: Arc<Origin>,
    full: mpsc::Sender<HandedOver>,
    observer: Observer,
    handle: LaneHandle,
    listeners: Vec<Listening>,
    connections: Slots,
    connections_max: usize,
    /// Lines that each answer carries: on plain connections, and on TLS ones.
    extra_lines: [Vec<u8>; 2],
    cache: Cache,
    /// Connections that wait for the loader, by what they wait for.
    awaited: HashMap<(Route, String), Vec<Token>>,
    /// Boxed, because the kernel holds pointers into one that is under way.
    #[expect(clippy::vec_box)]
    pool: Vec<Box<Transfer>>,
    scratch: Box<[u8]>,
    /// Lent to each request in turn, so that an idle connection holds no buffer.
    input: Vec<u8>,
    clock: Clock,
    ticked_s: u32,
    draining: bool,
    stopping_since_s: Option<u32>,
}

impl Lane {
    fn new(setup: Setup) -> io::Result<Self> {
        let mut lane = Self {
            uring: Uring::new()?,
            extra_lines: [false, true].map(|tls| setup.origin.extra.lines(tls)),
            origin: setup.origin,
            full: setup.full,
            observer: setup.observer,
            handle: setup.handle,
            listeners: setup.listeners.into_iter().map(Listening::new).collect(),
            connections: Slots::default(),
            connections_max: setup.connections_max,
            cache: Cache::new(),
            awaited: HashMap::new(),
            pool: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into(),
            input: Vec::new(),
            clock: Clock::new(),
            ticked_s: 0,
            draining: false,
            stopping_since_s: None,
        };
        lane.accept_on_all();
        Ok(lane)
    }

    /// Handles one completion; a panic ends the one connection that it was about.
    fn complete(&mut self, completion: Completion, inbox: &Inbox) {
        let slot = completion.token.slot;
        let handled = catch_unwind(AssertUnwindSafe(|| match completion.token.op {
            Op::Accept => self.accepted(completion),
            Op::Wake => self.read_inbox(inbox, completion.more),
            Op::Receive => self.received(completion),
            Op::Send | Op::Writable | Op::Warm => self.moved(completion),
            Op::Cancel => {}
        }));
        if handled.is_err() {
            self.observer.metrics.panics.inc();
            tracing::error!(op = ?completion.token.op, "a connection failed and was cut");
            if !matches!(completion.token.op, Op::Accept | Op::Wake) {
                self.close(slot);
            }
        }
    }

    fn read_inbox(&mut self, inbox: &Inbox, more: bool) {
        let _ = rustix::io::read(&*inbox.wake, &mut [0; 8]);
        if !more {
            self.uring.await_event(inbox.wake.as_raw_fd(), WAKE);
        }
        while let Ok(command) = inbox.commands.try_recv() {
            match command {
                Command::Loaded { route, path, resource } => self.loaded(route, path, resource),
                Command::Live(life) => self.live(life),
                Command::Replace(origin) => self.replace(origin),
            }
        }
    }

    fn replace(&mut self, origin: Arc<Origin>) {
        self.origin = origin;
        self.read_extra_lines();
        self.cache.clear();
    }

    /// What each answer carries changes with the certificate.
    fn read_extra_lines(&mut self) {
        self.extra_lines = [false, true].map(|tls| self.origin.extra.lines(tls));
    }

    fn live(&mut self, life: Life) {
        if life >= Life::NotAccepting {
            self.stop_accepting();
        }
        if life >= Life::Draining && !self.draining {
            self.draining = true;
            self.hurry_idle();
        }
        if life == Life::Stopped {
            self.stop();
        }
    }

    /// Connections without a request get a last while to send one: it is answered with
    /// `Connection: close`, where an immediate end could have crossed it on its way.
    fn hurry_idle(&mut self) {
        let deadline_s = self.clock.now_s + IDLE_DRAIN_S;
        for slot in 0..self.connections.slots() {
            if let Some(connection) = self.connections.get(slot)
                && connection.phase == Phase::Reading
            {
                connection.deadline_s = connection.deadline_s.min(deadline_s);
            }
        }
    }

    fn stop(&mut self) {
        self.stopping_since_s.get_or_insert(self.clock.now_s);
        for slot in 0..self.connections.slots() {
            self.close(slot);
        }
    }

    /// Is the lane told to stop, and does the kernel work for it no more?
    fn has_ended(&self) -> bool {
        let Some(since_s) = self.stopping_since_s else { return false };
        // An operation on a disk that hangs is left to the kernel, with its memory.
        self.connections.is_empty() || self.clock.now_s > since_s + 2
    }

    fn tick_ms(&self) -> u32 {
        if self.stopping_since_s.is_some() || self.is_accept_paused() {
            TICK_MS / 10
        } else {
            TICK_MS
        }
    }

    /// Once a second: deadlines, memory, listeners that were paused.
    fn tick(&mut self) {
        if self.is_accept_paused() {
            self.accept_on_all();
        }
        if self.clock.now_s == self.ticked_s {
            return;
        }
        self.ticked_s = self.clock.now_s;
        self.cache.sweep(self.clock.now);
        self.read_extra_lines();
        for slot in 0..self.connections.slots() {
            let Some(connection) = self.connections.get(slot) else { continue };
            if connection.deadline_s >= self.clock.now_s || connection.phase == Phase::Closing {
                continue;
            }
            if connection.phase != Phase::Lingering {
                self.observer.metrics.timed_out.inc();
            }
            self.close(slot);
        }
    }
}

/// The lane's time, read once per turn of the loop.
struct Clock {
    started: Instant,
    now: Instant,
    /// Seconds since the lane began.
    now_s: u32,
    /// Seconds since 1970.
    unix_s: u64,
    /// As the `date` field has it.
    date: String,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        let unix_s = unix_s();
        Self { started: now, now, now_s: 0, unix_s, date: format_date(unix_s) }
    }

    fn read(&mut self) {
        self.now = Instant::now();
        self.now_s = self.now.duration_since(self.started).as_secs() as u32;
        let unix_s = unix_s();
        if unix_s != self.unix_s {
            self.unix_s = unix_s;
            self.date = format_date(unix_s);
        }
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
