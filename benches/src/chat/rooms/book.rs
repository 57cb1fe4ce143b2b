//! Who is in which room, which message is under way in each, and what has come of it.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::chat::ledger::{Faults, Ledger};
use crate::chat::message::{self, Stamp};
use crate::latency;
use crate::xmpp::{Event, find};

/// The state of all rooms of a run.
#[derive(Debug)]
pub struct Book {
    run: u32,
    /// The run's clock begins here.
    start: Instant,
    /// The least time from one message of a room to its next.
    pause: Duration,
    pub rooms: Vec<Room>,
    /// By slot.
    seats: Vec<Option<Seat>>,
    measured: Measured,
    pub faults: Faults,
    /// How much sessions have told.
    pub events: u64,
}

/// A room, and its one message that is under way.
#[derive(Debug)]
pub struct Room {
    pub jid: String,
    /// Slots of its members, who speak in turns.
    pub members: Vec<usize>,
    pub sent: u64,
    under_way: Option<UnderWay>,
    /// When its next message may be sent, once none is under way.
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    sequence: u64,
    sent_at: Instant,
    /// Members who have not had it.
    missing: usize,
}

/// A member's session.
#[derive(Debug)]
struct Seat {
    room: usize,
    ledger: Ledger,
}

/// What counts, from one moment to another.
#[derive(Debug)]
pub struct Measured {
    is_measuring: bool,
    /// Copies received.
    pub copies: u64,
    /// Messages that the last member has had.
    pub messages: u64,
    /// From sending a message to the last member.
    pub last_ns: Histogram<u64>,
}

impl Room {
    /// A room in which nothing was said yet.
    pub fn new(jid: String, members: Vec<usize>) -> Self {
        Self { jid, members, sent: 0, under_way: None, due: Instant::now() }
    }
}

impl Book {
    /// A book of a run.
    pub fn new(run: u32, pause: Duration, rooms: Vec<Room>) -> Self {
        let slots = rooms.iter().flat_map(|room| &room.members).max().map_or(0, |last| last + 1);
        let mut seats: Vec<Option<Seat>> = (0..slots).map(|_| None).collect();
        for (index, room) in rooms.iter().enumerate() {
            for slot in &room.members {
                seats[*slot] = Some(Seat { room: index, ledger: Ledger::default() });
            }
        }
        let last_ns = latency::histogram();
        let measured = Measured { is_measuring: false, copies: 0, messages: 0, last_ns };
        let faults = Faults::default();
        Self { run, start: Instant::now(), pause, rooms, seats, measured, faults, events: 0 }
    }

    /// From now on it counts.
    pub fn begin(&mut self) {
        self.measured.is_measuring = true;
    }

    /// From now on it counts no more.
    pub fn end(&mut self) {
        self.measured.is_measuring = false;
    }

    /// What was measured.
    pub fn measured(self) -> Measured {
        self.measured
    }

    /// When a room may say something next; `None` while a message is under way.
    pub fn due(&self, room: usize) -> Option<Instant> {
        let room = &self.rooms[room];
        room.under_way.is_none().then_some(room.due)
    }

    /// The slot that speaks next in a room, and the stamp of what it says.
    pub fn send(&mut self, index: usize, now: Instant) -> (usize, Stamp) {
        let room = &mut self.rooms[index];
        let sequence = room.sent;
        room.sent += 1;
        room.due = now + self.pause;
        room.under_way = Some(UnderWay { sequence, sent_at: now, missing: room.members.len() });
        let since_start = now.saturating_duration_since(self.start);
        let intended_ns = u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX);
        let speaker = room.members[(sequence % room.members.len() as u64) as usize];
        (speaker, Stamp { run: self.run, direction: index, sequence, intended_ns })
    }

    /// Takes what a session tells.
    pub fn on_event(&mut self, slot: usize, event: &Event<'_>) {
        self.events += 1;
        match event {
            Event::Message(stanza) => self.on_message(slot, stanza),
            Event::Lost(_) => self.faults.lost_sessions += 1,
            Event::Ready | Event::Closed | Event::Other(_) | Event::Acked(_) => {}
        }
    }

    /// All that was sent has come everywhere.
    pub fn is_complete(&self) -> bool {
        self.rooms.iter().all(|room| room.under_way.is_none())
    }

    /// Counts what has not come.
    pub fn close(&mut self) {
        for seat in self.seats.iter().flatten() {
            seat.ledger.close(self.rooms[seat.room].sent, &mut self.faults);
        }
    }

    fn on_message(&mut self, slot: usize, stanza: &[u8]) {
        // Rooms say things of their own, too, and of earlier runs.
        let Some(received) = message::read(stanza).filter(|found| found.stamp.run == self.run)
        else {
            return;
        };
        if find::attribute(stanza, "type") == Some(b"error") {
            self.faults.refused += 1;
            return;
        }
        let Stamp { direction: index, sequence, .. } = received.stamp;
        let seat = self.seats.get_mut(slot).and_then(Option::as_mut);
        let Some(seat) = seat
            .filter(|seat| seat.room == index && is_of_room(received.from, &self.rooms[index].jid))
        else {
            self.faults.misdirected += 1;
            return;
        };
        if !seat.ledger.receive(sequence) {
            return;
        }
        self.measured.copies += u64::from(self.measured.is_measuring);
        let under_way = &mut self.rooms[index].under_way;
        let Some(current) = under_way.as_mut().filter(|current| current.sequence == sequence)
        else {
            return;
        };
        current.missing -= 1;
        if current.missing == 0 {
            if self.measured.is_measuring {
                self.measured.messages += 1;
                latency::record(&mut self.measured.last_ns, current.sent_at.elapsed());
            }
            *under_way = None;
        }
    }
}

/// Whether this is an occupant's JID of the room (XEP-0045 7.4).
fn is_of_room(jid: &[u8], room: &str) -> bool {
    jid.strip_prefix(room.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Composer;

    fn book() -> Book {
        let rooms = vec![
            Room::new("r@g".to_owned(), vec![0, 1, 2]),
            Room::new("s@g".to_owned(), vec![3, 4]),
        ];
        let mut book = Book::new(7, Duration::ZERO, rooms);
        book.begin();
        book
    }

    fn copy(stamp: Stamp, from: &str) -> Vec<u8> {
        let mut stanza = Vec::new();
        Composer { stanza_bytes: 300, no_store: false }.write_to_room(&mut stanza, "r@g", stamp);
        let text = String::from_utf8(stanza).unwrap();
        text.replacen("<message", &format!("<message from='{from}'"), 1).into_bytes()
    }

    /// What the members of the first room get, slot and sender, and what is made of it.
    fn check(copies: &[(usize, &str)], words: &str, copies_counted: u64, is_complete: bool) {
        let mut book = book();
        let (speaker, stamp) = book.send(0, Instant::now());
        assert_eq!((speaker, book.due(0)), (0, None));
        for (slot, from) in copies {
            book.on_event(*slot, &Event::Message(&copy(stamp, from)));
        }
        assert_eq!(book.is_complete(), is_complete, "{copies:?}");
        book.close();
        assert_eq!(book.faults.words(), words, "{copies:?}");
        assert_eq!(book.measured().copies, copies_counted, "{copies:?}");
    }

    #[test]
    fn a_message_is_done_with_its_last_copy() {
        check(&[(0, "r@g/a"), (1, "r@g/a"), (2, "r@g/a")], "", 3, true);
        check(&[(0, "r@g/a"), (1, "r@g/a")], "1 missing", 2, false);
        check(&[(0, "r@g/a"), (1, "r@g/a"), (1, "r@g/a")], "1 missing, 1 double", 2, false);
    }

    #[test]
    fn copies_of_others_are_told() {
        let all = [(0, "r@g/a"), (1, "r@g/a"), (2, "r@g/a")];
        check(&[all.as_slice(), &[(3, "r@g/a")]].concat(), "1 misdirected", 3, true);
        check(&[all.as_slice(), &[(9, "r@g/a")]].concat(), "1 misdirected", 3, true);
        check(&[&all[..2], &[(2, "r@gg/a")]].concat(), "1 missing, 1 misdirected", 2, false);
        check(&[&all[..2], &[(2, "r@g")]].concat(), "1 missing, 1 misdirected", 2, false);
    }

    #[test]
    fn members_speak_in_turns_and_rooms_pause() {
        let mut book = book();
        book.pause = Duration::from_secs(60);
        let now = Instant::now();
        for (speaker, sequence) in [(3, 0), (4, 1), (3, 2)] {
            let (slot, stamp) = book.send(1, now);
            assert_eq!((slot, stamp.sequence), (speaker, sequence));
            for slot in [3, 4] {
                book.on_event(slot, &Event::Message(&copy(stamp, "s@g/x")));
            }
            assert_eq!(book.due(1), Some(now + Duration::from_secs(60)));
        }
        let measured = book.measured();
        assert_eq!((measured.messages, measured.copies, measured.last_ns.len()), (3, 6, 3));
    }
}
