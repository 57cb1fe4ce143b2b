//! How often accounts have pages looked at.

use chat_core::jid::AccountId;
use hashbrown::HashMap;

/// Pages that an account has looked at in a minute.
pub const PER_MINUTE_MAX: u32 = 20;
const MINUTE_S: u64 = 60;

/// Counts by the minute, for all accounts alike: what was counted before is forgotten at once.
#[derive(Debug, Default)]
pub(super) struct Pace {
    minute: u64,
    counts: HashMap<AccountId, u32>,
}

impl Pace {
    /// One more, or the seconds after which it would pass.
    pub(super) fn spend(&mut self, account: AccountId, now_unix_s: u64) -> Result<(), u64> {
        let minute = now_unix_s / MINUTE_S;
        if minute != self.minute {
            *self = Self { minute, counts: HashMap::new() };
        }
        let count = self.counts.entry(account).or_default();
        if *count == PER_MINUTE_MAX {
            return Err(MINUTE_S - now_unix_s % MINUTE_S);
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_and_gets_it_back() {
        let (one, other) = (AccountId::from_random(1), AccountId::from_random(2));
        let mut pace = Pace::default();
        assert!((0..PER_MINUTE_MAX).all(|_| pace.spend(one, 119).is_ok()));
        assert_eq!(pace.spend(one, 119), Err(1));
        assert_eq!(pace.spend(other, 119), Ok(()));
        assert_eq!(pace.spend(one, 120), Ok(()));
    }
}
