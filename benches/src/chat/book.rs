//! Who sends to whom, what has come, and how long it took.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::latency;
use crate::xmpp::Event;

use super::ledger::{Faults, Ledger};
use super::message::{self, Stamp};

/// The state of all directions of a run.
#[derive(Debug)]
pub struct Book {
    run: u32,
    /// The run's clock begins here.
    start: Instant,
    window: u64,
    waits_for_acks: bool,
    pub directions: Vec<Direction>,
    /// The direction that a slot sends in.
    direction_of_slot: Vec<Option<usize>>,
    /// Directions whose window has room.
    pub ready: VecDeque<usize>,
    measured: Measured,
    pub faults: Faults,
    /// How much sessions have told.
    pub events: u64,
    /// Messages of earlier runs, which servers had kept.
    pub stale: u64,
}

/// One user's messages to another.
#[derive(Debug)]
pub struct Direction {
    pub from_slot: usize,
    from_jid: String,
    pub to_jid: String,
    /// Who must receive each message: the receiver first, then other resources.
    pub copies: Vec<(usize, Ledger)>,
    /// The receiver is away until the end.
    pub is_offline: bool,
    pub sent: u64,
    acked: u64,
    unacked: VecDeque<Unacked>,
    is_ready: bool,
}

#[derive(Clone, Copy, Debug)]
struct Unacked {
    /// Its number in XEP-0198's count.
    number: u32,
    intended_ns: u64,
}

/// What counts, from one moment to another.
#[derive(Debug)]
pub struct Measured {
    begin: Option<Instant>,
    end: Option<Instant>,
    /// Messages delivered (or, to those who are away, taken) in between.
    pub handled: u64,
    /// From the intended time to the receiver.
    pub delivery_ns: Histogram<u64>,
    /// From the intended time to the server's `<a/>`.
    pub ack_ns: Histogram<u64>,
}

impl Direction {
    /// A direction in which nothing was sent yet.
    pub fn new(from_slot: usize, from_jid: &str, to_jid: &str, receivers: &[usize]) -> Self {
        Self {
            from_slot,
            from_jid: from_jid.to_owned(),
            to_jid: to_jid.to_owned(),
            copies: receivers.iter().map(|slot| (*slot, Ledger::default())).collect(),
            is_offline: receivers.is_empty(),
            sent: 0,
            acked: 0,
            unacked: VecDeque::new(),
            is_ready: false,
        }
    }

    fn delivered(&self) -> u64 {
        self.copies.first().map_or(0, |(_, ledger)| ledger.received())
    }

    /// All that was sent has come, everywhere.
    fn is_complete(&self) -> bool {
        self.copies.iter().all(|(_, ledger)| ledger.received() >= self.sent)
    }
}

impl Book {
    /// A book of a run. With `waits_for_acks`, a message is done when the server has acknowledged
    /// it and the receiver has it; else when the receiver has it.
    pub fn new(run: u32, window: u64, waits_for_acks: bool, directions: Vec<Direction>) -> Self {
        let slots = directions.iter().map(|direction| direction.from_slot + 1).max().unwrap_or(0);
        let mut direction_of_slot = vec![None; slots];
        for (index, direction) in directions.iter().enumerate() {
            direction_of_slot[direction.from_slot] = Some(index);
        }
        Self {
            run,
            start: Instant::now(),
            window,
            waits_for_acks,
            directions,
            direction_of_slot,
            ready: VecDeque::new(),
            measured: Measured {
                begin: None,
                end: None,
                handled: 0,
                delivery_ns: latency::histogram(),
                ack_ns: latency::histogram(),
            },
            faults: Faults::default(),
            events: 0,
            stale: 0,
        }
    }

    /// From now on it counts.
    pub fn begin(&mut self, now: Instant) {
        self.measured.begin = Some(now);
    }

    /// What is delivered from now on counts no more; latencies of what was due before still do.
    pub fn end(&mut self, now: Instant) {
        self.measured.end = Some(now);
    }

    /// What was measured.
    pub fn measured(self) -> Measured {
        self.measured
    }

    /// Offers all directions whose window has room to `ready`.
    pub fn fill_ready(&mut self) {
        for index in 0..self.directions.len() {
            self.offer(index);
        }
    }

    /// How many messages a direction may send now.
    pub fn room(&self, index: usize) -> u64 {
        let direction = &self.directions[index];
        let done = match (direction.is_offline, self.waits_for_acks) {
            (true, _) => direction.acked,
            (false, true) => direction.acked.min(direction.delivered()),
            (false, false) => direction.delivered(),
        };
        self.window.saturating_sub(direction.sent - done)
    }

    /// The stamp of the next message of a direction.
    pub fn next_stamp(&mut self, index: usize, intended: Instant) -> Stamp {
        let direction = &mut self.directions[index];
        direction.is_ready = false;
        let sequence = direction.sent;
        direction.sent += 1;
        if direction.is_offline && !self.waits_for_acks {
            self.measured.count();
        }
        let intended_ns = nanoseconds(intended.saturating_duration_since(self.start));
        Stamp { run: self.run, direction: index, sequence, intended_ns }
    }

    /// A message is written as XEP-0198's `number`.
    pub fn sent(&mut self, stamp: Stamp, number: u32) {
        if self.waits_for_acks {
            let unacked = Unacked { number, intended_ns: stamp.intended_ns };
            self.directions[stamp.direction].unacked.push_back(unacked);
        }
    }

    /// Takes what a session tells.
    pub fn on_event(&mut self, slot: usize, event: &Event<'_>) {
        self.events += 1;
        match event {
            Event::Message(stanza) => self.on_message(slot, stanza),
            Event::Acked(handled) => self.on_acked(slot, *handled),
            Event::Lost(_) => self.faults.lost_sessions += 1,
            Event::Ready | Event::Closed | Event::Other(_) => {}
        }
    }

    /// All that was sent has come and is acknowledged; with `online_only`, to those who are there.
    pub fn is_complete(&self, online_only: bool) -> bool {
        let mut directions = self.directions.iter();
        directions.all(|direction| {
            let away = direction.is_offline && online_only;
            (away || direction.is_complete()) && direction.unacked.is_empty()
        })
    }

    /// Counts what has not come.
    pub fn close(&mut self) {
        for direction in &self.directions {
            for (_, ledger) in &direction.copies {
                ledger.close(direction.sent, &mut self.faults);
            }
            self.faults.unacknowledged += direction.unacked.len() as u64;
        }
    }

    fn on_message(&mut self, slot: usize, stanza: &[u8]) {
        let Some(received) = message::read(stanza) else { return };
        let Stamp { run, direction: index, sequence, intended_ns } = received.stamp;
        if run != self.run {
            self.stale += 1;
            return;
        }
        if crate::xmpp::find::attribute(stanza, "type") == Some(b"error") {
            self.faults.refused += 1;
            return;
        }
        let Some(direction) = self.directions.get_mut(index) else {
            self.faults.misdirected += 1;
            return;
        };
        let copy = direction.copies.iter().position(|(receiver, _)| *receiver == slot);
        let Some(copy) = copy.filter(|_| is_from(received.from, &direction.from_jid)) else {
            self.faults.misdirected += 1;
            return;
        };
        let is_new = direction.copies[copy].1.receive(sequence);
        if is_new && copy == 0 && !direction.is_offline {
            self.measured.count();
            let intended = self.start + Duration::from_nanos(intended_ns);
            self.measured.record(intended, |measured| &mut measured.delivery_ns);
        }
        self.offer(index);
    }

    fn on_acked(&mut self, slot: usize, handled: u32) {
        let Some(index) = self.direction_of_slot.get(slot).copied().flatten() else { return };
        let direction = &mut self.directions[index];
        while let Some(first) = direction.unacked.front() {
            // The count wraps; half of its range away means "not yet".
            if handled.wrapping_sub(first.number) > u32::MAX / 2 {
                break;
            }
            let intended = self.start + Duration::from_nanos(first.intended_ns);
            direction.unacked.pop_front();
            direction.acked += 1;
            if direction.is_offline {
                self.measured.count();
            }
            self.measured.record(intended, |measured| &mut measured.ack_ns);
        }
        self.offer(index);
    }

    fn offer(&mut self, index: usize) {
        if !self.directions[index].is_ready && self.room(index) > 0 {
            self.directions[index].is_ready = true;
            self.ready.push_back(index);
        }
    }
}

impl Measured {
    fn count(&mut self) {
        self.handled += u64::from(self.begin.is_some() && self.end.is_none());
    }

    fn record(&mut self, intended: Instant, of: fn(&mut Self) -> &mut Histogram<u64>) {
        let is_due = self.begin.is_some_and(|begin| intended >= begin)
            && self.end.is_none_or(|end| intended < end);
        if is_due {
            latency::record(of(self), intended.elapsed());
        }
    }
}

/// Whether a full or bare JID is one of this bare JID.
fn is_from(jid: &[u8], bare: &str) -> bool {
    jid.strip_prefix(bare.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::message::Composer;
    use super::*;

    fn stanza(stamp: Stamp, from: &str) -> Vec<u8> {
        let mut stanza = Vec::new();
        Composer { stanza_bytes: 300, no_store: false }.write(&mut stanza, "b@l", stamp);
        let text = String::from_utf8(stanza).unwrap();
        text.replacen("<message", &format!("<message from='{from}'"), 1).into_bytes()
    }

    fn book(window: u64, waits_for_acks: bool) -> Book {
        let directions = vec![Direction::new(0, "a@l", "b@l", &[1])];
        let mut book = Book::new(7, window, waits_for_acks, directions);
        book.begin(Instant::now());
        book
    }

    #[test]
    fn a_window_opens_by_delivery_and_ack() {
        let mut book = book(1, true);
        book.fill_ready();
        assert_eq!((book.ready.pop_front(), book.room(0)), (Some(0), 1));
        let stamp = book.next_stamp(0, Instant::now());
        book.sent(stamp, 1);
        assert_eq!(book.room(0), 0);
        book.on_event(1, &Event::Message(&stanza(stamp, "a@l/x")));
        assert_eq!((book.room(0), book.is_complete(true)), (0, false));
        book.on_event(0, &Event::Acked(1));
        assert_eq!((book.room(0), book.is_complete(true)), (1, true));
        book.close();
        assert_eq!(book.faults.words(), "");
        let measured = book.measured();
        assert_eq!(
            (measured.handled, measured.ack_ns.len(), measured.delivery_ns.len()),
            (1, 1, 1)
        );
    }

    #[test]
    fn wrong_senders_receivers_and_runs_are_told() {
        let mut book = book(9, false);
        let stamp = book.next_stamp(0, Instant::now());
        book.on_event(1, &Event::Message(&stanza(stamp, "mallory@l")));
        book.on_event(1, &Event::Message(&stanza(stamp, "a@lx")));
        book.on_event(2, &Event::Message(&stanza(stamp, "a@l")));
        book.on_event(1, &Event::Message(&stanza(Stamp { run: 8, ..stamp }, "a@l")));
        book.close();
        assert_eq!((book.faults.words().as_str(), book.stale), ("1 missing, 3 misdirected", 1));
    }
}
