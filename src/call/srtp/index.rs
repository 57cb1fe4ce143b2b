//! RFC 3711 3.3: the index of a packet, which counts how often its number began anew; and which
//! indices were there already.

use std::collections::HashMap;

use super::Fault;

/// Streams of one connection in one direction.
pub(super) const STREAMS_MAX: usize = 256;
/// How far back repeats are told from late packets.
const WINDOW: u64 = 128;

/// The streams of one direction, by SSRC.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: HashMap<u32, Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    highest: u64,
    /// The lowest bit is `highest`, the next one the index before it.
    seen: u128,
}

impl Streams {
    /// The index that lies nearest to the highest one (RFC 3711 3.3.1).
    pub(super) fn guess(&self, ssrc: u32, sequence: u16) -> u64 {
        let Some(stream) = self.streams.get(&ssrc) else { return u64::from(sequence) };
        let difference = i64::from(sequence.wrapping_sub(stream.highest as u16) as i16);
        match stream.highest.checked_add_signed(difference) {
            Some(index) => index,
            // Before the first rollover nothing lies below zero.
            None => u64::from(sequence),
        }
    }

    /// Whether it is new.
    pub(super) fn check(&self, ssrc: u32, index: u64) -> Result<(), Fault> {
        match self.streams.get(&ssrc) {
            Some(stream) if stream.has(index) => Err(Fault::Repeated { index }),
            Some(_) => Ok(()),
            None if self.streams.len() >= STREAMS_MAX => Err(Fault::Streams),
            None => Ok(()),
        }
    }

    /// Remembers one that is authentic.
    pub(super) fn note(&mut self, ssrc: u32, index: u64) -> Result<(), Fault> {
        self.check(ssrc, index)?;
        let first = Stream { highest: index, seen: 0 };
        self.streams.entry(ssrc).or_insert(first).note(index);
        Ok(())
    }
}

impl Stream {
    fn has(&self, index: u64) -> bool {
        let Some(back) = self.highest.checked_sub(index) else { return false };
        back >= WINDOW || self.seen >> back & 1 == 1
    }

    fn note(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.highest) {
            self.seen = if ahead >= WINDOW { 0 } else { self.seen << ahead };
            self.highest = index;
        }
        let back = self.highest - index;
        if back < WINDOW {
            self.seen |= 1 << back;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_begin_anew_are_counted() {
        let mut streams = Streams::default();
        for sequence in [65_530, 65_535, 2, 65_534, 3] {
            let index = streams.guess(1, sequence);
            streams.note(1, index).unwrap();
        }
        assert_eq!(streams.guess(1, 4), 65_536 + 4);
        assert_eq!(streams.guess(1, 65_533), 65_533);
        let again = streams.guess(1, 65_534);
        assert_eq!(streams.check(1, again), Err(Fault::Repeated { index: 65_534 }));
    }

    #[test]
    fn what_is_too_old_counts_as_repeated_and_streams_are_bounded() {
        let mut streams = Streams::default();
        streams.note(1, 1000).unwrap();
        assert!(streams.check(1, 1000 - WINDOW).is_err());
        assert!(streams.check(1, 1001 - WINDOW).is_ok());
        for ssrc in 2..=STREAMS_MAX as u32 {
            streams.note(ssrc, 0).unwrap();
        }
        assert_eq!(streams.note(0, 0), Err(Fault::Streams));
    }
}
