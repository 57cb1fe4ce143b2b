//! A participant's subscribing connection: its slots, what is sent over them, and what comes back.

mod choice;
mod feedback;
mod send;

use std::collections::VecDeque;

use crate::arena::Arena;
use crate::bandwidth::Bandwidth;
use crate::codec::Codec;
use crate::config::{SubscribeConfig, View};
use crate::layers::Budget;
use crate::mapping::Segment;
use crate::pacer::{Kind, Pacer, Queued};
use crate::ring::Info;
use crate::rtp::{ExtensionKind, ExtensionMap};
use crate::slot::{Forward, Slot};
use crate::time::Time;
use crate::track::{Clock, Track};

pub(crate) use send::Polled;

#[derive(Debug)]
pub(crate) struct Subscriber {
    pub extensions: ExtensionMap,
    pub slots: Vec<Slot>,
    pub view: View,
    pub budget: Budget,
    pub rtt_ms: Option<u64>,
    /// In 256ths, by the last report of a video slot, else of an audio one.
    pub fraction_lost: u8,
    pub repeats: u64,
    pub packets: u64,
    pub octets: u64,
    /// Waits in the list of those who have something to send.
    pub is_ready: bool,
    /// Waits for budget.
    pub is_waiting: bool,
    /// With pictures only: voices alone need no estimate.
    bandwidth: Option<Bandwidth>,
    pacer: Pacer,
    repeated: VecDeque<(u32, u16, Time)>,
    repeat_budget_bytes: u64,
    key_requests: KeyBudget,
    reports: VecDeque<(u32, Time)>,
    is_transport_told: bool,
    ticked: Time,
    voice_bps: u64,
}

/// A subscriber may ask for so many key frames at once, and for another after so long: else one that
/// asks all the time would lower the picture of all who watch the same encoding.
const KEY_REQUESTS: u8 = 3;
const KEY_REQUEST_MS: u64 = 2000;

#[derive(Debug)]
struct KeyBudget {
    left: u8,
    filled: Time,
}

impl KeyBudget {
    fn take(&mut self, now: Time) -> bool {
        while self.left < KEY_REQUESTS && now.since_ms(self.filled) >= KEY_REQUEST_MS {
            self.left += 1;
            self.filled = self.filled.plus_ms(KEY_REQUEST_MS);
        }
        if self.left == KEY_REQUESTS {
            self.filled = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

impl Subscriber {
    pub(crate) fn new(config: SubscribeConfig, now: Time) -> Self {
        let has_video = config.slots.iter().any(|slot| slot.is_video);
        let transport = config.extensions.id_of(ExtensionKind::TransportSequence);
        Self {
            extensions: config.extensions,
            slots: config.slots.into_iter().map(Slot::new).collect(),
            view: View { shows_others: true, others_encoding_max: u8::MAX, ..View::default() },
            budget: Budget::default(),
            rtt_ms: None,
            fraction_lost: 0,
            repeats: 0,
            packets: 0,
            octets: 0,
            is_ready: false,
            is_waiting: false,
            bandwidth: has_video.then(|| Bandwidth::new(config.bitrate, now)),
            pacer: Pacer::new(now),
            repeated: VecDeque::new(),
            repeat_budget_bytes: 0,
            key_requests: KeyBudget { left: KEY_REQUESTS, filled: now },
            reports: VecDeque::new(),
            is_transport_told: transport.is_some() && has_video,
            ticked: now,
            voice_bps: 0,
        }
    }

    /// Bits per second that the link is held to carry; `None` for voices alone.
    pub(crate) fn bandwidth(&self) -> Option<&Bandwidth> {
        self.bandwidth.as_ref()
    }

    /// A packet of the track that slot `index` shows. Whether there is something to send now.
    pub(crate) fn forward(
        &mut self,
        now: Time,
        index: u8,
        encoding: u8,
        info: &Info,
        clocks: &[Option<Clock>],
    ) -> bool {
        let Some(slot) = self.slots.get_mut(usize::from(index)) else { return false };
        if slot.is_video && self.pacer.is_full(now) {
            slot.stall();
        }
        let (segment, out, kind) = match slot.forward(now, encoding, info, clocks) {
            Forward::Send(segment, out) => (segment, out, Kind::Media),
            Forward::Fill(segment, out) => (segment, out, Kind::Fill),
            Forward::Drop => return false,
        };
        let queued = queued(now, kind, index, &segment, out as u16, info.sequence);
        if slot.is_video {
            self.pacer.push_picture(queued);
        } else {
            self.pacer.push_voice(queued);
        }
        true
    }

    /// Whether there is something to send, now or later.
    pub(crate) fn has_work(&self) -> bool {
        !self.pacer.is_empty() || self.bandwidth.as_ref().is_some_and(|it| it.probe().is_some())
    }

    /// Whether some slot of its kind takes one of `codecs`.
    pub(crate) fn takes(
        &self,
        codecs: impl Iterator<Item = Codec> + Clone,
        is_video: bool,
    ) -> bool {
        self.slots
            .iter()
            .filter(|slot| slot.is_video == is_video)
            .any(|slot| codecs.clone().any(|codec| slot.payload_type(codec).is_some()))
    }

    /// Encodings that a key frame is needed of, to go on or to begin.
    pub(crate) fn want_keys(&mut self, now: Time, tracks: &mut Arena<Track>) {
        for slot in &mut self.slots {
            if let (Some(track), Some(encoding)) = (slot.source(), slot.ask_key(now))
                && let Some(track) = tracks.get_mut(track)
                && let Some(encoding) = track.encodings.get_mut(usize::from(encoding))
            {
                encoding.key.want();
            }
        }
    }
}

fn queued(now: Time, kind: Kind, slot: u8, segment: &Segment, out: u16, number: u64) -> Queued {
    Queued {
        kind,
        slot,
        encoding: segment.encoding,
        spatial: segment.spatial,
        temporal: segment.temporal,
        tl0_offset: segment.tl0_offset,
        sequence: out,
        picture_offset: segment.picture_offset,
        frame_offset: segment.frame_offset,
        timestamp_offset: segment.timestamp_offset,
        track: segment.track,
        number,
        queued: now,
    }
}
