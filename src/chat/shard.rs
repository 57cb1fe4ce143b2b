//! A thread that carries connections: what they share without locks, and what it is told by others.

use std::cell::{Cell, RefCell, RefMut};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_core::access::{self, Access};
use chat_core::chat::{Closing, Input, LookUp};
use chat_core::id::StreamId;
use chat_core::sasl::{Channel, ChannelBindings, Credentials, PlainAttempt};
use chat_core::stanza::Stanza;
use chat_core::stream::{
    LoginName, LookedUp, Ready, StartTls, Stream, StreamConfig, StreamErrorCondition, StreamInput,
    Transport as Carrier,
};
use chat_core::time::Now;
use futures_util::FutureExt;
use rustls::ServerConfig;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::accounts::Accounts;
use super::addresses::Place;
use super::clock::Clock;
use super::config::XmppConfig;
use super::connection::{Connection, Driving, Sending};
use super::core_queue::{CoreQueue, Waiting};
use super::metrics::ChatMetrics;
use super::pace::Paces;
use super::pulse::Pulse;
use super::registration;
use super::slots::Slots;
use super::storage::Storage;
use super::transport::Transport;
use super::wire::Wire;
use crate::tls::{Certificates, Session};

/// What all threads share.
pub struct House {
    /// `[xmpp]`.
    pub config: XmppConfig,
    /// What streams are told.
    pub stream: Arc<StreamConfig>,
    /// TLS by STARTTLS and from the start, where there is a certificate.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whose channel binding logins are tied to.
    pub certificates: Option<Arc<Certificates>>,
    /// Where logins are looked up.
    pub storage: Arc<Storage>,
    /// Who registers those that have no account yet.
    pub accounts: Accounts,
    /// The way into the core.
    pub core: CoreQueue,
    /// Counters.
    pub metrics: ChatMetrics,
    /// The time.
    pub clock: Clock,
}

/// A client that has just come.
pub struct Newcomer {
    /// Its socket.
    pub stream: std::net::TcpStream,
    /// Its address.
    pub peer: SocketAddr,
    /// How it came.
    pub way: Way,
    /// Its place among those of its address.
    pub place: Option<Box<Place>>,
}

/// How a client came.
pub enum Way {
    /// By TCP, without TLS yet.
    Plain,
    /// By TCP, with TLS from the first byte.
    DirectTls,
    /// By WebSocket, whose handshake is done.
    WebSocket {
        /// TLS, if it has it.
        tls: Option<Box<Session>>,
        /// What came behind the handshake.
        read: Vec<u8>,
    },
}

/// What the core sends to a connection.
pub enum Told {
    /// What the core's memory has of an account that the client names.
    LookedUp(Box<LookUp>, Option<Credentials>),
    /// The login is taken.
    Ready(Box<Ready>),
    /// An element.
    Send(Bytes),
    /// The end.
    Close(Closing),
}

/// What the core says to one connection or to many.
pub enum Telling {
    /// To one.
    One(StreamId, Told),
    /// An element for each of these.
    All(Vec<StreamId>, Bytes),
}

/// What a thread is told.
enum Order {
    Connect(Box<Newcomer>),
    Tell(Vec<Telling>),
    ShutDown,
    EndAll,
    CutAll,
    #[cfg(test)]
    Drill,
}

/// Where other threads leave what they want of this one.
#[derive(Debug, Default)]
pub struct Inbox {
    orders: Mutex<Orders>,
    filled: Notify,
    connections: AtomicUsize,
}

#[derive(Default)]
struct Orders(Vec<Order>);

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Orders").field(&self.0.len()).finish()
    }
}

impl Inbox {
    /// Connections that the thread carries, or is about to.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Gives it a client.
    pub fn connect(&self, newcomer: Newcomer) {
        self.connections.fetch_add(1, Relaxed);
        self.order(Order::Connect(Box::new(newcomer)));
    }

    /// Gives it what the core sends.
    pub fn tell(&self, told: Vec<Telling>) {
        self.order(Order::Tell(told));
    }

    /// The server stops: ends every stream with `system-shutdown`.
    pub fn shut_down(&self) {
        self.order(Order::ShutDown);
    }

    /// The core failed: ends every stream with `internal-server-error`.
    pub fn end_all(&self) {
        self.order(Order::EndAll);
    }

    /// Ends what is left, and the thread.
    pub fn cut_all(&self) {
        self.order(Order::CutAll);
    }

    /// A drill: the thread fails.
    #[cfg(test)]
    pub fn drill(&self) {
        self.order(Order::Drill);
    }

    /// Has the thread look.
    pub fn wake(&self) {
        self.filled.notify_one();
    }

    fn order(&self, order: Order) {
        self.lock().0.push(order);
        self.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        // A panic while it was held leaves a usable list.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's state.
pub struct Shard {
    house: Arc<House>,
    inbox: Arc<Inbox>,
    connections: RefCell<Slots<Rc<Connection>>>,
    /// Connections without a session, whose streams have deadlines.
    unestablished: RefCell<HashSet<StreamId>>,
    /// Connections that are read again at this microsecond.
    held_back: RefCell<BinaryHeap<Reverse<(u64, StreamId)>>>,
    to_core: RefCell<VecDeque<Waiting>>,
    flush: Notify,
    is_blocked: Cell<bool>,
    scratch: RefCell<Scratch>,
    seconds: Cell<u32>,
    is_ending: Cell<bool>,
    is_over: Cell<bool>,
    /// What it was told and has not done yet.
    orders: RefCell<VecDeque<Order>>,
    /// Connections that have something to be sent since this turn.
    written: RefCell<Vec<Rc<Connection>>>,
    pulse: Pulse,
    paces: Paces,
    /// Passwords are verified by so many threads at once.
    verifying: Arc<Semaphore>,
}

/// Buffers of the thread, for whoever reads now.
pub struct Scratch {
    ciphertext: Box<[u8]>,
    plaintext: Vec<u8>,
}

impl Scratch {
    /// What the socket is read into, and what is opened of it: empty.
    pub fn buffers(&mut self) -> (&mut [u8], &mut Vec<u8>) {
        self.plaintext.clear();
        (&mut self.ciphertext, &mut self.plaintext)
    }
}

impl Shard {
    fn new(number: u8, house: Arc<House>, inbox: Arc<Inbox>, pulse: Pulse) -> Rc<Self> {
        let paces = Paces::new(&house.config);
        Rc::new(Self {
            house,
            inbox,
            connections: RefCell::new(Slots::new(number)),
            unestablished: RefCell::default(),
            held_back: RefCell::default(),
            to_core: RefCell::default(),
            flush: Notify::new(),
            is_blocked: Cell::new(false),
            scratch: RefCell::new(Scratch {
                ciphertext: vec![0; READ_BYTES].into(),
                plaintext: Vec::with_capacity(READ_BYTES),
            }),
            seconds: Cell::new(0),
            is_ending: Cell::new(false),
            is_over: Cell::new(false),
            orders: RefCell::default(),
            written: RefCell::default(),
            pulse,
            paces,
            verifying: Arc::new(Semaphore::new(VERIFYING_MAX)),
        })
    }

    /// `[xmpp]`.
    pub fn config(&self) -> &XmppConfig {
        &self.house.config
    }

    /// Counters.
    pub fn metrics(&self) -> &ChatMetrics {
        &self.house.metrics
    }

    /// The time.
    pub fn clock(&self) -> Clock {
        self.house.clock
    }

    /// The time as the core wants it.
    pub fn now(&self) -> Now {
        self.house.clock.now()
    }

    /// Seconds of this thread's ticks.
    pub fn seconds(&self) -> u32 {
        self.seconds.get()
    }

    /// How fast clients are read.
    pub fn paces(&self) -> &Paces {
        &self.paces
    }

    /// A TLS session that begins; `None` where there is no certificate.
    pub fn new_tls(&self) -> Option<Box<Session>> {
        let config = self.house.tls.clone()?;
        match Session::new(config) {
            Ok(session) => Some(Box::new(session)),
            Err(error) => {
                tracing::error!(%error, "no TLS session");
                None
            }
        }
    }

    /// RFC 5929 4.1, of the certificate in use.
    pub fn server_end_point(&self) -> Option<Vec<u8>> {
        chat_core::sasl::server_end_point(&self.house.certificates.as_ref()?.leaf()?)
    }

    /// A stream for a connection that begins.
    pub fn new_stream(&self, carrier: Carrier) -> Box<Stream> {
        let mut seed = [0; 32];
        let filled = aws_lc_rs::rand::fill(&mut seed);
        assert!(filled.is_ok(), "the system gives random bytes");
        Box::new(Stream::new(Arc::clone(&self.house.stream), carrier, self.now(), seed))
    }

    /// The buffers, for one read.
    pub fn scratch(&self) -> RefMut<'_, Scratch> {
        self.scratch.borrow_mut()
    }

    /// Is the core so busy that clients are not read?
    pub fn is_blocked(&self) -> bool {
        self.is_blocked.get()
    }

    /// Tells the core; what many connections say in one turn goes together.
    pub fn submit(&self, input: Input) {
        self.to_core.borrow_mut().push_back((Instant::now(), input));
        self.flush.notify_one();
    }

    /// Has a connection polled at a microsecond of the clock.
    pub fn wake_later(&self, id: StreamId, at_us: u64) {
        self.held_back.borrow_mut().push(Reverse((at_us, id)));
    }

    /// A stream has its session: its deadlines are over.
    pub fn established(&self, id: StreamId) {
        self.unestablished.borrow_mut().remove(&id);
    }

    /// A connection has ended.
    pub fn forget(&self, id: StreamId) {
        self.unestablished.borrow_mut().remove(&id);
        if self.connections.borrow_mut().remove(id).is_some() {
            self.inbox.connections.fetch_sub(1, Relaxed);
            self.house.metrics.connections.dec();
        }
    }

    /// Looks a user name up, and tells the stream: in the core's memory, or else in the storage.
    pub fn look_up(self: &Rc<Self>, id: StreamId, name: LoginName, device: Option<String>) {
        match name {
            LoginName::Account(account) => {
                self.submit(Input::LookUp(Box::new(LookUp { stream: id, account, device })));
            }
            LoginName::Number(_) => self.look_up_stored(id, name, device),
        }
    }

    fn looked_up(self: &Rc<Self>, look_up: LookUp, credentials: Option<Credentials>) {
        let LookUp { stream, account, device } = look_up;
        match credentials {
            Some(credentials) => {
                let known = LookedUp::Known { account, credentials };
                self.answer(stream, StreamInput::LookedUp(known));
            }
            None => self.look_up_stored(stream, LoginName::Account(account), device),
        }
    }

    fn look_up_stored(self: &Rc<Self>, id: StreamId, name: LoginName, device: Option<String>) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let house = &shard.house;
            let found = house.storage.find(&name.to_string(), &[access::FEATURE]).await;
            let found = match found {
                Ok(Some(login)) => {
                    let access = Access::load(login.account, &login.records);
                    let now_unix_s = shard.now().unix_ms / 1000;
                    let secret = &house.stream.secret;
                    let credentials = access.credentials(device.as_deref(), secret, now_unix_s);
                    LookedUp::Known { account: login.account, credentials }
                }
                Ok(None) => LookedUp::Unknown,
                Err(error) => {
                    tracing::warn!(%error, "a login cannot be looked up");
                    LookedUp::Unavailable
                }
            };
            shard.answer(id, StreamInput::LookedUp(found));
        });
    }

    /// Verifies a password on a thread that may take its time, and tells the stream.
    pub fn verify(self: &Rc<Self>, id: StreamId, attempt: PlainAttempt) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let _permit = shard.verifying.clone().acquire_owned().await;
            let verified = tokio::task::spawn_blocking(move || attempt.verify()).await;
            shard.answer(id, StreamInput::PasswordVerified(verified.unwrap_or_default()));
        });
    }

    /// Answers an IQ about registration.
    pub fn register(self: &Rc<Self>, id: StreamId, peer: IpAddr, iq: Stanza) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let answer = registration::answer(&shard.house.accounts, peer, &iq).await;
            shard.answer(id, StreamInput::Registered(answer));
        });
    }

    fn answer(&self, id: StreamId, input: StreamInput) {
        if let Some(connection) = self.connection(id) {
            connection.answer(input);
        }
    }

    fn connection(&self, id: StreamId) -> Option<Rc<Connection>> {
        self.connections.borrow().get(id).cloned()
    }

    fn all(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().iter().cloned().collect()
    }

    fn connect(self: &Rc<Self>, newcomer: Newcomer) {
        let Newcomer { stream, peer, way, place } = newcomer;
        let requires_tls =
            self.config().requires_tls(peer.ip(), matches!(way, Way::WebSocket { .. }));
        let (tls, wire, begins) = match way {
            Way::Plain => {
                let starttls = match (requires_tls, &self.house.tls) {
                    (true, _) => StartTls::Required,
                    (false, Some(_)) => StartTls::Optional,
                    (false, None) => StartTls::Unavailable,
                };
                (None, Wire::tcp(), Some((Carrier::tcp(starttls), Vec::new())))
            }
            Way::DirectTls => match self.new_tls() {
                Some(session) => (Some(session), Wire::tcp(), None),
                None => return self.refuse(),
            },
            Way::WebSocket { tls, read } => {
                let channel = match &tls {
                    None if requires_tls => {
                        tracing::debug!(%peer, "a WebSocket without TLS is refused");
                        return self.refuse();
                    }
                    None => Channel::Plaintext,
                    Some(_) => Channel::Tls(ChannelBindings {
                        exporter: None,
                        server_end_point: self.server_end_point(),
                    }),
                };
                (tls, Wire::websocket(), Some((Carrier::websocket(channel), read)))
            }
        };
        let transport = match Transport::new(stream, tls) {
            Ok(transport) => transport,
            Err(error) => {
                tracing::debug!(%peer, %error, "a client is gone already");
                return self.refuse();
            }
        };
        self.house.metrics.connections.inc();
        let id = self.connections.borrow_mut().insert(|id| {
            Rc::new(Connection::new(id, peer, Rc::clone(self), transport, wire, place))
        });
        self.unestablished.borrow_mut().insert(id);
        let Some(connection) = self.connection(id) else { return };
        if let Some((carrier, read)) = begins {
            connection.begin(carrier, &read);
        }
        if self.is_ending.get() {
            connection.shut_down();
        }
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            if AssertUnwindSafe(Driving(connection)).catch_unwind().await.is_err() {
                shard.house.metrics.panics.inc();
                shard.submit(Input::Closed { stream: id, is_clean: false });
                shard.forget(id);
            }
        });
    }

    /// A client that came does not stay.
    fn refuse(&self) {
        self.inbox.connections.fetch_sub(1, Relaxed);
    }

    fn carry_out(self: &Rc<Self>, order: Order) {
        match order {
            Order::Connect(newcomer) => self.connect(*newcomer),
            Order::Tell(told) => {
                for telling in told {
                    match telling {
                        Telling::One(id, told) => self.pass_on(id, told),
                        Telling::All(ids, bytes) => {
                            ids.into_iter().for_each(|id| self.send(id, bytes.clone()));
                        }
                    }
                }
                self.flush_written();
            }
            Order::ShutDown => {
                self.is_ending.set(true);
                self.all().iter().for_each(|connection| connection.shut_down());
            }
            Order::EndAll => {
                let closing = Closing::Error(StreamErrorCondition::InternalServerError);
                self.all().iter().for_each(|connection| connection.close(closing.clone()));
            }
            Order::CutAll => {
                self.is_over.set(true);
                self.cut_all();
            }
            #[cfg(test)]
            Order::Drill => panic!("a drill"),
        }
    }

    fn pass_on(self: &Rc<Self>, id: StreamId, told: Told) {
        match told {
            Told::Send(bytes) => self.send(id, bytes),
            Told::LookedUp(look_up, credentials) => self.looked_up(*look_up, credentials),
            Told::Ready(ready) => {
                if let Some(connection) = self.connection(id) {
                    connection.ready(ready);
                }
            }
            Told::Close(closing) => {
                if let Some(connection) = self.connection(id) {
                    connection.close(closing);
                }
            }
        }
    }

    fn send(&self, id: StreamId, bytes: Bytes) {
        let Some(connection) = self.connection(id) else { return };
        if connection.send(bytes) == Sending::Begins {
            self.written.borrow_mut().push(connection);
        }
    }

    /// Each connection sends what it was given in this turn, without its task: that one is woken
    /// where the socket does not take it.
    fn flush_written(&self) {
        let mut written = self.written.take();
        for connection in written.drain(..) {
            if catch_unwind(AssertUnwindSafe(|| connection.flush())).is_err() {
                self.house.metrics.panics.inc();
                connection.cut();
            }
        }
        // Its memory serves again.
        self.written.replace(written);
    }

    /// Does what the thread is told and what time brings, until it is told to cut all, or nothing
    /// flushes any more.
    async fn serve(self: &Rc<Self>, flushes: &mut JoinHandle<()>) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count = 0_u32;
        while !self.is_over.get() {
            tokio::select! {
                () = self.inbox.filled.notified() => {
                    self.flush_to_core();
                    self.carry_out_orders();
                }
                _ = looks.tick() => {
                    self.wake_held_back();
                    count += 1;
                    if count.is_multiple_of(LOOKS_PER_DEADLINE_CHECK) {
                        self.check_deadlines();
                    }
                    if count.is_multiple_of(LOOKS_PER_SECOND) {
                        self.tick();
                    }
                }
                _ = &mut *flushes => return,
            }
        }
    }

    async fn flush_always(&self) {
        loop {
            self.flush.notified().await;
            self.flush_to_core();
        }
    }

    fn carry_out_orders(self: &Rc<Self>) {
        self.orders.borrow_mut().extend(std::mem::take(&mut self.inbox.lock().0));
        loop {
            // Should one of them panic, the others are still to be carried out.
            let Some(order) = self.orders.borrow_mut().pop_front() else { return };
            self.carry_out(order);
        }
    }

    /// Gives the core what waits for it; connections are not read while it has no room.
    fn flush_to_core(&self) {
        let mut inputs = self.to_core.borrow_mut();
        if !inputs.is_empty() {
            self.house.core.fill(&mut inputs, &self.inbox);
        }
        let is_blocked = !inputs.is_empty();
        drop(inputs);
        if self.is_blocked.replace(is_blocked) && !is_blocked {
            self.all().iter().for_each(|connection| connection.wake());
        }
    }

    fn wake_held_back(&self) {
        let now_us = self.clock().elapsed_us();
        loop {
            let mut held_back = self.held_back.borrow_mut();
            match held_back.peek() {
                Some(Reverse((at_us, _))) if *at_us <= now_us => {}
                _ => return,
            }
            let Some(Reverse((_, id))) = held_back.pop() else { return };
            drop(held_back);
            if let Some(connection) = self.connection(id) {
                connection.wake();
            }
        }
    }

    fn check_deadlines(&self) {
        let ids: Vec<StreamId> = self.unestablished.borrow().iter().copied().collect();
        for id in ids {
            if let Some(connection) = self.connection(id) {
                connection.check_deadline();
            }
        }
    }

    fn cut_all(&self) {
        self.all().iter().for_each(|connection| connection.cut());
    }

    fn tick(&self) {
        self.pulse.beat();
        let now_s = (self.clock().elapsed_us() / 1_000_000) as u32;
        self.seconds.set(now_s);
        self.all().iter().for_each(|connection| connection.tick(now_s));
    }
}

/// Carries connections on this thread until it is told to cut them all. A panic beside those of
/// single connections ends all of them, and the thread begins anew.
///
/// # Errors
/// The runtime cannot be set up.
pub fn run(number: u8, house: Arc<House>, inbox: Arc<Inbox>, pulse: Pulse) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(VERIFYING_MAX)
        .thread_keep_alive(Duration::from_secs(1))
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let shard = Shard::new(number, house, inbox, pulse);
        while !shard.is_over.get() {
            let flushing = Rc::clone(&shard);
            let mut flushes =
                tokio::task::spawn_local(async move { flushing.flush_always().await });
            // Its panic, like the end of the flushes, is known by this not being over.
            let _ = AssertUnwindSafe(shard.serve(&mut flushes)).catch_unwind().await;
            flushes.abort();
            if !shard.is_over.get() {
                shard.house.metrics.shard_restarts.inc();
                tracing::error!(number, "a thread of connections failed; what it carried ends");
                shard.cut_all();
            }
        }
        // The cut ones are polled once, and let go of what they hold.
        tokio::time::sleep(CUT_TIME).await;
        shard.flush_to_core();
    });
    Ok(())
}

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Passwords that one thread's clients have verified at once; each takes milliseconds of a core.
const VERIFYING_MAX: usize = 2;
/// How precisely a client is held back.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const LOOKS_PER_DEADLINE_CHECK: u32 = 5;
const LOOKS_PER_SECOND: u32 = 20;
/// What cut connections get to let go of their sockets.
const CUT_TIME: Duration = Duration::from_millis(20);
