//! Exchanges against a small client of their own, and the vectors of the RFCs.

pub(crate) mod client;
mod plain;
mod scram;
mod tampered;
mod token;

use std::num::NonZeroU32;

use data_encoding::BASE64;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

pub(crate) const EXPORTER: &[u8] = &[7; 32];
pub(crate) const END_POINT: &[u8] = &[9; 32];

pub(crate) fn tls() -> Channel {
    Channel::Tls(ChannelBindings {
        exporter: Some(EXPORTER.into()),
        server_end_point: Some(END_POINT.into()),
    })
}

fn tls_without_binding() -> Channel {
    Channel::Tls(ChannelBindings::default())
}

pub(crate) fn secret() -> ServerSecret {
    ServerSecret::new(&[3; ServerSecret::BYTES])
}

/// The server's side of one stream.
struct Server {
    channel: Channel,
    offer: Offer,
    secret: ServerSecret,
    random: ChaCha20Rng,
    known: Option<Credentials>,
    token_count: Option<u32>,
}

impl Server {
    fn new(channel: Channel, known: Option<Credentials>) -> Self {
        let offer = Offer::new(&channel, Policy { plain: true, tokens: true });
        let random = ChaCha20Rng::seed_from_u64(1);
        Self { channel, offer, secret: secret(), random, known, token_count: None }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            offer: &self.offer,
            channel: &self.channel,
            secret: &self.secret,
            token_count: self.token_count,
        }
    }

    /// Up to the next step that needs the client; look-ups and passwords are answered.
    fn start(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Step {
        let Some(mechanism) = self.offer.find(mechanism) else {
            return Step::Failure(SaslCondition::InvalidMechanism.into());
        };
        let nonce = ServerNonce::draw(&mut self.random);
        let step = start(mechanism, initial, nonce, &self.terms());
        self.settle(step)
    }

    fn respond(&self, challenge: Challenge, response: &[u8]) -> Step {
        self.settle(challenge.respond(response, &self.terms()))
    }

    fn settle(&self, step: Step) -> Step {
        match step {
            Step::LookUp(look_up) => {
                let name = look_up.username().to_lowercase();
                self.settle(look_up.answer(self.known.as_ref(), &name, &self.terms()))
            }
            Step::VerifyPlain(attempt, undecided) => {
                self.settle(undecided.decide(attempt.verify()))
            }
            other => other,
        }
    }
}

/// An account with these passwords, at few rounds to keep the tests quick.
pub(crate) fn account(passwords: &[&str]) -> Credentials {
    let keys = |password: &&str| {
        let derive = |hash| ScramKeys::derive(hash, password, b"salt of account", rounds(5));
        ScramHash::ALL.into_iter().map(|hash| derive(hash).unwrap()).collect()
    };
    Credentials { passwords: passwords.iter().map(keys).collect(), tokens: Vec::new() }
}

/// Which of an account's passwords was proved, under whichever hash function.
#[track_caller]
pub(crate) fn place(credential: Credential, of: &Credentials) -> usize {
    let Credential::Password(mark) = credential else { panic!("not a password") };
    of.passwords.iter().position(|keys| keys.is(mark)).expect("one of these")
}

fn rounds(rounds: u32) -> NonZeroU32 {
    NonZeroU32::new(rounds).unwrap()
}

#[track_caller]
fn challenge(step: Step) -> Challenge {
    match step {
        Step::Challenge(challenge) => challenge,
        other => panic!("not a challenge: {other:?}"),
    }
}

#[track_caller]
fn failure(step: Step) -> SaslCondition {
    match step {
        Step::Failure(failure) => failure.condition,
        other => panic!("not a failure: {other:?}"),
    }
}

#[track_caller]
fn success(step: Step) -> Success {
    match step {
        Step::Success(success) => success,
        other => panic!("not a success: {other:?}"),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[test]
fn the_strongest_mechanism_is_offered_first() {
    let names = |offer: &Offer| {
        let names: Vec<_> = offer.mechanisms().iter().map(|mechanism| mechanism.name()).collect();
        names.join(" ")
    };
    let policy = Policy { plain: true, tokens: true };
    let offer = Offer::new(&tls(), policy);
    assert_eq!(
        names(&offer),
        "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS \
         SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"
    );
    assert_eq!(offer.tokens(), TokenMechanism::ALL);

    let offer = Offer::new(&tls_without_binding(), Policy { plain: false, ..policy });
    assert_eq!(names(&offer), "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1");
    assert_eq!(offer.tokens(), [TokenMechanism::Unbound]);

    // Without TLS no password goes in the clear, whatever the policy.
    let offer = Offer::new(&Channel::Plaintext, policy);
    assert_eq!(names(&offer), "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1");
}

#[test]
fn keys_survive_their_storage() {
    let keys = PasswordKeys::derive("pencil", Salt([5; SALT_BYTES])).unwrap();
    assert_eq!(keys.to_string().parse(), Ok(keys.clone()));
    assert!(!format!("{keys:?}").contains(&base64(&keys.strongest().unwrap().server_key)));
}

#[test]
fn damaged_keys_are_refused() {
    #[track_caller]
    fn check(text: &str, expected: KeysError) {
        assert_eq!(text.parse::<ScramKeys>(), Err(expected), "{text}");
    }
    let key = base64(&[1; 20]);
    check("", KeysError::UnknownHash { name: String::new() });
    check("SCRAM-SHA-1", KeysError::Missing { field: "iterations" });
    check("SCRAM-SHA-1$0:", KeysError::Iterations { text: "0".into() });
    check("SCRAM-SHA-1$4000000000:", KeysError::Iterations { text: "4000000000".into() });
    check("SCRAM-SHA-1$1:!", KeysError::Encoding { field: "salt" });
    check(&format!("SCRAM-SHA-1$1:AA==${key}"), KeysError::Missing { field: "server_key" });
    check(
        &format!("SCRAM-SHA-256$1:AA==${key}:{key}"),
        KeysError::KeyLength { expected: 32, actual: 20 },
    );
    check(&format!("SCRAM-SHA-1$1:AA==${key}:{key}:"), KeysError::Trailing);
}

#[test]
fn passwords_are_prepared() {
    let derive = |password: &str| {
        ScramKeys::derive(ScramHash::Sha256, password, b"salt", rounds(1))
            .map(|keys| keys.stored_key)
    };
    // RFC 4013 3: a soft hyphen vanishes, a full-width letter and a Roman numeral are plain letters.
    assert_eq!(derive("I\u{ad}X"), derive("IX"));
    assert_eq!(derive("\u{2168}"), derive("IX"));
    assert_ne!(derive("user"), derive("USER"));
    assert_eq!(derive("\u{7}"), Err(PasswordError::Forbidden));
    assert_eq!(derive("\u{627}1"), Err(PasswordError::Forbidden));
    assert_eq!(derive("\u{ad}"), Err(PasswordError::Empty));
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    assert_eq!(derive(&long), Err(PasswordError::TooLong { bytes: PASSWORD_BYTES_MAX + 1 }));
}
