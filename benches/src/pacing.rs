//! Paced reading: a token bucket that says how many bytes a slow reader takes, and when.

use std::time::{Duration, Instant};

/// One connection's share of the offered rate.
#[derive(Clone, Debug)]
pub struct Pace {
    bytes_per_s: f64,
    /// Bytes that may be read now; below zero after an overdraft.
    tokens: f64,
    refilled: Instant,
}

impl Pace {
    /// A bucket that fills with `bytes_per_s` from `now` on.
    pub fn new(bytes_per_s: f64, now: Instant) -> Self {
        Self { bytes_per_s, tokens: 0.0, refilled: now }
    }

    /// Bytes to read now, or when to come back.
    pub fn allowance(&mut self, now: Instant) -> Result<usize, Instant> {
        self.refill(now);
        let quantum = self.quantum();
        if self.tokens >= quantum {
            return Ok(self.tokens as usize);
        }
        let wait = Duration::from_secs_f64((quantum - self.tokens) / self.bytes_per_s);
        // A fraction of a byte rounds to no time at all: whoever came back at once would spin.
        Err(now + wait.max(WAIT_MIN))
    }

    /// Takes what was read off the allowance.
    pub fn spend(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        // A reader that had to wait for the server does not catch up in one gulp.
        self.tokens = (self.tokens + elapsed * self.bytes_per_s).min(2.0 * self.quantum());
    }

    /// The least worth a system call, so that pacing itself stays cheap.
    fn quantum(&self) -> f64 {
        (self.bytes_per_s * READ_INTERVAL_S).clamp(QUANTUM_BYTES_MIN, QUANTUM_BYTES_MAX)
    }
}

const READ_INTERVAL_S: f64 = 500e-6;
const WAIT_MIN: Duration = Duration::from_micros(1);
const QUANTUM_BYTES_MIN: f64 = 16.0 * 1024.0;
const QUANTUM_BYTES_MAX: f64 = 1024.0 * 1024.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_nothing() {
        let now = Instant::now();
        let mut pace = Pace::new(2e9, now);
        pace.tokens = pace.quantum().next_down();
        assert!(pace.allowance(now).is_err_and(|at| at > now));
    }

    /// Reads whenever the pace allows for `seconds` of made-up time, and counts.
    fn read_for(seconds: u64, rate: f64, stall_at_half: Duration) -> f64 {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut pace = Pace::new(rate, start);
        let (mut now, mut total, mut stalled) = (start, 0, false);
        while now < end {
            match pace.allowance(now) {
                Ok(bytes) => {
                    pace.spend(bytes);
                    total += bytes;
                }
                Err(due) => now = due,
            }
            if !stalled && now > start + Duration::from_secs(seconds) / 2 {
                now += stall_at_half;
                stalled = true;
            }
        }
        total as f64
    }

    #[test]
    fn keeps_its_rate() {
        for rate in [200e3, 75e6, 1.3e9] {
            let share = read_for(2, rate, Duration::ZERO) / (2.0 * rate);
            assert!((0.9..=1.01).contains(&share), "{rate}: {share}");
        }
    }

    #[test]
    fn does_not_catch_up_after_a_stall() {
        let share = read_for(2, 75e6, Duration::from_secs(1)) / (2.0 * 75e6);
        assert!((0.45..0.52).contains(&share), "{share}");
    }
}
