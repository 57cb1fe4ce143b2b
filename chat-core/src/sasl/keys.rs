//! RFC 5802 3: what the server keeps of a password. It lets a client prove that it knows the
//! password, and lets nobody log in who reads it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64;
use rand_chacha::rand_core::CryptoRng;

use super::hash::ScramHash;
use super::prepare::{self, PasswordError};

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Rounds of PBKDF2. Clients pay it too, phones and scripts in browsers among them; RFC 7677 asks
/// for 4096 at least.
pub const SCRAM_ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
/// Rounds that a stored text may ask for, so that a damaged one cannot stop the server.
const ITERATIONS_MAX: u32 = 10_000_000;

/// An account's salt, shared by all its passwords: a challenge shows one salt before it is known
/// which password the client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT_BYTES]);

impl Salt {
    /// A fresh one.
    pub fn draw(random: &mut impl CryptoRng) -> Self {
        let mut salt = [0; SALT_BYTES];
        random.fill_bytes(&mut salt);
        Self(salt)
    }
}

/// One password under one hash function. Stored as `SCRAM-SHA-256$10000:salt$stored:server`.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Under which hash function.
    pub hash: ScramHash,
    /// Random bytes of the account.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: NonZeroU32,
    /// `H(HMAC(SaltedPassword, "Client Key"))`: checks the client's proof.
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`: proves the server to the client.
    pub server_key: Vec<u8>,
}

impl ScramKeys {
    /// Costs `iterations` rounds of PBKDF2: milliseconds.
    pub fn derive(
        hash: ScramHash,
        password: &str,
        salt: &[u8],
        iterations: NonZeroU32,
    ) -> Result<Self, PasswordError> {
        let password = prepare::password(password)?;
        let salted = hash.salted_password(password.as_bytes(), salt, iterations);
        Ok(Self {
            hash,
            salt: salt.to_vec(),
            iterations,
            stored_key: hash.digest(&hash.hmac(&salted, b"Client Key")),
            server_key: hash.hmac(&salted, b"Server Key"),
        })
    }

    /// Whether `proof` over `auth_message` came from the holder of the password (RFC 5802 3), in a
    /// time that does not depend on how nearly it did.
    pub(crate) fn verifies(&self, auth_message: &[u8], proof: &[u8]) -> bool {
        let signature = self.hash.hmac(&self.stored_key, auth_message);
        if proof.len() != signature.len() {
            return false;
        }
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        is_same(&self.hash.digest(&client_key), &self.stored_key)
    }

    /// Whether both come from the same password. Both must share salt and rounds.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        is_same(&self.stored_key, &other.stored_key)
    }

    /// Tells the password from the others of its account.
    pub fn mark(&self) -> PasswordMark {
        // The keys of all hash functions are longer.
        let first = self.stored_key.first_chunk().copied().unwrap_or_default();
        PasswordMark(u64::from_be_bytes(first))
    }

    pub(crate) fn shares_salt_with(&self, other: &Self) -> bool {
        (self.hash, &self.salt, self.iterations) == (other.hash, &other.salt, other.iterations)
    }

    pub(crate) fn server_signature(&self, auth_message: &[u8]) -> Vec<u8> {
        self.hash.hmac(&self.server_key, auth_message)
    }
}

impl fmt::Display for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt, &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        write!(f, "{}${}:{salt}${stored}:{server}", self.hash.scram_name(), self.iterations)
    }
}

impl FromStr for ScramKeys {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        let mut fields = text.split(['$', ':']);
        let mut field = |name| fields.next().ok_or(KeysError::Missing { field: name });
        let name = field("hash")?;
        let hash = ScramHash::ALL.into_iter().find(|hash| hash.scram_name() == name);
        let hash = hash.ok_or_else(|| KeysError::UnknownHash { name: name.into() })?;
        let keys = Self {
            hash,
            iterations: rounds(field("iterations")?)?,
            salt: decoded("salt", field("salt")?)?,
            stored_key: decoded("stored_key", field("stored_key")?)?,
            server_key: decoded("server_key", field("server_key")?)?,
        };
        for key in [&keys.stored_key, &keys.server_key] {
            let (expected, actual) = (hash.output_bytes(), key.len());
            if expected != actual {
                return Err(KeysError::KeyLength { expected, actual });
            }
        }
        if fields.next().is_some() {
            return Err(KeysError::Trailing);
        }
        Ok(keys)
    }
}

impl fmt::Debug for ScramKeys {
    /// Without the keys: a log is no place for them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// The first bytes of a stored key: which password it is that somebody has proved to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordMark(pub u64);

/// One password under each hash function. Stored as the texts of its keys, a space between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordKeys(Vec<ScramKeys>);

impl PasswordKeys {
    /// The keys of `password` for an account with `salt`, under every hash function. Costs three
    /// times [`SCRAM_ITERATIONS`] rounds of PBKDF2: some ten milliseconds.
    pub fn derive(password: &str, salt: Salt) -> Result<Self, PasswordError> {
        let derive = |hash| ScramKeys::derive(hash, password, &salt.0, SCRAM_ITERATIONS);
        ScramHash::ALL.into_iter().map(derive).collect::<Result<_, _>>().map(Self)
    }

    /// The keys under `hash`.
    pub fn under(&self, hash: ScramHash) -> Option<&ScramKeys> {
        self.0.iter().find(|keys| keys.hash == hash)
    }

    /// Whether it is the password that a proof under any hash function has shown.
    pub fn is(&self, mark: PasswordMark) -> bool {
        self.0.iter().any(|keys| keys.mark() == mark)
    }

    /// The keys under the strongest hash function that there is.
    pub fn strongest(&self) -> Option<&ScramKeys> {
        self.0.iter().max_by_key(|keys| keys.hash)
    }
}

impl FromIterator<ScramKeys> for PasswordKeys {
    fn from_iter<I: IntoIterator<Item = ScramKeys>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl fmt::Display for PasswordKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, keys) in self.0.iter().enumerate() {
            write!(f, "{}{keys}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl FromStr for PasswordKeys {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        text.split(' ').map(str::parse).collect()
    }
}

/// A stored text that is not the text of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The text ends early.
    #[error("stored keys end before {field}")]
    Missing {
        /// The first field that is not there.
        field: &'static str,
    },
    /// It names another mechanism.
    #[error("stored keys of an unknown mechanism: {name}")]
    UnknownHash {
        /// What it names.
        name: String,
    },
    /// The rounds are no number, none, or more than 10,000,000.
    #[error("stored keys with {text} iterations")]
    Iterations {
        /// What stands there.
        text: String,
    },
    /// A field is not base64.
    #[error("stored keys whose {field} is not base64")]
    Encoding {
        /// Which one.
        field: &'static str,
    },
    /// A key is not as long as its hash function's output.
    #[error("stored keys of {actual} bytes where the hash gives {expected}")]
    KeyLength {
        /// Bytes that the hash function gives.
        expected: usize,
        /// Bytes that stand there.
        actual: usize,
    },
    /// Something follows.
    #[error("stored keys have something behind them")]
    Trailing,
}

fn rounds(text: &str) -> Result<NonZeroU32, KeysError> {
    let wrong = || KeysError::Iterations { text: text.into() };
    text.parse().ok().filter(|rounds: &NonZeroU32| rounds.get() <= ITERATIONS_MAX).ok_or_else(wrong)
}

fn decoded(field: &'static str, text: &str) -> Result<Vec<u8>, KeysError> {
    BASE64.decode(text.as_bytes()).map_err(|_| KeysError::Encoding { field })
}

pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}
