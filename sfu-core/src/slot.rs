//! An m-line of a subscriber: what it shows is switched at key frames, and rewritten so that the
//! receiver sees one stream without a seam.

use crate::arena::Key;
use crate::codec::Codec;
use crate::config::{PayloadType, SlotConfig};
use crate::mapping::{Mapping, Segment};
use crate::ring::Info;
use crate::time::Time;
use crate::track::Clock;

/// What is forwarded of a track: up to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer {
    /// The encoding's place in its track.
    pub encoding: u8,
    /// The highest spatial layer in it.
    pub spatial: u8,
    /// The highest temporal layer in it.
    pub temporal: u8,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub is_video: bool,
    pub rtx_sequence: u16,
    pub packets: u32,
    pub octets: u32,
    codecs: Vec<PayloadType>,
    source: Option<Key>,
    target: Option<Layer>,
    current: Option<Layer>,
    mapping: Mapping,
    last: Last,
    picture_skipped: Option<u16>,
    asked_up: Option<Time>,
}

/// Between two key frames that are asked for to go up in layers.
const ASK_UP_MS: u64 = 2000;
/// A larger gap is not kept open.
const LEAP_MAX: u64 = 400;

/// The last packet that went out in order.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    sent: Option<Time>,
    timestamp_in: u32,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    frame: u16,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    /// Goes out under that number.
    Send(Segment, u64),
    /// Is left out, but a place was kept for it: something empty goes there.
    Fill(Segment, u64),
    /// Is not forwarded.
    Drop,
}

impl Slot {
    pub(crate) fn new(config: SlotConfig) -> Self {
        Self {
            ssrc: config.ssrc,
            rtx_ssrc: config.rtx_ssrc,
            is_video: config.is_video,
            rtx_sequence: 0,
            packets: 0,
            octets: 0,
            codecs: config.codecs,
            source: None,
            target: None,
            current: None,
            mapping: Mapping::default(),
            last: Last::default(),
            picture_skipped: None,
            asked_up: None,
        }
    }

    pub(crate) fn source(&self) -> Option<Key> {
        self.source
    }

    pub(crate) fn current(&self) -> Option<Layer> {
        self.current
    }

    pub(crate) fn target(&self) -> Option<Layer> {
        self.target
    }

    pub(crate) fn payload_type(&self, codec: Codec) -> Option<PayloadType> {
        self.codecs.iter().find(|it| it.codec == codec).copied()
    }

    pub(crate) fn rtx_payload_type(&self) -> Option<u8> {
        self.codecs.iter().find_map(|it| it.rtx)
    }

    /// Shows another track from its next key frame on.
    pub(crate) fn show(&mut self, track: Option<Key>) {
        self.source = track;
        self.current = None;
        self.target = None;
        if !self.is_video && track.is_some() {
            self.target = Some(Layer { encoding: 0, spatial: 0, temporal: 0 });
        }
    }

    pub(crate) fn set_target(&mut self, target: Option<Layer>) {
        if target.is_none() {
            self.current = None;
        }
        self.target = target;
    }

    /// Forwards nothing until the next key frame: what came meanwhile would be too late.
    pub(crate) fn stall(&mut self) {
        self.current = None;
    }

    /// The encoding that a key frame is needed of.
    pub(crate) fn awaits_key(&self) -> Option<u8> {
        let target = self.target.filter(|_| self.is_video)?;
        let is_there = self.current.is_some_and(|current| {
            current.encoding == target.encoding && current.spatial >= target.spatial
        });
        (!is_there).then_some(target.encoding)
    }

    /// The same, as often as it may be asked for: going up in layers is worth waiting for, as its key
    /// frame is a burden for all who watch the encoding.
    pub(crate) fn ask_key(&mut self, now: Time) -> Option<u8> {
        let encoding = self.awaits_key()?;
        if self.current.is_some_and(|current| current.encoding == encoding) {
            if self.asked_up.is_some_and(|at| now.since_ms(at) < ASK_UP_MS) {
                return None;
            }
            self.asked_up = Some(now);
        }
        Some(encoding)
    }

    /// Packets of which encodings are of use.
    pub(crate) fn needs(&self) -> impl Iterator<Item = u8> {
        [self.current, self.target].into_iter().flatten().map(|layer| layer.encoding)
    }

    pub(crate) fn timestamp_offset(&self, track: Key, encoding: u8) -> Option<u32> {
        let segment = self.mapping.current()?;
        (segment.track == track && segment.encoding == encoding && self.current.is_some())
            .then_some(segment.timestamp_offset)
    }

    /// What went out under `sequence`.
    pub(crate) fn sent_as(&self, sequence: u16) -> Option<(Segment, u64)> {
        self.mapping.source_of(sequence)
    }

    /// What becomes of a packet of the track that is shown.
    pub(crate) fn forward(
        &mut self,
        now: Time,
        encoding: u8,
        info: &Info,
        clocks: &[Option<Clock>],
    ) -> Forward {
        // Its publisher began anew, or much is lost: numbers that leap would tear the stream.
        let is_current = |current: Layer| current.encoding == encoding;
        if self.current.is_some_and(is_current)
            && info.sequence > self.mapping.highest_in() + LEAP_MAX
        {
            self.current = None;
        }
        if !self.current.is_some_and(is_current) && !self.switch(now, encoding, info, clocks) {
            return Forward::Drop;
        }
        let number = info.sequence;
        if number <= self.mapping.highest_in() {
            return self.forward_late(now, info);
        }
        self.follow_layers(info);
        let takes = self.mapping.current().is_some_and(|segment| segment.takes(&info.place));
        if takes && self.payload_type(info.codec).is_some() {
            return self.send(now, info);
        }
        self.mapping.skip(number, self.skips_picture(info));
        self.picture_skipped = info.place.picture_id.map(|id| id.value).or(self.picture_skipped);
        Forward::Drop
    }

    fn send(&mut self, now: Time, info: &Info) -> Forward {
        let Some(out) = self.mapping.advance(info.sequence) else { return Forward::Drop };
        let Some(segment) = self.mapping.current().copied() else { return Forward::Drop };
        self.last.timestamp_in = info.timestamp;
        self.note_sent(now, &segment, info);
        Forward::Send(segment, out)
    }

    fn forward_late(&mut self, now: Time, info: &Info) -> Forward {
        match self.mapping.late(info.sequence) {
            Some((segment, out)) if segment.takes(&info.place) => {
                self.note_sent(now, &segment, info);
                Forward::Send(segment, out)
            }
            Some((segment, out)) => Forward::Fill(segment, out),
            None => Forward::Drop,
        }
    }

    /// The numbers of the latest picture are what the next source continues.
    fn note_sent(&mut self, now: Time, segment: &Segment, info: &Info) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::from(info.payload_bytes));
        let timestamp = info.timestamp.wrapping_add(segment.timestamp_offset);
        let is_earlier = (timestamp.wrapping_sub(self.last.timestamp) as i32) < 0;
        if self.last.sent.is_some() && is_earlier {
            return;
        }
        let place = &info.place;
        (self.last.sent, self.last.timestamp) = (Some(now), timestamp);
        if let Some(id) = place.picture_id {
            self.last.picture = id.value.wrapping_add(segment.picture_offset);
        }
        if let Some((tl0, _)) = place.tl0 {
            self.last.tl0 = tl0.wrapping_add(segment.tl0_offset);
        }
        if let Some(frame) = place.frame_number {
            self.last.frame = frame.wrapping_add(segment.frame_offset);
        }
    }

    /// VP8's pictures have no gap in their numbers, as nothing in them tells which ones are needed.
    /// VP9's refer to one another by differences of numbers, so what is left out keeps its own.
    fn skips_picture(&self, info: &Info) -> bool {
        info.codec == Codec::Vp8
            && info.place.picture_id.is_some_and(|id| self.picture_skipped != Some(id.value))
    }

    /// Goes down at the begin of a picture, and up where the stream says that decoding can.
    fn follow_layers(&mut self, info: &Info) {
        let (Some(current), Some(target)) = (&mut self.current, self.target) else { return };
        let place = &info.place;
        if !self.is_video || current.encoding != target.encoding {
            return;
        }
        // Where the first packet was passed by others, what came before it is not known to be of the
        // last picture: the next picture will do.
        let begins = place.starts_frame && place.spatial == 0;
        if begins && info.timestamp != self.last.timestamp_in {
            current.spatial = current.spatial.min(target.spatial);
            current.temporal = current.temporal.min(target.temporal);
        }
        if place.starts_key {
            // All layers of a key picture stand on it alone.
            (current.spatial, current.temporal) = (target.spatial, target.temporal);
        } else if place.starts_frame && place.may_go_up && place.temporal <= target.temporal {
            current.temporal = current.temporal.max(place.temporal);
        }
        self.mapping.set_layers(info.sequence, current.spatial, current.temporal);
    }

    fn switch(&mut self, now: Time, encoding: u8, info: &Info, clocks: &[Option<Clock>]) -> bool {
        let (Some(track), Some(target)) = (self.source, self.target) else { return false };
        let begins = info.place.starts_key || !self.is_video;
        if target.encoding != encoding || !begins || self.payload_type(info.codec).is_none() {
            return false;
        }
        let mut segment = Segment::new(track, encoding, info.sequence);
        (segment.spatial, segment.temporal) = (target.spatial, target.temporal);
        if let Some(sent) = self.last.sent {
            let timestamp = self.next_timestamp(now, sent, track, info, clocks, encoding);
            segment.timestamp_offset = timestamp.wrapping_sub(info.timestamp);
            if let Some(id) = info.place.picture_id {
                segment.picture_offset = self.last.picture.wrapping_add(1).wrapping_sub(id.value);
            }
            if let Some((tl0, _)) = info.place.tl0 {
                segment.tl0_offset = self.last.tl0.wrapping_add(1).wrapping_sub(tl0);
            }
            if let Some(frame) = info.place.frame_number {
                segment.frame_offset = self.last.frame.wrapping_add(1).wrapping_sub(frame);
            }
        }
        self.mapping.begin(segment);
        self.current = Some(target);
        self.picture_skipped = None;
        true
    }

    /// The timestamp that continues the stream: by the publisher's own clock between encodings of one
    /// track where its reports tell, else by the time that has passed.
    fn next_timestamp(
        &self,
        now: Time,
        sent: Time,
        track: Key,
        info: &Info,
        clocks: &[Option<Clock>],
        encoding: u8,
    ) -> u32 {
        let hz = u64::from(info.codec.clock_hz());
        let passed = (now.since_us(sent) * hz / 1_000_000) as u32;
        let by_time = self.last.timestamp.wrapping_add(passed.max(1));
        let clock_of = |encoding: u8| clocks.get(usize::from(encoding)).copied().flatten();
        let before = self.mapping.current().filter(|segment| segment.track == track);
        let Some((before, old, new)) =
            before.and_then(|it| Some((it, clock_of(it.encoding)?, clock_of(encoding)?)))
        else {
            return by_time;
        };
        let in_old = old.timestamp_at(new.ntp_at(info.timestamp, hz), hz);
        let by_clock = in_old.wrapping_add(before.timestamp_offset);
        let ahead = by_clock.wrapping_sub(self.last.timestamp);
        // Clocks that contradict what has passed by more than half a second are not believed.
        if (1..=passed.saturating_add(hz as u32 / 2)).contains(&ahead) { by_clock } else { by_time }
    }
}
