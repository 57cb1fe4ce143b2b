//! How fast a client is read: token buckets over its stanzas and bytes. One that is too fast is
//! read more slowly, never cut, so that a burst after a long silence costs it time and no stanza.

use std::net::IpAddr;

use super::config::XmppConfig;

/// What the clients of a server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    stanzas: Rate,
    bytes: Rate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    /// 0: no limit.
    per_s: u32,
    burst: u32,
}

impl Paces {
    /// As configured.
    pub fn new(config: &XmppConfig) -> Self {
        Self {
            stanzas: Rate { per_s: config.stanzas_per_s_max, burst: config.stanzas_burst_max },
            bytes: Rate { per_s: config.bytes_per_s_max, burst: config.bytes_burst_max },
        }
    }

    /// What a client of this address may send: loopback is never limited.
    pub fn of(&self, peer: IpAddr) -> Self {
        match peer.to_canonical().is_loopback() {
            true => {
                Self { stanzas: Rate { per_s: 0, burst: 0 }, bytes: Rate { per_s: 0, burst: 0 } }
            }
            false => *self,
        }
    }
}

/// One client's buckets. Each is the moment at which it will be full again, in microseconds of the
/// server's clock: one number, and no refilling.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    stanzas_full_us: u64,
    bytes_full_us: u64,
}

impl Pace {
    /// Counts what was read, and says from when on more may be read; a moment that has passed
    /// means at once.
    pub fn count(&mut self, paces: &Paces, now_us: u64, stanzas: u32, bytes: u32) -> u64 {
        let stanzas = paces.stanzas.take(&mut self.stanzas_full_us, now_us, stanzas);
        let bytes = paces.bytes.take(&mut self.bytes_full_us, now_us, bytes);
        stanzas.max(bytes)
    }
}

impl Rate {
    /// Takes `count` tokens out of a bucket; returns when it is no longer overdrawn.
    fn take(self, full_us: &mut u64, now_us: u64, count: u32) -> u64 {
        if self.per_s == 0 {
            return 0;
        }
        let cost = |count: u32| u64::from(count) * 1_000_000 / u64::from(self.per_s);
        *full_us = (*full_us).max(now_us) + cost(count);
        full_us.saturating_sub(cost(self.burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    fn paces(stanzas: u32, stanzas_burst: u32, bytes: u32, bytes_burst: u32) -> Paces {
        Paces {
            stanzas: Rate { per_s: stanzas, burst: stanzas_burst },
            bytes: Rate { per_s: bytes, burst: bytes_burst },
        }
    }

    #[test]
    fn a_burst_is_free_and_what_follows_waits() {
        let (paces, mut pace) = (paces(10, 20, 0, 0), Pace::default());
        let begin = 100 * SECOND_US;
        assert!(pace.count(&paces, begin, 20, 9_999) <= begin);
        assert_eq!(pace.count(&paces, begin, 5, 0), begin + SECOND_US / 2);
        // Once it has been quiet long enough, the whole burst is there again.
        let later = begin + 10 * SECOND_US;
        assert!(pace.count(&paces, later, 20, 0) <= later);
    }

    #[test]
    fn the_slower_bucket_decides() {
        let (paces, mut pace) = (paces(10, 1, 1000, 1000), Pace::default());
        assert_eq!(pace.count(&paces, 0, 1, 3000), 2 * SECOND_US);
    }

    #[test]
    fn loopback_and_zero_are_not_limited() {
        let (limited, mut pace) = (paces(1, 1, 1, 1), Pace::default());
        let local = limited.of("::1".parse().unwrap());
        assert_eq!(pace.count(&local, 5, 1000, 1000), 0);
        assert_eq!(limited.of("192.0.2.1".parse().unwrap()), limited);
    }
}
