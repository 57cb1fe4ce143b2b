//! A publisher: a voice, and pictures in simulcast (VP8) or in spatial layers (VP9). It answers NACKs
//! by retransmissions and requests by key frames.

use std::collections::HashMap;

use sfu_core::codec::Codec;
use sfu_core::rtcp::{self, Part, SenderInfo};
use sfu_core::rtp::{AudioLevel, ExtensionKind, ExtensionMap, Header, Outgoing, write_header};
use sfu_core::time::Time;
use sfu_core::{EncodingConfig, PayloadType, PublishConfig, Source, TrackConfig};

use super::media::{Picture, Stamp};

pub const VP8: PayloadType = PayloadType { codec: Codec::Vp8, payload_type: 96, rtx: Some(97) };
pub const VP9: PayloadType = PayloadType { codec: Codec::Vp9, payload_type: 98, rtx: Some(99) };
pub const RED: PayloadType = PayloadType { codec: Codec::Red, payload_type: 63, rtx: None };
pub const OPUS: PayloadType = PayloadType { codec: Codec::Opus, payload_type: 111, rtx: None };

const RIDS: [&[u8]; 3] = [b"q", b"h", b"f"];
/// Bits per second of encodings, or of spatial layers alone.
pub const BPS: [u64; 3] = [150_000, 500_000, 1_200_000];
const FRAMES_PER_SECOND: u64 = 30;
const VOICE_BYTES: usize = 80;

pub struct Sender {
    pub tag: u8,
    pub codec: Codec,
    /// 0: loudest, 127: silent.
    pub level: u8,
    /// A bit for each encoding.
    pub active: u8,
    pub requests: u64,
    pub repeats: u64,
    pub sends_pictures: bool,
    pub has_temporal: bool,
    /// Redundant audio in the place of plain.
    pub has_red: bool,
    /// In silence a packet in eight is sent.
    pub has_dtx: bool,
    streams: Vec<Stream>,
    voice: Numbers,
    transport: u16,
    next_voice: Time,
    next_picture: Time,
    next_report: Time,
    pictures: u32,
}

#[derive(Default)]
struct Numbers {
    sequence: u16,
    packets: u32,
}

struct Stream {
    ssrc: u32,
    numbers: Numbers,
    rtx: Numbers,
    is_key_wanted: bool,
    /// The last frame of each spatial layer, and of the base temporal one.
    last: [u32; 3],
    tl0: u8,
    picture_id: u16,
    history: HashMap<u16, (Header, Vec<u8>)>,
}

pub fn extensions() -> ExtensionMap {
    use ExtensionKind::{AudioLevel, Mid, RepairedRid, Rid, TransportSequence};
    ExtensionMap::new((1..).zip([AudioLevel, TransportSequence, Mid, Rid, RepairedRid]))
}

impl Sender {
    pub fn new(tag: u8, codec: Codec, now: Time) -> Self {
        let count = if codec == Codec::Vp8 { 3 } else { 1 };
        let stream = |at: u32| Stream {
            ssrc: 1_000 * u32::from(tag) + 10 + at,
            // Close to their end, so that all numbers wrap.
            numbers: Numbers { sequence: 65_000 + 100 * at as u16, packets: 0 },
            rtx: Numbers::default(),
            is_key_wanted: true,
            last: [0; 3],
            tl0: 250,
            picture_id: 32_700 + 7 * at as u16,
            history: HashMap::new(),
        };
        Self {
            tag,
            codec,
            level: 127,
            active: 0xff,
            requests: 0,
            repeats: 0,
            sends_pictures: true,
            has_temporal: false,
            has_red: false,
            has_dtx: false,
            streams: (0..count).map(stream).collect(),
            voice: Numbers { sequence: 65_500, packets: 0 },
            transport: 65_400,
            next_voice: now.plus_ms(u64::from(tag) % 20),
            next_picture: now.plus_ms(u64::from(tag) * 7 % 33),
            next_report: now.plus_ms(300),
            pictures: 0,
        }
    }

    pub fn config(&self) -> PublishConfig {
        let rids = |rid: &[u8]| EncodingConfig { rid: Some(rid.to_vec()), ..Default::default() };
        let encodings = match self.streams.len() {
            1 => vec![EncodingConfig::default()],
            _ => RIDS.iter().map(|rid| rids(rid)).collect(),
        };
        let codec = if self.codec == Codec::Vp8 { VP8 } else { VP9 };
        let track = |source, mid: &[u8], codecs: &[PayloadType], encodings| TrackConfig {
            source,
            mid: mid.to_vec(),
            codecs: codecs.to_vec(),
            encodings,
            has_nack: source != Source::Microphone,
        };
        PublishConfig {
            extensions: extensions(),
            tracks: vec![
                track(Source::Microphone, b"0", &[RED, OPUS], vec![EncodingConfig::default()]),
                track(Source::Camera, b"1", &[codec], encodings),
            ],
        }
    }

    /// What is sent in this millisecond: RTP and RTCP.
    pub fn send(&mut self, now: Time, out: &mut Vec<Vec<u8>>) {
        if now >= self.next_voice {
            self.next_voice = self.next_voice.plus_ms(20);
            self.send_voice(now, out);
        }
        if self.sends_pictures && now >= self.next_picture {
            self.next_picture = self.next_picture.plus_us(1_000_000 / FRAMES_PER_SECOND);
            self.pictures += 1;
            if self.codec == Codec::Vp8 {
                (0..self.streams.len()).for_each(|at| self.send_simulcast(now, at, out));
            } else {
                self.send_layers(now, out);
            }
        }
        if now >= self.next_report {
            self.next_report = now.plus_ms(1000);
            self.report(now, out);
        }
    }

    /// The page was loaded anew: other SSRCs, other numbers, the same description.
    pub fn begin_anew(&mut self) {
        for stream in &mut self.streams {
            stream.ssrc += 500;
            stream.numbers = Numbers { sequence: stream.numbers.sequence ^ 0x5a5a, packets: 0 };
            stream.picture_id ^= 0x1234;
            stream.is_key_wanted = true;
        }
        self.voice = Numbers { sequence: self.voice.sequence ^ 0x4321, packets: 0 };
    }

    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<Vec<u8>>) {
        for part in rtcp::parts(bytes).map(Result::unwrap) {
            match part {
                Part::Pli { ssrc } => {
                    self.requests += 1;
                    let stream = self.streams.iter_mut().find(|it| it.ssrc == ssrc);
                    stream.into_iter().for_each(|it| it.is_key_wanted = true);
                }
                Part::Nack { ssrc, lost } => {
                    let Some(at) = self.streams.iter().position(|it| it.ssrc == ssrc) else {
                        continue;
                    };
                    lost.iter().for_each(|sequence| self.send_again(at, sequence, out));
                }
                _ => {}
            }
        }
    }

    fn send_voice(&mut self, now: Time, out: &mut Vec<Vec<u8>>) {
        if self.has_dtx && !(now.as_micros() / 20_000).is_multiple_of(8) {
            return;
        }
        self.voice.packets += 1;
        let header = Header {
            marker: false,
            payload_type: if self.has_red { RED } else { OPUS }.payload_type,
            sequence: self.voice.sequence,
            timestamp: (now.as_micros() * 48 / 1000) as u32,
            ssrc: self.streams[0].ssrc - 9,
        };
        self.voice.sequence = self.voice.sequence.wrapping_add(1);
        let level = AudioLevel { is_voice: self.level < 60, level: self.level };
        let outgoing =
            Outgoing { audio_level: Some(level), mid: Some(b"0"), ..Outgoing::default() };
        let payload = [self.tag; VOICE_BYTES];
        self.transmit(&header, outgoing, None, &payload, out);
    }

    fn send_simulcast(&mut self, now: Time, at: usize, out: &mut Vec<Vec<u8>>) {
        if self.active >> at & 1 == 0 {
            self.streams[at].is_key_wanted = true;
            return;
        }
        let (tag, frame) = (self.tag, self.pictures);
        let stream = &mut self.streams[at];
        let is_key = std::mem::take(&mut stream.is_key_wanted);
        let temporal = u8::from(self.has_temporal && !is_key && frame % 2 == 1);
        let refers = if is_key { 0 } else { stream.last[0] };
        if temporal == 0 {
            stream.last[0] = frame;
            stream.tl0 = stream.tl0.wrapping_add(1);
        }
        stream.picture_id = stream.picture_id.wrapping_add(1) & 0x7fff;
        let stamp =
            Stamp { track: tag, encoding: at as u8, spatial: 0, frame, refers, index: 0, count: 0 };
        let picture = Picture {
            codec: Codec::Vp8,
            stamp,
            picture_id: stream.picture_id,
            tl0: stream.tl0,
            temporal,
            bytes: frame_bytes(BPS[at], is_key),
        };
        self.send_picture(now, at, &picture, true, out);
    }

    fn send_layers(&mut self, now: Time, out: &mut Vec<Vec<u8>>) {
        let (tag, frame) = (self.tag, self.pictures);
        let stream = &mut self.streams[0];
        let is_key = std::mem::take(&mut stream.is_key_wanted);
        stream.picture_id = stream.picture_id.wrapping_add(1) & 0x7fff;
        stream.tl0 = stream.tl0.wrapping_add(1);
        let (picture_id, tl0) = (stream.picture_id, stream.tl0);
        for spatial in 0..3u8 {
            let last = &mut self.streams[0].last[usize::from(spatial)];
            let refers = if is_key { 0 } else { *last };
            *last = frame;
            let stamp =
                Stamp { track: tag, encoding: 0, spatial, frame, refers, index: 0, count: 0 };
            let bytes = frame_bytes(BPS[usize::from(spatial)], is_key);
            let picture = Picture { codec: Codec::Vp9, stamp, picture_id, tl0, temporal: 0, bytes };
            self.send_picture(now, 0, &picture, spatial == 2, out);
        }
    }

    fn send_picture(
        &mut self,
        now: Time,
        at: usize,
        picture: &Picture,
        is_last: bool,
        out: &mut Vec<Vec<u8>>,
    ) {
        let payloads = picture.packets();
        let count = payloads.len();
        let codec = if self.codec == Codec::Vp8 { VP8 } else { VP9 };
        for (index, payload) in payloads.into_iter().enumerate() {
            let stream = &mut self.streams[at];
            let header = Header {
                marker: is_last && index + 1 == count,
                payload_type: codec.payload_type,
                sequence: stream.numbers.sequence,
                timestamp: timestamp(now, at),
                ssrc: stream.ssrc,
            };
            stream.numbers.sequence = stream.numbers.sequence.wrapping_add(1);
            stream.numbers.packets += 1;
            stream.history.insert(header.sequence, (header, payload.clone()));
            stream.history.remove(&header.sequence.wrapping_sub(600));
            // Streams are named in their first second only.
            let is_named = stream.numbers.packets < 100;
            let mid = is_named.then_some(&b"1"[..]);
            let rid = (is_named && self.streams.len() > 1).then(|| (4, RIDS[at]));
            self.transmit(&header, Outgoing { mid, ..Outgoing::default() }, rid, &payload, out);
        }
    }

    fn send_again(&mut self, at: usize, sequence: u16, out: &mut Vec<Vec<u8>>) {
        self.repeats += 1;
        let codec = if self.codec == Codec::Vp8 { VP8 } else { VP9 };
        let has_rids = self.streams.len() > 1;
        let stream = &mut self.streams[at];
        let Some((header, payload)) = stream.history.get(&sequence).cloned() else { return };
        let header = Header {
            payload_type: codec.rtx.unwrap(),
            ssrc: stream.ssrc + 100,
            sequence: stream.rtx.sequence,
            ..header
        };
        stream.rtx.sequence = stream.rtx.sequence.wrapping_add(1);
        let payload = [&sequence.to_be_bytes()[..], &payload].concat();
        let rid = has_rids.then(|| (5, RIDS[at]));
        let outgoing = Outgoing { mid: Some(b"1"), ..Outgoing::default() };
        self.transmit(&header, outgoing, rid, &payload, out);
    }

    /// `rid` is an extension's id and value: ours are not written by the product.
    fn transmit(
        &mut self,
        header: &Header,
        outgoing: Outgoing<'_>,
        rid: Option<(u8, &[u8])>,
        payload: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) {
        let outgoing = Outgoing { transport_sequence: Some(self.transport), ..outgoing };
        self.transport = self.transport.wrapping_add(1);
        let mut packet = vec![0; 1500];
        let mut len = write_header(&mut packet, header, &extensions(), &outgoing).unwrap();
        if let Some((id, rid)) = rid {
            let element = [id << 4 | (rid.len() as u8 - 1), rid[0], 0, 0];
            packet[len..len + 4].copy_from_slice(&element);
            packet[15] += 1;
            len += 4;
        }
        packet.truncate(len);
        packet.extend(payload);
        out.push(packet);
    }

    fn report(&mut self, now: Time, out: &mut Vec<Vec<u8>>) {
        let ntp = (now.as_micros() << 32) / 1_000_000;
        let mut bytes = Vec::new();
        for (at, stream) in self.streams.iter().enumerate() {
            let packets = stream.numbers.packets;
            let info = SenderInfo { ntp, timestamp: timestamp(now, at), packets, octets: 0 };
            rtcp::write_sender_report(&mut bytes, stream.ssrc, &info);
        }
        out.push(bytes);
    }
}

/// Each encoding begins elsewhere.
fn timestamp(now: Time, at: usize) -> u32 {
    ((now.as_micros() * 9 / 100) as u32).wrapping_add(at as u32 * 0x5555_1234)
}

fn frame_bytes(bps: u64, is_key: bool) -> usize {
    (bps / 8 / FRAMES_PER_SECOND) as usize * if is_key { 4 } else { 1 }
}
