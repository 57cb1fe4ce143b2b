//! A thread's connections, each under a number that is never used twice.

use chat_core::id::StreamId;

/// Connections by their [`StreamId`]: the thread, the place, and how often the place was taken.
#[derive(Debug)]
pub struct Slots<T> {
    thread: u8,
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    held: Option<T>,
}

impl<T> Slots<T> {
    /// Nothing, of the thread of this number.
    pub fn new(thread: u8) -> Self {
        Self { thread, places: Vec::new(), free: Vec::new() }
    }

    /// Keeps what `make` makes of its number.
    pub fn insert(&mut self, make: impl FnOnce(StreamId) -> T) -> StreamId {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.places.push(Place { generation: 0, held: None });
                self.places.len() as u32 - 1
            }
        };
        assert!(place < PLACES_MAX, "descriptors run out before places");
        let at = &mut self.places[place as usize];
        at.generation = at.generation.wrapping_add(1);
        let generation = u64::from(at.generation);
        let id = StreamId(generation << 32 | u64::from(place) << 8 | u64::from(self.thread));
        at.held = Some(make(id));
        id
    }

    /// What is kept under a number.
    pub fn get(&self, id: StreamId) -> Option<&T> {
        let (place, generation) = parts_of(id);
        let at = self.places.get(place)?;
        at.held.as_ref().filter(|_| at.generation == generation)
    }

    /// Gives up what is kept under a number.
    pub fn remove(&mut self, id: StreamId) -> Option<T> {
        let (place, generation) = parts_of(id);
        let at = self.places.get_mut(place).filter(|at| at.generation == generation)?;
        let held = at.held.take()?;
        self.free.push(place as u32);
        Some(held)
    }

    /// All that is kept.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.held.as_ref())
    }
}

/// The thread that has a connection.
pub fn thread_of(id: StreamId) -> usize {
    usize::from(id.0 as u8)
}

fn parts_of(id: StreamId) -> (usize, u32) {
    ((id.0 >> 8) as usize & (PLACES_MAX as usize - 1), (id.0 >> 32) as u32)
}

/// Places of one thread.
const PLACES_MAX: u32 = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_used_twice() {
        let mut slots = Slots::new(7);
        let (first, second) = (slots.insert(|_| 'a'), slots.insert(|_| 'b'));
        assert_eq!((thread_of(first), thread_of(second)), (7, 7));
        assert_eq!(slots.remove(first), Some('a'));
        let third = slots.insert(|_| 'c');
        assert_ne!(first, third);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!((slots.get(second), slots.get(third)), (Some(&'b'), Some(&'c')));
        assert_eq!(slots.iter().count(), 2);
    }
}
