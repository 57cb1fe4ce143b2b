//! What is to be sent to one subscriber: voices at once, then repeats, then pictures, no faster than
//! the link takes.

use std::collections::VecDeque;

use crate::arena::Key;
use crate::time::Time;

/// A packet that is to be sent: where it is kept, and how it is rewritten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub kind: Kind,
    pub slot: u8,
    pub encoding: u8,
    pub spatial: u8,
    pub temporal: u8,
    pub tl0_offset: u8,
    pub sequence: u16,
    pub picture_offset: u16,
    pub frame_offset: u16,
    pub timestamp_offset: u32,
    pub track: Key,
    /// As it came, unwrapped.
    pub number: u64,
    pub queued: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Media,
    /// Sent again.
    Repeat,
    /// Padding in the place of a packet that was left out.
    Fill,
}

#[derive(Debug)]
pub(crate) struct Pacer {
    voices: VecDeque<Queued>,
    repeats: VecDeque<Queued>,
    pictures: VecDeque<Queued>,
    budget_bytes: i64,
    filled: Time,
}

/// Pictures that wait longer are not worth sending: the subscriber goes on from a key frame.
const WAIT_MS_MAX: u64 = 700;
const PICTURES_MAX: usize = 1024;
const REPEATS_MAX: usize = 256;
const VOICES_MAX: usize = 256;
/// What may leave at once: so much time's worth, and at least some packets.
const BURST_US: u64 = 10_000;
const BURST_BYTES_MIN: i64 = 4_500;

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Send(Queued),
    /// The queues are empty, and there is budget.
    Idle,
    /// There is something, but no budget.
    Later,
}

impl Pacer {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            voices: VecDeque::new(),
            repeats: VecDeque::new(),
            pictures: VecDeque::new(),
            budget_bytes: BURST_BYTES_MIN,
            filled: now,
        }
    }

    pub(crate) fn push_voice(&mut self, queued: Queued) {
        if self.voices.len() < VOICES_MAX {
            self.voices.push_back(queued);
        }
    }

    pub(crate) fn push_repeat(&mut self, queued: Queued) {
        if self.repeats.len() < REPEATS_MAX {
            self.repeats.push_back(queued);
        }
    }

    pub(crate) fn push_picture(&mut self, queued: Queued) {
        self.pictures.push_back(queued);
    }

    /// Whether further pictures would come too late.
    pub(crate) fn is_full(&self, now: Time) -> bool {
        self.pictures.len() >= PICTURES_MAX
            || self.pictures.front().is_some_and(|first| now.since_ms(first.queued) > WAIT_MS_MAX)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.voices.is_empty() && self.repeats.is_empty() && self.pictures.is_empty()
    }

    /// `is_even`: nothing may leave at once beyond the rate, for the rate itself is what is tried.
    pub(crate) fn next(&mut self, now: Time, rate_bps: u64, is_even: bool) -> Next {
        if let Some(queued) = self.voices.pop_front() {
            return Next::Send(queued);
        }
        self.fill(now, rate_bps, is_even);
        if self.budget_bytes <= 0 {
            return Next::Later;
        }
        self.repeats
            .pop_front()
            .or_else(|| self.pictures.pop_front())
            .map_or(Next::Idle, Next::Send)
    }

    pub(crate) fn spend(&mut self, bytes: usize) {
        self.budget_bytes -= bytes as i64;
    }

    fn fill(&mut self, now: Time, rate_bps: u64, is_even: bool) {
        let bytes_in = |micros: u64| (rate_bps.saturating_mul(micros) / 8_000_000) as i64;
        let passed = bytes_in(now.since_us(self.filled).min(1_000_000));
        // What is less than a byte is not lost.
        if passed == 0 {
            return;
        }
        self.filled = now;
        let least = if is_even { 1 } else { BURST_BYTES_MIN };
        let most = bytes_in(BURST_US).max(least);
        self.budget_bytes = (self.budget_bytes + passed).min(most);
    }
}
