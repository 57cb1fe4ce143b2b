//! A link: it delays, loses, reorders, and carries so much a second.

use std::collections::BTreeMap;

use sfu_core::time::Time;

/// Numbers that come again with the same seed (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ it >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ it >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ it >> 31) % most.max(1)
    }
}

#[derive(Clone, Copy)]
pub struct Road {
    pub delay_ms: u64,
    /// Beside the delay, for a packet in twenty: others overtake it.
    pub jitter_ms: u64,
    pub loss_percent: u64,
    pub bps: u64,
}

impl Default for Road {
    fn default() -> Self {
        Self { delay_ms: 15, jitter_ms: 0, loss_percent: 0, bps: 50_000_000 }
    }
}

pub struct Link {
    pub road: Road,
    pub lost: u64,
    chance: Chance,
    free: Time,
    under_way: BTreeMap<(Time, u64), Vec<u8>>,
    count: u64,
}

/// What waits longer is dropped.
const QUEUE_MS: u64 = 300;

impl Link {
    pub fn new(road: Road, seed: u64) -> Self {
        let (free, under_way) = (Time::ZERO, BTreeMap::new());
        Self { road, lost: 0, chance: Chance(seed), free, under_way, count: 0 }
    }

    pub fn send(&mut self, now: Time, packet: &[u8]) {
        self.count += 1;
        let is_lost = self.chance.below(100) < self.road.loss_percent;
        if is_lost || self.free.since_ms(now) > QUEUE_MS {
            self.lost += 1;
            return;
        }
        // 28 octets of IP and UDP, and what SRTP adds.
        let bits = 8 * (packet.len() as u64 + 28 + 16);
        self.free = self.free.max(now).plus_us(bits * 1_000_000 / self.road.bps);
        let is_late = self.chance.below(20) == 0;
        let jitter_us = if is_late { self.chance.below(self.road.jitter_ms * 1000 + 1) } else { 0 };
        let at = self.free.plus_ms(self.road.delay_ms).plus_us(jitter_us);
        self.under_way.insert((at, self.count), packet.to_vec());
    }

    pub fn receive(&mut self, now: Time) -> Option<Vec<u8>> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
