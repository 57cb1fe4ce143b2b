//! Records written and read again.

use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::sasl::Mechanism;
use crate::stream::{SessionRequest, UserAgent};

const NOW_S: u64 = 1_790_000_000;
const DEVICE: &str = "d4565f90-bd7d-4b1c-9d0e-7b8a6f5c4d3e";

struct Bench {
    access: Access,
    records: Vec<Record>,
    random: ChaCha20Rng,
    secret: ServerSecret,
}

impl Bench {
    fn new() -> Self {
        let account = "k7qm2xw4p9ab".parse().unwrap();
        Self {
            access: Access::load(account, &[]),
            records: Vec::new(),
            random: ChaCha20Rng::seed_from_u64(5),
            secret: ServerSecret::new(&[9; 32]),
        }
    }

    /// Does something, and goes on with what was stored of it.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Access, &mut ChaCha20Rng, &ServerSecret, &mut Vec<Write>) -> T,
    ) -> T {
        let mut writes = Vec::new();
        let done = change(&mut self.access, &mut self.random, &self.secret, &mut writes);
        for write in writes {
            match write {
                Write::Put { key, value, .. } => {
                    self.records.retain(|record| record.key != key);
                    self.records.push(Record { feature: FEATURE.into(), key, value });
                }
                Write::Remove { key, .. } => self.records.retain(|record| record.key != key),
                Write::RemoveKeyPackages { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        self.access = Access::load(self.access.account, &self.records);
        done
    }

    fn add_device(&mut self, id: &str, now_s: u64) -> NewToken {
        let (id, mechanism) = (id.parse().unwrap(), TokenMechanism::Unbound);
        self.change(|access, _, secret, writes| {
            access.add_device(id, "a phone", mechanism, secret, now_s, writes).unwrap()
        })
    }

    /// Gives the account a password, and what proves that somebody knows it.
    fn password(&mut self) -> Credential {
        self.change(|access, random, _, writes| access.set_password("pencil", random, writes))
            .unwrap();
        let credentials = self.access.credentials(None, &self.secret, NOW_S);
        Credential::Password(credentials.passwords[0].strongest().unwrap().mark())
    }

    fn holds(&self, id: &str, token: &str, now_s: u64) -> bool {
        self.access.holds(id, token, &self.secret, now_s)
    }
}

fn login(credential: Credential, tokens: TokenWish) -> Login {
    let user_agent = UserAgent { id: Some(DEVICE.into()), ..UserAgent::default() };
    Login {
        account: "k7qm2xw4p9ab".parse().unwrap(),
        credential,
        mechanism: Mechanism::Plain,
        user_agent: Some(user_agent),
        tokens,
        request: SessionRequest::Legacy,
    }
}

#[test]
fn a_device_bears_its_token_until_it_is_revoked() {
    let mut bench = Bench::new();
    let NewToken { token, expires_s } = bench.add_device(DEVICE, NOW_S);
    assert!(bench.holds(DEVICE, &token, NOW_S));
    assert!(!bench.holds(DEVICE, &token, expires_s));
    assert!(!bench.holds(DEVICE, "", NOW_S));
    assert!(!bench.holds("another", &token, NOW_S));
    assert_eq!(bench.access.devices()[0].name, "a phone");
    assert_eq!(bench.access.seen_unix_s(), NOW_S);
    assert!(bench.change(|access, _, _, writes| access.revoke_device(DEVICE, writes)));
    assert!(!bench.holds(DEVICE, &token, NOW_S));
    assert!(!bench.change(|access, _, _, writes| access.revoke_device(DEVICE, writes)));
}

#[test]
fn a_device_that_registers_anew_loses_what_it_had() {
    let mut bench = Bench::new();
    let old = bench.add_device(DEVICE, NOW_S).token;
    let new = bench.add_device(DEVICE, NOW_S).token;
    assert!(!bench.holds(DEVICE, &old, NOW_S));
    assert!(bench.holds(DEVICE, &new, NOW_S));
    assert_eq!(bench.access.devices().len(), 1);
}

#[test]
fn the_device_that_was_away_longest_makes_room() {
    let mut bench = Bench::new();
    for n in 0..=DEVICES_MAX as u64 {
        bench.add_device(&format!("device-{n}"), NOW_S + n);
    }
    assert_eq!(bench.access.devices().len(), DEVICES_MAX);
    assert!(bench.access.device("device-0").is_none());
    assert!(bench.access.device("device-1").is_some());
}

#[test]
fn a_token_logs_in_once_it_was_asked_for() {
    let mut bench = Bench::new();
    let wish = TokenWish { request: Some(TokenMechanism::Unbound), ..TokenWish::default() };
    let by_password = login(bench.password(), wish);
    let token = bench.change(|access, _, secret, writes| {
        access.log_in(&by_password, secret, NOW_S, writes).unwrap().unwrap()
    });
    let credentials = bench.access.credentials(Some(DEVICE), &bench.secret, NOW_S);
    assert_eq!(credentials.tokens[0].secret, token.token);
    let generation = credentials.tokens[0].generation;
    let by_token = login(Credential::Token { generation }, TokenWish::default());
    let none = bench
        .change(|access, _, secret, writes| access.log_in(&by_token, secret, NOW_S + 5, writes));
    assert_eq!(none, Ok(None));
    assert_eq!(bench.access.seen_unix_s(), NOW_S + 5);
    // Once more: nothing but its count has changed, and nothing is stored until its last visit is
    // long ago.
    for (count, now_s, writes_expected) in
        [(1, NOW_S + 6, 0), (2, NOW_S + 700, 1), (3, NOW_S + 800, 0)]
    {
        let wish = TokenWish { count: Some(count), ..TokenWish::default() };
        let by_token = login(Credential::Token { generation }, wish);
        let mut writes = Vec::new();
        bench.access.log_in(&by_token, &bench.secret, now_s, &mut writes).unwrap();
        assert_eq!(writes.len(), writes_expected, "at {now_s}");
    }
    let unknown = login(Credential::Token { generation: 99 }, TokenWish::default());
    let refused =
        bench.change(|access, _, secret, writes| access.log_in(&unknown, secret, NOW_S, writes));
    assert_eq!(refused, Err(LoginRefused::Token(TokenRefused::Replaced { generation: 99 })));
}

#[test]
fn passwords_share_a_salt_and_stand_alone() {
    let mut bench = Bench::new();
    bench
        .change(|access, random, _, writes| access.set_password("correct horse", random, writes))
        .unwrap();
    let (made, shown) = bench
        .change(|access, random, _, writes| {
            access.add_app_password("Dino\u{7} ", NOW_S, random, writes)
        })
        .unwrap();
    assert_eq!((made.name.as_str(), shown.len()), ("Dino", 23));
    let credentials = bench.access.credentials(None, &bench.secret, NOW_S);
    let salt = |index: usize| credentials.passwords[index].strongest().unwrap().salt.clone();
    assert_eq!(salt(0), salt(1));
    bench.change(|access, _, _, writes| access.remove_password(writes));
    assert!(!bench.access.has_password());
    assert_eq!(bench.access.app_passwords(), std::slice::from_ref(&made));
    assert!(bench.change(|access, _, _, writes| access.revoke_app_password(&made.id, writes)));
    assert_eq!(bench.access.credentials(None, &bench.secret, NOW_S).passwords.len(), 0);
}

#[test]
fn a_pin_is_kept_with_its_tries() {
    let mut bench = Bench::new();
    let mut pin = Pin::new("739154", &mut bench.random).unwrap();
    pin.check(NOW_S, "x").unwrap_err();
    bench.change(|access, _, _, writes| access.set_pin(Some(pin.clone()), writes));
    assert_eq!(bench.access.pin(), Some(&pin));
    bench.change(|access, _, _, writes| access.set_pin(None, writes));
    assert_eq!(bench.access.pin(), None);
}

#[test]
fn a_log_in_without_a_device_is_seen_once_a_day() {
    let mut bench = Bench::new();
    let mut plain = login(bench.password(), TokenWish::default());
    plain.user_agent = None;
    for (now_s, seen_s) in [(NOW_S, NOW_S), (NOW_S + 60, NOW_S), (NOW_S + 90_000, NOW_S + 90_000)] {
        bench.change(|access, _, secret, writes| {
            access.log_in(&plain, secret, now_s, writes).unwrap()
        });
        assert_eq!(bench.access.seen_unix_s(), seen_s);
    }
}

#[test]
fn what_cannot_be_read_opens_nothing() {
    let record = |key: &str, value: &'static str| Record {
        feature: FEATURE.into(),
        key: key.into(),
        value: value.as_bytes().into(),
    };
    let records = [
        record("password", "<password>SCRAM</password>"),
        record("device/a b", "<device created='1' seen='1'>0 - -</device>"),
        record("device/a", "<device>0 - -</device>"),
        record("app/1", "<app-password/>"),
        record("pin", "no xml"),
        record("x/y", "<x/>"),
    ];
    let access = Access::load("k7qm2xw4p9ab".parse().unwrap(), &records);
    assert!(!access.has_password() && access.pin().is_none());
    assert!(access.devices().is_empty() && access.app_passwords().is_empty());
}
