//! Who gets which account: codes are asked for and confirmed here, whatever way they came.
//!
//! A code proves that somebody holds a number now. That is not enough for the account of who held
//! it before: numbers are given to new people, and messages to a number can be read by others. So
//! a code alone gives a fresh account; the number's account opens to its PIN, or to a link that one
//! of its devices shows. A PIN also keeps the number itself: without it nobody takes the number
//! away, until the account has been silent for [`PIN_KEEPS_NUMBER_S`].
//!
//! What is answered before a right code was given is the same for every number, whether it has an
//! account or not.

use std::net::IpAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::code::{Code, CodeError, Codes};
use super::limits::{Client, HeldBack, Limit, SendLog};
use super::link::Links;
use super::number::{PhoneNumber, Reach};
use super::pin::{Pin, PinFormError, PinRefusal};
use crate::jid::AccountId;
use crate::time::Now;

/// How long an account may be silent before its PIN no longer keeps its number, in seconds. Nobody
/// gives up a number and comes back to it; who gets it from the operator must not wait for ever.
pub const PIN_KEEPS_NUMBER_S: u64 = 7 * 24 * 3600;

/// What an operator decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Codes in any hour, to all numbers together: what bounds the bill.
    pub codes_per_hour_max: usize,
    /// Send codes also to numbers whose range is not handed out as far as the tables know.
    pub accepts_possible_numbers: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { codes_per_hour_max: 500, accepts_possible_numbers: false }
    }
}

/// A code to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendCode {
    /// To whom.
    pub number: PhoneNumber,
    /// What.
    pub code: Code,
}

/// The account that has a number, as its storage knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Which.
    pub account: AccountId,
    /// Its PIN, if it has one.
    pub pin: Option<Pin>,
    /// When one of its devices was last here, in seconds since 1970.
    pub seen_unix_s: u64,
}

/// What somebody has who says that a number is his.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The number.
    pub number: PhoneNumber,
    /// The code that was sent to it.
    pub code: &'a str,
    /// The PIN, if he gives one.
    pub pin: Option<&'a str>,
}

/// Whose device it is that proved to hold a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// That of a fresh account, which gets the number.
    NewAccount {
        /// The account that loses it.
        from: Option<AccountId>,
    },
    /// A further one of this account.
    FurtherDevice {
        /// Which.
        account: AccountId,
    },
}

/// An account may have a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumberFree {
    /// The account that loses it.
    pub from: Option<AccountId>,
}

/// Why nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Too many codes were asked for.
    #[error("too many codes were asked for; wait {} s", ceil_s(*retry_after))]
    TooManyCodes {
        /// Which limit was reached: for metrics.
        limit: Limit,
        /// When the next one would pass.
        retry_after: Duration,
    },
    /// No person would get the message.
    #[error("no code can be sent to this number")]
    Unreachable,
    /// The code does not count.
    #[error("{0}")]
    Code(#[from] CodeError),
    /// The code is right and still counts; the number's account wants its PIN too.
    #[error("this number is kept by a PIN")]
    PinNeeded {
        /// When the PIN keeps the number no longer, if the account stays silent.
        retry_after: Duration,
    },
    /// The code is right and still counts; the PIN is not.
    #[error("this is not the PIN; the next try must wait {} s", ceil_s(*retry_after))]
    WrongPin {
        /// When the next try will be looked at.
        retry_after: Duration,
    },
    /// The link does not count, or no longer.
    #[error("this link holds no longer; have the other device show a new one")]
    Link,
}

impl Refusal {
    /// When it may be worth asking again, if time alone helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyCodes { retry_after, .. }
            | Self::WrongPin { retry_after }
            | Self::PinNeeded { retry_after } => Some(*retry_after),
            Self::Unreachable | Self::Code(_) | Self::Link => None,
        }
    }
}

/// Codes, links and their limits.
pub struct Registrar {
    policy: Policy,
    random: ChaCha20Rng,
    log: SendLog,
    codes: Codes,
    links: Links,
}

impl Registrar {
    /// Nothing asked for yet. `seed` is random and used for nothing else.
    pub fn new(policy: Policy, seed: [u8; 32]) -> Self {
        let mut random = ChaCha20Rng::from_seed(seed);
        Self {
            policy,
            log: SendLog::new(policy.codes_per_hour_max),
            codes: Codes::new(&mut random),
            links: Links::default(),
            random,
        }
    }

    /// Makes a code for `number`, asked for from `address`. The one before counts no longer.
    ///
    /// # Errors
    /// [`Refusal::TooManyCodes`], [`Refusal::Unreachable`].
    pub fn request_code(
        &mut self,
        now: Now,
        number: PhoneNumber,
        address: IpAddr,
    ) -> Result<SendCode, Refusal> {
        if !self.may_send_to(number) {
            return Err(Refusal::Unreachable);
        }
        self.log.admit(now.elapsed_ms, number, Client::of(address)).map_err(
            |HeldBack { limit, retry_after }| Refusal::TooManyCodes { limit, retry_after },
        )?;
        let code = self.codes.issue(now.elapsed_ms, number, &mut self.random);
        Ok(SendCode { number, code })
    }

    /// Registers a device by a number. `holder` is the account that has the number, if one has;
    /// its PIN's tries are counted in it, so store it if it has changed, whatever the answer.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn confirm(
        &mut self,
        now: Now,
        claim: Claim<'_>,
        holder: Option<&mut Holder>,
    ) -> Result<Confirmed, Refusal> {
        let standing = self.settle(now, claim, holder)?;
        Ok(match standing {
            Standing::Free => Confirmed::NewAccount { from: None },
            Standing::Lapsed(account) => Confirmed::NewAccount { from: Some(account) },
            Standing::Proved(account) => Confirmed::FurtherDevice { account },
        })
    }

    /// Gives a number to `account`, one of whose devices asks for it; else as [`Self::confirm`].
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn confirm_change(
        &mut self,
        now: Now,
        account: AccountId,
        claim: Claim<'_>,
        holder: Option<&mut Holder>,
    ) -> Result<NumberFree, Refusal> {
        let holder = holder.filter(|holder| holder.account != account);
        Ok(match self.settle(now, claim, holder)? {
            Standing::Free => NumberFree { from: None },
            Standing::Lapsed(from) | Standing::Proved(from) => NumberFree { from: Some(from) },
        })
    }

    /// Makes a link that lets a further device into `account`, one of whose devices asks for it.
    pub fn issue_link(&mut self, now: Now, account: AccountId) -> String {
        self.links.issue(now.elapsed_ms, account, &mut self.random)
    }

    /// Registers a device by a link.
    ///
    /// # Errors
    /// [`Refusal::Link`].
    pub fn confirm_link(&mut self, now: Now, link: &str) -> Result<Confirmed, Refusal> {
        let account = self.links.spend(now.elapsed_ms, link).ok_or(Refusal::Link)?;
        Ok(Confirmed::FurtherDevice { account })
    }

    /// Makes a PIN to be stored.
    ///
    /// # Errors
    /// [`PinFormError`].
    pub fn make_pin(&mut self, text: &str) -> Result<Pin, PinFormError> {
        Pin::new(text, &mut self.random)
    }

    /// An account is gone: nothing that was given out opens it.
    pub fn forget(&mut self, account: AccountId, number: Option<PhoneNumber>) {
        self.links.forget(account);
        if let Some(number) = number {
            self.codes.forget(number);
        }
    }

    fn may_send_to(&self, number: PhoneNumber) -> bool {
        match number.reach() {
            Reach::Assigned => true,
            Reach::Unassigned => self.policy.accepts_possible_numbers,
            Reach::Service => false,
        }
    }

    /// The code is spent only where the claim holds: who lacks the PIN may add it.
    fn settle(
        &mut self,
        now: Now,
        claim: Claim<'_>,
        holder: Option<&mut Holder>,
    ) -> Result<Standing, Refusal> {
        let matched = self.codes.check(now.elapsed_ms, claim.number, claim.code)?;
        let standing = holder.map_or(Ok(Standing::Free), |holder| holder.yields(now, claim.pin))?;
        self.codes.spend(matched);
        Ok(standing)
    }
}

/// What a number's account is to who proved to hold the number.
enum Standing {
    /// There is none.
    Free,
    /// It is another's, and loses the number.
    Lapsed(AccountId),
    /// It is his own.
    Proved(AccountId),
}

impl Holder {
    fn yields(&mut self, now: Now, given: Option<&str>) -> Result<Standing, Refusal> {
        let now_unix_s = now.unix_ms / 1000;
        let silent_s = now_unix_s.saturating_sub(self.seen_unix_s);
        match (&mut self.pin, given) {
            (None, _) => Ok(Standing::Lapsed(self.account)),
            (Some(pin), Some(given)) => match pin.check(now_unix_s, given) {
                Ok(()) => Ok(Standing::Proved(self.account)),
                Err(PinRefusal::Wrong { retry_after } | PinRefusal::Early { retry_after }) => {
                    Err(Refusal::WrongPin { retry_after })
                }
            },
            (Some(_), None) if silent_s >= PIN_KEEPS_NUMBER_S => Ok(Standing::Lapsed(self.account)),
            (Some(_), None) => Err(Refusal::PinNeeded {
                retry_after: Duration::from_secs(PIN_KEEPS_NUMBER_S - silent_s),
            }),
        }
    }
}

/// A person who waits so many seconds has waited long enough.
fn ceil_s(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
