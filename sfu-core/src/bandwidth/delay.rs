//! Whether delay grows: the trendline filter of libwebrtc in the place of GCC 5.3, with the adaptive
//! threshold and the over-use detector of GCC 5.4.

use std::collections::VecDeque;

use crate::time::Time;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    #[default]
    Normal,
    Over,
    Under,
}

/// Packets that leave within it are one group (GCC 5.2: burst_time).
const GROUP_US: u64 = 5_000;
/// Groups that the line is laid through.
const POINTS: usize = 20;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
const DELTAS_MAX: u32 = 60;
/// The threshold's growth and fall per millisecond (GCC 5.4: K_u, K_d), and its bounds.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
const THRESHOLD_MS: std::ops::RangeInclusive<f64> = 6.0..=600.0;
/// A trend that far beyond the threshold is a leap, which the threshold does not follow.
const LEAP_MS: f64 = 15.0;
/// So long delay must have been growing (GCC 5.4: overuse_time_th).
const OVER_MS: f64 = 10.0;
/// Times that are further apart begin anew.
const RESTART_US: i64 = 3_000_000;

#[derive(Debug)]
pub(super) struct DelayTrend {
    group: Option<Group>,
    previous: Option<Group>,
    begin_us: i64,
    accumulated_ms: f64,
    smoothed_ms: f64,
    deltas: u32,
    /// Arrival and smoothed delay.
    points: VecDeque<(f64, f64)>,
    threshold_ms: f64,
    last_trend: f64,
    over_ms: f64,
    over_count: u32,
    usage: Usage,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Time,
    last_sent: Time,
    arrived_us: i64,
}

impl Default for DelayTrend {
    fn default() -> Self {
        Self {
            group: None,
            previous: None,
            begin_us: 0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            deltas: 0,
            points: VecDeque::new(),
            threshold_ms: 12.5,
            last_trend: 0.0,
            over_ms: 0.0,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl DelayTrend {
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// A packet that left and arrived; in the order of their leaving.
    pub(super) fn take(&mut self, sent: Time, arrived_us: i64) {
        let Some(group) = &mut self.group else {
            self.group = Some(Group { first_sent: sent, last_sent: sent, arrived_us });
            self.begin_us = arrived_us;
            return;
        };
        if (arrived_us - group.arrived_us).abs() > RESTART_US {
            *self = Self { threshold_ms: self.threshold_ms, ..Self::default() };
            return;
        }
        if sent.since_us(group.first_sent) <= GROUP_US {
            group.last_sent = group.last_sent.max(sent);
            group.arrived_us = group.arrived_us.max(arrived_us);
            return;
        }
        let complete = *group;
        self.group = Some(Group { first_sent: sent, last_sent: sent, arrived_us });
        if let Some(previous) = self.previous.replace(complete) {
            let sent_us = complete.last_sent.since_us(previous.last_sent) as f64;
            let arrived_us = (complete.arrived_us - previous.arrived_us) as f64;
            self.take_delta(sent_us / 1000.0, arrived_us / 1000.0, complete.arrived_us);
        }
    }

    fn take_delta(&mut self, sent_ms: f64, arrived_ms: f64, at_us: i64) {
        self.deltas = (self.deltas + 1).min(DELTAS_MAX);
        self.accumulated_ms += arrived_ms - sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(((at_us - self.begin_us) as f64 / 1000.0, self.smoothed_ms));
        if self.points.len() == POINTS {
            let trend = slope(&self.points) * f64::from(self.deltas) * GAIN;
            self.detect(trend, sent_ms);
            self.adapt(trend, arrived_ms);
        }
    }

    fn detect(&mut self, trend: f64, sent_ms: f64) {
        if trend > self.threshold_ms {
            self.over_ms += if self.over_count == 0 { sent_ms / 2.0 } else { sent_ms };
            self.over_count += 1;
            if self.over_ms > OVER_MS && self.over_count > 1 && trend >= self.last_trend {
                (self.over_ms, self.over_count) = (0.0, 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_count) = (0.0, 0);
            self.usage = if trend < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.last_trend = trend;
    }

    fn adapt(&mut self, trend: f64, passed_ms: f64) {
        if trend.abs() > self.threshold_ms + LEAP_MS {
            return;
        }
        let rate = if trend.abs() < self.threshold_ms { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let change = rate * (trend.abs() - self.threshold_ms) * passed_ms.clamp(0.0, 100.0);
        self.threshold_ms =
            (self.threshold_ms + change).clamp(*THRESHOLD_MS.start(), *THRESHOLD_MS.end());
    }
}

/// Of the line with the least squares through `points`.
fn slope(points: &VecDeque<(f64, f64)>) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (mut above, mut below) = (0.0, 0.0);
    for point in points {
        above += (point.0 - x) * (point.1 - y);
        below += (point.0 - x) * (point.0 - x);
    }
    if below == 0.0 { 0.0 } else { above / below }
}
