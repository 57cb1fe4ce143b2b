//! How many connections each client address holds.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

/// Counts connections by address; clones count together. An IPv6 /64 counts as one address
/// (RFC 6177), loopback is not counted.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// 0: no limit.
    connections_max: usize,
    held: Arc<Mutex<HashMap<u64, usize>>>,
}

/// A connection's place among those of its address, until it is dropped.
#[derive(Debug)]
pub struct Place {
    addresses: Addresses,
    key: u64,
}

impl Addresses {
    /// `connections_max` 0: no limit.
    pub fn new(connections_max: usize) -> Self {
        Self { connections_max, held: Arc::default() }
    }

    /// A place for a connection; `None` where its address has too many. The inner `None` is a
    /// place that is not counted.
    pub fn admit(&self, peer: IpAddr) -> Option<Option<Box<Place>>> {
        let Some(key) = key(peer).filter(|_| self.connections_max > 0) else { return Some(None) };
        let mut held = self.lock();
        let count = held.entry(key).or_default();
        if *count >= self.connections_max {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Some(Box::new(Place { addresses: self.clone(), key })))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        // A panic while it was held leaves a usable map.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.addresses.lock();
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

fn key(peer: IpAddr) -> Option<u64> {
    match peer.to_canonical() {
        peer if peer.is_loopback() => None,
        IpAddr::V4(v4) => Some(u64::from(v4.to_bits())),
        // The upper half; no IPv4 address looks like one, for global addresses begin with 001.
        IpAddr::V6(v6) => Some((v6.to_bits() >> 64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(addresses: &Addresses, peer: &str) -> Option<Option<Box<Place>>> {
        addresses.admit(peer.parse().unwrap())
    }

    #[test]
    fn an_address_has_so_many_places() {
        let addresses = Addresses::new(2);
        let first = admit(&addresses, "2001:db8::1");
        let second = admit(&addresses, "2001:db8::2");
        assert!(first.is_some() && second.is_some());
        assert!(admit(&addresses, "2001:db8::3").is_none());
        assert!(admit(&addresses, "2001:db8:0:1::1").is_some());
        drop(first);
        assert!(admit(&addresses, "2001:db8::3").is_some());
        drop(second);
        assert!(addresses.lock().is_empty());
    }

    #[test]
    fn loopback_has_as_many_as_it_likes() {
        let addresses = Addresses::new(1);
        let places: Vec<_> = (0..3).map(|_| admit(&addresses, "127.0.0.1")).collect();
        assert!(places.iter().all(Option::is_some));
    }
}
