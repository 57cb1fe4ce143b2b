//! The rim's clock, read in one place and handed to the core.

use std::time::{Instant, SystemTime};

use chat_core::time::Now;

/// Since when this part runs; clones agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The moment, as the core is told it.
    pub fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Now {
            elapsed_ms: self.started.elapsed().as_millis() as u64,
            unix_ms: since_1970.unwrap_or_default().as_millis() as u64,
        }
    }

    /// Microseconds since the beginning.
    pub fn elapsed_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }
}
