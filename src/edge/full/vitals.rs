//! Deadlines without timers: each connection and each HTTP/2 stream keeps how long it has made
//! no progress, and one walk a second cuts those that are too slow.
//!
//! A timer per request would cost more than the request; a second's precision is enough here.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::edge::config::HttpConfig;
use crate::edge::lane::IDLE_DRAIN_S;

/// How long each phase may last, in ticks of a second.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    head: u32,
    idle: u32,
    body: u32,
    write: u32,
}

impl Patience {
    /// As configured; each at least a second. `drains`: the server ends.
    pub fn new(http: &HttpConfig, drains: bool) -> Self {
        let idle = http.keep_alive_timeout_s.max(1);
        Self {
            head: http.head_timeout_s.max(1),
            idle: if drains { idle.min(IDLE_DRAIN_S) } else { idle },
            body: http.body_timeout_s.max(1),
            write: http.write_timeout_s.max(1),
        }
    }
}

/// What a connection or stream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request's head, or a handshake, is coming.
    Head,
    /// Between requests.
    Idle,
    /// Content moves, in or out.
    Busy,
    /// The server itself works (a disk, the store): the peer cannot hurry it.
    Working,
}

/// The life signs of one connection or stream.
#[derive(Debug)]
pub struct Vitals {
    watch: Rc<Watch>,
    index: Cell<usize>,
    phase: Cell<Phase>,
    since: Cell<u32>,
    moved_bytes: Cell<u32>,
    bytes_begin_heads: Cell<bool>,
    is_blocked: Cell<bool>,
    is_upload: Cell<bool>,
    is_cut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Vitals {
    /// Enters a phase; its time begins anew.
    pub fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.restart();
    }

    /// Says that the first byte after a pause begins a head (HTTP/1; in HTTP/2 it may be a ping).
    pub fn bytes_begin_heads(&self) {
        self.bytes_begin_heads.set(true);
    }

    /// Notes bytes that came; enough of them begin the time anew.
    pub fn received(&self, bytes: usize) {
        if self.phase.get() == Phase::Idle && self.bytes_begin_heads.get() && bytes > 0 {
            self.enter(Phase::Head);
        }
        if !self.is_blocked.get() {
            self.moved(bytes);
        }
    }

    /// Notes bytes that left; enough of them begin the time anew.
    pub fn sent(&self, bytes: usize) {
        self.moved(bytes);
    }

    /// The peer takes nothing more for now.
    pub fn blocked(&self) {
        if !self.is_blocked.replace(true) && self.phase.get() != Phase::Head {
            self.restart();
        }
    }

    /// Whether bytes wait for the peer to take them.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked.get()
    }

    /// All that was to be sent is sent.
    pub fn flushed(&self) {
        if self.is_blocked.replace(false) && self.phase.get() != Phase::Head {
            self.restart();
        }
    }

    fn moved(&self, bytes: usize) {
        let moved = self.moved_bytes.get().saturating_add(bytes as u32);
        self.moved_bytes.set(moved);
        let counts =
            self.is_blocked.get() || matches!(self.phase.get(), Phase::Busy | Phase::Working);
        if counts && moved >= PROGRESS_BYTES_MIN {
            self.restart();
        }
    }

    fn restart(&self) {
        self.since.set(self.watch.tick.get());
        self.moved_bytes.set(0);
    }

    fn is_overdue(&self, patience: &Patience) -> bool {
        let limit = match (self.is_blocked.get(), self.phase.get()) {
            (true, _) => patience.write,
            (false, Phase::Working) => WORKING_S_MAX,
            (false, Phase::Head) => patience.head,
            (false, Phase::Idle) => patience.idle,
            (false, Phase::Busy) => patience.body,
        };
        // A tick may come right behind the beginning.
        self.watch.tick.get().wrapping_sub(self.since.get()) > limit
    }

    /// Says whether an upload is being received.
    pub fn uploads(&self, is_upload: bool) {
        self.is_upload.set(is_upload);
    }

    /// Has the connection or stream end at once.
    pub fn cut(&self) {
        self.is_cut.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// All life signs of one thread.
#[derive(Debug, Default)]
pub struct Watch {
    tick: Cell<u32>,
    watched: RefCell<Vec<Rc<Vitals>>>,
}

impl Watch {
    /// New life signs, in the phase of a head.
    pub fn begin(self: &Rc<Self>, phase: Phase) -> Rc<Vitals> {
        let mut watched = self.watched.borrow_mut();
        let vitals = Rc::new(Vitals {
            watch: Rc::clone(self),
            index: Cell::new(watched.len()),
            phase: Cell::new(phase),
            since: Cell::new(self.tick.get()),
            moved_bytes: Cell::new(0),
            bytes_begin_heads: Cell::new(false),
            is_blocked: Cell::new(false),
            is_upload: Cell::new(false),
            is_cut: Cell::new(false),
            waker: RefCell::new(None),
        });
        watched.push(Rc::clone(&vitals));
        vitals
    }

    /// A second has passed: cuts what is overdue.
    pub fn tick(&self, patience: &Patience) {
        self.tick.set(self.tick.get().wrapping_add(1));
        for vitals in self.watched.borrow().iter() {
            if vitals.is_overdue(patience) {
                vitals.cut();
            }
        }
    }

    /// Cuts everything.
    pub fn cut_all(&self) {
        self.watched.borrow().iter().for_each(|vitals| vitals.cut());
    }

    /// Cuts what uploads.
    pub fn cut_uploads(&self) {
        let watched = self.watched.borrow();
        watched.iter().filter(|vitals| vitals.is_upload.get()).for_each(|vitals| vitals.cut());
    }

    /// The server drains: what is idle gets a last while, and everything is polled once to see it.
    pub fn hurry(&self) {
        for vitals in self.watched.borrow().iter() {
            if vitals.phase.get() == Phase::Idle {
                vitals.restart();
            }
            vitals.wake();
        }
    }

    fn end(&self, vitals: &Vitals) {
        let mut watched = self.watched.borrow_mut();
        let index = vitals.index.get();
        watched.swap_remove(index);
        if let Some(moved) = watched.get(index) {
            moved.index.set(index);
        }
    }
}

/// A future that ends when its life signs are cut.
pub struct Watched<F> {
    future: F,
    vitals: Rc<Vitals>,
}

/// A connection or stream was too slow, or the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What it was doing.
    pub phase: Phase,
}

impl<F: Future + Unpin> Watched<F> {
    /// Watches `future`; it holds `vitals` too.
    pub fn new(future: F, vitals: Rc<Vitals>) -> Self {
        Self { future, vitals }
    }
}

impl<F: Future + Unpin> Future for Watched<F> {
    type Output = Result<F::Output, Cut>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.vitals.is_cut.get() {
            return Poll::Ready(Err(Cut { phase: self.vitals.phase.get() }));
        }
        if let Poll::Ready(output) = Pin::new(&mut self.future).poll(context) {
            return Poll::Ready(Ok(output));
        }
        let mut waker = self.vitals.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        self.vitals.watch.end(&self.vitals);
    }
}

/// Progress that counts, as `HttpConfig` promises.
const PROGRESS_BYTES_MIN: u32 = 4096;
/// The longest that the server may work at one request: hashing and syncing a film.
const WORKING_S_MAX: u32 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience { head: 2, idle: 5, body: 3, write: 4 }
    }

    /// Counts ticks until the cut; `each` runs before every tick.
    fn ticks_until_cut(phase: Phase, each: impl Fn(&Vitals)) -> Option<u32> {
        let watch = Rc::new(Watch::default());
        let vitals = watch.begin(phase);
        (1..20).find(|_| {
            each(&vitals);
            watch.tick(&patience());
            vitals.is_cut.get()
        })
    }

    #[test]
    fn each_phase_has_its_time() {
        assert_eq!(ticks_until_cut(Phase::Head, |_| {}), Some(3));
        assert_eq!(ticks_until_cut(Phase::Idle, |_| {}), Some(6));
        assert_eq!(ticks_until_cut(Phase::Busy, |_| {}), Some(4));
        assert_eq!(ticks_until_cut(Phase::Busy, Vitals::blocked), Some(5));
        assert_eq!(ticks_until_cut(Phase::Working, |_| {}), None);
    }

    #[test]
    fn only_real_progress_counts() {
        assert_eq!(ticks_until_cut(Phase::Head, |vitals| vitals.received(5000)), Some(3));
        assert_eq!(ticks_until_cut(Phase::Busy, |vitals| vitals.received(10)), Some(4));
        assert_eq!(ticks_until_cut(Phase::Busy, |vitals| vitals.received(2048)), None);
        let trickle = |vitals: &Vitals| {
            vitals.blocked();
            vitals.sent(100);
            vitals.received(5000);
        };
        assert_eq!(ticks_until_cut(Phase::Busy, trickle), Some(5));
    }

    #[test]
    fn what_ends_is_forgotten() {
        let watch = Rc::new(Watch::default());
        let watched: Vec<_> = (0..3)
            .map(|_| Watched::new(std::future::pending::<()>(), watch.begin(Phase::Head)))
            .collect();
        let mut rest = watched.into_iter();
        drop(rest.next());
        assert_eq!(watch.watched.borrow().len(), 2);
        drop(rest);
        assert_eq!(watch.watched.borrow().len(), 0);
    }
}
