//! RFC 5802 and RFC 7677: SCRAM without channel binding, the client's side; RFC 4616: PLAIN.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use data_encoding::BASE64;

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mechanism {
    #[value(name = "PLAIN", alias = "plain")]
    Plain,
    #[value(name = "SCRAM-SHA-1", alias = "scram-sha-1")]
    ScramSha1,
    #[value(name = "SCRAM-SHA-256", alias = "scram-sha-256")]
    ScramSha256,
}

/// What a server must say and did not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    #[error("the challenge {0:?} is not SCRAM's")]
    Challenge(String),
    #[error("the server does not know the password: its signature is wrong")]
    Signature,
}

/// The keys of one password, salt and count: to derive them costs milliseconds, so they are kept.
#[derive(Clone, Debug)]
pub struct Keys {
    mechanism: Mechanism,
    salt: Vec<u8>,
    iterations: NonZeroU32,
    client_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// An exchange under way.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    nonce: String,
    client_first_bare: String,
    /// Known once the challenge is answered.
    server_signature: Option<Vec<u8>>,
}

impl Mechanism {
    /// The strongest first.
    pub const BY_STRENGTH: [Self; 3] = [Self::ScramSha256, Self::ScramSha1, Self::Plain];

    /// Its name in SASL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::ScramSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            _ => hmac::HMAC_SHA256,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::ScramSha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            _ => &digest::SHA256,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::ScramSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            _ => pbkdf2::PBKDF2_HMAC_SHA256,
        }
    }
}

/// PLAIN's one message.
pub fn plain(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

impl Keys {
    fn derive(mechanism: Mechanism, password: &str, salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let mut salted = vec![0; mechanism.digest().output_len];
        pbkdf2::derive(mechanism.pbkdf2(), iterations, &salt, password.as_bytes(), &mut salted);
        let key = |label: &str| sign(mechanism, &salted, label.as_bytes());
        let (client_key, server_key) = (key("Client Key"), key("Server Key"));
        Self { mechanism, salt, iterations, client_key, server_key }
    }

    fn are_for(&self, mechanism: Mechanism, salt: &[u8], iterations: NonZeroU32) -> bool {
        self.mechanism == mechanism && self.salt == salt && self.iterations == iterations
    }
}

impl Exchange {
    /// A new exchange, and its first message. Local parts hold no `,` and no `=` here.
    pub fn start(mechanism: Mechanism, user: &str, nonce: u128) -> (Self, Vec<u8>) {
        let nonce = format!("{nonce:032x}");
        let client_first_bare = format!("n={user},r={nonce}");
        let message = format!("{GS2_HEADER}{client_first_bare}").into_bytes();
        (Self { mechanism, nonce, client_first_bare, server_signature: None }, message)
    }

    /// Answers the server's challenge. `keys` are used if they fit, else replaced.
    ///
    /// # Errors
    /// The challenge is malformed or not for our nonce.
    pub fn answer(
        &mut self,
        challenge: &[u8],
        password: &str,
        keys: &mut Option<Keys>,
    ) -> Result<Vec<u8>, ScramError> {
        let refused = || ScramError::Challenge(String::from_utf8_lossy(challenge).into_owned());
        let text = std::str::from_utf8(challenge).map_err(|_| refused())?;
        let (nonce, salt, iterations) = parse_challenge(text).ok_or_else(refused)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(refused());
        }
        if !keys.as_ref().is_some_and(|keys| keys.are_for(self.mechanism, &salt, iterations)) {
            *keys = Some(Keys::derive(self.mechanism, password, salt, iterations));
        }
        let keys = keys.as_ref().ok_or_else(refused)?;
        let without_proof = format!("c={},r={nonce}", BASE64.encode(GS2_HEADER.as_bytes()));
        let signed = format!("{},{text},{without_proof}", self.client_first_bare);
        let stored_key = digest::digest(self.mechanism.digest(), &keys.client_key);
        let signature = sign(self.mechanism, stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = keys.client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        self.server_signature = Some(sign(self.mechanism, &keys.server_key, signed.as_bytes()));
        Ok(format!("{without_proof},p={}", BASE64.encode(&proof)).into_bytes())
    }

    /// Checks the server's last message: it too must prove that it knows the password.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, server_final: &[u8]) -> Result<(), ScramError> {
        let value = server_final.strip_prefix(b"v=").ok_or(ScramError::Signature)?;
        let value = value.split(|byte| *byte == b',').next().unwrap_or_default();
        let signature = BASE64.decode(value).map_err(|_| ScramError::Signature)?;
        if self.server_signature.as_ref() == Some(&signature) {
            Ok(())
        } else {
            Err(ScramError::Signature)
        }
    }
}

/// HMAC of `message`.
fn sign(mechanism: Mechanism, key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(mechanism.hmac(), key), message).as_ref().to_vec()
}

/// Nonce, salt and iteration count.
fn parse_challenge(text: &str) -> Option<(&str, Vec<u8>, NonZeroU32)> {
    let mut fields = text.split(',');
    let nonce = fields.next()?.strip_prefix("r=")?;
    let salt = BASE64.decode(fields.next()?.strip_prefix("s=")?.as_bytes()).ok()?;
    let iterations: NonZeroU32 = fields.next()?.strip_prefix("i=")?.parse().ok()?;
    (iterations.get() <= ITERATIONS_MAX).then_some((nonce, salt, iterations))
}

/// No channel binding: the client does not support it.
const GS2_HEADER: &str = "n,,";
/// A server that asks for more would measure this client, not itself.
const ITERATIONS_MAX: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5802 5 and RFC 7677 3: the examples, with their nonces.
    fn check(mechanism: Mechanism, nonce: &str, challenge: &str, answer: &str, last: &str) {
        let mut exchange = Exchange {
            mechanism,
            nonce: nonce.to_owned(),
            client_first_bare: format!("n=user,r={nonce}"),
            server_signature: None,
        };
        let mut keys = None;
        let said = exchange.answer(challenge.as_bytes(), "pencil", &mut keys).unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), answer);
        assert_eq!(exchange.check(last.as_bytes()), Ok(()));
        assert_eq!(exchange.check(b"v=AAAA"), Err(ScramError::Signature));
        assert_eq!(exchange.check(b"e=other-error"), Err(ScramError::Signature));
    }

    #[test]
    fn the_examples_of_the_rfcs() {
        check(
            Mechanism::ScramSha1,
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        );
        check(
            Mechanism::ScramSha256,
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        );
    }

    #[test]
    fn challenges_of_others_are_refused() {
        let (mut exchange, first) = Exchange::start(Mechanism::ScramSha256, "user", 1);
        assert!(first.starts_with(b"n,,n=user,r=0000"));
        for challenge in ["", "r=x,s=QQ==,i=1", "e=other-error"] {
            assert!(exchange.answer(challenge.as_bytes(), "pencil", &mut None).is_err());
        }
    }
}
