//! When to ask the authority again.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;

use crate::tls::validity::Validity;

/// The longest sleep without a look at the clock.
pub(super) const LOOK_AGAIN_AFTER: Duration = hours(6);

/// When to renew: two thirds of the life are over, and up to a fiftieth of it later, so that
/// servers set up together do not come together.
pub(super) fn renewal_time(validity: Validity, jitter: f64) -> SystemTime {
    let life = validity.length();
    validity.not_before + life * 2 / 3 + (life / 50).mul_f64(jitter)
}

/// How long to wait after `failures` in a row: doubled each time, spread by `jitter` (0 to 1),
/// never shorter than what the authority asked for.
pub(super) fn retry_wait(
    failures: u32,
    is_rate_limited: bool,
    asked: Option<Duration>,
    jitter: f64,
) -> Duration {
    let doubled = FIRST_RETRY * 2u32.saturating_pow(failures.saturating_sub(1).min(16));
    let floor = if is_rate_limited { RATE_LIMITED_RETRY } else { FIRST_RETRY };
    let own = doubled.clamp(floor, LAST_RETRY);
    let asked = asked.unwrap_or_default().min(ASKED_RETRY_MAX);
    own.max(asked) + own.mul_f64(jitter / 4.0)
}

/// A random number from 0 to 1.
pub(super) fn jitter() -> f64 {
    let mut bytes = [0; 2];
    // Without randomness (which TLS would not survive either) all wait equally long.
    let _ = rand::fill(&mut bytes);
    f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX)
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

const FIRST_RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = hours(12);
/// Authorities count failures by the hour.
const RATE_LIMITED_RETRY: Duration = hours(1);
/// No authority may put us to sleep for ever.
const ASKED_RETRY_MAX: Duration = hours(7 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    fn check_wait(failures: u32, is_rate_limited: bool, asked_s: Option<u64>, expected_s: u64) {
        let asked = asked_s.map(Duration::from_secs);
        let expected = Duration::from_secs(expected_s);
        assert_eq!(retry_wait(failures, is_rate_limited, asked, 0.0), expected);
        let spread = retry_wait(failures, is_rate_limited, asked, 1.0);
        assert!(spread > expected && spread <= expected * 5 / 4, "{spread:?}");
    }

    #[test]
    fn waits_double_up_to_half_a_day() {
        check_wait(1, false, None, 60);
        check_wait(2, false, None, 120);
        check_wait(5, false, None, 960);
        check_wait(11, false, None, 43_200);
        check_wait(u32::MAX, false, None, 43_200);
    }

    #[test]
    fn the_authority_is_heard() {
        check_wait(1, false, Some(500), 500);
        check_wait(9, false, Some(500), 15_360);
        check_wait(1, true, None, 3_600);
        check_wait(1, true, Some(90_000), 90_000);
        check_wait(1, true, Some(u64::MAX), 604_800);
    }

    #[test]
    fn renewal_after_two_thirds() {
        let day = hours(24);
        let not_before = SystemTime::UNIX_EPOCH + day * 100;
        let validity = Validity { not_before, not_after: not_before + day * 90 };
        assert_eq!(renewal_time(validity, 0.0), not_before + day * 60);
        assert_eq!(renewal_time(validity, 1.0), not_before + day * 60 + day * 90 / 50);
    }
}
