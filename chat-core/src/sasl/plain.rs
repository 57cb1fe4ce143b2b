//! RFC 4616 PLAIN: the password itself, checked against the keys that SCRAM uses.

use std::fmt;

use super::credentials::{Candidates, Credentials};
use super::failure::SaslFailure;
use super::hash::ScramHash;
use super::keys::{PasswordMark, ScramKeys};
use super::prepare;
use super::secret::ServerSecret;
use super::{PASSWORD_BYTES_MAX, USERNAME_BYTES_MAX};

/// The client's only message.
#[derive(Clone)]
pub(super) struct PlainMessage {
    pub authzid: Option<String>,
    pub username: String,
    password: String,
}

impl PlainMessage {
    pub fn parse(message: &str) -> Result<Self, SaslFailure> {
        let mut fields = message.split('\0');
        let fields = (fields.next(), fields.next(), fields.next(), fields.next());
        let (Some(authzid), Some(username), Some(password), None) = fields else {
            return Err(SaslFailure::malformed("PLAIN has three fields"));
        };
        if authzid.len() > USERNAME_BYTES_MAX || password.len() > PASSWORD_BYTES_MAX {
            return Err(SaslFailure::malformed("a field is too long"));
        }
        Ok(Self {
            authzid: Some(authzid).filter(|authzid| !authzid.is_empty()).map(Into::into),
            username: prepare::username(username)?,
            password: password.into(),
        })
    }

    pub fn attempt(
        self,
        known: Option<&Credentials>,
        name: &str,
        secret: &ServerSecret,
    ) -> PlainAttempt {
        let strongest = known.and_then(|known| known.passwords.first()?.strongest());
        let hash = strongest.map_or(ScramHash::Sha512, |keys| keys.hash);
        let candidates = Candidates::of(known, hash, name, secret);
        PlainAttempt { password: self.password, candidates }
    }
}

impl fmt::Debug for PlainMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainMessage").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A password to be checked. It takes [`super::SCRAM_ITERATIONS`] rounds of PBKDF2, milliseconds,
/// which is why a thread that may block should do it.
#[derive(Clone)]
pub struct PlainAttempt {
    password: String,
    candidates: Candidates,
}

impl PlainAttempt {
    /// Which of the account's passwords it is. Takes as long for an account that does not exist.
    pub fn verify(self) -> Option<PasswordMark> {
        let shown = self.candidates.shown();
        let tried = ScramKeys::derive(shown.hash, &self.password, &shown.salt, shown.iterations);
        let tried = tried.ok()?;
        self.candidates.find(|keys| keys.matches(&tried)).map(ScramKeys::mark)
    }
}

impl fmt::Debug for PlainAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainAttempt")
    }
}
