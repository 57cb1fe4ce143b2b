//! Tokens (XEP-0484): asked for, used, rotated, expired, invalidated, replayed.

use aws_lc_rs::hmac;

use super::*;

const HOLDER: TokenHolder =
    TokenHolder { account: "k7qm2xw4p9ab", device: "d4565fa7-4d72-4749-b3d3-740edbf87770" };
const NOW_S: u64 = 1_790_000_000;
const DAY_S: u64 = 24 * 60 * 60;

fn asked_for(mechanism: TokenMechanism) -> TokenWish {
    TokenWish { request: Some(mechanism), ..TokenWish::default() }
}

/// A device that has just logged in by its password and asked for a token.
fn device(mechanism: TokenMechanism) -> (DeviceTokens, NewToken) {
    let mut tokens = DeviceTokens::default();
    let token = tokens.log_in(None, asked_for(mechanism), HOLDER, &secret(), NOW_S);
    (tokens, token.unwrap().expect("a token was asked for"))
}

fn proof(token: &str, who: &str, bound: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    hmac::sign(&key, &[who.as_bytes(), bound].concat()).as_ref().to_vec()
}

/// The generation that the exchange accepts.
fn show(
    tokens: &DeviceTokens,
    token: &str,
    mechanism: TokenMechanism,
    count: Option<u32>,
    now_s: u64,
) -> Result<u64, SaslCondition> {
    let live = tokens.live(HOLDER, &secret(), now_s);
    let mut server = Server::new(tls(), Some(Credentials { tokens: live, ..account(&[]) }));
    server.token_count = count;
    let bound = match mechanism {
        TokenMechanism::Exporter => EXPORTER,
        TokenMechanism::EndPoint => END_POINT,
        TokenMechanism::Unbound => b"",
    };
    let message = [b"user\0", proof(token, "Initiator", bound).as_slice()].concat();
    match server.start(mechanism.name(), Some(&message)) {
        Step::Success(success) => {
            assert_eq!(success.additional_data, Some(proof(token, "Responder", bound)));
            let Credential::Token { generation } = success.credential else { panic!("no token") };
            Ok(generation)
        }
        step => Err(failure(step)),
    }
}

/// Logs in by `token` at `now_s`, in the exchange and in the tokens' own book.
#[track_caller]
fn log_in(tokens: &mut DeviceTokens, token: &NewToken, now_s: u64) -> Option<NewToken> {
    let generation = show(tokens, &token.token, TokenMechanism::Unbound, None, now_s).unwrap();
    let wish = TokenWish::default();
    tokens.log_in(Some(generation), wish, HOLDER, &secret(), now_s).unwrap()
}

#[test]
fn each_mechanism() {
    for mechanism in TokenMechanism::ALL {
        let (tokens, token) = device(mechanism);
        assert_eq!(show(&tokens, &token.token, mechanism, None, NOW_S), Ok(1));
        // The token is bound to the mechanism for which it was asked.
        for other in TokenMechanism::ALL.into_iter().filter(|other| *other != mechanism) {
            let shown = show(&tokens, &token.token, other, None, NOW_S);
            assert_eq!(shown, Err(SaslCondition::NotAuthorized));
        }
    }
}

#[test]
fn a_token_is_of_one_account_and_one_device() {
    let (tokens, token) = device(TokenMechanism::Unbound);
    let others = [
        TokenHolder { account: "k7qm2xw4p9ac", ..HOLDER },
        TokenHolder { device: "d4565fa7-4d72-4749-b3d3-740edbf87771", ..HOLDER },
        TokenHolder { account: "k7qm2xw4p9abd", device: &HOLDER.device[1..] },
    ];
    for other in others {
        assert_ne!(tokens.live(other, &secret(), NOW_S)[0].secret, token.token);
    }
    let another = ServerSecret::new(&[4; ServerSecret::BYTES]);
    assert_ne!(tokens.live(HOLDER, &another, NOW_S)[0].secret, token.token);
}

#[test]
fn a_token_ends() {
    let (mut tokens, token) = device(TokenMechanism::Unbound);
    let end_s = NOW_S + TOKEN_LIFETIME_S;
    assert_eq!(token.expires_s, end_s);
    assert_eq!(show(&tokens, &token.token, TokenMechanism::Unbound, None, end_s - 1), Ok(1));
    let shown = show(&tokens, &token.token, TokenMechanism::Unbound, None, end_s);
    assert_eq!(shown, Err(SaslCondition::CredentialsExpired));
    let used = tokens.log_in(Some(1), TokenWish::default(), HOLDER, &secret(), end_s);
    assert_eq!(used, Err(TokenRefused::Expired { expires_s: end_s }));
}

#[test]
fn rotation_survives_a_lost_answer() {
    let (mut tokens, first) = device(TokenMechanism::Unbound);
    assert_eq!(log_in(&mut tokens, &first, NOW_S + DAY_S), None);
    let lost = log_in(&mut tokens, &first, NOW_S + 8 * DAY_S).expect("it is a week old");
    // The client did not get it, and comes with the old one again.
    let second = log_in(&mut tokens, &first, NOW_S + 8 * DAY_S).expect("it is still old");
    assert_ne!(lost.token, second.token);
    let is_refused = |tokens: &DeviceTokens, token: &NewToken| {
        let shown = show(tokens, &token.token, TokenMechanism::Unbound, None, NOW_S + 9 * DAY_S);
        assert_eq!(shown, Err(SaslCondition::NotAuthorized));
    };
    is_refused(&tokens, &lost);
    // Once the new one is used, the old one is void.
    assert_eq!(log_in(&mut tokens, &second, NOW_S + 9 * DAY_S), None);
    is_refused(&tokens, &first);
    let replaced = tokens.log_in(Some(1), TokenWish::default(), HOLDER, &secret(), NOW_S);
    assert_eq!(replaced, Err(TokenRefused::Replaced { generation: 1 }));
}

#[test]
fn an_invalidated_token_is_void() {
    let (mut tokens, token) = device(TokenMechanism::Unbound);
    let wish = TokenWish { invalidate: true, ..TokenWish::default() };
    // It is due, but a device that logs out gets no other.
    let now_s = NOW_S + 30 * DAY_S;
    assert_eq!(tokens.log_in(Some(1), wish, HOLDER, &secret(), now_s), Ok(None));
    let shown = show(&tokens, &token.token, TokenMechanism::Unbound, None, now_s);
    assert_eq!(shown, Err(SaslCondition::NotAuthorized));

    let (mut tokens, first) = device(TokenMechanism::Unbound);
    let next = log_in(&mut tokens, &first, now_s).expect("it is due");
    assert_eq!(tokens.log_in(Some(1), wish, HOLDER, &secret(), now_s), Ok(None));
    let shown = show(&tokens, &next.token, TokenMechanism::Unbound, None, now_s);
    assert_eq!(shown, Err(SaslCondition::NotAuthorized), "its replacement is void too");

    let wish = TokenWish { request: Some(TokenMechanism::Exporter), ..wish };
    let (mut tokens, _) = device(TokenMechanism::Unbound);
    let new = tokens.log_in(Some(1), wish, HOLDER, &secret(), now_s).unwrap();
    let new = new.expect("it was asked for");
    assert_eq!(show(&tokens, &new.token, TokenMechanism::Exporter, None, now_s), Ok(2));
}

#[test]
fn a_count_must_rise() {
    let (mut tokens, token) = device(TokenMechanism::Unbound);
    let wish = TokenWish { count: Some(5), ..TokenWish::default() };
    tokens.log_in(Some(1), wish, HOLDER, &secret(), NOW_S).unwrap();
    let show = |count| show(&tokens, &token.token, TokenMechanism::Unbound, count, NOW_S);
    assert_eq!(show(Some(5)), Err(SaslCondition::NotAuthorized));
    assert_eq!(show(Some(4)), Err(SaslCondition::NotAuthorized));
    assert_eq!(show(Some(6)), Ok(1));
    assert_eq!(show(None), Ok(1));
    // Two connections at once show the same proof: the book takes one of them.
    let twice = tokens.log_in(Some(1), wish, HOLDER, &secret(), NOW_S);
    assert_eq!(twice, Err(TokenRefused::Replayed { count: 5 }));
}

#[test]
fn tokens_survive_their_storage() {
    let mut tokens = DeviceTokens::default();
    let check = |tokens: &DeviceTokens| assert_eq!(tokens.to_string().parse(), Ok(tokens.clone()));
    check(&tokens);
    for mechanism in TokenMechanism::ALL {
        tokens.log_in(None, asked_for(mechanism), HOLDER, &secret(), NOW_S).unwrap();
        check(&tokens);
        let used = tokens.live(HOLDER, &secret(), NOW_S)[0].generation;
        let wish = TokenWish { count: Some(9), ..TokenWish::default() };
        tokens.log_in(Some(used), wish, HOLDER, &secret(), NOW_S + 8 * DAY_S).unwrap();
        check(&tokens);
    }
    for text in
        ["", "1", "1 -", "1 - - -", "1 - 1:HT-SHA-256-UNIQ:5", "1 - 1:HT-SHA-256-NONE:5:6:7"]
    {
        assert_eq!(text.parse::<DeviceTokens>(), Err(TokenError { text: text.into() }));
    }
}

#[test]
fn what_is_no_hashed_token() {
    let mut server = Server::new(tls(), Some(account(&["pencil"])));
    let mut check = |message: &[u8], expected| {
        assert_eq!(failure(server.start("HT-SHA-256-NONE", Some(message))), expected);
    };
    check(b"", SaslCondition::MalformedRequest);
    check(b"user", SaslCondition::MalformedRequest);
    check(b"\0token", SaslCondition::MalformedRequest);
    check(b"\xff\0token", SaslCondition::MalformedRequest);
    check(b"user\0", SaslCondition::NotAuthorized);
    check(b"user\0token", SaslCondition::NotAuthorized);
}
