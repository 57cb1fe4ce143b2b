//! Who is in the rooms of a media thread, kept beside it: should it fail, they are told to join again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashSet;

use super::{ParticipantName, RoomName};

/// Names of participants.
#[derive(Default)]
pub struct Present(Mutex<HashSet<(RoomName, ParticipantName)>>);

impl Present {
    /// Somebody has come in.
    pub fn insert(&self, room: RoomName, participant: ParticipantName) {
        self.lock().insert((room, participant));
    }

    /// Somebody has left.
    pub fn remove(&self, room: RoomName, participant: ParticipantName) {
        self.lock().remove(&(room, participant));
    }

    /// All of them, who are forgotten.
    pub fn take(&self) -> HashSet<(RoomName, ParticipantName)> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(RoomName, ParticipantName)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
