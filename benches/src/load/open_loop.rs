//! Open loop: requests have their own times, fixed before the server answers anything.
//!
//! Latency is counted from the intended time. A server that stalls for a second is charged with
//! all requests that should have been sent in that second, not with one ("coordinated omission",
//! Gil Tene). Times are kept as an offset in float seconds, so no rounding adds up.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Next;

/// The spacing of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// Equal gaps.
    Even,
    /// Exponential gaps, as many independent users make them.
    Poisson,
}

/// A schedule of arrivals at a rate.
#[derive(Debug)]
pub struct OpenLoop {
    start: Instant,
    end: Instant,
    per_second: f64,
    arrivals: Arrivals,
    random: Rng,
    offset_s: f64,
    left: u64,
}

impl OpenLoop {
    /// Arrivals from `start` to `end`.
    pub fn new(
        start: Instant,
        end: Instant,
        per_second: f64,
        arrivals: Arrivals,
        random: Rng,
    ) -> Self {
        Self { start, end, per_second, arrivals, random, offset_s: 0.0, left: u64::MAX }
    }

    /// At most `requests_max` of them.
    pub fn limited_to(self, requests_max: Option<u64>) -> Self {
        Self { left: requests_max.unwrap_or(u64::MAX), ..self }
    }

    /// Takes the next arrival if its time has come.
    pub fn next(&mut self, now: Instant) -> Next {
        let intended = self.start + Duration::from_secs_f64(self.offset_s);
        if self.left == 0 || intended >= self.end {
            return Next::Finished;
        }
        if intended > now {
            return Next::At(intended);
        }
        self.left -= 1;
        self.offset_s += self.gap_s();
        Next::Now { intended }
    }

    fn gap_s(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Even => 1.0 / self.per_second,
            Arrivals::Poisson => -(1.0 - self.random.f64()).ln() / self.per_second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(start: Instant, per_second: f64, seconds: u64, arrivals: Arrivals) -> OpenLoop {
        let end = start + Duration::from_secs(seconds);
        OpenLoop::new(start, end, per_second, arrivals, Rng::with_seed(3))
    }

    #[test]
    fn arrivals_wait_for_their_time() {
        let start = Instant::now();
        let mut open = schedule(start, 100.0, 1, Arrivals::Even);
        assert_eq!(open.next(start), Next::Now { intended: start });
        let due = start + Duration::from_millis(10);
        assert_eq!(open.next(start), Next::At(due));
        assert_eq!(open.next(due), Next::Now { intended: due });
    }

    /// One connection; each answer takes 1 ms, but the first one 500 ms. The requests of the
    /// stall keep their intended times, so the stall shows in half of them, not in one.
    #[test]
    fn a_stall_is_charged_to_all_who_waited() {
        let start = Instant::now();
        let mut open = schedule(start, 100.0, 1, Arrivals::Even);
        let (mut now, mut latencies) = (start, Vec::new());
        loop {
            match open.next(now) {
                Next::Now { intended } => {
                    let millis = if latencies.is_empty() { 500 } else { 1 };
                    now += Duration::from_millis(millis);
                    latencies.push(now - intended);
                }
                Next::At(due) => now = due,
                Next::Finished => break,
            }
        }
        assert_eq!(latencies.len(), 100);
        let slow = latencies.iter().filter(|l| **l > Duration::from_millis(100)).count();
        assert!((40..=50).contains(&slow), "{slow} slow ones");
    }

    #[test]
    fn a_late_start_loses_no_arrival() {
        let start = Instant::now();
        let mut open = schedule(start, 1_000.0, 1, Arrivals::Even);
        let late = start + Duration::from_secs(5);
        let mut count = 0;
        while let Next::Now { .. } = open.next(late) {
            count += 1;
        }
        assert_eq!(count, 1_000);
    }

    #[test]
    fn poisson_keeps_the_mean_rate() {
        let start = Instant::now();
        let mut open = schedule(start, 10_000.0, 2, Arrivals::Poisson);
        let mut count = 0;
        while let Next::Now { .. } = open.next(start + Duration::from_secs(9)) {
            count += 1;
        }
        assert!((19_400..20_600).contains(&count), "{count}");
    }
}
