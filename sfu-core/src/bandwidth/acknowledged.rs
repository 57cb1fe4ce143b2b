//! The rate at which packets arrive, by the receiver's clock, and that at which the same ones left.

use crate::time::Time;

/// A sample is taken over so much of the receiver's time.
const WINDOW_US: i64 = 250_000;
/// Beyond it nothing was under way: a sample over the pause would say nothing.
const PAUSE_US: i64 = 1_000_000;
const WEIGHT: f64 = 0.4;

#[derive(Debug, Default)]
pub(super) struct AcknowledgedRate {
    window: Option<Window>,
    rates: Option<Rates>,
}

/// In bits per second.
#[derive(Clone, Copy, Debug)]
struct Rates {
    left: f64,
    came: f64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    first_us: i64,
    last_us: i64,
    first_sent: Time,
    last_sent: Time,
    bytes: u64,
}

impl AcknowledgedRate {
    pub(super) fn take(&mut self, sent: Time, at_us: i64, bytes: u16) {
        let Some(window) = &mut self.window else {
            let (first_us, last_us) = (at_us, at_us);
            self.window =
                Some(Window { first_us, last_us, first_sent: sent, last_sent: sent, bytes: 0 });
            return;
        };
        // The receiver's clock may leap (its reference time wraps after twelve days).
        if (at_us - window.last_us).abs() > PAUSE_US {
            self.window = None;
            return;
        }
        window.bytes += u64::from(bytes);
        window.last_us = window.last_us.max(at_us);
        window.last_sent = window.last_sent.max(sent);
        let span_us = window.last_us - window.first_us;
        if span_us >= WINDOW_US {
            let bits = window.bytes as f64 * 8e6;
            let sent_us = window.last_sent.since_us(window.first_sent).max(1);
            let (left, came) = (bits / sent_us as f64, bits / span_us as f64);
            let rates = self.rates.get_or_insert(Rates { left, came });
            rates.left += WEIGHT * (left - rates.left);
            rates.came += WEIGHT * (came - rates.came);
            let Window { last_us, last_sent, .. } = *window;
            *window = Window { first_us: last_us, first_sent: last_sent, bytes: 0, ..*window };
        }
    }

    pub(super) fn bps(&self) -> Option<f64> {
        self.rates.map(|rates| rates.came)
    }

    /// More is sent than arrives, by so much.
    pub(super) fn is_outrun(&self, by: f64) -> bool {
        self.rates.is_some_and(|rates| rates.left > by * rates.came)
    }
}
