//! Rooms' ids.

use std::fmt;

use aws_lc_rs::digest;

use super::{AccountId, Jid};

/// A room's permanent id: 60 bits, of the same space as accounts' ids. No room and no account have
/// the same, for storage keeps both alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(AccountId);

impl RoomId {
    /// Takes the low 60 bits of a random number.
    pub fn from_random(random: u64) -> Self {
        Self(AccountId::from_random(random))
    }

    /// The room whose address this is; the domain is not looked at. A local part that is no id is
    /// a name that a client has chosen (XEP-0045 10.1); its id is a digest of it, so that the room
    /// is found without a directory. Who asks must see that the room has this address.
    pub fn of(jid: &Jid) -> Option<Self> {
        let local = jid.local()?;
        Some(Self(AccountId::parse(local).unwrap_or_else(|_| digest_of(local))))
    }

    /// Parses 12 characters, as `Display` writes them.
    pub fn parse(text: &str) -> Option<Self> {
        AccountId::parse(text).ok().map(Self)
    }

    /// Takes the number of [`RoomId::owner`]; `None` if it has more than 60 bits.
    pub fn from_u64(id: u64) -> Option<Self> {
        AccountId::from_u64(id).map(Self)
    }

    /// The id under which storage keeps its records and its log.
    pub fn owner(self) -> AccountId {
        self.0
    }
}

fn digest_of(name: &str) -> AccountId {
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    AccountId::from_random(u64::from_be_bytes(first))
}

impl fmt::Display for RoomId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}
