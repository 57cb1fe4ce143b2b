//! Links: what an account's device shows, as a QR code or a text, to let a further device in.
//!
//! A link is random, holds for five minutes and counts once. It is kept as a digest only.

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use hashbrown::HashMap;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use crate::jid::AccountId;

/// How long a link holds, in milliseconds.
pub const LINK_LIFETIME_MS: u64 = 300_000;
/// Links of one account that hold at once; a further one ends the oldest.
pub const LINKS_PER_ACCOUNT_MAX: usize = 3;

/// Links that hold.
#[derive(Debug, Default)]
pub struct Links {
    pending: HashMap<[u8; DIGEST_BYTES], Pending>,
}

#[derive(Debug)]
struct Pending {
    account: AccountId,
    until_ms: u64,
}

impl Links {
    /// Makes a link to `account`, whose device has proved who it is.
    pub fn issue(&mut self, now_ms: u64, account: AccountId, random: &mut ChaCha20Rng) -> String {
        // Only accounts' own devices come here, each with a few, so that looking through is cheap.
        self.pending.retain(|_, pending| pending.until_ms > now_ms);
        let of_account = || self.pending.iter().filter(|(_, pending)| pending.account == account);
        if of_account().count() >= LINKS_PER_ACCOUNT_MAX
            && let Some(oldest) = of_account().min_by_key(|(_, pending)| pending.until_ms)
        {
            let oldest = *oldest.0;
            self.pending.remove(&oldest);
        }
        let mut bytes = [0; LINK_BYTES];
        random.fill_bytes(&mut bytes);
        let link = BASE64URL_NOPAD.encode(&bytes);
        self.pending
            .insert(digest_of(&link), Pending { account, until_ms: now_ms + LINK_LIFETIME_MS });
        link
    }

    /// Uses a link up; names the account that it lets into.
    pub fn spend(&mut self, now_ms: u64, link: &str) -> Option<AccountId> {
        let pending = self.pending.remove(&digest_of(link))?;
        (pending.until_ms > now_ms).then_some(pending.account)
    }

    /// Ends all links of an account.
    pub fn forget(&mut self, account: AccountId) {
        self.pending.retain(|_, pending| pending.account != account);
    }
}

fn digest_of(link: &str) -> [u8; DIGEST_BYTES] {
    let mut bytes = [0; DIGEST_BYTES];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, link.as_bytes()).as_ref());
    bytes
}

const LINK_BYTES: usize = 24;
const DIGEST_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn links() -> (Links, ChaCha20Rng, AccountId) {
        let account = "k7qm2xw4p9ab".parse().unwrap();
        (Links::default(), ChaCha20Rng::seed_from_u64(1), account)
    }

    #[test]
    fn a_link_counts_once_and_in_time() {
        let (mut links, mut random, account) = links();
        let link = links.issue(0, account, &mut random);
        let late = links.issue(0, account, &mut random);
        assert_eq!(links.spend(10, "x"), None);
        assert_eq!(links.spend(10, &link), Some(account));
        assert_eq!(links.spend(10, &link), None);
        assert_eq!(links.spend(LINK_LIFETIME_MS, &late), None);
    }

    #[test]
    fn the_oldest_of_too_many_ends() {
        let (mut links, mut random, account) = links();
        let issued: Vec<String> = (0..=LINKS_PER_ACCOUNT_MAX as u64)
            .map(|n| links.issue(n, account, &mut random))
            .collect();
        assert_eq!(links.pending.len(), LINKS_PER_ACCOUNT_MAX);
        assert_eq!(links.spend(10, &issued[0]), None);
        assert_eq!(links.spend(10, &issued[1]), Some(account));
        links.forget(account);
        assert_eq!(links.spend(10, &issued[2]), None);
    }
}
