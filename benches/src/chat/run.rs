//! What runs of traffic have in common: how they are measured, and what is said of them.

use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::load::Moment;

use super::ledger::Faults;

/// Traffic that can be measured.
pub trait Traffic {
    /// Goes on for so long.
    ///
    /// # Errors
    /// The server is gone, or the run was interrupted.
    fn talk(&mut self, begin: Instant, length: Duration) -> Result<(), BenchError>;

    /// What comes from now on counts.
    fn begin(&mut self, now: Instant);

    /// And no longer.
    fn end(&mut self, now: Instant);
}

/// Warms traffic up, then measures it. Says how long that took.
///
/// # Errors
/// Those of the traffic.
pub fn measure(
    traffic: &mut dyn Traffic,
    warm_up: Duration,
    duration: Duration,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<Duration, BenchError> {
    traffic.talk(Instant::now(), warm_up)?;
    let begin = Instant::now();
    traffic.begin(begin);
    on_moment(Moment::Begin);
    traffic.talk(begin, duration)?;
    let end = Instant::now();
    traffic.end(end);
    on_moment(Moment::End);
    Ok(end - begin)
}

/// What was delivered.
#[derive(Debug)]
pub struct Delivered {
    pub elapsed: Duration,
    /// In that time: messages, or copies of messages to rooms.
    pub count: u64,
    /// Messages of the whole run, warm-up included, all copies checked.
    pub sent: u64,
    pub faults: Faults,
}

impl Delivered {
    /// How many per second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Refuses a run in which anything was lost, repeated or out of order, or nothing came.
    ///
    /// # Errors
    /// `Delivery` or `Silent`.
    pub fn check(&self) -> Result<(), BenchError> {
        if !self.faults.is_none() {
            return Err(BenchError::Delivery { sent: self.sent, detail: self.faults.words() });
        }
        if self.count == 0 {
            return Err(BenchError::Silent { seconds: self.elapsed.as_secs_f64() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(count: u64, faults: Faults) -> Delivered {
        Delivered { elapsed: Duration::from_secs(2), count, sent: count, faults }
    }

    #[test]
    fn a_run_counts_where_something_came_and_all_of_it() {
        let good = delivered(10, Faults::default());
        assert!(good.check().is_ok() && good.rate() == 5.0);
        let silent = delivered(0, Faults::default()).check();
        assert!(matches!(silent, Err(BenchError::Silent { .. })));
        let faulty = delivered(10, Faults { missing: 1, ..Faults::default() }).check();
        assert!(matches!(faulty, Err(BenchError::Delivery { sent: 10, .. })));
    }
}
