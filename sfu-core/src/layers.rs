//! Which layers a subscriber's link has room for.

use crate::arena::Arena;
use crate::config::Source;
use crate::slot::{Layer, Slot};
use crate::time::Time;
use crate::track::Track;

/// A step of quality of one track, and what it costs.
#[derive(Clone, Copy, Debug)]
struct Rung {
    layer: Layer,
    bps: u64,
}

/// The steps of one slot's track, from the least on.
#[derive(Debug)]
pub(crate) struct Ladder {
    slot: usize,
    /// Those before others get more first.
    weight: u32,
    rungs: Vec<Rung>,
    chosen: Option<usize>,
    held: Option<usize>,
}

/// To go up, so much must be there beside.
const MARGIN_UP: f64 = 1.15;

/// What is forwarded already is kept as long as so much of it fits: a switch costs a key frame, whose
/// burst alone may look like a full link.
const KEPT: f64 = 0.75;
/// The same for the least step, as a picture that comes and goes is worse than one that stutters.
const LEAST_KEPT: f64 = 0.5;

/// What was chosen, in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budget {
    /// What the chosen layers take.
    pub used_bps: u64,
    /// What the next step up would take in total; as `used_bps` where there is none.
    pub wanted_bps: u64,
}

impl Ladder {
    /// Of what `slot` shows; `None` if there is nothing to choose.
    pub(crate) fn new(
        now: Time,
        index: usize,
        slot: &Slot,
        tracks: &Arena<Track>,
        encoding_max: u8,
        weight: u32,
    ) -> Option<Self> {
        let track = tracks.get(slot.source()?).filter(|_| slot.is_video)?;
        let mut rungs = Vec::new();
        for (at, encoding) in track.encodings.iter().enumerate() {
            if !track.is_available(now, at) {
                continue;
            }
            let (spatial_max, temporal_max) = encoding.highest_layers();
            let is_single = track.encodings.len() == 1;
            let spatial_max = if is_single { spatial_max.min(encoding_max) } else { spatial_max };
            if !is_single && at > usize::from(encoding_max) && !rungs.is_empty() {
                break;
            }
            for spatial in if is_single { 0 } else { spatial_max }..=spatial_max {
                // Fewer frames a second are a step for the smallest picture only.
                let first = if rungs.is_empty() { 0 } else { temporal_max };
                for temporal in first..=temporal_max {
                    // What comes with a higher number than was seen so far is part of the highest.
                    let is_top = temporal == temporal_max;
                    let layer = Layer {
                        encoding: at as u8,
                        spatial,
                        temporal: if is_top { 3 } else { temporal },
                    };
                    rungs.push(Rung { layer, bps: encoding.bps(layer) });
                }
            }
        }
        if rungs.is_empty() {
            return None;
        }
        let held = slot.target().and_then(|target| rungs.iter().rposition(|it| it.layer <= target));
        let weight = if track.source == Source::Screen { weight / 2 } else { weight };
        Some(Self { slot: index, weight, rungs, chosen: None, held })
    }

    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    pub(crate) fn layer(&self) -> Option<Layer> {
        self.chosen.map(|at| self.rungs[at].layer)
    }

    fn bps(&self, at: Option<usize>) -> u64 {
        at.map_or(0, |at| self.rungs[at].bps)
    }

    fn next(&self) -> Option<usize> {
        let next = self.chosen.map_or(0, |at| at + 1);
        (next < self.rungs.len()).then_some(next)
    }

    /// What a step to rung `at` needs. What is held already needs no margin.
    fn needed(&self, at: usize) -> u64 {
        let more = self.rungs[at].bps.saturating_sub(self.bps(self.chosen));
        let is_held = self.held.is_some_and(|held| at <= held);
        match (self.chosen.is_none(), is_held) {
            (true, true) => (more as f64 * LEAST_KEPT) as u64,
            (false, true) => (more as f64 * KEPT) as u64,
            (true, false) => more,
            (false, false) => (more as f64 * MARGIN_UP) as u64,
        }
    }
}

/// Chooses within `budget_bps`: the least of each first, then a step for each in turn, by weight.
pub(crate) fn choose(ladders: &mut [Ladder], budget_bps: u64) -> Budget {
    ladders.sort_by_key(|ladder| ladder.weight);
    let mut left = budget_bps;
    let mut wanted = None;
    loop {
        let mut has_risen = false;
        for ladder in ladders.iter_mut() {
            let Some(next) = ladder.next() else { continue };
            let needed = ladder.needed(next);
            if needed > left {
                let used = budget_bps - left;
                wanted.get_or_insert(used + (needed as f64 * MARGIN_UP) as u64);
                continue;
            }
            let more = ladder.rungs[next].bps.saturating_sub(ladder.bps(ladder.chosen));
            left = left.saturating_sub(more);
            ladder.chosen = Some(next);
            has_risen = true;
        }
        if !has_risen {
            break;
        }
    }
    let used_bps = ladders.iter().map(|ladder| ladder.bps(ladder.chosen)).sum();
    Budget { used_bps, wanted_bps: wanted.unwrap_or(0).max(used_bps) }
}
