//! The HTTP/1.1 client of the load: one thread, epoll, no copy of large bodies.
//!
//! It must cost less than the server it drives, so it holds no buffer per connection, parses in
//! place, and lets the kernel discard bodies (`recv` with `MSG_TRUNC`, tcp(7)).

pub mod answer;
pub mod connection;
mod request;

use std::collections::BinaryHeap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::error::BenchError;
use crate::link::Stage;
use crate::load::{Fault, Interrupt, LoadReport, LoadSpec, Moment, Next, Schedule, Tally};
use crate::pacing::Pace;
use crate::poller::{Interest, Poller, Timer, Token};
use crate::tls;

use answer::Answer;
use connection::{Connection, Received, UnderWay};
use request::RequestWriter;

/// Runs a load over HTTP/1.1.
///
/// # Errors
/// No connection could be opened, or the run was interrupted.
pub fn run(
    spec: &LoadSpec,
    pipeline: usize,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<LoadReport, BenchError> {
    let mut engine = Engine::new(spec, pipeline, interrupt)?;
    engine.open_all()?;
    if !spec.warm_up.is_zero() {
        let now = Instant::now();
        engine.drive(Schedule::new(spec, now, true), now + spec.warm_up, now + spec.warm_up)?;
    }
    let began = Instant::now();
    let (end, drained) = (began + spec.duration, began + spec.duration + DRAIN_MAX);
    engine.tally.begin(began);
    on_moment(Moment::Begin);
    engine.drive(Schedule::new(spec, began, false), end, drained)?;
    on_moment(Moment::End);
    Ok(engine.report())
}

struct Engine<'a> {
    spec: &'a LoadSpec,
    pipeline: usize,
    interrupt: &'a Interrupt,
    tls: Option<Arc<ClientConfig>>,
    poller: Poller,
    slots: Vec<Slot>,
    /// Slots that could send and have nothing due.
    free: VecDeque<usize>,
    timers: BinaryHeap<Timer>,
    schedule: Schedule,
    next_due: Option<Instant>,
    finished: bool,
    requests: RequestWriter<'a>,
    tally: Tally,
    scratch: Vec<u8>,
    outgoing: Vec<u8>,
    now: Instant,
}

/// A place for a connection, which may be replaced by a fresh one.
struct Slot {
    connection: Option<Connection>,
    generation: u32,
    pace: Option<Pace>,
    is_free: bool,
}

impl<'a> Engine<'a> {
    fn new(
        spec: &'a LoadSpec,
        pipeline: usize,
        interrupt: &'a Interrupt,
    ) -> Result<Self, BenchError> {
        let now = Instant::now();
        let tls = if spec.origin.tls { Some(tls::client_config(spec.tls)?) } else { None };
        let rate = spec.read_rate.map(|rate| rate / spec.connections as f64);
        let slots = (0..spec.connections).map(|_| Slot {
            connection: None,
            generation: 0,
            pace: rate.map(|rate| Pace::new(rate, now)),
            is_free: false,
        });
        Ok(Self {
            spec,
            pipeline: if spec.close { 1 } else { pipeline.max(1) },
            interrupt,
            tls,
            poller: Poller::new()?,
            slots: slots.collect(),
            free: VecDeque::new(),
            timers: BinaryHeap::new(),
            schedule: Schedule::new(spec, now, true),
            next_due: None,
            finished: true,
            requests: RequestWriter::new(spec),
            tally: Tally::new(spec.targets.len(), spec.status),
            scratch: vec![0; SCRATCH_BYTES],
            outgoing: Vec::new(),
            now,
        })
    }

    /// Opens all connections, a few at a time: a listener's backlog is short.
    fn open_all(&mut self) -> Result<(), BenchError> {
        let deadline = Instant::now() + OPEN_MAX;
        let mut opened = 0;
        while self.ready_count() < self.slots.len() {
            let ready = self.ready_count();
            while opened < self.slots.len() && opened < ready + OPENING_MAX {
                self.open(opened);
                opened += 1;
            }
            self.step(deadline)?;
            if self.now >= deadline {
                let faults = std::mem::replace(&mut self.tally, Tally::new(0, 0));
                let detail = match faults.report(self.now).check() {
                    Err(error) => error.to_string(),
                    Ok(()) => "no fault was seen".to_owned(),
                };
                let (opened, wanted) = (self.ready_count(), self.slots.len());
                return Err(BenchError::Connections { opened, wanted, detail });
            }
        }
        Ok(())
    }

    fn ready_count(&self) -> usize {
        let ready = |slot: &&Slot| {
            slot.connection.as_ref().is_some_and(|connection| connection.stage() == Stage::Ready)
        };
        self.slots.iter().filter(ready).count()
    }

    /// Follows `schedule` until `end`; requests that came late have until `drained`.
    fn drive(
        &mut self,
        schedule: Schedule,
        end: Instant,
        drained: Instant,
    ) -> Result<(), BenchError> {
        let is_open = matches!(schedule, Schedule::Open(_));
        self.schedule = schedule;
        self.finished = false;
        self.next_due = None;
        self.now = Instant::now();
        self.fill_free();
        loop {
            let deadline = if is_open { drained } else { end };
            if self.now >= deadline || (self.finished && self.is_quiet()) {
                break;
            }
            self.step(deadline)?;
        }
        if self.now >= drained && is_open {
            self.charge_backlog();
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        let under_way =
            |slot: &Slot| slot.connection.as_ref().is_some_and(|c| !c.under_way.is_empty());
        !self.slots.iter().any(under_way)
    }

    /// Arrivals that no connection was free for are failures, not silence.
    fn charge_backlog(&mut self) {
        while let Next::Now { .. } = self.schedule.next(self.now) {
            self.tally.fault(Fault::Timeout);
        }
    }

    fn report(mut self) -> LoadReport {
        let overdue = |under_way: &&UnderWay| {
            self.now.saturating_duration_since(under_way.intended) >= ANSWER_MAX
        };
        let connections = self.slots.iter().filter_map(|slot| slot.connection.as_ref());
        // A body that a paced reader takes slowly is under way for long, and sound.
        let late = match self.spec.read_rate {
            Some(_) => 0,
            None => connections.flat_map(|c| &c.under_way).filter(overdue).count(),
        };
        for _ in 0..late {
            self.tally.fault(Fault::Timeout);
        }
        self.tally.report(self.now)
    }

    /// Waits for something to do, at most until `deadline`, and does it.
    fn step(&mut self, deadline: Instant) -> Result<(), BenchError> {
        self.interrupt.check()?;
        let timer = self.timers.peek().map(|timer| timer.at);
        let due = if self.free.is_empty() { None } else { self.next_due };
        let until = [timer, due].into_iter().flatten().fold(deadline, Instant::min);
        let wait = until.saturating_duration_since(Instant::now()).min(WAIT_MAX);
        let events = self.poller.wait(wait)?;
        self.now = Instant::now();
        for event in 0..events {
            let (token, readable, writable) = self.poller.event(event);
            if self.slots[token.slot].generation == token.generation {
                self.on_event(token.slot, readable, writable);
            }
        }
        while let Some(timer) = self.timers.peek().filter(|timer| timer.at <= self.now) {
            let token = timer.token;
            self.timers.pop();
            if self.slots[token.slot].generation == token.generation {
                self.on_timer(token.slot);
            }
        }
        if self.next_due.is_some_and(|due| due <= self.now) {
            self.next_due = None;
            self.fill_free();
        }
        Ok(())
    }

    fn on_event(&mut self, slot: usize, readable: bool, writable: bool) {
        if writable && let Err(fault) = self.on_writable(slot) {
            return self.replace_failed(slot, fault);
        }
        if readable {
            // Time goes on while a batch of events is worked off; latencies must not miss it.
            self.now = Instant::now();
            self.read(slot);
        }
    }

    fn on_timer(&mut self, slot: usize) {
        if self.slots[slot].connection.is_some() { self.read(slot) } else { self.open(slot) }
    }

    fn on_writable(&mut self, slot: usize) -> Result<(), Fault> {
        let Some(connection) = &mut self.slots[slot].connection else { return Ok(()) };
        let before = connection.stage();
        connection.on_writable()?;
        let stage = connection.stage();
        self.watch(slot);
        if before != Stage::Ready && stage == Stage::Ready {
            self.on_ready(slot);
        }
        Ok(())
    }

    fn on_ready(&mut self, slot: usize) {
        self.tally.connected();
        self.fill(slot);
    }

    fn read(&mut self, slot: usize) {
        let result = if self.slots[slot].pace.is_some() {
            self.read_paced(slot)
        } else {
            self.read_all(slot)
        };
        if let Err(fault) = result {
            self.replace_failed(slot, fault);
        }
    }

    /// Reads what is there, and the bodies behind it up to a fair share.
    fn read_all(&mut self, slot: usize) -> Result<(), Fault> {
        let mut taken = 0;
        while taken < READ_TURN_BYTES_MAX {
            let generation = self.slots[slot].generation;
            let bytes = self.read_once(slot, usize::MAX)?;
            taken += bytes;
            let slot = &self.slots[slot];
            let inside = slot.connection.as_ref().is_some_and(Connection::is_inside_body);
            if bytes == 0 || !inside || slot.generation != generation {
                break;
            }
        }
        Ok(())
    }

    fn read_paced(&mut self, slot: usize) -> Result<(), Fault> {
        loop {
            let generation = self.slots[slot].generation;
            let Some(pace) = &mut self.slots[slot].pace else { return Ok(()) };
            let allowed = match pace.allowance(self.now) {
                Ok(bytes) => bytes,
                Err(at) => {
                    self.timers.push(Timer { at, token: Token { slot, generation } });
                    return Ok(());
                }
            };
            let bytes = self.read_once(slot, allowed)?;
            if self.slots[slot].generation != generation {
                return Ok(());
            }
            if bytes == 0 {
                self.watch(slot);
                return Ok(());
            }
            if let Some(pace) = &mut self.slots[slot].pace {
                pace.spend(bytes);
            }
        }
    }

    fn read_once(&mut self, slot: usize, bytes_max: usize) -> Result<usize, Fault> {
        let Some(connection) = &mut self.slots[slot].connection else { return Ok(0) };
        let before = connection.stage();
        let received = connection.receive(&mut self.scratch, bytes_max)?;
        let (stage, wants_write) = (connection.stage(), connection.wants_write());
        self.tally.received(received.body_bytes);
        if wants_write {
            self.watch(slot);
        }
        if before != Stage::Ready && stage == Stage::Ready {
            self.on_ready(slot);
        }
        self.take_answers(slot, &received)?;
        Ok(received.wire_bytes)
    }

    fn take_answers(&mut self, slot: usize, received: &Received) -> Result<(), Fault> {
        let mut last = false;
        for answer in &received.answers {
            self.take_answer(slot, answer)?;
            last |= !answer.keep_alive || self.spec.close;
        }
        let Some(connection) = &self.slots[slot].connection else { return Ok(()) };
        if received.ended && !connection.under_way.is_empty() {
            return Err(Fault::Connection);
        }
        if last || received.ended {
            self.close(slot);
            self.open(slot);
        } else if !received.answers.is_empty() {
            self.fill(slot);
        }
        Ok(())
    }

    fn take_answer(&mut self, slot: usize, answer: &Answer) -> Result<(), Fault> {
        let connection = self.slots[slot].connection.as_mut();
        let under_way = connection.and_then(|connection| connection.under_way.pop_front());
        let Some(UnderWay { asked, intended }) = under_way else { return Err(Fault::Protocol) };
        let latency = self.now.saturating_duration_since(intended);
        self.requests.learn(asked.target, answer.range_total);
        let due = asked.due_bytes;
        self.tally.answer(asked.target, answer.status, answer.body_bytes, due, latency);
        Ok(())
    }

    fn fill_free(&mut self) {
        for _ in 0..self.free.len() {
            let Some(slot) = self.free.pop_front() else { return };
            self.slots[slot].is_free = false;
            self.fill(slot);
            if self.finished || self.next_due.is_some() {
                return;
            }
        }
    }

    /// Sends as many requests as are due and as the connection may carry.
    fn fill(&mut self, slot: usize) {
        let Some(connection) = &mut self.slots[slot].connection else { return };
        if connection.stage() != Stage::Ready {
            return;
        }
        self.outgoing.clear();
        let mut is_free = false;
        while connection.under_way.len() < self.pipeline && !is_free {
            match self.schedule.next(self.now) {
                Next::Now { intended } if !self.finished => {
                    let asked = self.requests.write(&mut self.outgoing);
                    connection.under_way.push_back(UnderWay { asked, intended });
                }
                Next::At(due) => {
                    self.next_due = Some(due);
                    is_free = true;
                }
                Next::Now { .. } | Next::Finished => {
                    self.finished = true;
                    is_free = true;
                }
            }
        }
        let sent = if self.outgoing.is_empty() { Ok(()) } else { connection.send(&self.outgoing) };
        let wants_write = connection.wants_write();
        if is_free && !self.slots[slot].is_free {
            self.slots[slot].is_free = true;
            self.free.push_back(slot);
        }
        match sent {
            Err(fault) => self.replace_failed(slot, fault),
            Ok(()) if wants_write || self.slots[slot].pace.is_some() => self.watch(slot),
            Ok(()) => {}
        }
    }

    fn open(&mut self, slot: usize) {
        let token = Token { slot, generation: self.slots[slot].generation };
        let opened = Connection::open(&self.spec.origin, self.tls.as_ref());
        let watched = opened.and_then(|connection| {
            self.poller.add(connection.socket(), token, Interest::Write)?;
            Ok(connection)
        });
        match watched {
            Ok(connection) => self.slots[slot].connection = Some(connection),
            Err(_) => self.replace_failed(slot, Fault::Connection),
        }
    }

    fn close(&mut self, slot: usize) {
        if let Some(connection) = self.slots[slot].connection.take() {
            connection.reset_on_close();
        }
        // Late events and timers of the old connection are told by this.
        self.slots[slot].generation = self.slots[slot].generation.wrapping_add(1);
    }

    /// Charges what was under way, and connects again a little later: no busy loop of refusals.
    fn replace_failed(&mut self, slot: usize, fault: Fault) {
        let connection = self.slots[slot].connection.as_ref();
        let lost = connection.map_or(1, |connection| connection.under_way.len().max(1));
        for _ in 0..lost {
            self.tally.fault(fault);
        }
        self.close(slot);
        let token = Token { slot, generation: self.slots[slot].generation };
        self.timers.push(Timer { at: self.now + REOPEN_AFTER, token });
    }

    fn watch(&self, slot: usize) {
        let Slot { connection: Some(connection), generation, pace, .. } = &self.slots[slot] else {
            return;
        };
        let interest = match (connection.wants_write(), pace) {
            (true, _) => Interest::Write,
            (false, None) => Interest::Read,
            (false, Some(_)) => Interest::ReadOnce,
        };
        let token = Token { slot, generation: *generation };
        // A socket that cannot be watched is broken; the next read of it will say so.
        let _ = self.poller.change(connection.socket(), token, interest);
    }
}

/// Time for answers that are due when an open loop ends.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// An answer that takes longer counts as failed.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const OPEN_MAX: Duration = Duration::from_secs(30);
const OPENING_MAX: usize = 128;
const REOPEN_AFTER: Duration = Duration::from_millis(10);
/// How soon an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);
const SCRATCH_BYTES: usize = 1024 * 1024;
const READ_TURN_BYTES_MAX: usize = 4 * 1024 * 1024;
