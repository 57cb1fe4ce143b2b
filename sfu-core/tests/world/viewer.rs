//! A subscriber: a jitter buffer that asks for what is missing, and a decoder that knows whether what
//! it gets can be decoded. What no loss explains is a fault.

use std::collections::{BTreeMap, HashMap, HashSet};

use sfu_core::codec::{Codec, Place};
use sfu_core::rtcp::{self, Part, Report};
use sfu_core::rtp::{Packet, Unwrapper, is_rtcp};
use sfu_core::time::Time;
use sfu_core::{BitrateBounds, SlotConfig, SubscribeConfig};

use super::media::Stamp;
use super::sender::{OPUS, RED, VP8, VP9, extensions};

/// What came in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub bytes: u64,
    pub frames: u64,
    pub voices: u64,
}

pub struct Viewer {
    pub tally: Tally,
    pub faults: Vec<String>,
    pub first_frame: Option<Time>,
    /// The track, encoding and spatial layer of the last picture of each slot.
    pub shown: HashMap<usize, (u8, u8, u8)>,
    /// Whose voices came, with their count.
    pub voices: HashMap<u8, u64>,
    /// Pictures that could not be shown.
    pub frozen: u64,
    slots: Vec<Slot>,
    repairs: HashMap<u32, usize>,
    transport: Unwrapper,
    arrivals: BTreeMap<u64, u64>,
    feedback_base: Option<u64>,
    feedbacks: u8,
    next_feedback: Time,
    next_report: Time,
}

struct Slot {
    ssrc: u32,
    is_video: bool,
    unwrapper: Unwrapper,
    packets: BTreeMap<u64, Vec<u8>>,
    asked: HashMap<u64, (Time, Time)>,
    next: Option<u64>,
    picture: Vec<Vec<u8>>,
    /// Something that was sent has not come, so what follows may be undecodable.
    is_broken: bool,
    timestamp: Option<u32>,
    picture_id: Option<u16>,
    decoded: HashSet<(u8, u8, u8, u32)>,
    request: Option<Time>,
    clock: Option<(u32, Time)>,
    received: u64,
    reported: (u64, u64),
    first: u64,
}

const GIVEN_UP_MS: u64 = 600;
const ASK_MS: u64 = 50;
const REQUEST_MS: u64 = 500;

pub fn config(videos: u32, voices: u32) -> SubscribeConfig {
    let slot = |at: u32, is_video| SlotConfig {
        is_video,
        ssrc: 100 + at,
        rtx_ssrc: is_video.then_some(10_100 + at),
        codecs: if is_video { vec![VP8, VP9] } else { vec![OPUS, RED] },
    };
    let slots = (0..videos + voices).map(|at| slot(at, at < videos)).collect();
    SubscribeConfig { extensions: extensions(), slots, bitrate: BitrateBounds::default() }
}

impl Viewer {
    pub fn new(config: &SubscribeConfig, now: Time) -> Self {
        let slots = config.slots.iter().map(|slot| Slot {
            ssrc: slot.ssrc,
            is_video: slot.is_video,
            unwrapper: Unwrapper::default(),
            packets: BTreeMap::new(),
            asked: HashMap::new(),
            next: None,
            picture: Vec::new(),
            // The stream may begin with anything.
            is_broken: true,
            timestamp: None,
            picture_id: None,
            decoded: HashSet::new(),
            request: None,
            clock: None,
            received: 0,
            reported: (0, 0),
            first: 0,
        });
        let repairs = config.slots.iter().enumerate();
        Self {
            tally: Tally::default(),
            faults: Vec::new(),
            first_frame: None,
            shown: HashMap::new(),
            voices: HashMap::new(),
            frozen: 0,
            slots: slots.collect(),
            repairs: repairs.filter_map(|(at, slot)| Some((slot.rtx_ssrc?, at))).collect(),
            transport: Unwrapper::default(),
            arrivals: BTreeMap::new(),
            feedback_base: None,
            feedbacks: 0,
            next_feedback: now.plus_ms(50),
            next_report: now.plus_ms(1000),
        }
    }

    pub fn receive(&mut self, now: Time, bytes: &[u8]) {
        self.tally.bytes += bytes.len() as u64;
        if is_rtcp(bytes) {
            for part in rtcp::parts(bytes).map(Result::unwrap) {
                if let Part::SenderReport { ssrc, info, .. } = part {
                    let slot = self.slots.iter_mut().find(|it| it.ssrc == ssrc).unwrap();
                    slot.clock = Some((info.middle(), now));
                }
            }
            return;
        }
        let packet = Packet::parse(bytes).unwrap();
        let elements = packet.extensions.read(&extensions());
        if let Some(sequence) = elements.transport_sequence {
            self.arrivals.insert(self.transport.unwrap(sequence), now.as_micros());
        }
        let ssrc = packet.header.ssrc;
        let repaired = self.repairs.get(&ssrc).copied();
        let direct = self.slots.iter().position(|slot| slot.ssrc == ssrc);
        let Some(at) = direct.or(repaired) else {
            return self.faults.push(format!("{ssrc} is no slot"));
        };
        let slot = &mut self.slots[at];
        let mut plain = bytes.to_vec();
        let mut sequence = packet.header.sequence;
        if repaired.is_some() {
            // Padding of a probe.
            if packet.payload.is_empty() {
                return;
            }
            sequence = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
            let head = bytes.len() - packet.payload.len();
            plain.drain(head..head + 2);
            plain[2..4].copy_from_slice(&sequence.to_be_bytes());
            let codec = [VP8, VP9].iter().find(|it| it.rtx == Some(packet.header.payload_type));
            plain[1] = plain[1] & 0x80 | codec.unwrap().payload_type;
        }
        if slot.is_video {
            slot.keep(now, sequence, plain);
            self.play(now, at);
        } else {
            self.tally.voices += 1;
            *self.voices.entry(packet.payload[0]).or_default() += 1;
            self.faults.extend(slot.hear(&packet));
        }
    }

    /// Feedback that is due.
    pub fn send(&mut self, now: Time, out: &mut Vec<Vec<u8>>) {
        for at in 0..self.slots.len() {
            self.play(now, at);
            self.slots[at].ask(now, out);
        }
        if now >= self.next_feedback {
            self.next_feedback = now.plus_ms(50);
            self.tell_arrivals(out);
        }
        if now >= self.next_report {
            self.next_report = now.plus_ms(1000);
            let reports: Vec<Report> =
                self.slots.iter_mut().filter_map(|slot| slot.report(now)).collect();
            let mut bytes = Vec::new();
            rtcp::write_receiver_report(&mut bytes, 1, &reports);
            out.push(bytes);
        }
    }

    fn tell_arrivals(&mut self, out: &mut Vec<Vec<u8>>) {
        let Some(last) = self.arrivals.keys().last().copied() else { return };
        let first = *self.arrivals.keys().next().unwrap();
        let base = self.feedback_base.map_or(first, |base| base.min(first));
        let arrivals: Vec<_> =
            (base..=last).map(|number| self.arrivals.get(&number).copied()).collect();
        let mut bytes = Vec::new();
        let number = self.feedbacks;
        rtcp::write_transport_feedback(&mut bytes, (1, 100), number, base as u16, &arrivals)
            .unwrap();
        self.feedbacks = self.feedbacks.wrapping_add(1);
        self.arrivals.clear();
        self.feedback_base = Some(last + 1);
        out.push(bytes);
    }

    /// Takes whole pictures out of the buffer, in order.
    fn play(&mut self, now: Time, at: usize) {
        let slot = &mut self.slots[at];
        while let Some(next) = slot.next {
            let Some(packet) = slot.packets.remove(&next) else {
                let given_up = slot
                    .asked
                    .get(&next)
                    .is_some_and(|(since, _)| now.since_ms(*since) > GIVEN_UP_MS);
                if !given_up {
                    return;
                }
                slot.asked.remove(&next);
                slot.next = Some(next + 1);
                slot.picture.clear();
                slot.is_broken = true;
                continue;
            };
            slot.asked.remove(&next);
            slot.next = Some(next + 1);
            let parsed = Packet::parse(&packet).unwrap();
            // Stands in the place of a packet that was left out.
            if parsed.payload.is_empty() {
                continue;
            }
            let is_last = parsed.header.marker;
            if slot.is_cut_off_by(&parsed) {
                self.frozen += 1;
                slot.picture.clear();
            }
            slot.picture.push(packet);
            if is_last {
                match slot.decode() {
                    Ok(shown) => {
                        self.tally.frames += 1;
                        self.first_frame.get_or_insert(now);
                        self.shown.insert(at, shown);
                    }
                    Err(reason) if !slot.is_broken => {
                        self.faults.push(format!("{} at {now:?}: {reason}", slot.ssrc));
                    }
                    Err(_) => {
                        self.frozen += 1;
                        slot.request.get_or_insert(Time::ZERO);
                    }
                }
                slot.picture.clear();
            }
        }
    }
}

impl Slot {
    fn keep(&mut self, now: Time, sequence: u16, packet: Vec<u8>) {
        let before = self.unwrapper.highest();
        let number = self.unwrapper.unwrap(sequence);
        let next = *self.next.get_or_insert(number);
        if before.is_none() {
            self.first = number;
        }
        self.received += 1;
        if number < next {
            return;
        }
        for missing in before.map_or(number, |before| before + 1)..number {
            self.asked.insert(missing, (now, Time::ZERO));
        }
        self.packets.insert(number, packet);
    }

    fn ask(&mut self, now: Time, out: &mut Vec<Vec<u8>>) {
        let mut lost: Vec<u64> = Vec::new();
        for (number, (since, asked)) in &mut self.asked {
            if now.since_ms(*since) >= 5 && now.since_ms(*asked) >= ASK_MS {
                *asked = now;
                lost.push(*number);
            }
        }
        lost.sort_unstable();
        let lost: Vec<u16> = lost.into_iter().map(|number| number as u16).collect();
        let mut bytes = Vec::new();
        rtcp::write_nack(&mut bytes, 1, self.ssrc, &lost);
        if self.request.is_some_and(|at| now.since_ms(at) >= REQUEST_MS) {
            self.request = Some(now);
            rtcp::write_pli(&mut bytes, 1, self.ssrc);
        }
        if !bytes.is_empty() {
            out.push(bytes);
        }
    }

    fn report(&mut self, now: Time) -> Option<Report> {
        let highest = self.unwrapper.highest()?;
        let expected = highest + 1 - self.first;
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, self.received);
        let expected_since = expected - expected_before;
        let lost = expected_since.saturating_sub(self.received - received_before);
        let (last_report, since) = self
            .clock
            .map_or((0, 0), |(middle, at)| (middle, now.since_us(at) * 65_536 / 1_000_000));
        Some(Report {
            ssrc: self.ssrc,
            fraction_lost: (lost * 255).checked_div(expected_since).unwrap_or(0) as u8,
            highest: highest as u32,
            last_report,
            since_last_report: since as u32,
            ..Report::default()
        })
    }

    /// Voices are not repeated: numbers and timestamps rise, that is all.
    fn hear(&mut self, packet: &Packet<'_>) -> Option<String> {
        let number = self.unwrapper.unwrap(packet.header.sequence);
        let before = self.next.replace(number + 1);
        let rises = self.timestamp.is_none_or(|it| is_later(packet.header.timestamp, it));
        if self.received == 0 {
            self.first = number;
        }
        self.received += 1;
        if before.is_some_and(|next| number < next) {
            return None;
        }
        self.timestamp = Some(packet.header.timestamp);
        (!rises).then(|| format!("{}: timestamp {}", self.ssrc, packet.header.timestamp))
    }

    /// Another encoding's key frame follows while packets of the last picture were still under way:
    /// they are not forwarded any more.
    fn is_cut_off_by(&mut self, packet: &Packet<'_>) -> bool {
        let Some(first) = self.picture.first() else { return false };
        let before = Packet::parse(first).unwrap();
        let codec = codec_of(packet.header.payload_type);
        let is_cut_off = before.header.timestamp != packet.header.timestamp
            && Place::read(codec, packet.payload).starts_key;
        if is_cut_off {
            let codec = codec_of(before.header.payload_type);
            let id = Place::read(codec, before.payload).picture_id;
            self.picture_id = id.map(|id| id.value);
            self.timestamp = Some(before.header.timestamp);
        }
        is_cut_off
    }

    /// What the picture shows, or why it cannot be decoded.
    fn decode(&mut self) -> Result<(u8, u8, u8), String> {
        let parsed = self.picture.iter().map(|packet| Packet::parse(packet).unwrap());
        let parsed: Vec<Packet> = parsed.collect();
        let header = parsed[0].header;
        let codec = codec_of(header.payload_type);
        let stamps: Vec<Stamp> = parsed.iter().map(|it| Stamp::read(codec, it.payload)).collect();
        let of = |what: &str| format!("{what}: {header:?} {stamps:?}");
        if parsed.iter().any(|it| it.header.timestamp != header.timestamp) {
            return Err(of("pictures are mixed"));
        }
        if self.timestamp.is_some_and(|before| !is_later(header.timestamp, before)) {
            return Err(of("time does not pass"));
        }
        let id = Place::read(codec, parsed[0].payload).picture_id.unwrap().value;
        let follows = self.picture_id.is_none_or(|before| id == (before + 1) & 0x7fff);
        let mut rest = &stamps[..];
        let mut frames = Vec::new();
        while let Some(first) = rest.first() {
            let (frame, behind) = rest
                .split_at_checked(usize::from(first.count))
                .ok_or_else(|| of("packets are missing"))?;
            if frame.iter().enumerate().any(|(at, it)| usize::from(it.index) != at) {
                return Err(of("packets are in disorder"));
            }
            if usize::from(first.spatial) != frames.len() {
                return Err(of("a layer is missing"));
            }
            let needed = (first.track, first.encoding, first.spatial, first.refers);
            if first.refers != 0 && !self.decoded.contains(&needed) {
                return Err(of("what it refers to is missing"));
            }
            frames.push((first.track, first.encoding, first.spatial, first.frame));
            rest = behind;
        }
        if !follows && !self.is_broken {
            return Err(format!(
                "picture ids have a gap: {id} behind {:?}, {}",
                self.picture_id,
                of("")
            ));
        }
        let is_key = stamps[0].refers == 0;
        if is_key {
            (self.is_broken, self.request) = (false, None);
        }
        (self.timestamp, self.picture_id) = (Some(header.timestamp), Some(id));
        self.decoded.extend(&frames);
        let (track, encoding, spatial, _) = *frames.last().unwrap();
        Ok((track, encoding, spatial))
    }
}

fn codec_of(payload_type: u8) -> Codec {
    if payload_type == VP8.payload_type { Codec::Vp8 } else { Codec::Vp9 }
}

fn is_later(timestamp: u32, than: u32) -> bool {
    (1..1 << 31).contains(&timestamp.wrapping_sub(than))
}
