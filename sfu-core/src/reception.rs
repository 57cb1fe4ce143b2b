//! What a publisher's stream looks like when it arrives: gaps, loss, jitter. RFC 3550 6.4.1, A.1, A.3
//! and A.8; RFC 4585 6.2.1.

use crate::rtcp::Report;
use crate::rtp::Unwrapper;
use crate::time::Time;

#[derive(Debug, Default)]
pub(crate) struct Reception {
    unwrapper: Unwrapper,
    first: u64,
    received: u64,
    missing: Vec<Missing>,
    /// Timestamp units, in 16ths.
    jitter_16: u32,
    transit: Option<u32>,
    /// The number that would follow one that lies far behind.
    restart: Option<u16>,
    reported: Reported,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    number: u64,
    since: Time,
    asked: Option<Time>,
    times: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    expected: u64,
    received: u64,
    fraction_256: u8,
}

/// What a packet is to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// Not seen before.
    New(u64),
    /// Seen before, or too late to tell.
    Old,
}

/// Gaps that are remembered; a larger one is a new begin.
const MISSING_MAX: usize = 256;
/// A packet is asked for so often, and for so long.
const TIMES_MAX: u8 = 10;
const MISSING_MS_MAX: u64 = 1000;
/// Between two times: a round trip, as most are. Publishers get no reports that would tell theirs.
const AGAIN_MS: u64 = 90;
/// Two packets in a row that lie so far behind are a stream that began anew (RFC 3550 A.1).
const BEHIND_MAX: u64 = 1000;

impl Reception {
    pub(crate) fn take(&mut self, now: Time, sequence: u16, timestamp: u32, hz: u32) -> Arrived {
        let Some(highest) = self.unwrapper.highest() else {
            let number = self.unwrapper.unwrap(sequence);
            self.first = number;
            return self.count(now, number, timestamp, hz);
        };
        let number = self.unwrapper.peek(sequence);
        if number > highest {
            self.note_missing(now, highest, number);
            self.unwrapper.unwrap(sequence);
            return self.count(now, number, timestamp, hz);
        }
        if let Some(at) = self.missing.iter().position(|missing| missing.number == number) {
            self.missing.remove(at);
            self.received += 1;
            return Arrived::New(number);
        }
        if highest - number > BEHIND_MAX {
            if self.restart == Some(sequence) {
                return self.begin_anew(now, sequence, timestamp, hz);
            }
            self.restart = Some(sequence.wrapping_add(1));
        }
        Arrived::Old
    }

    /// What was seen so far belongs to another stream: numbers go on beyond it.
    pub(crate) fn begin_anew(
        &mut self,
        now: Time,
        sequence: u16,
        timestamp: u32,
        hz: u32,
    ) -> Arrived {
        let number = self.unwrapper.leap(sequence);
        let unwrapper = self.unwrapper;
        *self = Self { unwrapper, first: number, ..Self::default() };
        self.count(now, number, timestamp, hz)
    }

    /// Puts the packets that are to be asked for now into `lost`.
    pub(crate) fn ask(&mut self, now: Time, lost: &mut Vec<u16>) {
        self.missing.retain_mut(|missing| {
            if now.since_ms(missing.since) > MISSING_MS_MAX || missing.times == TIMES_MAX {
                return false;
            }
            let waited = missing.asked.map_or(u64::MAX, |at| now.since_ms(at));
            if waited >= AGAIN_MS {
                missing.asked = Some(now);
                missing.times += 1;
                lost.push(missing.number as u16);
            }
            true
        });
    }

    /// For a receiver report, but for the fields that concern sender reports.
    pub(crate) fn report(&mut self, ssrc: u32) -> Option<Report> {
        let highest = self.unwrapper.highest()?;
        let expected = highest - self.first + 1;
        let expected_since = expected.saturating_sub(self.reported.expected);
        let received_since = self.received.saturating_sub(self.reported.received);
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (lost_since * 256).checked_div(expected_since).unwrap_or(0).min(255) as u8;
        self.reported = Reported { expected, received: self.received, fraction_256: fraction };
        Some(Report {
            ssrc,
            fraction_lost: fraction,
            lost: (expected as i64 - self.received as i64) as i32,
            highest: highest as u32,
            jitter: self.jitter_16 / 16,
            last_report: 0,
            since_last_report: 0,
        })
    }

    /// Lost in the time before the last report, in 256ths.
    pub(crate) fn fraction_lost(&self) -> u8 {
        self.reported.fraction_256
    }

    /// In timestamp units.
    pub(crate) fn jitter(&self) -> u32 {
        self.jitter_16 / 16
    }

    fn count(&mut self, now: Time, number: u64, timestamp: u32, hz: u32) -> Arrived {
        self.received += 1;
        self.restart = None;
        let arrived = (now.as_micros() * u64::from(hz) / 1_000_000) as u32;
        let transit = arrived.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let change = (transit.wrapping_sub(before) as i32).unsigned_abs().min(1 << 20);
            self.jitter_16 = self.jitter_16 + change - (self.jitter_16 + 8) / 16;
        }
        Arrived::New(number)
    }

    fn note_missing(&mut self, now: Time, highest: u64, number: u64) {
        let gap = (number - highest - 1) as usize;
        if gap + self.missing.len() > MISSING_MAX {
            self.missing.clear();
        }
        if gap <= MISSING_MAX {
            let missing = |number| Missing { number, since: now, asked: None, times: 0 };
            self.missing.extend((highest + 1..number).map(missing));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_asked_for_until_they_are_closed_or_too_old() {
        let mut reception = Reception::default();
        let mut now = Time::from_millis(5);
        for sequence in [65_533, 65_534, 1] {
            reception.take(now, sequence, 0, 90_000);
        }
        let asked = |reception: &mut Reception, now| {
            let mut lost = Vec::new();
            reception.ask(now, &mut lost);
            lost
        };
        assert_eq!(asked(&mut reception, now), [65_535, 0]);
        assert_eq!(asked(&mut reception, now.plus_ms(20)), [0u16; 0]);
        assert!(matches!(reception.take(now, 0, 0, 90_000), Arrived::New(_)));
        assert_eq!(reception.take(now, 0, 0, 90_000), Arrived::Old);
        assert_eq!(reception.report(1).unwrap().fraction_lost, 51);
        let mut times = 1;
        for _ in 0..20 {
            now = now.plus_ms(100);
            times += asked(&mut reception, now).len();
        }
        assert_eq!(times, usize::from(TIMES_MAX));
    }

    #[test]
    fn a_stream_that_begins_anew_is_followed() {
        let mut reception = Reception::default();
        let take =
            |reception: &mut Reception, sequence| reception.take(Time::ZERO, sequence, 0, 90_000);
        let Arrived::New(before) = take(&mut reception, 30_000) else { panic!() };
        assert_eq!(take(&mut reception, 10_000), Arrived::Old);
        let Arrived::New(after) = take(&mut reception, 10_001) else { panic!("not followed") };
        assert!(after > before && after as u16 == 10_001);
        assert!(matches!(take(&mut reception, 10_002), Arrived::New(_)));
    }
}
