//! What came back: answers, bytes, faults, latency.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::error::BenchError;
use crate::latency;

/// Why a request counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Fault {
    /// No connection, or it broke before the answer was whole.
    #[error("connection broke")]
    Connection,
    #[error("TLS failed")]
    Tls,
    /// The bytes are not HTTP.
    #[error("not HTTP")]
    Protocol,
    /// Another status than asked for.
    #[error("status {0}")]
    Status(u16),
    /// Another length than the object's first answer had, or than the range asked for.
    #[error("{actual_bytes} bytes where {expected_bytes} were due")]
    Length { expected_bytes: u64, actual_bytes: u64 },
    #[error("no answer in time")]
    Timeout,
}

/// Counts while a run goes on; what the warm-up counted is dropped when the run begins.
#[derive(Debug)]
pub struct Tally {
    began: Instant,
    answered: u64,
    body_bytes: u64,
    connections: u64,
    faults: BTreeMap<Fault, u64>,
    latency_ns: Histogram<u64>,
    /// The body length each target has shown, filled by its first answer.
    lengths: Vec<Option<u64>>,
    status: u16,
}

impl Tally {
    /// Nothing counted; answers must have `status`.
    pub fn new(targets: usize, status: u16) -> Self {
        Self {
            began: Instant::now(),
            answered: 0,
            body_bytes: 0,
            connections: 0,
            faults: BTreeMap::new(),
            latency_ns: latency::histogram(),
            lengths: vec![None; targets],
            status,
        }
    }

    /// Drops all counts (and keeps the lengths learnt): the warm-up is over.
    pub fn begin(&mut self, now: Instant) {
        let lengths = std::mem::take(&mut self.lengths);
        *self = Self { began: now, lengths, ..Self::new(0, self.status) };
    }

    /// An answer is whole. `due_bytes` is its length where the request fixed it (a range).
    pub fn answer(
        &mut self,
        target: usize,
        status: u16,
        length_bytes: u64,
        due_bytes: Option<u64>,
        latency: Duration,
    ) {
        if status != self.status {
            return self.fault(Fault::Status(status));
        }
        let expected_bytes = match due_bytes {
            Some(due) => due,
            None => *self.lengths[target].get_or_insert(length_bytes),
        };
        if expected_bytes != length_bytes {
            return self.fault(Fault::Length { expected_bytes, actual_bytes: length_bytes });
        }
        self.answered += 1;
        latency::record(&mut self.latency_ns, latency);
    }

    /// Body bytes came in.
    pub fn received(&mut self, bytes: usize) {
        self.body_bytes += bytes as u64;
    }

    /// A connection is ready for requests.
    pub fn connected(&mut self) {
        self.connections += 1;
    }

    /// A request failed. Beyond `FAULT_KINDS_MAX` kinds only the old ones are told apart.
    pub fn fault(&mut self, fault: Fault) {
        let full = self.faults.len() >= FAULT_KINDS_MAX && !self.faults.contains_key(&fault);
        let kind = if full { Fault::Protocol } else { fault };
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Closes the account.
    pub fn report(self, now: Instant) -> LoadReport {
        LoadReport {
            elapsed: now.saturating_duration_since(self.began),
            answered: self.answered,
            body_bytes: self.body_bytes,
            connections: self.connections,
            faults: self.faults,
            latency_ns: self.latency_ns,
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct LoadReport {
    pub elapsed: Duration,
    /// Whole answers of the right status and length.
    pub answered: u64,
    /// Body bytes received, those of unfinished answers included.
    pub body_bytes: u64,
    /// Connections opened after the warm-up.
    pub connections: u64,
    pub faults: BTreeMap<Fault, u64>,
    pub latency_ns: Histogram<u64>,
}

impl LoadReport {
    /// Failed requests.
    pub fn errors(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Refuses a run that failed: silent, or with errors.
    ///
    /// # Errors
    /// `Silent` or `Failed`, with the kinds of fault.
    pub fn check(&self) -> Result<(), BenchError> {
        if self.errors() > 0 {
            let kinds = self.faults.iter().map(|(fault, count)| format!("{count} × {fault}"));
            return Err(BenchError::Failed {
                errors: self.errors(),
                requests: self.errors() + self.answered,
                detail: kinds.collect::<Vec<_>>().join(", "),
            });
        }
        // An object may be larger than what a slow reader takes in a short run.
        if self.answered == 0 && self.body_bytes == 0 {
            return Err(BenchError::Silent { seconds: self.elapsed.as_secs_f64() });
        }
        Ok(())
    }
}

const FAULT_KINDS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answers: &[(u16, u64, Option<u64>)], faults: &[Fault]) {
        let mut tally = Tally::new(1, 200);
        for (status, bytes, due) in answers {
            tally.answer(0, *status, *bytes, *due, Duration::from_millis(1));
        }
        let report = tally.report(Instant::now());
        assert_eq!(report.faults.keys().copied().collect::<Vec<_>>(), faults);
        assert_eq!(report.check().is_ok(), faults.is_empty() && !answers.is_empty());
    }

    #[test]
    fn answers_are_checked() {
        check(&[], &[]);
        check(&[(200, 5, None), (200, 5, None)], &[]);
        check(&[(200, 5, None), (404, 5, None)], &[Fault::Status(404)]);
        check(
            &[(200, 5, None), (200, 4, None)],
            &[Fault::Length { expected_bytes: 5, actual_bytes: 4 }],
        );
        check(&[(200, 9, Some(8))], &[Fault::Length { expected_bytes: 8, actual_bytes: 9 }]);
    }

    #[test]
    fn the_warm_up_is_forgotten_but_not_what_it_learnt() {
        let mut tally = Tally::new(1, 200);
        tally.answer(0, 200, 5, None, Duration::from_millis(1));
        tally.begin(Instant::now());
        tally.answer(0, 200, 6, None, Duration::from_millis(1));
        let report = tally.report(Instant::now());
        assert_eq!((report.answered, report.errors()), (0, 1));
    }

    #[test]
    fn kinds_of_faults_are_bounded() {
        let mut tally = Tally::new(1, 200);
        for status in 300..600 {
            tally.fault(Fault::Status(status));
        }
        let report = tally.report(Instant::now());
        assert_eq!(report.errors(), 300);
        assert!(report.faults.len() <= FAULT_KINDS_MAX + 1);
    }
}
