//! The last packets of one encoding, kept once for all who watch it: they are sent from here, and
//! sent again.

use crate::codec::{Codec, Place};
use crate::rtp::AudioLevel;

/// What is kept of a packet beside its octets. Its header is written anew for each receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    /// Unwrapped.
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub codec: Codec,
    pub place: Place,
    pub audio_level: Option<AudioLevel>,
    pub orientation: Option<u8>,
    /// Octets of the dependency descriptor, which stand before the payload.
    pub dependency_bytes: u8,
    pub payload_bytes: u16,
}

#[derive(Debug)]
pub(crate) struct Ring {
    entries: Box<[Option<Entry>]>,
    bytes: Box<[u8]>,
    /// Octets written since the begin, those that were left free at the end of a round among them.
    written: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    info: Info,
    /// What `written` was when its first octet was.
    position: u64,
}

/// Both powers of two. Video: a second and a half at 2.5 Mbit/s. Audio: over a second of packets.
const VIDEO_ENTRIES: usize = 512;
const VIDEO_BYTES: usize = 512 * 1024;
const AUDIO_ENTRIES: usize = 64;
const AUDIO_BYTES: usize = 16 * 1024;

impl Ring {
    pub(crate) fn new(is_video: bool) -> Self {
        let (entries, bytes) =
            if is_video { (VIDEO_ENTRIES, VIDEO_BYTES) } else { (AUDIO_ENTRIES, AUDIO_BYTES) };
        Self {
            entries: vec![None; entries].into_boxed_slice(),
            bytes: vec![0; bytes].into_boxed_slice(),
            written: 0,
        }
    }

    /// Keeps a packet; the oldest ones go.
    pub(crate) fn push(&mut self, info: Info, dependency: &[u8], payload: &[u8]) {
        debug_assert_eq!(dependency.len(), usize::from(info.dependency_bytes));
        debug_assert_eq!(payload.len(), usize::from(info.payload_bytes));
        let len = dependency.len() + payload.len();
        let mut at = self.written as usize & (self.bytes.len() - 1);
        if at + len > self.bytes.len() {
            self.written += (self.bytes.len() - at) as u64;
            at = 0;
        }
        let place = &mut self.bytes[at..at + len];
        place[..dependency.len()].copy_from_slice(dependency);
        place[dependency.len()..].copy_from_slice(payload);
        let mask = self.entries.len() - 1;
        let entry = Entry { info, position: self.written };
        self.entries[info.sequence as usize & mask] = Some(entry);
        self.written += len as u64;
    }

    /// What was kept of packet `sequence`: itself, its dependency descriptor, its payload.
    pub(crate) fn get(&self, sequence: u64) -> Option<(&Info, &[u8], &[u8])> {
        let place = &self.entries[sequence as usize & (self.entries.len() - 1)];
        let entry = place.as_ref().filter(|entry| entry.info.sequence == sequence)?;
        if self.written - entry.position > self.bytes.len() as u64 {
            return None;
        }
        let at = entry.position as usize & (self.bytes.len() - 1);
        let payload_at = at + usize::from(entry.info.dependency_bytes);
        let payload_end = payload_at + usize::from(entry.info.payload_bytes);
        let bytes = &self.bytes;
        Some((&entry.info, &bytes[at..payload_at], &bytes[payload_at..payload_end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_whole_or_gone() {
        let mut ring = Ring::new(false);
        for sequence in 0..500u64 {
            let payload = vec![sequence as u8; 300 + (sequence as usize * 37) % 1000];
            let info = Info {
                sequence,
                timestamp: 0,
                marker: false,
                codec: Codec::Opus,
                place: Place::OPAQUE,
                audio_level: None,
                orientation: None,
                dependency_bytes: 1,
                payload_bytes: payload.len() as u16,
            };
            ring.push(info, &[sequence as u8], &payload);
            let kept = (0..=sequence).filter_map(|sequence| ring.get(sequence));
            let mut count = 0;
            for (info, dependency, payload) in kept {
                assert!(payload.iter().chain(dependency).all(|it| *it == info.sequence as u8));
                count += 1;
            }
            assert!(count >= 10.min(sequence + 1), "only {count} at {sequence}");
        }
    }
}
