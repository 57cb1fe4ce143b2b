//! The core's face: packets, commands and time go in; packets and events come out.

use std::collections::{HashMap, VecDeque};

use crate::arena::{Arena, Key};
use crate::config::{PublishConfig, Refused, SubscribeConfig, View};
use crate::output::{Control, Event, Output};
use crate::room::Room;
use crate::rtp::PACKET_BYTES_MAX;
use crate::statistics::ParticipantStatistics;
use crate::time::Time;

/// Names a participant; nobody once they have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantId {
    pub(crate) room: Key,
    pub(crate) participant: Key,
}

/// Names a track; nothing once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId {
    pub(crate) room: Key,
    pub(crate) track: Key,
}

/// Which of a participant's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It sends to us.
    Publish,
    /// We send to it.
    Subscribe,
}

/// What comes in, besides commands.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A decrypted RTP packet of a publishing connection.
    Rtp {
        /// Whose.
        from: ParticipantId,
        /// The whole packet.
        packet: &'a [u8],
    },
    /// A decrypted RTCP packet, compound or not.
    Rtcp {
        /// Whose.
        from: ParticipantId,
        /// Of which connection.
        side: Side,
        /// The whole packet.
        packet: &'a [u8],
    },
    /// The moment that [`Sfu::poll_timeout`] told has come.
    Timeout,
}

/// The rooms of one media thread.
#[derive(Debug, Default)]
pub struct Sfu {
    now: Time,
    rooms: Arena<Room>,
    by_name: HashMap<u64, Key>,
    controls: VecDeque<Control>,
    ready: VecDeque<Key>,
    waiting: Vec<Key>,
    ticks: u64,
    next_tick: Option<Time>,
    next_pace: Option<Time>,
}

/// Octets that a buffer for [`Sfu::poll_output`] must have: what came in, and what rewriting adds (an
/// extension of 255 octets beside others, and RFC 4588's two).
pub const BUFFER_BYTES_MIN: usize = PACKET_BYTES_MAX + 320;

/// Participants of one room.
pub const PARTICIPANTS_MAX: usize = 5000;

const TICK_MS: u64 = 20;
const PACE_MS: u64 = 5;

impl Sfu {
    /// Without rooms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody comes into the room of that name, which begins with the first one. They have no
    /// connection yet.
    pub fn join(&mut self, now: Time, room: u64) -> Result<ParticipantId, Refused> {
        self.now = now;
        let existing = self.by_name.get(&room).copied();
        let count = existing.and_then(|key| self.rooms.get(key)).map_or(0, Room::participants);
        if count >= PARTICIPANTS_MAX {
            let (what, most) = ("participants", PARTICIPANTS_MAX);
            return Err(Refused::TooMany { what, count: count + 1, most });
        }
        let key = existing.unwrap_or_else(|| {
            let key = self.rooms.insert(Room::new(room));
            self.by_name.insert(room, key);
            key
        });
        if self.next_tick.is_none() {
            self.next_tick = Some(now.plus_ms(TICK_MS));
        }
        let room = self.rooms.get_mut(key).ok_or(Refused::Gone)?;
        Ok(ParticipantId { room: key, participant: room.join() })
    }

    /// Their publishing connection is there. Gives its tracks, in the order of the description.
    pub fn publish(
        &mut self,
        now: Time,
        id: ParticipantId,
        config: PublishConfig,
    ) -> Result<Vec<TrackId>, Refused> {
        config.check()?;
        let (room, mut context) = self.enter(now, id.room).ok_or(Refused::Gone)?;
        let tracks = room.publish(&mut context, id.participant, config)?;
        Ok(tracks.into_iter().map(|track| TrackId { room: id.room, track }).collect())
    }

    /// Their publishing connection has ended; a new one may take its place.
    pub fn unpublish(&mut self, now: Time, id: ParticipantId) {
        if let Some((room, mut context)) = self.enter(now, id.room) {
            room.unpublish(&mut context, id.participant);
        }
    }

    /// Their subscribing connection is there.
    pub fn subscribe(
        &mut self,
        now: Time,
        id: ParticipantId,
        config: SubscribeConfig,
    ) -> Result<(), Refused> {
        config.check()?;
        let (room, mut context) = self.enter(now, id.room).ok_or(Refused::Gone)?;
        room.subscribe(&mut context, id.participant, config)
    }

    /// Their subscribing connection has ended; a new one may take its place.
    pub fn unsubscribe(&mut self, now: Time, id: ParticipantId) {
        if let Some((room, mut context)) = self.enter(now, id.room) {
            room.unsubscribe(&mut context, id.participant);
        }
    }

    /// What they want to see from now on.
    pub fn view(&mut self, now: Time, id: ParticipantId, view: View) {
        if let Some((room, mut context)) = self.enter(now, id.room) {
            room.view(&mut context, id.participant, view);
        }
    }

    /// A moderator asks that a track be muted: its publisher is told, and does so or not.
    pub fn request_mute(&mut self, now: Time, track: TrackId) {
        if let Some((room, context)) = self.enter(now, track.room)
            && let Some(owner) = room.owner_of(track.track)
        {
            let participant = ParticipantId { room: track.room, participant: owner };
            context.controls.push_back(Control::Event(Event::MuteRequested { participant, track }));
        }
    }

    /// They have left.
    pub fn leave(&mut self, now: Time, id: ParticipantId) {
        let Some((room, mut context)) = self.enter(now, id.room) else { return };
        room.leave(&mut context, id.participant);
        if room.participants() == 0 {
            let name = room.name();
            self.rooms.remove(id.room);
            self.by_name.remove(&name);
        }
        if self.rooms.len() == 0 {
            (self.next_tick, self.next_pace) = (None, None);
        }
    }

    /// A moderator removes them: they are told, and have left.
    pub fn remove(&mut self, now: Time, id: ParticipantId) {
        let room = self.rooms.get(id.room);
        if room.is_some_and(|room| room.has(id.participant)) {
            self.controls.push_back(Control::Event(Event::Removed { participant: id }));
            self.leave(now, id);
        }
    }

    /// Takes what comes in. Whatever it is worth is then given by [`Sfu::poll_output`].
    pub fn handle_input(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Rtp { from, packet } => {
                let Some((room, mut context)) = self.enter(now, from.room) else { return };
                room.take_rtp(&mut context, from.participant, packet);
                self.note_ready(from.room);
            }
            Input::Rtcp { from, side, packet } => {
                let Some((room, mut context)) = self.enter(now, from.room) else { return };
                room.take_rtcp(&mut context, from.participant, side, packet);
                self.note_ready(from.room);
            }
            Input::Timeout => self.take_timeout(now),
        }
    }

    /// What is to be done next. A packet is written to the front of `buffer`, which has at least
    /// [`BUFFER_BYTES_MIN`] octets. To be called until there is nothing, after each input, or after
    /// some that came together: packets for one receiver then follow one another.
    pub fn poll_output(&mut self, buffer: &mut [u8]) -> Option<Output> {
        debug_assert!(buffer.len() >= BUFFER_BYTES_MIN);
        while let Some(control) = self.controls.pop_front() {
            match control {
                Control::Event(event) => return Some(Output::Event(event)),
                Control::Rtcp { to, side, bytes } => {
                    let Some(place) = buffer.get_mut(..bytes.len()) else { continue };
                    place.copy_from_slice(&bytes);
                    return Some(Output::Rtcp { to, side, len: bytes.len() });
                }
            }
        }
        while let Some(key) = self.ready.front().copied() {
            if let Some(room) = self.rooms.get_mut(key) {
                if let Some((participant, len)) = room.poll(self.now, buffer) {
                    return Some(Output::Rtp { to: ParticipantId { room: key, participant }, len });
                }
                room.is_ready = false;
                if room.has_waiting() && !room.is_waiting {
                    room.is_waiting = true;
                    self.waiting.push(key);
                    self.next_pace.get_or_insert(self.now.plus_ms(PACE_MS));
                }
            }
            self.ready.pop_front();
        }
        None
    }

    /// When [`Input::Timeout`] is due; `None` while there is nobody.
    pub fn poll_timeout(&self) -> Option<Time> {
        [self.next_tick, self.next_pace].into_iter().flatten().min()
    }

    /// How a participant fares, and why.
    pub fn statistics(&self, id: ParticipantId) -> Option<ParticipantStatistics> {
        self.rooms.get(id.room)?.statistics(self.now, id)
    }

    /// How many rooms there are.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    fn enter(&mut self, now: Time, key: Key) -> Option<(&mut Room, Context<'_>)> {
        self.now = self.now.max(now);
        let room = self.rooms.get_mut(key)?;
        Some((room, Context { now: self.now, room: key, controls: &mut self.controls }))
    }

    fn note_ready(&mut self, key: Key) {
        if let Some(room) = self.rooms.get_mut(key)
            && room.has_ready()
            && !room.is_ready
        {
            room.is_ready = true;
            self.ready.push_back(key);
        }
    }

    fn take_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        if self.next_pace.is_some_and(|at| at <= now) {
            self.next_pace = None;
            for key in std::mem::take(&mut self.waiting) {
                if let Some(room) = self.rooms.get_mut(key) {
                    room.is_waiting = false;
                    room.wake_waiting();
                    self.note_ready(key);
                }
            }
        }
        if self.next_tick.is_some_and(|at| at <= now) {
            self.next_tick = Some(now.plus_ms(TICK_MS));
            self.ticks += 1;
            for at in 0..self.rooms.places() {
                let Some(key) = self.rooms.key_at(at) else { continue };
                let ticks = self.ticks;
                if let Some((room, mut context)) = self.enter(now, key) {
                    room.tick(&mut context, ticks);
                    self.note_ready(key);
                }
            }
        }
    }
}

/// What a room works with.
pub(crate) struct Context<'a> {
    pub now: Time,
    pub room: Key,
    pub controls: &'a mut VecDeque<Control>,
}

impl Context<'_> {
    pub(crate) fn participant(&self, participant: Key) -> ParticipantId {
        ParticipantId { room: self.room, participant }
    }

    pub(crate) fn track(&self, track: Key) -> TrackId {
        TrackId { room: self.room, track }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.controls.push_back(Control::Event(event));
    }

    pub(crate) fn rtcp(&mut self, to: Key, side: Side, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let to = self.participant(to);
            self.controls.push_back(Control::Rtcp { to, side, bytes });
        }
    }
}
