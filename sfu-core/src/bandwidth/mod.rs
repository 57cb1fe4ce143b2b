//! How much a subscriber's link carries. draft-ietf-rmcat-gcc-02 (Google Congestion Control), with
//! the trendline filter and the parameters of libwebrtc in place of the draft's Kalman filter.

mod acknowledged;
mod delay;
mod loss;
mod probe;
mod sent;

pub(crate) use probe::{PROBE_NONE, ProbeId};

use crate::rtcp::TransportFeedback;
use crate::time::Time;

use acknowledged::AcknowledgedRate;
use delay::{DelayTrend, Usage};
use loss::LossLimit;
use probe::Prober;
use sent::SentPackets;

/// Bounds of an estimate, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitrateBounds {
    /// It begins here.
    pub start_bps: u64,
    /// It does not fall below.
    pub min_bps: u64,
    /// It does not rise above.
    pub max_bps: u64,
}

impl Default for BitrateBounds {
    fn default() -> Self {
        Self { start_bps: 300_000, min_bps: 30_000, max_bps: 20_000_000 }
    }
}

/// One subscriber's link.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    bounds: BitrateBounds,
    sent: SentPackets,
    trend: DelayTrend,
    acknowledged: AcknowledgedRate,
    loss: LossLimit,
    prober: Prober,
    /// What delay and probes tell.
    delay_bps: f64,
    /// The rate at which the link was last full, while that is known.
    capacity_bps: Option<f64>,
    last_change: Time,
    last_decrease: Time,
    last_feedback: Option<Time>,
    is_over_used: bool,
    rtt_ms: u64,
}

/// Of the acknowledged rate, when the link is over-used (GCC 5.5: beta).
const DECREASE: f64 = 0.85;
/// A link is full where so much of the estimate arrives.
const FULL: f64 = 0.65;
/// Or where so much more leaves than arrives.
const OUTRUN: f64 = 1.15;
/// Growth in a second while the capacity is not known (GCC 5.5: eta).
const INCREASE: f64 = 1.08;
/// Of the acknowledged rate: an estimate beyond it is not backed by anything (GCC 5.5).
const BACKED: f64 = 1.5;
const BACKED_MORE_BPS: f64 = 10_000.0;
/// Between two decreases, beside the round trip.
const DECREASE_MS: u64 = 100;
/// Between two for bursts.
const BURST_MS: u64 = 1000;
/// Without feedback for so long the link may be dead.
const SILENCE_MS: u64 = 1000;
const SILENCE: f64 = 0.7;
const PACKET_BITS: f64 = 1200.0 * 8.0;

impl Bandwidth {
    pub(crate) fn new(bounds: BitrateBounds, now: Time) -> Self {
        Self {
            bounds,
            sent: SentPackets::default(),
            trend: DelayTrend::default(),
            acknowledged: AcknowledgedRate::default(),
            loss: LossLimit::default(),
            prober: Prober::new(now),
            delay_bps: bounds.start_bps as f64,
            capacity_bps: None,
            last_change: now,
            last_decrease: now,
            last_feedback: None,
            is_over_used: false,
            rtt_ms: 100,
        }
    }

    /// Bits per second.
    pub(crate) fn estimate_bps(&self) -> u64 {
        let bps = self.delay_bps.min(self.loss.limit_bps());
        (bps as u64).clamp(self.bounds.min_bps, self.bounds.max_bps)
    }

    /// What was acknowledged lately, in bits per second.
    pub(crate) fn acknowledged_bps(&self) -> u64 {
        self.acknowledged.bps().unwrap_or(0.0) as u64
    }

    /// Of the packets that were lately told of, lost ones in 256ths.
    pub(crate) fn fraction_lost(&self) -> u8 {
        self.loss.fraction_256()
    }

    pub(crate) fn is_over_used(&self) -> bool {
        self.is_over_used
    }

    /// The number that the next packet will get.
    pub(crate) fn next_number(&self) -> u16 {
        self.sent.next_number()
    }

    /// The number that the packet gets which leaves now.
    pub(crate) fn send(&mut self, now: Time, bytes: usize, probe: ProbeId) -> u16 {
        if probe != PROBE_NONE {
            self.prober.sent(now, bytes);
        }
        self.sent.push(now, bytes, probe)
    }

    pub(crate) fn take_rtt(&mut self, rtt_ms: u64) {
        self.rtt_ms = rtt_ms.clamp(1, 2000);
    }

    /// When packets arrived.
    pub(crate) fn take_feedback(&mut self, now: Time, feedback: &TransportFeedback<'_>) {
        let (mut arrived, mut lost) = (0, 0);
        let Self { sent, trend, acknowledged, prober, .. } = self;
        for arrival in feedback.iter() {
            let Some(packet) = sent.take(arrival.sequence) else { continue };
            let Some(at_us) = arrival.at_us else {
                lost += 1;
                continue;
            };
            arrived += 1;
            trend.take(packet.at, at_us);
            acknowledged.take(packet.at, at_us, packet.bytes);
            prober.acknowledge(&packet, at_us);
        }
        if arrived + lost == 0 {
            return;
        }
        self.last_feedback = Some(now);
        self.take_delay(now);
        if let Some(probed_bps) = self.prober.result(now) {
            self.take_probed(probed_bps);
        }
        self.loss.take(now, arrived, lost, self.delay_bps, self.rtt_ms);
    }

    /// A receiver's report: all that there is where it sends no transport feedback.
    pub(crate) fn take_report(&mut self, now: Time, fraction_lost: u8) {
        if self.last_feedback.is_some() {
            return;
        }
        let lost = usize::from(fraction_lost);
        self.loss.take(now, 256 - lost, lost, self.delay_bps, self.rtt_ms);
        if fraction_lost < 5 {
            self.grow(now, f64::INFINITY);
        }
        self.last_change = now;
    }

    /// To be called several times a second. `wanted_bps` is what could be made use of.
    pub(crate) fn tick(&mut self, now: Time, wanted_bps: u64) {
        let silent_ms = self.last_feedback.map_or(0, |at| now.since_ms(at));
        let is_waiting = self.sent.waiting_since().is_some_and(|at| now.since_ms(at) > SILENCE_MS);
        if silent_ms > SILENCE_MS && is_waiting && now.since_ms(self.last_change) > SILENCE_MS / 2 {
            self.delay_bps = (self.delay_bps * SILENCE).max(self.bounds.min_bps as f64);
            self.last_change = now;
        }
        let estimate_bps = self.estimate_bps();
        if !self.is_over_used && self.last_feedback.is_some() {
            self.prober.tick(now, estimate_bps, wanted_bps.min(self.bounds.max_bps));
        }
    }

    /// The probe that packets belong to now, and the rate at which they are sent.
    pub(crate) fn probe(&self) -> Option<(ProbeId, u64)> {
        self.prober.under_way()
    }

    fn take_delay(&mut self, now: Time) {
        // A burst that is to show how much the link carries may fill it.
        let usage = match self.trend.usage() {
            Usage::Over if self.prober.is_busy(now) => Usage::Under,
            usage => usage,
        };
        self.is_over_used = usage == Usage::Over;
        let acknowledged_bps = self.acknowledged.bps();
        match usage {
            Usage::Over => self.decrease(now, acknowledged_bps),
            // Queues drain: to grow meanwhile would keep them full.
            Usage::Under => {}
            Usage::Normal => {
                if let Some(bps) = acknowledged_bps {
                    self.grow(now, bps * BACKED + BACKED_MORE_BPS);
                }
            }
        }
        self.last_change = now;
    }

    fn decrease(&mut self, now: Time, acknowledged_bps: Option<f64>) {
        // Where much less was sent than the estimate, and it arrived, a burst has made a queue: what
        // arrived is not what the link carries.
        let is_full =
            |bps: &f64| *bps > FULL * self.delay_bps || self.acknowledged.is_outrun(OUTRUN);
        let full_bps = acknowledged_bps.filter(is_full);
        let wait_ms = if full_bps.is_some() { self.rtt_ms + DECREASE_MS } else { BURST_MS };
        if now.since_ms(self.last_decrease) < wait_ms {
            return;
        }
        self.last_decrease = now;
        let Some(bps) = full_bps else {
            self.delay_bps = (self.delay_bps * DECREASE).max(self.bounds.min_bps as f64);
            self.prober.put_off(now);
            return;
        };
        self.capacity_bps = Some(self.capacity_bps.map_or(bps, |known| 0.8 * known + 0.2 * bps));
        self.delay_bps = self.delay_bps.min(DECREASE * bps).max(self.bounds.min_bps as f64);
        self.prober.put_off(now);
    }

    fn grow(&mut self, now: Time, backed_bps: f64) {
        let seconds = (now.since_us(self.last_change) as f64 / 1e6).min(1.0);
        // Near to where the link was full the estimate grows by about a packet in a round trip.
        let is_near =
            self.capacity_bps.is_some_and(|bps| (0.8 * bps..1.1 * bps).contains(&self.delay_bps));
        if self.capacity_bps.is_some_and(|bps| self.delay_bps > 1.1 * bps) {
            self.capacity_bps = None;
        }
        let grown = if is_near {
            let response_s = (self.rtt_ms + 100) as f64 / 1000.0;
            self.delay_bps + seconds * (PACKET_BITS / response_s).min(0.05 * self.delay_bps)
        } else {
            self.delay_bps * INCREASE.powf(seconds)
        };
        let most = backed_bps.max(self.delay_bps).min(self.bounds.max_bps as f64);
        self.delay_bps = grown.min(most);
    }

    fn take_probed(&mut self, probed_bps: f64) {
        let bps = probed_bps.min(self.bounds.max_bps as f64);
        if bps > self.delay_bps {
            self.delay_bps = bps;
            self.loss.raise(bps);
        }
    }
}

#[cfg(test)]
mod tests;
