//! Closed loop: a free connection asks at once, so the server is always at its limit.

use std::time::Instant;

use super::Next;

/// Bounded by time and, if wanted, by count.
#[derive(Debug)]
pub struct ClosedLoop {
    end: Instant,
    left: u64,
}

impl ClosedLoop {
    /// Requests until `end`, at most `requests_max`.
    pub fn new(end: Instant, requests_max: Option<u64>) -> Self {
        Self { end, left: requests_max.unwrap_or(u64::MAX) }
    }

    /// Takes the next request.
    pub fn next(&mut self, now: Instant) -> Next {
        if self.left == 0 || now >= self.end {
            return Next::Finished;
        }
        self.left -= 1;
        Next::Now { intended: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ends_by_count_or_time() {
        let start = Instant::now();
        let end = start + Duration::from_secs(1);
        let mut counted = ClosedLoop::new(end, Some(2));
        assert_eq!(counted.next(start), Next::Now { intended: start });
        assert_eq!(counted.next(start), Next::Now { intended: start });
        assert_eq!(counted.next(start), Next::Finished);
        assert_eq!(ClosedLoop::new(end, None).next(end), Next::Finished);
    }
}
