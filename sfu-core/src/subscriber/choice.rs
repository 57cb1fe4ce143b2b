//! Which layers a subscriber gets, from its estimate, its view and what is published.

use super::Subscriber;
use crate::arena::{Arena, Key};
use crate::layers::{Ladder, choose};
use crate::time::Time;
use crate::track::Track;

/// Of the estimate: the rest is for headers, repeats and what the rates vary by.
const USABLE: f64 = 0.92;
/// A voice, with headers and redundancy.
const VOICE_BPS: u64 = 40_000;

impl Subscriber {
    /// To be called some times a second, and when something has changed.
    pub(crate) fn tick(&mut self, now: Time, tracks: &mut Arena<Track>) {
        let passed_ms = now.since_ms(self.ticked);
        self.ticked = now;
        self.fill_repeats(passed_ms);
        if self.bandwidth.is_none() {
            return;
        }
        self.choose_layers(now, tracks);
        let wanted_bps = ((self.budget.wanted_bps + self.voice_bps) as f64 / USABLE) as u64;
        if let Some(bandwidth) = &mut self.bandwidth {
            bandwidth.tick(now, wanted_bps);
        }
        self.want_keys(now, tracks);
    }

    pub(crate) fn choose_layers(&mut self, now: Time, tracks: &Arena<Track>) {
        let Some(bandwidth) = &self.bandwidth else { return };
        let voices = self.slots.iter().filter(|slot| !slot.is_video && slot.source().is_some());
        self.voice_bps = voices.count() as u64 * VOICE_BPS;
        let usable_bps = (bandwidth.estimate_bps() as f64 * USABLE) as u64;
        let mut ladders: Vec<Ladder> = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(track) = slot.source() else { continue };
            let (weight, encoding_max) = (self.weight_of(track, index), self.encoding_max(track));
            ladders.extend(Ladder::new(now, index, slot, tracks, encoding_max, weight));
        }
        self.budget = choose(&mut ladders, usable_bps.saturating_sub(self.voice_bps));
        for ladder in &ladders {
            let slot = &mut self.slots[ladder.slot()];
            if slot.target() != ladder.layer() {
                slot.set_target(ladder.layer());
            }
        }
    }

    /// The largest picture of a track that it has a use for.
    pub(crate) fn encoding_max(&self, track: Key) -> u8 {
        let pinned = self.view.pinned.iter().find(|wish| wish.track.track == track);
        pinned.map_or(self.view.others_encoding_max, |wish| wish.encoding_max)
    }

    /// Pinned tracks go before others; both in their order.
    fn weight_of(&self, track: Key, index: usize) -> u32 {
        let pinned = self.view.pinned.iter().position(|wish| wish.track.track == track);
        pinned.unwrap_or(1000 + 2 * index) as u32
    }
}
