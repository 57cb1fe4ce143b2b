//! GCC 6: loss-based control. Above 10 % the rate falls, below 2 % it may grow, between them it stays:
//! a radio link that loses some packets whatever is sent is not punished.

use crate::time::Time;

const FALLS_ABOVE: f64 = 0.10;
const GROWS_BELOW: f64 = 0.02;
const GROWTH: f64 = 1.05;
/// Loss is judged over so many packets, and not more often than this.
const PACKETS_MIN: usize = 20;
const WINDOW_MS: u64 = 200;
/// No limit.
const FREE_BPS: f64 = 1e9;

#[derive(Debug)]
pub(super) struct LossLimit {
    limit_bps: f64,
    arrived: usize,
    lost: usize,
    judged: Time,
    fraction: f64,
}

impl Default for LossLimit {
    fn default() -> Self {
        Self { limit_bps: FREE_BPS, arrived: 0, lost: 0, judged: Time::ZERO, fraction: 0.0 }
    }
}

impl LossLimit {
    pub(super) fn limit_bps(&self) -> f64 {
        self.limit_bps
    }

    pub(super) fn fraction_256(&self) -> u8 {
        (self.fraction * 256.0).min(255.0) as u8
    }

    pub(super) fn take(&mut self, now: Time, arrived: usize, lost: usize, bps: f64, rtt_ms: u64) {
        self.arrived += arrived;
        self.lost += lost;
        let packets = self.arrived + self.lost;
        if packets < PACKETS_MIN || now.since_ms(self.judged) < WINDOW_MS + rtt_ms {
            return;
        }
        let fraction = self.lost as f64 / packets as f64;
        self.fraction += 0.3 * (fraction - self.fraction);
        (self.arrived, self.lost, self.judged) = (0, 0, now);
        if fraction > FALLS_ABOVE {
            self.limit_bps = self.limit_bps.min(bps) * (1.0 - 0.5 * fraction);
        } else if fraction < GROWS_BELOW {
            self.limit_bps = (self.limit_bps * GROWTH).min(FREE_BPS);
        }
    }

    /// A probe has shown that the link carries more.
    pub(super) fn raise(&mut self, bps: f64) {
        self.limit_bps = self.limit_bps.max(bps);
    }
}
