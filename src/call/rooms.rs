//! Who is in which room of a media thread, by the caller's names and by the core's; and what each one is
//! shown.

use hashbrown::HashMap;
use sfu_core::{ParticipantId, Side, Source, TrackId};

use super::peers::ConnectionId;
use super::quality::Assessment;
use super::{ParticipantName, RoomName, Shown, View};

/// The rooms.
#[derive(Default)]
pub struct Rooms {
    rooms: HashMap<RoomName, Room>,
    participants: HashMap<ParticipantId, Participant>,
    tracks: HashMap<TrackId, Shown>,
}

/// One of them.
#[derive(Default)]
pub struct Room {
    /// Who is in it.
    pub participants: HashMap<ParticipantName, ParticipantId>,
    /// Who speaks.
    pub speakers: Vec<ParticipantName>,
}

/// Somebody in a room.
pub struct Participant {
    /// The room.
    pub room: RoomName,
    /// Their name.
    pub name: ParticipantName,
    /// The connection that they send by.
    pub publish: Option<ConnectionId>,
    /// The connection that they watch by.
    pub subscribe: Option<ConnectionId>,
    /// What they publish, with the encodings that somebody needs.
    pub tracks: Vec<(TrackId, Source, u8)>,
    /// What each slot shows.
    pub slots: Vec<Option<Shown>>,
    /// What they want to see.
    pub view: Option<View>,
    /// How they fare.
    pub quality: Assessment,
}

impl Participant {
    /// A connection of theirs.
    pub fn connection(&self, side: Side) -> Option<ConnectionId> {
        match side {
            Side::Publish => self.publish,
            Side::Subscribe => self.subscribe,
        }
    }

    /// Whether they have none.
    pub fn is_unconnected(&self) -> bool {
        self.publish.is_none() && self.subscribe.is_none()
    }

    /// The place of a connection of theirs.
    pub fn connection_mut(&mut self, side: Side) -> &mut Option<ConnectionId> {
        match side {
            Side::Publish => &mut self.publish,
            Side::Subscribe => &mut self.subscribe,
        }
    }
}

impl Rooms {
    /// Somebody has come in.
    pub fn insert(&mut self, room: RoomName, name: ParticipantName, id: ParticipantId) {
        self.rooms.entry(room).or_default().participants.insert(name, id);
        let participant = Participant {
            room,
            name,
            publish: None,
            subscribe: None,
            tracks: Vec::new(),
            slots: Vec::new(),
            view: None,
            quality: Assessment::default(),
        };
        self.participants.insert(id, participant);
    }

    /// Somebody has left.
    pub fn remove(&mut self, id: ParticipantId) -> Option<Participant> {
        let participant = self.participants.remove(&id)?;
        self.forget_tracks(&participant);
        if let Some(room) = self.rooms.get_mut(&participant.room) {
            room.participants.remove(&participant.name);
            if room.participants.is_empty() {
                self.rooms.remove(&participant.room);
            }
        }
        Some(participant)
    }

    fn forget_tracks(&mut self, participant: &Participant) {
        for (track, ..) in &participant.tracks {
            self.tracks.remove(track);
        }
    }

    /// The core's name of somebody.
    pub fn id_of(&self, room: RoomName, name: ParticipantName) -> Option<ParticipantId> {
        self.rooms.get(&room)?.participants.get(&name).copied()
    }

    /// A room.
    pub fn room(&self, name: RoomName) -> Option<&Room> {
        self.rooms.get(&name)
    }

    /// A room, to be changed.
    pub fn room_mut(&mut self, name: RoomName) -> Option<&mut Room> {
        self.rooms.get_mut(&name)
    }

    /// Somebody.
    pub fn get(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.get(&id)
    }

    /// Somebody, to be changed.
    pub fn get_mut(&mut self, id: ParticipantId) -> Option<&mut Participant> {
        self.participants.get_mut(&id)
    }

    /// Everybody, as they are now.
    pub fn ids(&self) -> Vec<ParticipantId> {
        self.participants.keys().copied().collect()
    }

    /// How many rooms there are, and how many participants in all.
    pub fn count(&self) -> (usize, usize) {
        (self.rooms.len(), self.participants.len())
    }

    /// What somebody publishes from now on.
    pub fn publish(&mut self, id: ParticipantId, tracks: &[(TrackId, Source)]) {
        self.unpublish(id);
        let Some(participant) = self.participants.get_mut(&id) else { return };
        for (track, source) in tracks {
            participant.tracks.push((*track, *source, u8::MAX));
            let shown = Shown { participant: participant.name, source: *source };
            self.tracks.insert(*track, shown);
        }
    }

    /// They publish nothing any more.
    pub fn unpublish(&mut self, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        for (track, ..) in participant.tracks.drain(..) {
            self.tracks.remove(&track);
        }
    }

    /// What a track is.
    pub fn shown(&self, track: TrackId) -> Option<Shown> {
        self.tracks.get(&track).copied()
    }

    /// The track that somebody publishes from `source`.
    pub fn track(&self, room: RoomName, name: ParticipantName, source: Source) -> Option<TrackId> {
        let participant = self.participants.get(&self.id_of(room, name)?)?;
        participant.tracks.iter().find(|(_, of, _)| *of == source).map(|(track, ..)| *track)
    }
}
