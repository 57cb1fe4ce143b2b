//! Users in pairs who exchange messages, closed loop or open loop.

use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::error::BenchError;
use crate::load::open_loop::{Arrivals, OpenLoop};
use crate::load::{Interrupt, Moment, Next};
use crate::xmpp::{Account, Endpoint, Mechanism, Pool, Wishes};

use super::book::{Book, Direction};
use super::message::Composer;
use super::run::{self, Delivered, Traffic};

/// Everything that defines a run.
#[derive(Clone, Debug)]
pub struct ChatSpec {
    pub endpoint: Endpoint,
    /// One per user, in pairs; more are left out.
    pub accounts: Vec<Account>,
    pub users: usize,
    /// Messages under way from each user (closed loop).
    pub window: u64,
    /// Messages per second over all users (open loop).
    pub per_second: Option<f64>,
    pub arrivals: Arrivals,
    pub composer: Composer,
    /// XEP-0198: each message is acknowledged.
    pub stream_management: bool,
    /// A second resource per user, with XEP-0280.
    pub carbons: bool,
    /// The part of the users who are away until the end, 0 to 0.5.
    pub offline_share: f64,
    pub sasl2: bool,
    pub mechanism: Option<Mechanism>,
    pub warm_up: Duration,
    pub duration: Duration,
    pub seed: u64,
}

/// The result of a run.
#[derive(Debug)]
pub struct ChatReport {
    pub delivered: Delivered,
    pub delivery_ns: Histogram<u64>,
    pub ack_ns: Histogram<u64>,
    pub stale: u64,
}

/// Logs all users in, has them talk, and counts.
///
/// # Errors
/// A login fails, or the run was interrupted. Faults of delivery are counted in the report.
pub fn run(
    spec: &ChatSpec,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<ChatReport, BenchError> {
    let mut pairs = Pairs::log_in(spec, interrupt)?;
    let elapsed = run::measure(&mut pairs, spec.warm_up, spec.duration, on_moment)?;
    pairs.drain(true)?;
    pairs.fetch_offline()?;
    pairs.pool.close_all()?;
    Ok(pairs.report(elapsed))
}

impl Traffic for Pairs<'_> {
    fn talk(&mut self, begin: Instant, length: Duration) -> Result<(), BenchError> {
        self.schedule = self.new_schedule(begin, length);
        self.until(begin + length)
    }

    fn begin(&mut self, now: Instant) {
        self.book.begin(now);
    }

    fn end(&mut self, now: Instant) {
        self.book.end(now);
    }
}

struct Pairs<'a> {
    spec: &'a ChatSpec,
    interrupt: &'a Interrupt,
    pool: Pool,
    book: Book,
    schedule: Option<OpenLoop>,
    /// Open loop: the direction whose turn is next.
    turn: usize,
    stanza: Vec<u8>,
    /// Slots with something to be sent.
    touched: Vec<usize>,
    /// Accounts of those who are away, and the directions that lead to them.
    away: Vec<(usize, usize)>,
}

impl<'a> Pairs<'a> {
    fn log_in(spec: &'a ChatSpec, interrupt: &'a Interrupt) -> Result<Self, BenchError> {
        let pairs = spec.users / 2;
        let away = ((spec.users as f64 * spec.offline_share).round() as usize).min(pairs);
        let is_away = |user: usize| user % 2 == 1 && user / 2 < away;
        let online: Vec<usize> = (0..2 * pairs).filter(|user| !is_away(*user)).collect();
        let mut pool = Pool::new(spec.endpoint.clone(), spec.accounts.clone())?;
        let run = fastrand::Rng::new().u32(..);
        let mut early = Book::new(run, 1, false, Vec::new());
        let mut slots_of = |wishes: &Rc<Wishes>| -> Result<Vec<Option<usize>>, BenchError> {
            let logins: Vec<_> = online.iter().map(|user| (*user, Rc::clone(wishes))).collect();
            let slots = pool.log_in_all(&logins, interrupt, &mut |slot, event| {
                early.on_event(slot, &event);
            })?;
            let mut by_user = vec![None; 2 * pairs];
            online.iter().zip(slots).for_each(|(user, slot)| by_user[*user] = Some(slot));
            Ok(by_user)
        };
        let first = slots_of(&wishes(spec, "first", spec.stream_management))?;
        let second = match spec.carbons {
            true => slots_of(&wishes(spec, "second", false))?,
            false => vec![None; 2 * pairs],
        };
        let (mut directions, mut away) = (Vec::new(), Vec::new());
        for user in 0..2 * pairs {
            let Some(from_slot) = first[user] else { continue };
            let other = user ^ 1;
            let receivers: Vec<usize> = match first[other] {
                Some(_) => [first[other], second[other], second[user]].into_iter().flatten(),
                None => [None; 3].into_iter().flatten(),
            }
            .collect();
            if receivers.is_empty() {
                away.push((other, directions.len()));
            }
            let [from, to] = [user, other].map(|user| spec.accounts[user].jid.as_str());
            directions.push(Direction::new(from_slot, from, to, &receivers));
        }
        let mut book = Book::new(run, spec.window, spec.stream_management, directions);
        book.stale = early.stale;
        Ok(Self {
            spec,
            interrupt,
            pool,
            book,
            schedule: None,
            turn: 0,
            stanza: Vec::new(),
            touched: Vec::new(),
            away,
        })
    }

    fn new_schedule(&self, start: Instant, length: Duration) -> Option<OpenLoop> {
        let random = fastrand::Rng::with_seed(self.spec.seed ^ length.as_nanos() as u64);
        let per_second = self.spec.per_second?;
        Some(OpenLoop::new(start, start + length, per_second, self.spec.arrivals, random))
    }

    /// Sends and receives until `end`; what an open loop owes is sent even if that is late.
    fn until(&mut self, end: Instant) -> Result<(), BenchError> {
        self.book.fill_ready();
        loop {
            let now = Instant::now();
            let due = match &self.schedule {
                None => {
                    if now < end {
                        self.send_closed(now);
                    }
                    end
                }
                Some(_) => self.send_open(now).unwrap_or(end),
            };
            if now >= end {
                return Ok(());
            }
            self.turn(due.min(end))?;
        }
    }

    /// Every direction with room sends as much as its window takes.
    fn send_closed(&mut self, now: Instant) {
        while let Some(index) = self.book.ready.pop_front() {
            for _ in 0..self.book.room(index) {
                self.send(index, now);
            }
            self.end_burst(index);
        }
        self.flush();
    }

    /// Sends what is due, and says when the next is.
    fn send_open(&mut self, now: Instant) -> Option<Instant> {
        loop {
            match self.schedule.as_mut()?.next(now) {
                Next::Now { intended } => {
                    let index = self.turn % self.book.directions.len();
                    self.turn += 1;
                    self.send(index, intended);
                    self.end_burst(index);
                }
                Next::At(due) => {
                    self.flush();
                    return Some(due);
                }
                Next::Finished => {
                    self.flush();
                    return None;
                }
            }
        }
    }

    fn send(&mut self, index: usize, intended: Instant) {
        let stamp = self.book.next_stamp(index, intended);
        let direction = &self.book.directions[index];
        self.spec.composer.write(&mut self.stanza, &direction.to_jid, stamp);
        if let Some(client) = self.pool.client(direction.from_slot) {
            let number = client.write_stanza(&self.stanza);
            self.book.sent(stamp, number);
        }
    }

    /// Asks for one acknowledgement of all that was written to the direction's session.
    fn end_burst(&mut self, index: usize) {
        let slot = self.book.directions[index].from_slot;
        if self.spec.stream_management
            && let Some(client) = self.pool.client(slot)
        {
            client.request_ack();
        }
        self.touched.push(slot);
    }

    fn flush(&mut self) {
        for slot in self.touched.drain(..) {
            self.pool.flush(slot);
        }
    }

    fn turn(&mut self, until: Instant) -> Result<(), BenchError> {
        self.interrupt.check()?;
        let wait = until.saturating_duration_since(Instant::now()).min(WAIT_MAX);
        let book = &mut self.book;
        self.pool.turn(wait, &mut |slot, event| book.on_event(slot, &event))
    }

    /// Lets come what is under way.
    fn drain(&mut self, online_only: bool) -> Result<(), BenchError> {
        let (mut deadline, mut seen) = (Instant::now() + SILENCE_MAX, self.book.events);
        while !self.book.is_complete(online_only) && Instant::now() < deadline {
            self.turn(deadline)?;
            if self.book.events > seen {
                (deadline, seen) = (Instant::now() + SILENCE_MAX, self.book.events);
            }
        }
        Ok(())
    }

    /// Logs in who was away, and waits for what was kept for them.
    fn fetch_offline(&mut self) -> Result<(), BenchError> {
        if self.away.is_empty() {
            return Ok(());
        }
        // Bind 2 drops what was kept and leaves it to XEP-0313; without it the server sends it.
        let wishes = Rc::new(Wishes { sasl2: false, ..wanted(self.spec, "first", false) });
        let logins: Vec<_> =
            self.away.iter().map(|(user, _)| (*user, Rc::clone(&wishes))).collect();
        let first_slot = self.pool.slots();
        for (place, (_, direction)) in self.away.iter().enumerate() {
            self.book.directions[*direction].copies.push((first_slot + place, Default::default()));
        }
        let book = &mut self.book;
        self.pool.log_in_all(&logins, self.interrupt, &mut |slot, event| {
            book.on_event(slot, &event);
        })?;
        self.drain(false)
    }

    fn report(mut self, elapsed: Duration) -> ChatReport {
        self.book.close();
        let sent = self.book.directions.iter().map(|direction| direction.sent).sum();
        let (faults, stale) = (self.book.faults, self.book.stale);
        let measured = self.book.measured();
        let delivered = Delivered { elapsed, count: measured.handled, sent, faults };
        let (delivery_ns, ack_ns) = (measured.delivery_ns, measured.ack_ns);
        ChatReport { delivered, delivery_ns, ack_ns, stale }
    }
}

fn wishes(spec: &ChatSpec, resource: &str, stream_management: bool) -> Rc<Wishes> {
    Rc::new(wanted(spec, resource, stream_management))
}

fn wanted(spec: &ChatSpec, resource: &str, stream_management: bool) -> Wishes {
    Wishes {
        stream_management,
        carbons: spec.carbons,
        presence: true,
        sasl2: spec.sasl2,
        mechanism: spec.mechanism,
        resource: Some(resource.to_owned()),
        ..Wishes::default()
    }
}

/// What has not come after so long a silence will not come.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How soon an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);
