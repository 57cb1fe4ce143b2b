//! Events on their way out: what is a state is told as it is when its turn comes, so that who is slow to
//! take them misses no end, and nothing piles up.

use std::collections::VecDeque;

use hashbrown::HashSet;
use sfu_core::ParticipantId;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::rooms::Rooms;
use super::{Event, RoomName};

/// Events that wait at most; the oldest are forgotten then.
const UNTOLD_MAX: usize = 65_536;

/// A state that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// What somebody is shown.
    Slots(ParticipantId),
    /// Who speaks in a room.
    Speakers(RoomName),
    /// How somebody fares.
    Quality(ParticipantId),
    /// Which of somebody's encodings are needed, by the track's place.
    Demand(ParticipantId, usize),
}

enum Untold {
    Change(Change),
    Event(Event),
}

/// What is to be told.
pub struct Telling {
    sender: Sender<Event>,
    untold: VecDeque<Untold>,
    changed: HashSet<Change>,
}

impl Telling {
    /// To whoever holds the other end.
    pub fn new(sender: Sender<Event>) -> Self {
        Self { sender, untold: VecDeque::new(), changed: HashSet::new() }
    }

    /// A state has changed.
    pub fn note(&mut self, change: Change) {
        if self.changed.insert(change) {
            self.push(Untold::Change(change));
        }
    }

    /// Something has happened.
    pub fn event(&mut self, event: Event) {
        self.push(Untold::Event(event));
    }

    /// Whether something waits.
    pub fn is_waiting(&self) -> bool {
        !self.untold.is_empty()
    }

    fn push(&mut self, untold: Untold) {
        self.untold.push_back(untold);
        if self.untold.len() > UNTOLD_MAX
            && let Some(Untold::Change(change)) = self.untold.pop_front()
        {
            self.changed.remove(&change);
        }
    }

    /// Tells as much as is taken.
    pub fn tell(&mut self, rooms: &Rooms) {
        while let Some(untold) = self.untold.pop_front() {
            let event = match &untold {
                Untold::Event(event) => Some(event.clone()),
                Untold::Change(change) => event_of(*change, rooms),
            };
            if let Some(event) = event
                && let Err(TrySendError::Full(_)) = self.sender.try_send(event)
            {
                return self.untold.push_front(untold);
            }
            if let Untold::Change(change) = untold {
                self.changed.remove(&change);
            }
        }
    }
}

/// What is told of it now; `None` of who has left.
fn event_of(change: Change, rooms: &Rooms) -> Option<Event> {
    Some(match change {
        Change::Slots(id) => {
            let it = rooms.get(id)?;
            Event::Slots { room: it.room, participant: it.name, slots: it.slots.clone() }
        }
        Change::Speakers(room) => {
            Event::Speakers { room, speakers: rooms.room(room)?.speakers.clone() }
        }
        Change::Quality(id) => {
            let it = rooms.get(id)?;
            Event::Quality { room: it.room, participant: it.name, quality: it.quality.told }
        }
        Change::Demand(id, track) => {
            let it = rooms.get(id)?;
            let (_, source, encodings) = *it.tracks.get(track)?;
            Event::Demand { room: it.room, participant: it.name, source, encodings }
        }
    })
}
