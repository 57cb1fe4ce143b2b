//! Accounts' ids.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Jid;

/// An account's permanent id: 60 bits, which say nothing of the account.
///
/// As text it is the local part of the account's JID: 12 characters of Crockford's base32 in
/// lower case. Crockford's other spellings (`O` for `0`) are not taken, for one account has one
/// JID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

/// Why a text is no account's id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not an account's id of 12 characters")]
pub struct AccountIdError {
    /// What was to be parsed.
    pub text: Box<str>,
}

impl AccountId {
    /// Takes the low 60 bits of a random number.
    pub fn from_random(random: u64) -> Self {
        Self(random & MASK)
    }

    /// Takes what [`AccountId::as_u64`] gave; `None` if it has more than 60 bits.
    pub fn from_u64(id: u64) -> Option<Self> {
        (id & MASK == id).then_some(Self(id))
    }

    /// The id as a number of 60 bits.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The account whose address this is, if the local part is an id. The domain is not looked
    /// at.
    pub fn of(jid: &Jid) -> Option<Self> {
        Self::parse(jid.local()?).ok()
    }

    /// Parses 12 characters.
    ///
    /// # Errors
    /// If they are not what `Display` writes.
    pub fn parse(text: &str) -> Result<Self, AccountIdError> {
        let whole = (text.len() == TEXT_LEN).then_some(text);
        let id = whole.and_then(|text| {
            text.bytes().try_fold(0, |id, character| Some(id << 5 | digit(character)?))
        });
        id.map(Self)
            .ok_or_else(|| AccountIdError { text: text.chars().take(TEXT_LEN * 2).collect() })
    }
}

fn digit(character: u8) -> Option<u64> {
    ALPHABET.iter().position(|&known| known == character).map(|digit| digit as u64)
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, AccountIdError> {
        Self::parse(text)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: [u8; TEXT_LEN] = std::array::from_fn(|index| {
            let shift = 5 * (TEXT_LEN - 1 - index);
            ALPHABET[(self.0 >> shift) as usize & 31]
        });
        formatter.write_str(std::str::from_utf8(&digits).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

const MASK: u64 = (1 << 60) - 1;
const TEXT_LEN: usize = 12;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
