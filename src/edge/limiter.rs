//! Rate limit per client address: a token bucket each, in shards so that lanes seldom meet.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::{DefaultHashBuilder, HashMap};

/// Lets through a number of requests per second and client, with bursts.
///
/// An IPv6 /64 counts as one client (RFC 6177: what a customer gets at least). Loopback is never
/// limited.
#[derive(Debug)]
pub struct RateLimiter {
    per_s: u32,
    burst: u32,
    hasher: DefaultHashBuilder,
    shards: [Mutex<HashMap<u64, Bucket>>; SHARDS],
}

/// A request that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// For `Retry-After`, in seconds, at least 1.
    pub retry_after_s: u32,
}

impl RateLimiter {
    /// `per_s` 0: no limit. `burst`: how many requests a client that was quiet may make at once.
    pub fn new(per_s: u32, burst: u32) -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { per_s, burst: burst.max(1), hasher, shards: Default::default() }
    }

    /// Counts a request of `client`.
    ///
    /// # Errors
    /// [`HeldBack`]: answer 429.
    pub fn check(&self, client: IpAddr, now: Instant) -> Result<(), HeldBack> {
        if self.per_s == 0 {
            return Ok(());
        }
        let Some(key) = key(client) else { return Ok(()) };
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        // A panic while it was held leaves a usable map.
        let mut buckets = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS_PER_SHARD_MAX && !buckets.contains_key(&key) {
            self.forget_idle(&mut buckets, now);
        }
        let full = self.interval() * self.burst;
        let bucket = buckets.entry(key).or_insert(Bucket { full_at: now });
        // A bucket is the time at which it will be full again: one number, no refilling.
        let full_at = bucket.full_at.max(now) + self.interval();
        if full_at.saturating_duration_since(now) > full {
            let wait = full_at.saturating_duration_since(now).saturating_sub(full);
            return Err(HeldBack { retry_after_s: wait.as_secs() as u32 + 1 });
        }
        bucket.full_at = full_at;
        Ok(())
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.per_s
    }

    fn forget_idle(&self, buckets: &mut HashMap<u64, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| bucket.full_at > now);
        if buckets.len() >= CLIENTS_PER_SHARD_MAX {
            // A flood from more addresses than are kept: limiting some of it beats growing.
            buckets.clear();
        }
    }
}

#[derive(Debug)]
struct Bucket {
    full_at: Instant,
}

fn key(client: IpAddr) -> Option<u64> {
    match client.to_canonical() {
        client if client.is_loopback() => None,
        IpAddr::V4(v4) => Some(u64::from(v4.to_bits())),
        IpAddr::V6(v6) => Some((v6.to_bits() >> 64) as u64),
    }
}

const SHARDS: usize = 16;
/// 16 × 4,096 clients of 16 bytes: some 2 MiB.
const CLIENTS_PER_SHARD_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(client: &str, per_s: u32, burst: u32, times_ms: &[u64], expected: &str) {
        let (limiter, start) = (RateLimiter::new(per_s, burst), Instant::now());
        let client: IpAddr = client.parse().unwrap();
        let shown: String = times_ms
            .iter()
            .map(|ms| match limiter.check(client, start + Duration::from_millis(*ms)) {
                Ok(()) => 'y',
                Err(_) => 'n',
            })
            .collect();
        assert_eq!(shown, expected, "{client} {times_ms:?}");
    }

    #[test]
    fn bursts_pass_and_then_the_rate() {
        check("192.0.2.1", 10, 3, &[0, 0, 0, 0, 50, 100, 150, 200, 5000, 5000], "yyynnynyyy");
        check("192.0.2.1", 0, 1, &[0, 0, 0], "yyy");
        check("127.0.0.1", 1, 1, &[0, 0, 0], "yyy");
        check("::ffff:127.0.0.1", 1, 1, &[0, 0], "yy");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let (limiter, now) = (RateLimiter::new(1, 1), Instant::now());
        let check = |client: &str| limiter.check(client.parse().unwrap(), now);
        assert_eq!(check("2001:db8::1"), Ok(()));
        assert_eq!(check("2001:db8::2"), Err(HeldBack { retry_after_s: 2 }));
        assert_eq!(check("2001:db8:0:1::2"), Ok(()));
    }
}
