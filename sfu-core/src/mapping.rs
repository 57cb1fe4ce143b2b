//! Which packet of a publisher became which packet of a subscriber's stream, and back.

use std::collections::VecDeque;

use crate::arena::Key;
use crate::codec::Place;

/// A run of packets that differ from their originals by the same amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub track: Key,
    pub encoding: u8,
    /// The highest spatial layer that is forwarded: its frames' ends are pictures' ends.
    pub spatial: u8,
    /// The highest temporal layer that is forwarded.
    pub temporal: u8,
    /// The first packet, as it came and as it went, unwrapped.
    pub from_in: u64,
    pub from_out: u64,
    /// What went is what came plus this, modulo the field's size.
    pub timestamp_offset: u32,
    pub picture_offset: u16,
    pub tl0_offset: u8,
    pub frame_offset: u16,
    /// Counts the changes of source: numbers of different ones cannot be compared.
    epoch: u32,
}

#[derive(Debug)]
pub(crate) struct Mapping {
    segments: VecDeque<Segment>,
    highest_in: u64,
    next_out: u64,
    epoch: u32,
}

/// More runs are forgotten, the oldest first: a frame in two left out at 30 a second for four seconds.
const SEGMENTS_MAX: usize = 64;
/// Numbers that go out begin here, so that none before the first is below zero.
const FIRST_OUT: u64 = 1 << 16;

impl Default for Mapping {
    fn default() -> Self {
        Self { segments: VecDeque::new(), highest_in: 0, next_out: FIRST_OUT, epoch: 0 }
    }
}

impl Segment {
    pub(crate) fn new(track: Key, encoding: u8, from_in: u64) -> Self {
        Self {
            track,
            encoding,
            spatial: 0,
            temporal: 0,
            from_in,
            from_out: 0,
            timestamp_offset: 0,
            picture_offset: 0,
            tl0_offset: 0,
            frame_offset: 0,
            epoch: 0,
        }
    }

    /// Whether what is in a place belongs to the layers that are forwarded.
    pub(crate) fn takes(&self, place: &Place) -> bool {
        place.spatial <= self.spatial && place.temporal <= self.temporal
    }

    fn out_of(&self, number: u64) -> u64 {
        number - self.from_in + self.from_out
    }
}

impl Mapping {
    /// What goes out next comes from elsewhere, and follows without a gap.
    pub(crate) fn begin(&mut self, segment: Segment) {
        self.epoch = self.epoch.wrapping_add(1);
        self.highest_in = segment.from_in - 1;
        self.push(Segment { from_out: self.next_out, epoch: self.epoch, ..segment });
    }

    pub(crate) fn current(&self) -> Option<&Segment> {
        self.segments.back()
    }

    pub(crate) fn highest_in(&self) -> u64 {
        self.highest_in
    }

    /// Packet `number`, beyond all so far, goes out: as which.
    pub(crate) fn advance(&mut self, number: u64) -> Option<u64> {
        let out = self.segments.back()?.out_of(number);
        self.highest_in = number;
        self.next_out = out + 1;
        Some(out)
    }

    /// Packet `number`, beyond all so far, is left out, and the gap is closed.
    pub(crate) fn skip(&mut self, number: u64, picture_skipped: bool) {
        let picture = u16::from(picture_skipped);
        self.highest_in = number;
        let Some(last) = self.segments.back_mut() else { return };
        self.next_out = last.out_of(number);
        let picture_offset = last.picture_offset.wrapping_sub(picture);
        if last.from_in == number {
            (last.from_in, last.picture_offset) = (number + 1, picture_offset);
            return;
        }
        let next =
            Segment { from_in: number + 1, from_out: self.next_out, picture_offset, ..*last };
        self.push(next);
    }

    /// From packet `number` on, which is beyond all so far, other layers are the highest.
    pub(crate) fn set_layers(&mut self, number: u64, spatial: u8, temporal: u8) {
        let Some(last) = self.segments.back_mut() else { return };
        if (last.spatial, last.temporal) == (spatial, temporal) {
            return;
        }
        if last.from_in == number {
            (last.spatial, last.temporal) = (spatial, temporal);
            return;
        }
        let (from_in, from_out) = (number, last.out_of(number));
        let next = Segment { from_in, from_out, spatial, temporal, ..*last };
        self.push(next);
    }

    /// Packet `number`, which was passed by others, has this place kept for it.
    pub(crate) fn late(&self, number: u64) -> Option<(Segment, u64)> {
        let epoch = self.segments.back()?.epoch;
        let of_epoch = self.segments.iter().rev().take_while(|segment| segment.epoch == epoch);
        let mut end_out = self.next_out;
        for segment in of_epoch {
            if number >= segment.from_in {
                let out = segment.out_of(number);
                return (out < end_out).then_some((*segment, out));
            }
            end_out = segment.from_out;
        }
        None
    }

    /// What went out under `sequence`: its run, and the number under which it came.
    pub(crate) fn source_of(&self, sequence: u16) -> Option<(Segment, u64)> {
        let behind = u64::from((self.next_out as u16).wrapping_sub(sequence));
        if behind == 0 || behind > u64::from(u16::MAX / 2) {
            return None;
        }
        let out = self.next_out - behind;
        let segment = self.segments.iter().rev().find(|segment| segment.from_out <= out)?;
        Some((*segment, out - segment.from_out + segment.from_in))
    }

    fn push(&mut self, segment: Segment) {
        if self.segments.len() == SEGMENTS_MAX {
            self.segments.pop_front();
        }
        self.segments.push_back(segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;

    #[test]
    fn gaps_are_closed_for_what_is_left_out_and_kept_for_what_is_late() {
        let mut arena = Arena::default();
        let track = arena.insert(());
        let mut mapping = Mapping::default();
        mapping.begin(Segment::new(track, 0, 1000));
        let out = |mapping: &mut Mapping, number| mapping.advance(number).unwrap() - FIRST_OUT;
        assert_eq!(out(&mut mapping, 1000), 0);
        // 1001 and 1002 are on their way, 1003 and 1004 are left out.
        mapping.skip(1003, true);
        mapping.skip(1004, false);
        assert_eq!(out(&mut mapping, 1005), 3);
        assert_eq!(mapping.current().unwrap().picture_offset, u16::MAX);
        let late = |mapping: &Mapping, number| mapping.late(number).map(|it| it.1 - FIRST_OUT);
        assert_eq!((late(&mapping, 1001), late(&mapping, 1002)), (Some(1), Some(2)));
        assert_eq!((late(&mapping, 1003), late(&mapping, 1004)), (None, None));
        assert_eq!(late(&mapping, 999), None);
        let source = |mapping: &Mapping, out: u64| {
            mapping.source_of((FIRST_OUT + out) as u16).map(|(_, number)| number)
        };
        let sources = [0, 1, 2, 3, 4].map(|out| source(&mapping, out));
        assert_eq!(sources, [Some(1000), Some(1001), Some(1002), Some(1005), None]);
        mapping.begin(Segment::new(track, 1, 70_000));
        assert_eq!(out(&mut mapping, 70_000), 4);
        assert_eq!(late(&mapping, 1002), None, "of another source");
        assert_eq!((source(&mapping, 2), source(&mapping, 4)), (Some(1002), Some(70_000)));
    }
}
