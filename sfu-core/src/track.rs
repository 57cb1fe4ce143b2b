//! What a participant publishes: a track of one or more encodings.

use crate::arena::Key;
use crate::codec::{Codec, Place, SPATIAL_MAX, Structure, TEMPORAL_MAX};
use crate::config::{PayloadType, Source, TrackConfig};
use crate::reception::{Arrived, Reception};
use crate::ring::{Info, Ring};
use crate::rtcp::SenderInfo;
use crate::rtp::{Elements, Packet};
use crate::slot::Layer;
use crate::speakers::Loudness;
use crate::time::Time;

#[derive(Debug)]
pub(crate) struct Track {
    pub owner: Key,
    pub source: Source,
    pub codecs: Vec<PayloadType>,
    pub encodings: Vec<Encoding>,
    pub watchers: Vec<Watcher>,
    pub loudness: Loudness,
    pub has_nack: bool,
    /// Counts the tracks of a room: those published earlier go before others.
    pub order: u64,
    /// A bit for each encoding that somebody needs.
    pub demand: u8,
    pub demand_fell: Option<Time>,
    pub published: Time,
    /// Of pictures: there are none, as nothing is shared or the camera is off. It takes no slot then.
    pub is_silent: bool,
}

/// A slot that shows the track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watcher {
    pub participant: Key,
    pub slot: u8,
}

#[derive(Debug)]
pub(crate) struct Encoding {
    pub rid: Option<Vec<u8>>,
    pub ssrc: Option<u32>,
    pub reception: Reception,
    pub key: KeyRequest,
    pub ring: Option<Ring>,
    pub clock: Option<Clock>,
    /// The middle of the last sender report's clock, and when it came.
    pub reported: Option<(u32, Time)>,
    structure: Option<Box<Structure>>,
    rates: Rates,
    last_packet: Option<Time>,
    demanded: Time,
}

/// A moment by a publisher's wall clock and in a stream's timestamps, from its last sender report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub ntp: u64,
    pub timestamp: u32,
}

impl Clock {
    /// The wall clock's time at a timestamp not far from this moment.
    pub(crate) fn ntp_at(self, timestamp: u32, hz: u64) -> u64 {
        let ahead = i64::from(timestamp.wrapping_sub(self.timestamp) as i32);
        self.ntp.wrapping_add_signed((ahead << 32) / hz as i64)
    }

    /// The timestamp at a wall clock's time not far from this moment.
    pub(crate) fn timestamp_at(self, ntp: u64, hz: u64) -> u32 {
        let ahead = ntp.wrapping_sub(self.ntp) as i64;
        let ticks = (i128::from(ahead) * i128::from(hz) + (1 << 31)) >> 32;
        self.timestamp.wrapping_add(ticks as u32)
    }
}

/// Requests for a key frame, many become one (RFC 4585 6.3.1, RFC 5104 3.5.1).
#[derive(Debug, Default)]
pub(crate) struct KeyRequest {
    is_wanted: bool,
    sent: Option<Time>,
    pub keys: u64,
    pub requests: u64,
}

/// Between two requests.
const KEY_REQUEST_MS: u64 = 400;
/// An encoding without packets for so long is not sent.
const LIVE_MS: u64 = 1000;
/// A publisher has so long to begin with an encoding that it was told is needed.
const START_MS: u64 = 3000;
const RATE_WINDOW_MS: u64 = 500;

impl KeyRequest {
    pub(crate) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Whether a request is to be sent now.
    pub(crate) fn poll(&mut self, now: Time) -> bool {
        let waited = self.sent.is_none_or(|at| now.since_ms(at) >= KEY_REQUEST_MS);
        if !self.is_wanted || !waited {
            return false;
        }
        self.sent = Some(now);
        self.requests += 1;
        true
    }

    fn arrived(&mut self) {
        self.is_wanted = false;
        self.keys += 1;
    }
}

/// Bits per second of each layer alone.
#[derive(Debug, Default)]
struct Rates {
    bytes: [[u32; TEMPORAL_MAX]; SPATIAL_MAX],
    bps: [[f32; TEMPORAL_MAX]; SPATIAL_MAX],
    begun: Time,
    windows: u32,
}

impl Rates {
    fn tick(&mut self, now: Time) {
        let passed_us = now.since_us(self.begun);
        if passed_us < RATE_WINDOW_MS * 1000 {
            return;
        }
        // What was seen last stays while nothing comes: it is what would come again.
        if self.bytes.as_flattened().iter().all(|bytes| *bytes == 0) {
            self.begun = now;
            return;
        }
        let weight = if self.windows < 2 { 1.0 } else { 0.4 };
        for (bps, bytes) in self.bps.as_flattened_mut().iter_mut().zip(self.bytes.as_flattened()) {
            let sample = (u64::from(*bytes) * 8_000_000 / passed_us) as f32;
            *bps += weight * (sample - *bps);
            if *bps < 1.0 {
                *bps = 0.0;
            }
        }
        self.bytes = Default::default();
        (self.begun, self.windows) = (now, self.windows.saturating_add(1));
    }

    fn up_to(&self, layer: Layer) -> u64 {
        let spatial = self.bps.iter().take(usize::from(layer.spatial) + 1);
        let temporal = |layers: &[f32; TEMPORAL_MAX]| -> f32 {
            layers.iter().take(usize::from(layer.temporal) + 1).sum()
        };
        spatial.map(temporal).sum::<f32>() as u64
    }
}

impl Track {
    pub(crate) fn new(config: TrackConfig, owner: Key, order: u64, now: Time) -> Self {
        let count = config.encodings.len();
        let encodings = config.encodings.into_iter().map(|encoding| Encoding {
            rid: encoding.rid,
            ssrc: encoding.ssrc,
            reception: Reception::default(),
            key: KeyRequest::default(),
            ring: None,
            clock: None,
            reported: None,
            structure: None,
            rates: Rates::default(),
            last_packet: None,
            demanded: now,
        });
        Self {
            owner,
            source: config.source,
            codecs: config.codecs,
            encodings: encodings.collect(),
            watchers: Vec::new(),
            loudness: Loudness::default(),
            has_nack: config.has_nack,
            order,
            is_silent: config.source.is_video(),
            demand: ((1u16 << count) - 1) as u8,
            demand_fell: None,
            published: now,
        }
    }

    /// A packet has come: whether the track was silent until now.
    pub(crate) fn wake(&mut self, info: &Info) -> bool {
        info.payload_bytes > 0 && std::mem::replace(&mut self.is_silent, false)
    }

    /// Whether the track has become silent: nothing comes of what somebody needs.
    pub(crate) fn falls_silent(&mut self, now: Time) -> bool {
        if self.is_silent || !self.source.is_video() || self.demand == 0 {
            return false;
        }
        let needed = self.encodings.iter().enumerate();
        let mut needed = needed.filter(|(at, _)| self.demand >> at & 1 == 1);
        let since = |it: &Encoding| it.last_packet.max(Some(it.demanded.max(self.published)));
        self.is_silent =
            needed.all(|(_, it)| since(it).is_some_and(|at| now.since_ms(at) >= START_MS));
        self.is_silent
    }

    pub(crate) fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        self.codecs.iter().find(|it| it.payload_type == payload_type).map(|it| it.codec)
    }

    /// The payload type that `rtx` repeats.
    pub(crate) fn repeated_by(&self, rtx: u8) -> Option<u8> {
        self.codecs.iter().find(|it| it.rtx == Some(rtx)).map(|it| it.payload_type)
    }

    /// Whether encoding `index` is sent, or would be if somebody needed it.
    pub(crate) fn is_available(&self, now: Time, index: usize) -> bool {
        let encoding = &self.encodings[index];
        let is_live = encoding.last_packet.is_some_and(|at| now.since_ms(at) < LIVE_MS);
        is_live
            || self.demand >> index & 1 == 0
            || now.since_ms(encoding.demanded.max(self.published)) < START_MS
    }

    /// Tells which encodings somebody needs; whether that is news for the publisher.
    pub(crate) fn set_demand(&mut self, now: Time, demand: u8) -> bool {
        let risen = demand & !self.demand;
        for (index, encoding) in self.encodings.iter_mut().enumerate() {
            if risen >> index & 1 == 1 {
                encoding.demanded = now;
            }
        }
        if risen != 0 {
            self.demand |= demand;
            self.demand_fell = None;
            return true;
        }
        if demand == self.demand {
            self.demand_fell = None;
            return false;
        }
        let fell = *self.demand_fell.get_or_insert(now);
        let has_lasted = now.since_ms(fell) >= DEMAND_FALLS_MS;
        if has_lasted {
            (self.demand, self.demand_fell) = (demand, None);
        }
        has_lasted
    }
}

/// What nobody needs is paused after so long.
const DEMAND_FALLS_MS: u64 = 2000;

impl Encoding {
    /// Bits per second up to `layer`; what is typical as long as none was seen.
    pub(crate) fn bps(&self, layer: Layer) -> u64 {
        if self.rates.windows > 0 && self.rates.bps.as_flattened().iter().any(|bps| *bps > 0.0) {
            return self.rates.up_to(layer);
        }
        TYPICAL_BPS[usize::from(layer.encoding).min(TYPICAL_BPS.len() - 1)]
    }

    /// The highest spatial and temporal layer that was seen lately.
    pub(crate) fn highest_layers(&self) -> (u8, u8) {
        let bps = &self.rates.bps;
        let spatial = (0..SPATIAL_MAX).rev().find(|at| bps[*at].iter().any(|bps| *bps > 0.0));
        let temporal = (0..TEMPORAL_MAX).rev().find(|at| bps.iter().any(|of| of[*at] > 0.0));
        (spatial.unwrap_or(0) as u8, temporal.unwrap_or(0) as u8)
    }

    pub(crate) fn tick(&mut self, now: Time) {
        self.rates.tick(now);
    }

    pub(crate) fn take_report(&mut self, now: Time, info: &SenderInfo) {
        self.clock = Some(Clock { ntp: info.ntp, timestamp: info.timestamp });
        self.reported = Some((info.middle(), now));
    }

    /// Takes a packet in. What is new is kept, and what is to be known of it is given.
    pub(crate) fn take(
        &mut self,
        now: Time,
        codec: Codec,
        packet: &Packet<'_>,
        elements: &Elements<'_>,
    ) -> Option<Info> {
        let header = &packet.header;
        let arrived = self.reception.take(now, header.sequence, header.timestamp, codec.clock_hz());
        let Arrived::New(sequence) = arrived else { return None };
        if !packet.payload.is_empty() {
            self.last_packet = Some(now);
        }
        // Padding alone (RFC 3550 5.1): it probes the publisher's link. It has a number, so it is
        // forwarded in no other way than media are.
        let mut place = if packet.payload.is_empty() {
            Place { starts_frame: false, ends_frame: false, may_go_up: false, ..Place::OPAQUE }
        } else {
            Place::read(codec, packet.payload)
        };
        let dependency = elements.dependency.filter(|it| it.len() <= 255).unwrap_or(&[]);
        if !dependency.is_empty() {
            place.take_dependency(dependency, &mut self.structure);
        }
        if place.starts_key && codec.is_video() {
            self.key.arrived();
        }
        let layer = &mut self.rates.bytes[usize::from(place.spatial)][usize::from(place.temporal)];
        *layer = layer.saturating_add(packet.payload.len() as u32 + PACKET_OVERHEAD_BYTES);
        let info = Info {
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            codec,
            place,
            audio_level: elements.audio_level,
            orientation: elements.orientation,
            dependency_bytes: dependency.len() as u8,
            payload_bytes: packet.payload.len() as u16,
        };
        let ring = self.ring.get_or_insert_with(|| Ring::new(codec.is_video()));
        ring.push(info, dependency, packet.payload);
        Some(info)
    }
}

/// Header, extension.
const PACKET_OVERHEAD_BYTES: u32 = 20;

/// Of encodings that were not seen yet, from the smallest on, in bits per second.
const TYPICAL_BPS: [u64; 4] = [150_000, 500_000, 1_500_000, 3_000_000];
