//! One-time codes: six digits, for one number, for ten minutes, for five tries.
//!
//! A code is kept as a keyed hash only, under a key that never leaves the process: a copy of its
//! memory's tables or of a log line about them gives no code away.

use std::fmt;

use aws_lc_rs::hmac;
use hashbrown::HashMap;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use super::number::PhoneNumber;

/// How long a code holds, in milliseconds.
pub const CODE_LIFETIME_MS: u64 = 600_000;
/// Wrong tries that end a code.
pub const CODE_TRIES_MAX: u8 = 5;
/// Digits of a code.
pub const CODE_DIGITS: usize = 6;

/// A code on its way to its number. It shows itself to `Display` only.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(u32);

impl Code {
    fn random(random: &mut ChaCha20Rng) -> Self {
        // What lies above the largest multiple would make low codes likelier.
        const ALL: u32 = 10_u32.pow(CODE_DIGITS as u32);
        const BOUND: u32 = u32::MAX - u32::MAX % ALL;
        loop {
            let drawn = random.next_u32();
            if drawn < BOUND {
                return Self(drawn % ALL);
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.0, width = CODE_DIGITS)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// Why a code does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeError {
    /// Another one was sent.
    #[error("this is not the code that was sent")]
    Wrong,
    /// None was sent, or it is too old, used, or was tried too often.
    #[error("there is no code for this number; ask for a new one")]
    None,
}

/// Proof that the code of a number was given. The code still counts until it is spent.
#[derive(Debug)]
#[must_use = "a code that is not spent can be used again"]
pub struct Matched(PhoneNumber);

/// Codes that were sent and not yet used; one per number.
pub struct Codes {
    key: hmac::Key,
    pending: HashMap<PhoneNumber, Pending>,
}

struct Pending {
    tag: hmac::Tag,
    until_ms: u64,
    tries_left: u8,
}

impl Codes {
    /// Without codes, under a key of its own.
    pub fn new(random: &mut ChaCha20Rng) -> Self {
        let mut key = [0; 32];
        random.fill_bytes(&mut key);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), pending: HashMap::new() }
    }

    /// Makes a code for `number`; the one before counts no longer.
    pub fn issue(&mut self, now_ms: u64, number: PhoneNumber, random: &mut ChaCha20Rng) -> Code {
        // There are as many as may be sent in ten minutes, so this is soon done.
        self.pending.retain(|_, pending| pending.until_ms > now_ms);
        let code = Code::random(random);
        let tag = hmac::sign(&self.key, &message(number, &code.to_string()));
        let until_ms = now_ms + CODE_LIFETIME_MS;
        self.pending.insert(number, Pending { tag, until_ms, tries_left: CODE_TRIES_MAX });
        code
    }

    /// Tries a code; each try counts, also one that is right.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn check(
        &mut self,
        now_ms: u64,
        number: PhoneNumber,
        text: &str,
    ) -> Result<Matched, CodeError> {
        let pending = self.pending.get_mut(&number).filter(|pending| pending.until_ms > now_ms);
        let Some(pending) = pending.filter(|pending| pending.tries_left > 0) else {
            self.pending.remove(&number);
            return Err(CodeError::None);
        };
        pending.tries_left -= 1;
        // People copy codes with spaces, and some keyboards put them in.
        let digits: String =
            text.chars().filter(char::is_ascii_digit).take(CODE_DIGITS + 1).collect();
        // In constant time, by the tag.
        match hmac::verify(&self.key, &message(number, &digits), pending.tag.as_ref()) {
            Ok(()) => Ok(Matched(number)),
            Err(_) => Err(CodeError::Wrong),
        }
    }

    /// Uses a code up.
    pub fn spend(&mut self, matched: Matched) {
        self.pending.remove(&matched.0);
    }

    /// Forgets the code of a number.
    pub fn forget(&mut self, number: PhoneNumber) {
        self.pending.remove(&number);
    }

    /// Codes kept.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

/// The number stands in it with a fixed length, so that no two pairs are one message.
fn message(number: PhoneNumber, digits: &str) -> Vec<u8> {
    let mut message = number.digits().to_be_bytes().to_vec();
    message.extend_from_slice(digits.as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn number() -> PhoneNumber {
        "+15550100123".parse().unwrap()
    }

    fn codes() -> (Codes, ChaCha20Rng, u64) {
        let mut random = ChaCha20Rng::seed_from_u64(7);
        (Codes::new(&mut random), random, 5)
    }

    #[test]
    fn a_code_counts_once() {
        let (mut codes, mut random, now) = codes();
        let code = codes.issue(now, number(), &mut random).to_string();
        assert_eq!(code.len(), CODE_DIGITS);
        let matched = codes.check(now, number(), &code).unwrap();
        codes.spend(matched);
        assert_eq!(codes.check(now, number(), &code).unwrap_err(), CodeError::None);
    }

    #[test]
    fn a_code_ends_in_time() {
        let (mut codes, mut random, now) = codes();
        let code = codes.issue(now, number(), &mut random).to_string();
        let late = codes.check(now + CODE_LIFETIME_MS, number(), &code);
        assert_eq!(late.unwrap_err(), CodeError::None);
    }

    #[test]
    fn five_tries_and_no_more() {
        let (mut codes, mut random, now) = codes();
        let code = codes.issue(now, number(), &mut random).to_string();
        for _ in 0..CODE_TRIES_MAX {
            assert_eq!(codes.check(now, number(), "x").unwrap_err(), CodeError::Wrong);
        }
        assert_eq!(codes.check(now, number(), &code).unwrap_err(), CodeError::None);
    }

    #[test]
    fn the_newest_counts_and_only_for_its_number() {
        let (mut codes, mut random, now) = codes();
        let old = codes.issue(now, number(), &mut random).to_string();
        let new = codes.issue(now, number(), &mut random).to_string();
        let other = "+15550100124".parse().unwrap();
        assert_ne!(old, new);
        assert_eq!(codes.check(now, number(), &old).unwrap_err(), CodeError::Wrong);
        assert_eq!(codes.check(now, other, &new).unwrap_err(), CodeError::None);
        let spaced = format!("{} {}", &new[..3], &new[3..]);
        assert!(codes.check(now, number(), &spaced).is_ok());
        assert_eq!(codes.check(now, number(), &format!("{new}0")).unwrap_err(), CodeError::Wrong);
    }

    #[test]
    fn nothing_shows_a_code_but_itself() {
        let (mut codes, mut random, now) = codes();
        let code = codes.issue(now, number(), &mut random);
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    #[test]
    fn old_codes_leave() {
        let (mut codes, mut random, now) = codes();
        for n in 0..1000_u32 {
            let number = format!("+1555010{n:04}").parse().unwrap();
            codes.issue(now + u64::from(n) * 1000, number, &mut random);
        }
        assert_eq!(codes.len(), CODE_LIFETIME_MS as usize / 1000);
    }

    proptest! {
        #[test]
        fn a_code_never_counts_twice(seed: u64, tries in prop::collection::vec(0_u8..4, 1..60)) {
            let mut random = ChaCha20Rng::seed_from_u64(seed);
            let (mut codes, mut now) = (Codes::new(&mut random), 0);
            let mut issued = String::new();
            let mut counted = 0;
            for step in tries {
                match step {
                    0 => {
                        issued = codes.issue(now, number(), &mut random).to_string();
                        counted = 0;
                    }
                    1 => now += 200_000,
                    2 => drop(codes.check(now, number(), "000 000")),
                    _ => if let Ok(matched) = codes.check(now, number(), &issued) {
                        codes.spend(matched);
                        counted += 1;
                    },
                }
                prop_assert!(counted <= 1);
            }
        }
    }
}
