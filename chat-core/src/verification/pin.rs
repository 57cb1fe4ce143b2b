//! The registration PIN (two-step): what a person knows beside holding the number.
//!
//! It is short, so what protects it is that tries are few: after three wrong ones each further one
//! must wait, up to a day. Only who has just proved to hold the number can try at all. What is
//! stored is a slow hash (PBKDF2 with HMAC-SHA-512, RFC 8018), which delays who reads the disk.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::pbkdf2;
use data_encoding::BASE64;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// Characters of a PIN at least.
pub const PIN_CHARS_MIN: usize = 6;
/// Bytes of a PIN at most.
pub const PIN_BYTES_MAX: usize = 64;

/// A stored PIN with its wrong tries. Its text is what is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin {
    iterations: NonZeroU32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
    failures: u32,
    failed_at_unix_s: u64,
}

/// Why a text cannot be a PIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinFormError {
    /// Too short or too long.
    #[error("a PIN has {PIN_CHARS_MIN} characters at least and {PIN_BYTES_MAX} bytes at most")]
    Length,
    /// One character over and over, or digits in a row.
    #[error("this PIN is too easy to guess")]
    Guessable,
}

/// Why a try did not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinRefusal {
    /// It is another PIN; the next try must wait so long.
    Wrong {
        /// May be zero.
        retry_after: Duration,
    },
    /// It came before its time and was not looked at.
    Early {
        /// What is left of the wait.
        retry_after: Duration,
    },
}

/// A stored text that is not a PIN's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a stored PIN is damaged")]
pub struct PinDamaged;

impl Pin {
    /// Costs [`ITERATIONS`] rounds of PBKDF2: a tenth of a second.
    ///
    /// # Errors
    /// [`PinFormError`].
    pub fn new(text: &str, random: &mut ChaCha20Rng) -> Result<Self, PinFormError> {
        check_form(text)?;
        let mut salt = [0; SALT_BYTES];
        random.fill_bytes(&mut salt);
        let mut hash = [0; HASH_BYTES];
        pbkdf2::derive(ALGORITHM, ITERATIONS, &salt, text.as_bytes(), &mut hash);
        Ok(Self { iterations: ITERATIONS, salt, hash, failures: 0, failed_at_unix_s: 0 })
    }

    /// Tries a PIN. `self` has changed behind a wrong one, and must be stored before the answer.
    ///
    /// # Errors
    /// [`PinRefusal`].
    pub fn check(&mut self, now_unix_s: u64, text: &str) -> Result<(), PinRefusal> {
        let retry_after = self.wait(now_unix_s);
        if !retry_after.is_zero() {
            return Err(PinRefusal::Early { retry_after });
        }
        let is_right = text.len() <= PIN_BYTES_MAX
            && pbkdf2::verify(ALGORITHM, self.iterations, &self.salt, text.as_bytes(), &self.hash)
                .is_ok();
        if is_right {
            (self.failures, self.failed_at_unix_s) = (0, 0);
            return Ok(());
        }
        self.failures = self.failures.saturating_add(1);
        self.failed_at_unix_s = now_unix_s;
        Err(PinRefusal::Wrong { retry_after: self.wait(now_unix_s) })
    }

    /// How long the next try must wait.
    fn wait(&self, now_unix_s: u64) -> Duration {
        // A moment to come was told by a wrong clock, and must not lock anybody out.
        let Some(since_s) = now_unix_s.checked_sub(self.failed_at_unix_s) else {
            return Duration::ZERO;
        };
        let index = (self.failures as usize).min(WAITS_S.len() - 1);
        Duration::from_secs(WAITS_S[index].saturating_sub(since_s))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, hash] = [&self.salt[..], &self.hash[..]].map(|bytes| BASE64.encode(bytes));
        let Self { iterations, failures, failed_at_unix_s, .. } = self;
        write!(f, "{NAME}${iterations}${salt}${hash}${failures}${failed_at_unix_s}")
    }
}

impl FromStr for Pin {
    type Err = PinDamaged;

    fn from_str(text: &str) -> Result<Self, PinDamaged> {
        let fields: Vec<&str> = text.split('$').collect();
        let [NAME, iterations, salt, hash, failures, failed_at_unix_s] = fields[..] else {
            return Err(PinDamaged);
        };
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| PinDamaged)?;
        if iterations > ITERATIONS_MAX {
            return Err(PinDamaged);
        }
        Ok(Self {
            iterations,
            salt: decoded(salt)?,
            hash: decoded(hash)?,
            failures: failures.parse().map_err(|_| PinDamaged)?,
            failed_at_unix_s: failed_at_unix_s.parse().map_err(|_| PinDamaged)?,
        })
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").field("failures", &self.failures).finish_non_exhaustive()
    }
}

fn decoded<const N: usize>(text: &str) -> Result<[u8; N], PinDamaged> {
    let bytes = BASE64.decode(text.as_bytes()).map_err(|_| PinDamaged)?;
    bytes.try_into().map_err(|_| PinDamaged)
}

fn check_form(text: &str) -> Result<(), PinFormError> {
    let chars: Vec<u32> = text.chars().map(u32::from).collect();
    if chars.len() < PIN_CHARS_MIN || text.len() > PIN_BYTES_MAX {
        return Err(PinFormError::Length);
    }
    let steps_by =
        |step: i64| chars.windows(2).all(|pair| i64::from(pair[1]) - i64::from(pair[0]) == step);
    match [0, 1, -1].into_iter().any(steps_by) {
        true => Err(PinFormError::Guessable),
        false => Ok(()),
    }
}

const NAME: &str = "PBKDF2-SHA-512";
static ALGORITHM: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA512;
/// OWASP's figure for this algorithm; the password storage cheat sheet has it.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(210_000).unwrap();
/// Rounds that a stored text may ask for, so that a damaged one cannot stop the server.
const ITERATIONS_MAX: NonZeroU32 = NonZeroU32::new(10_000_000).unwrap();
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// The wait behind so many wrong tries, in seconds; the last one stays. A stranger who holds the
/// number guesses one PIN of six digits in 1,000,000 a day.
const WAITS_S: [u64; 9] = [0, 0, 0, 60, 300, 900, 3600, 4 * 3600, 24 * 3600];

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const NOW_S: u64 = 1_790_000_000;

    fn pin() -> Pin {
        Pin::new("739154", &mut ChaCha20Rng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn waits_grow_to_a_day() {
        let (mut pin, mut now) = (pin(), NOW_S);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let Err(PinRefusal::Wrong { retry_after }) = pin.check(now, "000001") else {
                panic!("a wrong PIN counted or was not looked at");
            };
            waits.push(retry_after.as_secs());
            now += retry_after.as_secs();
        }
        assert_eq!(waits, [0, 0, 60, 300, 900, 3600, 14_400, 86_400, 86_400, 86_400]);
        assert_eq!(pin.check(now, "739154"), Ok(()));
        assert_eq!(pin.check(now, "739154"), Ok(()));
    }

    #[test]
    fn an_early_try_is_not_looked_at() {
        let mut pin = pin();
        for _ in 0..3 {
            pin.check(NOW_S, "x").unwrap_err();
        }
        let early = PinRefusal::Early { retry_after: Duration::from_secs(50) };
        assert_eq!(pin.check(NOW_S + 10, "739154"), Err(early));
        assert_eq!(pin.check(NOW_S + 60, "739154"), Ok(()));
    }

    #[test]
    fn a_clock_that_was_wrong_locks_nobody_out() {
        let mut pin = pin();
        for _ in 0..3 {
            pin.check(NOW_S + 1_000_000_000, "x").unwrap_err();
        }
        assert!(matches!(pin.check(NOW_S, "x"), Err(PinRefusal::Wrong { .. })));
        assert!(matches!(pin.check(NOW_S, "x"), Err(PinRefusal::Early { .. })));
    }

    #[test]
    fn what_is_stored_reads_back() {
        let mut pin = pin();
        pin.check(NOW_S, "wrong").unwrap_err();
        assert_eq!(pin.to_string().parse(), Ok(pin.clone()));
        let damaged = |text: String| text.parse::<Pin>().is_err();
        assert!(damaged(String::new()));
        assert!(damaged(pin.to_string().replace("210000", "99999999")));
        assert!(damaged(pin.to_string() + "$1"));
        assert!(!format!("{pin:?}").contains("hash"));
    }

    #[test]
    fn forms() {
        let check = |text: &str, expected| assert_eq!(check_form(text), expected, "{text}");
        check("739154", Ok(()));
        check("correct horse", Ok(()));
        check("12345", Err(PinFormError::Length));
        check("123456", Err(PinFormError::Guessable));
        check("987654", Err(PinFormError::Guessable));
        check("555555", Err(PinFormError::Guessable));
        check(&"ab".repeat(33), Err(PinFormError::Length));
    }
}
