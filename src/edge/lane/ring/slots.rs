//! The connections of a lane, by slot. A slot's generation changes with each use.

use super::connection::Connection;
use super::token::{GENERATION_MASK, Token};

/// The connections of a lane.
#[derive(Default)]
pub struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

impl Slots {
    /// Slots in use or free.
    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Connections.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Is there no connection?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connection in a slot.
    pub fn get(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(slot as usize)?.connection.as_mut()
    }

    /// The connection that a token is about, unless it is gone.
    pub fn of(&mut self, token: Token) -> Option<&mut Connection> {
        self.get(token.slot).filter(|connection| connection.owns(token))
    }

    /// Puts a connection, made for the slot and generation it is given, into a free slot.
    pub fn insert(&mut self, make: impl FnOnce(u32, u32) -> Connection) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let entry = &mut self.slots[slot as usize];
        entry.generation = (entry.generation + 1) & GENERATION_MASK;
        entry.connection = Some(make(slot, entry.generation));
        slot
    }

    /// Takes a connection out.
    pub fn remove(&mut self, slot: u32) -> Option<Connection> {
        let connection = self.slots.get_mut(slot as usize)?.connection.take()?;
        self.free.push(slot);
        Some(connection)
    }
}

impl Drop for Slots {
    /// What the kernel still points into must outlive the lane.
    fn drop(&mut self) {
        for connection in self.slots.iter_mut().filter_map(|slot| slot.connection.as_mut()) {
            if let Some(transfer) = connection.transfer.take_if(|transfer| transfer.in_flight) {
                std::mem::forget(transfer);
            }
        }
    }
}
