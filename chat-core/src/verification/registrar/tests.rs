//! Registration as people go through it.

use proptest::prelude::*;

use super::*;
use crate::verification::code::CODE_TRIES_MAX;

const PIN: &str = "739154";

fn at(elapsed_s: u64) -> Now {
    Now { elapsed_ms: elapsed_s * 1000, unix_ms: (1_790_000_000 + elapsed_s) * 1000 }
}

fn registrar() -> Registrar {
    let policy = Policy { accepts_possible_numbers: true, ..Policy::default() };
    Registrar::new(policy, [7; 32])
}

fn number(n: u64) -> PhoneNumber {
    format!("+{}", 15_550_100_100 + n).parse().unwrap()
}

fn account(name: &str) -> AccountId {
    name.parse().unwrap()
}

fn home() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

fn holder(registrar: &mut Registrar, pin: Option<&str>, seen_s: u64) -> Holder {
    let pin = pin.map(|text| registrar.make_pin(text).unwrap());
    Holder { account: account("k7qm2xw4p9ab"), pin, seen_unix_s: at(seen_s).unix_ms / 1000 }
}

/// Has a code sent and gives it back, with `pin`.
fn confirm(
    registrar: &mut Registrar,
    now: Now,
    pin: Option<&str>,
    holder: Option<&mut Holder>,
) -> Result<Confirmed, Refusal> {
    let code = registrar.request_code(now, number(1), home()).unwrap().code.to_string();
    registrar.confirm(now, Claim { number: number(1), code: &code, pin }, holder)
}

#[test]
fn a_free_number_gives_a_fresh_account() {
    let confirmed = confirm(&mut registrar(), at(0), None, None);
    assert_eq!(confirmed, Ok(Confirmed::NewAccount { from: None }));
}

#[test]
fn a_code_alone_never_opens_the_account_that_has_the_number() {
    let mut registrar = registrar();
    let mut holder = holder(&mut registrar, None, 0);
    let from = Some(holder.account);
    let confirmed = confirm(&mut registrar, at(0), None, Some(&mut holder));
    assert_eq!(confirmed, Ok(Confirmed::NewAccount { from }));
    let guessed = confirm(&mut registrar, at(60), Some("739154"), Some(&mut holder));
    assert_eq!(guessed, Ok(Confirmed::NewAccount { from }));
}

#[test]
fn the_pin_opens_it() {
    let mut registrar = registrar();
    let mut holder = holder(&mut registrar, Some(PIN), 0);
    let account = holder.account;
    let confirmed = confirm(&mut registrar, at(0), Some(PIN), Some(&mut holder));
    assert_eq!(confirmed, Ok(Confirmed::FurtherDevice { account }));
}

#[test]
fn a_pin_keeps_the_number_until_the_account_was_silent_for_a_week() {
    let mut registrar = registrar();
    let mut holder = holder(&mut registrar, Some(PIN), 0);
    let kept = confirm(&mut registrar, at(60), None, Some(&mut holder));
    let retry_after = Duration::from_secs(PIN_KEEPS_NUMBER_S - 60);
    assert_eq!(kept, Err(Refusal::PinNeeded { retry_after }));
    let lapsed = confirm(&mut registrar, at(PIN_KEEPS_NUMBER_S), None, Some(&mut holder));
    assert_eq!(lapsed, Ok(Confirmed::NewAccount { from: Some(holder.account) }));
    let owner = confirm(&mut registrar, at(PIN_KEEPS_NUMBER_S + 60), Some(PIN), Some(&mut holder));
    assert_eq!(owner, Ok(Confirmed::FurtherDevice { account: holder.account }));
}

#[test]
fn who_forgot_the_pin_may_add_it_to_the_same_code() {
    let mut registrar = registrar();
    let mut holder = holder(&mut registrar, Some(PIN), 0);
    let code = registrar.request_code(at(0), number(1), home()).unwrap().code.to_string();
    let mut give = |pin| {
        let claim = Claim { number: number(1), code: &code, pin };
        registrar.confirm(at(0), claim, Some(&mut holder))
    };
    assert!(matches!(give(None), Err(Refusal::PinNeeded { .. })));
    assert!(matches!(give(Some("x")), Err(Refusal::WrongPin { .. })));
    assert!(matches!(give(Some(PIN)), Ok(Confirmed::FurtherDevice { .. })));
    assert_eq!(give(Some(PIN)), Err(CodeError::None.into()));
}

#[test]
fn a_pin_is_not_looked_at_without_the_code() {
    let mut registrar = registrar();
    let mut holder = holder(&mut registrar, Some(PIN), 0);
    let before = holder.clone();
    for code in ["", "000000"] {
        let claim = Claim { number: number(1), code, pin: Some("x") };
        let refused = registrar.confirm(at(0), claim, Some(&mut holder));
        assert_eq!(refused, Err(CodeError::None.into()));
    }
    assert_eq!(holder, before);
}

#[test]
fn what_is_answered_without_a_code_tells_nothing_of_accounts() {
    let (mut with, mut without) = (registrar(), registrar());
    let mut holder = holder(&mut registrar(), Some(PIN), 0);
    for second in 0..20 {
        let now = at(second * 30);
        let asked = with.request_code(now, number(1), home()).map(drop);
        assert_eq!(asked, without.request_code(now, number(1), home()).map(drop));
        let claim = Claim { number: number(1), code: "x", pin: None };
        let refused = with.confirm(now, claim, Some(&mut holder));
        assert_eq!(refused, without.confirm(now, claim, None));
    }
}

#[test]
fn a_number_moves_to_the_account_that_asks() {
    let mut registrar = registrar();
    let own = account("000000000001");
    let mut other = holder(&mut registrar, Some(PIN), 0);
    let mut change = |second, pin, holder: Option<&mut Holder>| {
        let code = registrar.request_code(at(second), number(1), home()).unwrap().code.to_string();
        let claim = Claim { number: number(1), code: &code, pin };
        registrar.confirm_change(at(second), own, claim, holder)
    };
    assert_eq!(change(0, None, None), Ok(NumberFree { from: None }));
    let kept = change(60, None, Some(&mut other));
    assert!(matches!(kept, Err(Refusal::PinNeeded { .. })), "{kept:?}");
    let from = Some(other.account);
    assert_eq!(change(120, Some(PIN), Some(&mut other)), Ok(NumberFree { from }));
    let mut own_holder = Holder { account: own, ..other };
    assert_eq!(change(180, None, Some(&mut own_holder)), Ok(NumberFree { from: None }));
}

#[test]
fn a_link_lets_a_further_device_in_once() {
    let mut registrar = registrar();
    let account = account("k7qm2xw4p9ab");
    let link = registrar.issue_link(at(0), account);
    let confirmed = registrar.confirm_link(at(1), &link);
    assert_eq!(confirmed, Ok(Confirmed::FurtherDevice { account }));
    assert_eq!(registrar.confirm_link(at(1), &link), Err(Refusal::Link));
    let link = registrar.issue_link(at(2), account);
    registrar.forget(account, Some(number(1)));
    assert_eq!(registrar.confirm_link(at(3), &link), Err(Refusal::Link));
}

#[test]
fn which_numbers_get_codes() {
    let check = |accepts_possible_numbers, number: &str, is_sent| {
        let policy = Policy { accepts_possible_numbers, ..Policy::default() };
        let number = number.parse().unwrap();
        let asked = Registrar::new(policy, [0; 32]).request_code(at(0), number, home());
        assert_eq!(asked.is_ok(), is_sent, "{number}");
    };
    check(false, "+16502530000", true);
    check(false, "+15550100123", false);
    check(true, "+15550100123", true);
    check(true, "+19002345678", false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any mix of asking, guessing and confirming: a code confirms once at most, a number's wrong
    /// guesses stay within what its codes allow, and memory has its bound.
    #[test]
    fn no_sequence_gets_around_the_limits(
        steps in prop::collection::vec((0_u64..100, 0_u64..3, 0_u8..3), 1..80),
    ) {
        let mut registrar = registrar();
        let mut second = 0;
        let mut last = [const { None }; 3];
        let mut looked_at = [0_u32; 3];
        let mut sent = [0_u32; 3];
        for (pause_s, to, step) in steps {
            second += pause_s;
            let (now, index) = (at(second), to as usize);
            let claim = |code| Claim { number: number(to), code, pin: None };
            match step {
                0 => if let Ok(send) = registrar.request_code(now, number(to), home()) {
                    last[index] = Some(send.code.to_string());
                    sent[index] += 1;
                },
                1 => {
                    let guessed = registrar.confirm(now, claim("no code"), None);
                    looked_at[index] += u32::from(guessed == Err(CodeError::Wrong.into()));
                    prop_assert!(guessed.is_err());
                }
                _ => if let Some(code) = &last[index] {
                    let confirmed = registrar.confirm(now, claim(code), None);
                    if confirmed.is_ok() {
                        let again = registrar.confirm(now, claim(code), None);
                        prop_assert_eq!(again, Err(CodeError::None.into()));
                        last[index] = None;
                    }
                },
            }
            prop_assert!(looked_at[index] <= sent[index] * u32::from(CODE_TRIES_MAX));
            prop_assert!(registrar.codes.len() <= 3);
        }
    }
}

#[test]
fn a_flood_of_numbers_and_addresses_takes_bounded_memory() {
    let mut registrar = registrar();
    let mut sent = 0;
    for n in 0..2_000_u64 {
        let address = IpAddr::V6((u128::from(n) << 64).into());
        let asked = registrar.request_code(at(n / 10), number(n), address);
        sent += usize::from(asked.is_ok());
    }
    assert_eq!(sent, Policy::default().codes_per_hour_max);
    assert!(registrar.codes.len() <= sent);
}
