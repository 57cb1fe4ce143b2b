//! SASL (RFC 4422) as a client speaks it: no two messages get in without a password, and what is
//! stored of keys and tokens is read back as it was written.
#![no_main]

use chat_core::sasl::{
    Channel, ChannelBindings, Credentials, DeviceTokens, Offer, Policy, ScramHash, ScramKeys,
    ServerNonce, ServerSecret, Step, Terms, server_end_point, start,
};
use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

// A byte that chooses the mechanism, the first message, a line feed, the last message.
fuzz_target!(|input: &[u8]| {
    let Some((choice, messages)) = input.split_first() else { return };
    let mut messages = messages.splitn(2, |byte| *byte == b'\n');
    let first = messages.next().unwrap_or_default();
    let last = messages.next().unwrap_or_default();
    let bindings = ChannelBindings { exporter: Some(vec![7; 32]), server_end_point: None };
    let channel = Channel::Tls(bindings);
    let offer = Offer::new(&channel, Policy { plain: true, tokens: true });
    let names = offer.mechanisms().iter().map(|mechanism| mechanism.name());
    let names: Vec<_> = names.chain(offer.tokens().iter().map(|token| token.name())).collect();
    let mechanism = offer.find(names[usize::from(*choice) % names.len()]).expect("it is offered");
    let secret = ServerSecret::new(&[3; ServerSecret::BYTES]);
    let terms = Terms { offer: &offer, channel: &channel, secret: &secret, token_count: None };
    let known = account();

    let nonce = ServerNonce::draw(&mut ChaCha20Rng::seed_from_u64(1));
    let mut step = start(mechanism, Some(first), nonce, &terms);
    loop {
        step = match step {
            Step::LookUp(look_up) => look_up.answer(Some(&known), "user", &terms),
            Step::Challenge(challenge) => challenge.respond(last, &terms),
            Step::VerifyPlain(attempt, undecided) => undecided.decide(attempt.verify()),
            Step::Success(success) => panic!("{success:?} without a password"),
            Step::Failure(_) => break,
        };
    }

    server_end_point(last);
    let Ok(text) = std::str::from_utf8(last) else { return };
    if let Ok(keys) = text.parse::<ScramKeys>() {
        assert_eq!(keys.to_string().parse(), Ok(keys));
    }
    if let Ok(tokens) = text.parse::<DeviceTokens>() {
        assert_eq!(tokens.to_string().parse(), Ok(tokens));
    }
});

/// An account whose keys no password gives.
fn account() -> Credentials {
    let keys = |hash: ScramHash| ScramKeys {
        hash,
        salt: vec![1; 16],
        iterations: std::num::NonZeroU32::MIN,
        stored_key: vec![2; hash.output_bytes()],
        server_key: vec![3; hash.output_bytes()],
    };
    let password = ScramHash::ALL.into_iter().map(keys).collect();
    Credentials { passwords: vec![password], tokens: Vec::new() }
}
