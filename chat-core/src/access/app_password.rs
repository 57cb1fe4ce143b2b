//! App passwords: for clients that know no tokens, one each, so that one can be revoked alone.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use super::value;
use crate::sasl::{PasswordKeys, Salt};
use crate::xml::Element;

/// An app password, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// Names it in lists.
    pub id: Box<str>,
    /// What its owner calls it.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub created_unix_s: u64,
    /// When it was last used, to about a day, in seconds since 1970; 0 if never.
    pub seen_unix_s: u64,
    pub(super) keys: PasswordKeys,
}

impl AppPassword {
    /// Makes one, and gives the password too.
    pub(super) fn make(
        name: String,
        now_unix_s: u64,
        salt: Salt,
        random: &mut ChaCha20Rng,
    ) -> (Self, String) {
        let id = text(random, ID_CHARS).into();
        let shown = random_password(random);
        let keys = PasswordKeys::derive(&shown, salt).expect("it is short and plain");
        (Self { id, name, created_unix_s: now_unix_s, seen_unix_s: 0, keys }, shown)
    }

    pub(super) fn read(id: &str, value: &Element) -> Option<Self> {
        Some(Self {
            id: id.into(),
            name: value.attr("name").unwrap_or_default().to_owned(),
            created_unix_s: value.attr("created")?.parse().ok()?,
            seen_unix_s: value.attr("seen").and_then(|seen| seen.parse().ok()).unwrap_or_default(),
            keys: value.text().parse().ok()?,
        })
    }

    pub(super) fn value(&self) -> Element {
        value("app-password")
            .with_attr("name", &*self.name)
            .with_attr("created", self.created_unix_s.to_string())
            .with_attr("seen", self.seen_unix_s.to_string())
            .with_text(self.keys.to_string())
    }

    pub(super) fn key(&self) -> String {
        format!("app/{}", self.id)
    }
}

/// A password that a person can copy and nobody can guess.
pub fn random_password(random: &mut ChaCha20Rng) -> String {
    let groups: Vec<String> = (0..GROUPS).map(|_| text(random, GROUP_CHARS)).collect();
    groups.join("-")
}

fn text(random: &mut ChaCha20Rng, chars: usize) -> String {
    // 32 signs, so that five bits are one.
    (0..chars).map(|_| char::from(SIGNS[(random.next_u32() & 31) as usize])).collect()
}

/// Crockford's: nothing that a person could take for something else.
const SIGNS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARS: usize = 8;
/// 4 × 5 signs: 100 bits.
const GROUPS: usize = 4;
const GROUP_CHARS: usize = 5;
