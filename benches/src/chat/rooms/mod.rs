//! Users in rooms: in each one message is under way at a time, to all members.

mod book;
pub mod gathering;

use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::error::BenchError;
use crate::load::{Interrupt, Moment};
use crate::xmpp::{Account, Endpoint, Mechanism, Pool, Wishes};

use super::message::Composer;
use super::run::{self, Delivered, Traffic};
use book::{Book, Room};
pub use gathering::Protocol;

/// Everything that defines a run.
#[derive(Clone, Debug)]
pub struct RoomsSpec {
    pub endpoint: Endpoint,
    /// One per user; more are left out.
    pub accounts: Vec<Account>,
    pub protocol: Protocol,
    pub rooms: usize,
    /// Members of each room; nobody is in two.
    pub members: usize,
    pub composer: Composer,
    pub sasl2: bool,
    pub mechanism: Option<Mechanism>,
    pub warm_up: Duration,
    pub duration: Duration,
}

/// The result of a run.
#[derive(Debug)]
pub struct RoomsReport {
    /// Copies.
    pub delivered: Delivered,
    /// Messages that the last member has had.
    pub messages: u64,
    /// From sending a message to its last member.
    pub last_ns: Histogram<u64>,
}

/// Logs all users in, brings them together, has them talk, and counts.
///
/// # Errors
/// A login or a room is refused, or the run was interrupted. Faults of delivery are counted in the
/// report.
pub fn run(
    spec: &RoomsSpec,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<RoomsReport, BenchError> {
    let mut talk = Talk::gather(spec, interrupt)?;
    let elapsed = run::measure(&mut talk, spec.warm_up, spec.duration, on_moment)?;
    talk.drain()?;
    talk.disband()?;
    Ok(talk.report(elapsed))
}

impl Traffic for Talk<'_> {
    fn talk(&mut self, begin: Instant, length: Duration) -> Result<(), BenchError> {
        self.until(begin + length)
    }

    fn begin(&mut self, _: Instant) {
        self.book.begin();
    }

    fn end(&mut self, _: Instant) {
        self.book.end();
    }
}

struct Talk<'a> {
    spec: &'a RoomsSpec,
    interrupt: &'a Interrupt,
    pool: Pool,
    book: Book,
    stanza: Vec<u8>,
}

impl<'a> Talk<'a> {
    fn gather(spec: &'a RoomsSpec, interrupt: &'a Interrupt) -> Result<Self, BenchError> {
        let users = spec.rooms * spec.members;
        let mut pool = Pool::new(spec.endpoint.clone(), spec.accounts.clone())?;
        let wishes = Rc::new(Wishes {
            presence: true,
            groups: spec.protocol == Protocol::Groups,
            sasl2: spec.sasl2,
            mechanism: spec.mechanism,
            resource: Some("room".to_owned()),
            ..Wishes::default()
        });
        let logins: Vec<_> = (0..users).map(|user| (user, Rc::clone(&wishes))).collect();
        let slots = pool.log_in_all(&logins, interrupt, &mut |_, _| {})?;
        let mut rooms = Vec::with_capacity(spec.rooms);
        for members in slots.chunks_exact(spec.members) {
            let domain = &spec.endpoint.domain;
            let jid = spec.protocol.gather(&mut pool, domain, members, interrupt)?;
            rooms.push(Room::new(jid, members.to_vec()));
        }
        let pause = Duration::from_secs(1) / (PER_MEMBER_AND_S_MAX * spec.members as u32);
        let book = Book::new(fastrand::u32(..), pause, rooms);
        Ok(Self { spec, interrupt, pool, book, stanza: Vec::new() })
    }

    fn until(&mut self, end: Instant) -> Result<(), BenchError> {
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            let next = self.send_due(now);
            self.turn(next.map_or(end, |due| due.min(end)))?;
        }
    }

    /// Sends in each room whose turn it is, and says when the next room's is.
    fn send_due(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for room in 0..self.book.rooms.len() {
            match self.book.due(room) {
                Some(due) if due <= now => self.send(room),
                Some(due) => next = Some(next.map_or(due, |next: Instant| next.min(due))),
                None => {}
            }
        }
        next
    }

    fn send(&mut self, room: usize) {
        let (slot, stamp) = self.book.send(room, Instant::now());
        let to = &self.book.rooms[room].jid;
        self.spec.composer.write_to_room(&mut self.stanza, to, stamp);
        if let Some(client) = self.pool.client(slot) {
            client.write_stanza(&self.stanza);
        }
        self.pool.flush(slot);
    }

    fn turn(&mut self, until: Instant) -> Result<(), BenchError> {
        self.interrupt.check()?;
        let wait = until.saturating_duration_since(Instant::now()).min(WAIT_MAX);
        let book = &mut self.book;
        self.pool.turn(wait, &mut |slot, event| book.on_event(slot, &event))
    }

    /// Lets come what is under way.
    fn drain(&mut self) -> Result<(), BenchError> {
        let (mut deadline, mut seen) = (Instant::now() + SILENCE_MAX, self.book.events);
        while !self.book.is_complete() && Instant::now() < deadline {
            self.turn(deadline)?;
            if self.book.events > seen {
                (deadline, seen) = (Instant::now() + SILENCE_MAX, self.book.events);
            }
        }
        Ok(())
    }

    fn disband(&mut self) -> Result<(), BenchError> {
        for room in &self.book.rooms {
            let owner = room.members[0];
            self.spec.protocol.disband(&mut self.pool, &room.jid, owner, self.interrupt)?;
        }
        self.pool.close_all()
    }

    fn report(mut self, elapsed: Duration) -> RoomsReport {
        self.book.close();
        let sent = self.book.rooms.iter().map(|room| room.sent).sum();
        let faults = self.book.faults;
        let measured = self.book.measured();
        let delivered = Delivered { elapsed, count: measured.copies, sent, faults };
        RoomsReport { delivered, messages: measured.messages, last_ns: measured.last_ns }
    }
}

/// A member says at most so much: servers bound it, Whimbrel at ten a second.
const PER_MEMBER_AND_S_MAX: u32 = 8;
/// What has not come after so long a silence will not come.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How soon an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);
