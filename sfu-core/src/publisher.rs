//! A participant's publishing connection: which stream is which encoding, and what it is told.

use crate::arena::{Arena, Key};
use crate::arrivals::Arrivals;
use crate::codec::Codec;
use crate::config::ENCODINGS_MAX;
use crate::rtcp::{self, Report};
use crate::rtp::{Elements, ExtensionMap, Header, Packet};
use crate::time::Time;
use crate::track::Track;

#[derive(Debug)]
pub(crate) struct Publisher {
    pub extensions: ExtensionMap,
    pub tracks: Vec<PublishedTrack>,
    pub arrivals: Arrivals,
    pub packets: u64,
    routes: Vec<(u32, Route)>,
    reported: Time,
}

#[derive(Debug)]
pub(crate) struct PublishedTrack {
    pub mid: Vec<u8>,
    pub key: Key,
}

/// What an SSRC stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    track: Key,
    encoding: u8,
    is_repair: bool,
}

/// A packet, and where it belongs; a retransmission unpacked.
pub(crate) struct Routed<'a> {
    pub track: Key,
    pub encoding: usize,
    pub codec: Codec,
    pub packet: Packet<'a>,
}

/// What our feedback is sent by; its receivers look at the stream that it is about.
pub(crate) const FEEDBACK_SSRC: u32 = 1;
const CNAME: &[u8] = b"whimbrel";
const REPORT_MS: u64 = 1000;

impl Publisher {
    pub(crate) fn new(extensions: ExtensionMap, now: Time) -> Self {
        Self {
            extensions,
            tracks: Vec::new(),
            arrivals: Arrivals::default(),
            packets: 0,
            routes: Vec::new(),
            reported: now,
        }
    }

    /// Adds a track, with the SSRCs that its description tells.
    pub(crate) fn add(&mut self, mid: Vec<u8>, key: Key, ssrcs: &[(Option<u32>, Option<u32>)]) {
        self.tracks.push(PublishedTrack { mid, key });
        for (encoding, (ssrc, rtx_ssrc)) in ssrcs.iter().enumerate() {
            let route = |is_repair| Route { track: key, encoding: encoding as u8, is_repair };
            self.routes.extend(ssrc.map(|ssrc| (ssrc, route(false))));
            self.routes.extend(rtx_ssrc.map(|ssrc| (ssrc, route(true))));
        }
    }

    /// Finds where a packet belongs. One that cannot be told belongs nowhere.
    pub(crate) fn route<'a>(
        &mut self,
        now: Time,
        tracks: &mut Arena<Track>,
        packet: Packet<'a>,
        elements: &Elements<'_>,
    ) -> Option<Routed<'a>> {
        let ssrc = packet.header.ssrc;
        let known = self.routes.iter().find(|(of, _)| *of == ssrc).map(|(_, route)| *route);
        let route = known.or_else(|| self.learn(now, tracks, &packet.header, elements))?;
        let track = tracks.get(route.track)?;
        let encoding = usize::from(route.encoding);
        if !route.is_repair {
            let codec = track.codec_of(packet.header.payload_type)?;
            return Some(Routed { track: route.track, encoding, codec, packet });
        }
        // RFC 4588 4: the original's sequence number stands before its payload. Padding has none.
        let (number, payload) = packet.payload.split_first_chunk()?;
        let payload_type = track.repeated_by(packet.header.payload_type)?;
        let codec = track.codec_of(payload_type)?;
        let header = Header {
            sequence: u16::from_be_bytes(*number),
            payload_type,
            ssrc: track.encodings[encoding].ssrc?,
            ..packet.header
        };
        let packet = Packet { header, payload, ..packet };
        Some(Routed { track: route.track, encoding, codec, packet })
    }

    fn learn(
        &mut self,
        now: Time,
        tracks: &mut Arena<Track>,
        header: &Header,
        elements: &Elements<'_>,
    ) -> Option<Route> {
        let key = self.track_of(tracks, header.payload_type, elements.mid)?;
        let track = tracks.get_mut(key)?;
        let is_repair = track.repeated_by(header.payload_type).is_some();
        let rid = if is_repair { elements.repaired_rid.or(elements.rid) } else { elements.rid };
        let encoding = match rid {
            Some(rid) => {
                track.encodings.iter().position(|encoding| encoding.rid.as_deref() == Some(rid))?
            }
            None if track.encodings.len() == 1 => 0,
            None => return None,
        };
        let route = Route { track: key, encoding: encoding as u8, is_repair };
        if !is_repair {
            // The publisher began anew under another SSRC.
            let codec = track.codec_of(header.payload_type)?;
            let it = &mut track.encodings[encoding];
            if it.ssrc.replace(header.ssrc).is_some() {
                (it.clock, it.reported) = (None, None);
                let hz = codec.clock_hz();
                it.reception.begin_anew(now, header.sequence.wrapping_sub(1), header.timestamp, hz);
            }
        }
        self.routes.retain(|(_, other)| *other != route);
        self.routes.push((header.ssrc, route));
        debug_assert!(self.routes.len() <= self.tracks.len() * ENCODINGS_MAX * 2);
        Some(route)
    }

    /// By the MID; without one by a payload type that only one track has.
    fn track_of(&self, tracks: &Arena<Track>, payload_type: u8, mid: Option<&[u8]>) -> Option<Key> {
        if let Some(mid) = mid {
            return self.tracks.iter().find(|track| track.mid == mid).map(|track| track.key);
        }
        let takes = |key: Key| {
            tracks.get(key).is_some_and(|track| {
                track
                    .codec_of(payload_type)
                    .or(track.repeated_by(payload_type).and(Some(Codec::Red)))
                    .is_some()
            })
        };
        let mut taking = self.tracks.iter().map(|track| track.key).filter(|key| takes(*key));
        let only = taking.next()?;
        taking.next().is_none().then_some(only)
    }

    /// The track and encoding that `ssrc` stands for.
    pub(crate) fn encoding_of(&self, ssrc: u32) -> Option<(Key, usize)> {
        let of = |(of, route): &&(u32, Route)| *of == ssrc && !route.is_repair;
        self.routes.iter().find(of).map(|(_, route)| (route.track, usize::from(route.encoding)))
    }

    /// Appends what is to be told now: requests, reports, arrivals.
    pub(crate) fn tell(&mut self, now: Time, tracks: &mut Arena<Track>, buffer: &mut Vec<u8>) {
        let is_report_due = now.since_ms(self.reported) >= REPORT_MS;
        let mut reports = Vec::new();
        let mut lost = Vec::new();
        let mut any_ssrc = 0;
        for published in &self.tracks {
            let Some(track) = tracks.get_mut(published.key) else { continue };
            let has_nack = track.has_nack;
            for encoding in &mut track.encodings {
                encoding.tick(now);
                let Some(ssrc) = encoding.ssrc else { continue };
                any_ssrc = ssrc;
                if has_nack {
                    lost.clear();
                    encoding.reception.ask(now, &mut lost);
                    rtcp::write_nack(buffer, FEEDBACK_SSRC, ssrc, &lost);
                }
                if encoding.key.poll(now) {
                    rtcp::write_pli(buffer, FEEDBACK_SSRC, ssrc);
                }
                if is_report_due && let Some(report) = encoding.reception.report(ssrc) {
                    reports.push(with_clock(now, report, encoding.reported));
                }
            }
        }
        self.arrivals.tell(now, (FEEDBACK_SSRC, any_ssrc), buffer);
        if is_report_due && !reports.is_empty() {
            self.reported = now;
            rtcp::write_receiver_report(buffer, FEEDBACK_SSRC, &reports);
            rtcp::write_sdes(buffer, FEEDBACK_SSRC, CNAME);
        }
    }
}

fn with_clock(now: Time, report: Report, reported: Option<(u32, Time)>) -> Report {
    let Some((middle, at)) = reported else { return report };
    let passed = now.since_us(at).min(60_000_000) * 65_536 / 1_000_000;
    Report { last_report: middle, since_last_report: passed as u32, ..report }
}
