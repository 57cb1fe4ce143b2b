//! How a participant fares, and why it is not better.

use crate::arena::{Arena, Key};
use crate::publisher::Publisher;
use crate::sfu::TrackId;
use crate::slot::{Layer, Slot};
use crate::subscriber::Subscriber;
use crate::time::Time;
use crate::track::Track;

/// Of both connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantStatistics {
    /// The publishing one, if it is there.
    pub up: Option<UpStatistics>,
    /// The subscribing one, if it is there.
    pub down: Option<DownStatistics>,
    /// Packets that could not be read, or belong to no track.
    pub packets_refused: u64,
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpStatistics {
    /// Packets that came, repeats among them.
    pub packets: u64,
    /// Its encodings, track by track.
    pub encodings: Vec<EncodingStatistics>,
}

/// One encoding that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingStatistics {
    /// Its track.
    pub track: TrackId,
    /// Its place in the track.
    pub encoding: usize,
    /// Bits per second.
    pub bps: u64,
    /// Lost on the way to us in the last second, in 256ths, before repeats.
    pub fraction_lost: u8,
    /// In timestamp units.
    pub jitter: u32,
    /// Key frames that came, and requests for them that we sent.
    pub keys: u64,
    /// See `keys`.
    pub key_requests: u64,
}

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownStatistics {
    /// What the link is held to carry, in bits per second; `None` with voices alone.
    pub estimate_bps: Option<u64>,
    /// What arrived lately, in bits per second, as far as transport feedback tells.
    pub acknowledged_bps: u64,
    /// What the chosen layers take, in bits per second.
    pub used_bps: u64,
    /// Delay is growing: more is sent than the link carries.
    pub is_over_used: bool,
    /// The round trip, once a report has told.
    pub rtt_ms: Option<u64>,
    /// Lost on the way from us, in 256ths, before repeats.
    pub fraction_lost: u8,
    /// Packets that were sent, repeats and padding among them.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Packets that were asked for again, and sent.
    pub repeats: u64,
    /// Slot by slot.
    pub slots: Vec<SlotStatistics>,
}

/// What one slot shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotStatistics {
    /// The track.
    pub track: Option<TrackId>,
    /// What is forwarded.
    pub current: Option<Layer>,
    /// What is to be forwarded from the next key frame on.
    pub target: Option<Layer>,
    /// Why it is not more.
    pub limit: Limit,
}

/// Who limits what a slot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nobody: it is all that there is.
    None,
    /// Nothing is shown in the slot.
    Empty,
    /// The publisher sends no larger picture, though it has announced one.
    Publisher,
    /// The subscriber's link carries no more.
    Link,
    /// The subscriber has no use for more.
    View,
    /// A key frame is on its way.
    KeyFrame,
}

pub(crate) fn of_publisher(
    publisher: &Publisher,
    tracks: &Arena<Track>,
    room: Key,
) -> UpStatistics {
    let mut encodings = Vec::new();
    for published in &publisher.tracks {
        let Some(track) = tracks.get(published.key) else { continue };
        for (at, encoding) in track.encodings.iter().enumerate() {
            let all = Layer { encoding: at as u8, spatial: 3, temporal: 3 };
            encodings.push(EncodingStatistics {
                track: TrackId { room, track: published.key },
                encoding: at,
                bps: encoding.bps(all),
                fraction_lost: encoding.reception.fraction_lost(),
                jitter: encoding.reception.jitter(),
                keys: encoding.key.keys,
                key_requests: encoding.key.requests,
            });
        }
    }
    UpStatistics { packets: publisher.packets, encodings }
}

pub(crate) fn of_subscriber(
    now: Time,
    subscriber: &Subscriber,
    tracks: &Arena<Track>,
    room: Key,
) -> DownStatistics {
    let bandwidth = subscriber.bandwidth();
    let slots = subscriber.slots.iter().map(|slot| SlotStatistics {
        track: slot.source().map(|track| TrackId { room, track }),
        current: slot.current(),
        target: slot.target(),
        limit: limit_of(now, subscriber, slot, tracks),
    });
    DownStatistics {
        estimate_bps: bandwidth.map(|it| it.estimate_bps()),
        acknowledged_bps: bandwidth.map_or(0, |it| it.acknowledged_bps()),
        used_bps: subscriber.budget.used_bps,
        is_over_used: bandwidth.is_some_and(|it| it.is_over_used()),
        rtt_ms: subscriber.rtt_ms,
        fraction_lost: bandwidth.map_or(0, |it| it.fraction_lost()).max(subscriber.fraction_lost),
        packets: subscriber.packets,
        octets: subscriber.octets,
        repeats: subscriber.repeats,
        slots: slots.collect(),
    }
}

fn limit_of(now: Time, subscriber: &Subscriber, slot: &Slot, tracks: &Arena<Track>) -> Limit {
    let Some((key, track)) = slot.source().and_then(|key| Some((key, tracks.get(key)?))) else {
        return Limit::Empty;
    };
    let Some(target) = slot.target() else { return Limit::Link };
    if slot.awaits_key().is_some() {
        return Limit::KeyFrame;
    }
    if track.encodings.len() == 1 {
        let (spatial, temporal) = track.encodings[0].highest_layers();
        let is_all = target.spatial >= spatial && target.temporal >= temporal;
        let encoding_max = subscriber.encoding_max(key);
        return match is_all {
            true => Limit::None,
            false if target.spatial >= encoding_max => Limit::View,
            false => Limit::Link,
        };
    }
    let next = usize::from(target.encoding) + 1;
    if next >= track.encodings.len() {
        return Limit::None;
    }
    if next > usize::from(subscriber.encoding_max(key)) {
        return Limit::View;
    }
    let is_sent = (next..track.encodings.len()).any(|at| track.is_available(now, at));
    if is_sent { Limit::Link } else { Limit::Publisher }
}
