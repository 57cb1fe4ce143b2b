//! What the storage answers to a look-up, and which part of it a client proved to have.

use super::hash::ScramHash;
use super::keys::{PasswordKeys, PasswordMark, SCRAM_ITERATIONS, ScramKeys};
use super::secret::ServerSecret;
use super::token::LiveToken;

/// What is known of one account, and of the device that is logging in.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The account's passwords, app passwords among them. All share one salt and one number of
    /// iterations for each hash.
    pub passwords: Vec<PasswordKeys>,
    /// The device's tokens: at most two, while one replaces the other.
    pub tokens: Vec<LiveToken>,
}

/// What a client proved to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A password. That it was one when the log-in began does not say that it still is.
    Password(PasswordMark),
    /// The device's token of this generation.
    Token {
        /// See [`LiveToken::generation`].
        generation: u64,
    },
}

/// The keys that a proof under `hash` is tried against; never empty. Those of an account that does
/// not exist are made up, and no proof fits them.
#[derive(Clone, Debug)]
pub(super) enum Candidates {
    Known(Vec<ScramKeys>),
    Unknown(ScramKeys),
}

impl Candidates {
    pub fn of(
        credentials: Option<&Credentials>,
        hash: ScramHash,
        name: &str,
        secret: &ServerSecret,
    ) -> Self {
        let passwords = credentials.map(|known| known.passwords.as_slice()).unwrap_or_default();
        let mut candidates: Vec<_> =
            passwords.iter().filter_map(|password| password.under(hash)).cloned().collect();
        // The challenge shows the first one's salt; what has another cannot be tried.
        if let Some(first) = candidates.first().cloned() {
            candidates.retain(|keys| keys.shares_salt_with(&first));
            return Self::Known(candidates);
        }
        Self::Unknown(made_up(hash, name, secret))
    }

    /// The keys whose salt and iterations the client is shown.
    pub fn shown(&self) -> &ScramKeys {
        match self {
            Self::Known(candidates) => &candidates[0],
            Self::Unknown(keys) => keys,
        }
    }

    /// The first one that passes `test`. All are tried, so that the time tells nothing of which.
    pub fn find(&self, test: impl Fn(&ScramKeys) -> bool) -> Option<&ScramKeys> {
        match self {
            Self::Known(candidates) => candidates.iter().fold(None, |found, keys| {
                let passes = test(keys);
                found.or(passes.then_some(keys))
            }),
            Self::Unknown(keys) => {
                test(keys);
                None
            }
        }
    }
}

fn made_up(hash: ScramHash, name: &str, secret: &ServerSecret) -> ScramKeys {
    let key = secret.key_of_unknown(hash, name);
    ScramKeys {
        hash,
        salt: secret.salt_of_unknown(name).0.to_vec(),
        iterations: SCRAM_ITERATIONS,
        stored_key: key.clone(),
        server_key: key,
    }
}
