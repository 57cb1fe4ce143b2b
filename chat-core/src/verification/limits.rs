//! How many codes are sent: to a number, for an address, and in all.
//!
//! Only what was sent is remembered, and what is sent in all is limited, so memory has a bound
//! without anything being forgotten before its time: a flood of numbers or addresses is refused,
//! and cannot push out what limits others.

use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;

use super::number::PhoneNumber;

/// Whom sends are counted for: an IPv4 address, or an IPv6 /64, which is what a customer gets at
/// least (RFC 6177).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// One address.
    V4(u32),
    /// The upper half of an address.
    V6(u64),
}

impl Client {
    /// `None` for loopback: there stands a proxy or the operator, whose limits are others'.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            address if address.is_loopback() => None,
            IpAddr::V4(v4) => Some(Self::V4(v4.to_bits())),
            IpAddr::V6(v6) => Some(Self::V6((v6.to_bits() >> 64) as u64)),
        }
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// The number's.
    Number,
    /// The client's.
    Client,
    /// The server's.
    All,
}

/// A send that is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldBack {
    /// Which limit was reached.
    pub limit: Limit,
    /// After this time it would pass.
    pub retry_after: Duration,
}

/// So many in so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// How long, in milliseconds.
    pub length_ms: u64,
    /// How many.
    pub sends_max: usize,
}

/// To one number.
pub const NUMBER_WINDOWS: &[Window] =
    &[window(MINUTE_MS, 1), window(HOUR_MS, 5), window(DAY_MS, 10)];
/// For one client: an address may stand for a household, a school, or a part of a mobile network.
pub const CLIENT_WINDOWS: &[Window] =
    &[window(MINUTE_MS, 5), window(HOUR_MS, 20), window(DAY_MS, 60)];

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// No window is longer: what is older is forgotten.
const DAY_MS: u64 = 24 * HOUR_MS;

const fn window(length_ms: u64, sends_max: usize) -> Window {
    Window { length_ms, sends_max }
}

/// What was sent within the last day.
#[derive(Debug)]
pub struct SendLog {
    in_all: Window,
    sends: VecDeque<Send>,
    by_number: HashMap<PhoneNumber, Stamps>,
    by_client: HashMap<Client, Stamps>,
}

#[derive(Clone, Copy, Debug)]
struct Send {
    at_ms: u64,
    number: PhoneNumber,
    client: Option<Client>,
}

/// Moments in milliseconds, ascending.
type Stamps = VecDeque<u64>;

impl SendLog {
    /// Nothing sent yet; at most `per_hour_max` are in any hour.
    pub fn new(per_hour_max: usize) -> Self {
        Self {
            in_all: window(HOUR_MS, per_hour_max),
            sends: VecDeque::new(),
            by_number: HashMap::new(),
            by_client: HashMap::new(),
        }
    }

    /// Counts a send, or says when it would pass. What is held back does not count. `now_ms` is of
    /// a clock that does not jump.
    ///
    /// # Errors
    /// [`HeldBack`].
    pub fn admit(
        &mut self,
        now_ms: u64,
        number: PhoneNumber,
        client: Option<Client>,
    ) -> Result<(), HeldBack> {
        // Callers' clocks may differ by their way here; stamps must ascend.
        let now_ms = self.sends.back().map_or(now_ms, |last| last.at_ms.max(now_ms));
        self.forget_old(now_ms);
        let held =
            |limit| move |wait_ms| HeldBack { limit, retry_after: Duration::from_millis(wait_ms) };
        let stamps = self.by_number.get(&number);
        free(NUMBER_WINDOWS, stamps, now_ms).map_err(held(Limit::Number))?;
        let stamps = client.and_then(|client| self.by_client.get(&client));
        free(CLIENT_WINDOWS, stamps, now_ms).map_err(held(Limit::Client))?;
        let nth_last = self.sends.len().checked_sub(self.in_all.sends_max);
        let nth_last = nth_last.and_then(|index| self.sends.get(index)).map(|send| send.at_ms);
        self.in_all.free(nth_last, now_ms).map_err(held(Limit::All))?;

        self.sends.push_back(Send { at_ms: now_ms, number, client });
        self.by_number.entry(number).or_default().push_back(now_ms);
        if let Some(client) = client {
            self.by_client.entry(client).or_default().push_back(now_ms);
        }
        Ok(())
    }

    fn forget_old(&mut self, now_ms: u64) {
        while let Some(send) = self.sends.front()
            && now_ms.saturating_sub(send.at_ms) >= DAY_MS
        {
            forget_first(&mut self.by_number, &send.number);
            if let Some(client) = &send.client {
                forget_first(&mut self.by_client, client);
            }
            self.sends.pop_front();
        }
    }

    /// Stamps kept, for the bound's test.
    #[cfg(test)]
    fn kept(&self) -> usize {
        let stamps = |stamps: &Stamps| stamps.len();
        let by_number: usize = self.by_number.values().map(stamps).sum();
        let by_client: usize = self.by_client.values().map(stamps).sum();
        assert!(self.by_number.len() <= by_number && self.by_client.len() <= by_client);
        self.sends.len() + by_number + by_client
    }
}

impl Window {
    /// `nth_last_ms`: when the send was that must lie behind the window for another one. The
    /// error is the wait in milliseconds.
    fn free(&self, nth_last_ms: Option<u64>, now_ms: u64) -> Result<(), u64> {
        if self.sends_max == 0 {
            return Err(self.length_ms);
        }
        let Some(nth_last_ms) = nth_last_ms else { return Ok(()) };
        match self.length_ms.saturating_sub(now_ms.saturating_sub(nth_last_ms)) {
            0 => Ok(()),
            wait_ms => Err(wait_ms),
        }
    }
}

/// Whether all windows have room; if not, the longest wait in milliseconds.
fn free(windows: &[Window], stamps: Option<&Stamps>, now_ms: u64) -> Result<(), u64> {
    let Some(stamps) = stamps else { return Ok(()) };
    let wait_ms = |window: &Window| {
        let index = stamps.len().checked_sub(window.sends_max)?;
        window.free(stamps.get(index).copied(), now_ms).err()
    };
    windows.iter().filter_map(wait_ms).max().map_or(Ok(()), Err)
}

fn forget_first<K: Hash + Eq>(stamps: &mut HashMap<K, Stamps>, key: &K) {
    if let Some(of_key) = stamps.get_mut(key) {
        of_key.pop_front();
        if of_key.is_empty() {
            stamps.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(n: u64) -> PhoneNumber {
        format!("+{}", 15_550_100_000 + n).parse().unwrap()
    }

    fn check(address: &str, times_s: &[u64], expected: &str) {
        let mut log = SendLog::new(1000);
        let client = Client::of(address.parse().unwrap());
        // Each to another number, unless there is no client to be counted.
        let shown: String = times_s
            .iter()
            .enumerate()
            .map(|(index, at)| {
                let to = number(if client.is_some() { index as u64 } else { 0 });
                if log.admit(at * 1000, to, client).is_ok() { 'y' } else { 'n' }
            })
            .collect();
        assert_eq!(shown, expected, "{address} {times_s:?}");
    }

    #[test]
    fn a_number_has_one_a_minute_five_an_hour_and_ten_a_day() {
        check("127.0.0.1", &[0, 59, 60, 120, 180, 240, 300, 3599, 3600], "ynyyyynny");
        let each_hour: Vec<u64> = (0..24).map(|hour| hour * 3600).chain([86_400]).collect();
        check("127.0.0.1", &each_hour, "yyyyyyyyyynnnnnnnnnnnnnny");
    }

    #[test]
    fn a_client_has_five_a_minute() {
        check("192.0.2.1", &[0, 0, 0, 0, 0, 0, 59, 60], "yyyyynny");
        check("::ffff:192.0.2.1", &[0, 0, 0, 0, 0, 0], "yyyyyn");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let client = |address: &str| Client::of(address.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::1"), None);
    }

    #[test]
    fn the_wait_that_is_told_suffices() {
        let mut log = SendLog::new(2);
        let held = |limit, secs| Err(HeldBack { limit, retry_after: Duration::from_secs(secs) });
        let at = |secs: u64| secs * 1000;
        assert_eq!(log.admit(at(0), number(1), None), Ok(()));
        assert_eq!(log.admit(at(20), number(1), None), held(Limit::Number, 40));
        assert_eq!(log.admit(at(30), number(2), None), Ok(()));
        assert_eq!(log.admit(at(40), number(3), None), held(Limit::All, 3560));
        assert_eq!(log.admit(at(3600), number(3), None), Ok(()));
        assert_eq!(SendLog::new(0).admit(0, number(1), None), held(Limit::All, 3600));
    }

    #[test]
    fn a_flood_is_refused_and_pushes_nothing_out() {
        const PER_HOUR: usize = 50;
        let mut log = SendLog::new(PER_HOUR);
        assert_eq!(log.admit(0, number(0), None), Ok(()));
        for n in 1..200_000_u64 {
            let _ = log.admit(n, number(n % 90_000), Some(Client::V6(n)));
        }
        assert!(log.kept() <= 3 * PER_HOUR, "{}", log.kept());
        let again = log.admit(200_000, number(0), None);
        assert!(again.is_err());
        assert!(log.admit(DAY_MS + HOUR_MS, number(0), None).is_ok());
        assert_eq!(log.kept(), 2);
    }

    proptest! {
        /// Whatever comes, no window holds more than it may, and a told wait suffices.
        #[test]
        fn no_sequence_sends_more_than_is_allowed(
            calls in prop::collection::vec((0_u64..1200, 0_u64..3, 0_u32..3), 1..400),
        ) {
            const PER_HOUR: usize = 12;
            let (mut log, mut now) = (SendLog::new(PER_HOUR), 0);
            let mut sent: Vec<(u64, u64, u32)> = Vec::new();
            for (pause_s, to, from) in calls {
                now += pause_s * 1000;
                let client = Some(Client::V4(from));
                match log.admit(now, number(to), client) {
                    Ok(()) => sent.push((now, to, from)),
                    Err(held) => prop_assert!(held.retry_after > Duration::ZERO),
                }
                let within = |window: &Window, one: &dyn Fn(&(u64, u64, u32)) -> bool| {
                    let recent = sent.iter().filter(|send| now - send.0 < window.length_ms);
                    recent.filter(|send| one(send)).count() <= window.sends_max
                };
                prop_assert!(NUMBER_WINDOWS.iter().all(|window| within(window, &|send| send.1 == to)));
                prop_assert!(CLIENT_WINDOWS.iter().all(|window| within(window, &|send| send.2 == from)));
                prop_assert!(within(&window(HOUR_MS, PER_HOUR), &|_| true));
                prop_assert!(log.kept() <= 3 * 25 * PER_HOUR);
            }
        }

        #[test]
        fn the_wait_is_exact(pauses in prop::collection::vec(0_u64..4000, 1..60)) {
            let (mut log, mut now) = (SendLog::new(1000), 0);
            for pause_s in pauses {
                now += pause_s * 1000;
                if let Err(held) = log.admit(now, number(1), None) {
                    now += held.retry_after.as_millis() as u64;
                    prop_assert_eq!(log.admit(now, number(1), None), Ok(()));
                }
            }
        }
    }
}
