//! What the edge counts. Each lane has its own set, so that counting is a plain store; a scrape
//! sums them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with one writer: the lane that owns it.
#[derive(Debug, Default)]
pub struct LaneCounter(AtomicU64);

impl LaneCounter {
    /// Adds; only the owning lane may call this.
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// Reads; anybody may.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
