//! A thread's sign of life, for health.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::clock::Clock;

/// A thread beats about once a second; one that is silent for longer hangs.
const SILENCE_S_MAX: u64 = 10;

/// When a thread was last heard of; clones are the same.
#[derive(Clone, Debug)]
pub struct Pulse {
    clock: Clock,
    last_s: Arc<AtomicU64>,
}

impl Pulse {
    /// Of a thread that begins now.
    pub fn new(clock: Clock) -> Self {
        let pulse = Self { clock, last_s: Arc::default() };
        pulse.beat();
        pulse
    }

    /// The thread lives.
    pub fn beat(&self) {
        self.last_s.store(self.now_s(), Relaxed);
    }

    /// What is wrong, if it does not.
    pub fn complaint(&self) -> Option<String> {
        let silence_s = self.now_s().saturating_sub(self.last_s.load(Relaxed));
        (silence_s > SILENCE_S_MAX).then(|| format!("not heard of for {silence_s} s"))
    }

    fn now_s(&self) -> u64 {
        self.clock.elapsed_us() / 1_000_000
    }
}
