//! Received exactly once and in order, or counted.

use std::collections::BTreeSet;

/// What one receiver has had of one direction.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The number that comes next if nothing is lost.
    next: u64,
    /// Numbers below `next` that have not come.
    gaps: BTreeSet<u64>,
    double: u64,
    out_of_order: u64,
}

/// What was not as it should be, over all receivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Sent and not received.
    pub missing: u64,
    /// Received again.
    pub double: u64,
    /// Received behind a later one.
    pub out_of_order: u64,
    /// Received by someone else, or under another sender's name.
    pub misdirected: u64,
    /// Answered by an error.
    pub refused: u64,
    /// Not acknowledged (XEP-0198).
    pub unacknowledged: u64,
    /// Sessions that ended.
    pub lost_sessions: u64,
}

impl Ledger {
    /// Takes a number in; true if it is new.
    pub fn receive(&mut self, sequence: u64) -> bool {
        if sequence < self.next {
            let is_late = self.gaps.remove(&sequence);
            self.out_of_order += u64::from(is_late);
            self.double += u64::from(!is_late);
            return is_late;
        }
        // A peer that makes numbers up must not make the ledger grow without bound.
        let skipped = (self.next..sequence).take(GAPS_MAX.saturating_sub(self.gaps.len()));
        self.gaps.extend(skipped);
        self.next = sequence + 1;
        true
    }

    /// Different numbers received.
    pub fn received(&self) -> u64 {
        self.next - self.gaps.len() as u64
    }

    /// Closes the account of a direction in which so many were sent.
    pub fn close(&self, sent: u64, faults: &mut Faults) {
        faults.missing += self.gaps.len() as u64 + sent.saturating_sub(self.next);
        faults.double += self.double;
        faults.out_of_order += self.out_of_order;
        faults.misdirected += self.next.saturating_sub(sent);
    }
}

impl Faults {
    /// Everything is as it should be.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The counts that are not zero, in words.
    pub fn words(&self) -> String {
        let counts = [
            (self.missing, "missing"),
            (self.double, "double"),
            (self.out_of_order, "out of order"),
            (self.misdirected, "misdirected"),
            (self.refused, "refused"),
            (self.unacknowledged, "not acknowledged"),
            (self.lost_sessions, "sessions lost"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }
}

const GAPS_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sequences: &[u64], sent: u64, words: &str) {
        let (mut ledger, mut faults) = (Ledger::default(), Faults::default());
        for sequence in sequences {
            ledger.receive(*sequence);
        }
        ledger.close(sent, &mut faults);
        assert_eq!(faults.words(), words, "{sequences:?} of {sent}");
        assert_eq!(faults.is_none(), words.is_empty());
    }

    #[test]
    fn everything_is_counted() {
        check(&[], 0, "");
        check(&[0, 1, 2], 3, "");
        check(&[0, 1], 3, "1 missing");
        check(&[0, 3], 5, "3 missing");
        check(&[0, 1, 1], 2, "1 double");
        check(&[0, 2, 1], 3, "1 out of order");
        check(&[1, 0, 0], 2, "1 double, 1 out of order");
        check(&[0, 1], 1, "1 misdirected");
    }
}
