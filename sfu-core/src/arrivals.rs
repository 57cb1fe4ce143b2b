//! When a publisher's packets arrived, for the feedback that its bandwidth estimate lives on.

use std::collections::VecDeque;

use crate::rtcp::{Untellable, write_transport_feedback};
use crate::rtp::Unwrapper;
use crate::time::Time;

#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    unwrapper: Unwrapper,
    /// The number of the first one here.
    first: u64,
    arrivals: VecDeque<Option<u64>>,
    /// The first one that is to be told of.
    next: u64,
    messages: u8,
    told: Time,
}

/// Between two messages.
const TELL_MS: u64 = 50;
/// Packets that are told of are kept for those that come late behind them.
const KEPT: usize = 128;
/// A larger gap is a new begin.
const GAP_MAX: u64 = 1024;

impl Arrivals {
    pub(crate) fn take(&mut self, now: Time, sequence: u16) {
        let number = self.unwrapper.peek(sequence);
        let end = self.first + self.arrivals.len() as u64;
        if self.unwrapper.highest().is_none() || number >= end + GAP_MAX {
            self.arrivals.clear();
            (self.first, self.next) = (number, number);
        } else if number < self.first {
            return;
        }
        self.unwrapper.unwrap(sequence);
        let at = (number - self.first) as usize;
        if at >= self.arrivals.len() {
            self.arrivals.resize(at + 1, None);
        }
        let arrival = &mut self.arrivals[at];
        if arrival.is_none() {
            *arrival = Some(now.as_micros());
            self.next = self.next.min(number);
        }
    }

    /// Appends a message to `buffer` if there is something to tell, and it is time.
    pub(crate) fn tell(&mut self, now: Time, ssrcs: (u32, u32), buffer: &mut Vec<u8>) {
        let end = self.first + self.arrivals.len() as u64;
        if self.next == end || now.since_ms(self.told) < TELL_MS {
            return;
        }
        self.told = now;
        // Packets that are still missing at the front are told of once.
        let untold = (self.next - self.first) as usize;
        let arrivals = &self.arrivals.make_contiguous()[untold..];
        let written =
            write_transport_feedback(buffer, ssrcs, self.messages, self.next as u16, arrivals);
        match written {
            Ok(()) => self.messages = self.messages.wrapping_add(1),
            // After so long a pause the sender has given them up.
            Err(Untellable::None | Untellable::Apart) => {}
        }
        self.next = end;
        let passed = self.arrivals.len().saturating_sub(KEPT);
        self.arrivals.drain(..passed);
        self.first += passed as u64;
    }
}
