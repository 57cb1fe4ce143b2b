//! Addresses: RFC 7622 (`localpart@domainpart/resourcepart`) and accounts' ids.

mod account_id;
mod prepare;
mod room_id;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use thiserror::Error;

pub use account_id::{AccountId, AccountIdError};
pub use room_id::RoomId;

/// A prepared address, bare or full.
///
/// Two that are equal by the rules of preparation have equal text, so comparison, order and hash
/// are those of the text.
#[derive(Clone)]
pub struct Jid {
    text: Box<str>,
    /// Bytes of the local part; 0 if there is none.
    local_len: u16,
    /// Bytes of the address without `/` and resource.
    bare_len: u16,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JidError {
    /// A part that is there has no content.
    #[error("the {part} of {text:?} is empty")]
    Empty {
        /// Which.
        part: Part,
        /// What was to be parsed.
        text: Box<str>,
    },
    /// A part has more bytes than RFC 7622 allows.
    #[error("the {part} has {bytes} bytes, more than {PART_BYTES_MAX}")]
    TooLong {
        /// Which.
        part: Part,
        /// Its size.
        bytes: usize,
    },
    /// Preparation forbids a character or its place.
    #[error("{text:?} is not fit to be a {part}")]
    Forbidden {
        /// Which part.
        part: Part,
        /// What stands there.
        text: Box<str>,
    },
}

/// A part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Before `@`.
    Local,
    /// The host.
    Domain,
    /// After `/`.
    Resource,
}

impl Jid {
    /// Parses and prepares an address.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let (local, domain) = match bare.split_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, bare),
        };
        Self::build(local, domain, resource)
    }

    /// Puts an address together of parts, which are prepared.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn from_parts(
        local: Option<&str>,
        domain: &str,
        resource: Option<&str>,
    ) -> Result<Self, JidError> {
        Self::build(local, domain, resource)
    }

    fn build(local: Option<&str>, domain: &str, resource: Option<&str>) -> Result<Self, JidError> {
        let local = local.map(|text| checked(Part::Local, text, prepare::local)).transpose()?;
        let domain = checked(Part::Domain, domain, prepare::domain)?;
        let resource =
            resource.map(|text| checked(Part::Resource, text, prepare::resource)).transpose()?;
        Ok(Self::join(local.as_deref(), &domain, resource.as_deref()))
    }

    /// Parts that are prepared.
    fn join(local: Option<&str>, domain: &str, resource: Option<&str>) -> Self {
        let len = |part: Option<&str>| part.map_or(0, |part| part.len() + 1);
        let mut text = String::with_capacity(len(local) + domain.len() + len(resource));
        if let Some(local) = local {
            text.push_str(local);
            text.push('@');
        }
        text.push_str(domain);
        let bare_len = narrow(text.len());
        if let Some(resource) = resource {
            text.push('/');
            text.push_str(resource);
        }
        let local_len = narrow(local.map_or(0, str::len));
        Self { text: text.into(), local_len, bare_len }
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address without a resource, as text.
    pub fn bare_str(&self) -> &str {
        &self.text[..usize::from(self.bare_len)]
    }

    /// The part before `@`.
    pub fn local(&self) -> Option<&str> {
        let len = usize::from(self.local_len);
        (len > 0).then(|| &self.text[..len])
    }

    /// The host.
    pub fn domain(&self) -> &str {
        let start = usize::from(self.local_len) + usize::from(self.local_len > 0);
        &self.text[start..usize::from(self.bare_len)]
    }

    /// The part after `/`.
    pub fn resource(&self) -> Option<&str> {
        self.text.get(usize::from(self.bare_len) + 1..).filter(|resource| !resource.is_empty())
    }

    /// If it has no resource.
    pub fn is_bare(&self) -> bool {
        usize::from(self.bare_len) == self.text.len()
    }

    /// The address without a resource.
    pub fn bare(&self) -> Self {
        Self { text: self.bare_str().into(), ..*self }
    }

    /// The address of the domain alone.
    pub fn domain_jid(&self) -> Self {
        Self::join(None, self.domain(), None)
    }

    /// The bare address with this resource.
    ///
    /// # Errors
    /// The resource is empty, too long or has a forbidden character.
    pub fn with_resource(&self, resource: &str) -> Result<Self, JidError> {
        let resource = checked(Part::Resource, resource, prepare::resource)?;
        Ok(Self::join(self.local(), self.domain(), Some(&resource)))
    }

    /// If this is the bare address of `other`, be that bare or full.
    pub fn is_bare_of(&self, other: &Self) -> bool {
        self.is_bare() && self.as_str() == other.bare_str()
    }
}

/// Prepares a part and checks its size before and after.
fn checked(
    part: Part,
    text: &str,
    prepare: fn(&str) -> Option<Cow<'_, str>>,
) -> Result<Cow<'_, str>, JidError> {
    // What is that long cannot be prepared to a lawful part; it must not cost us the attempt.
    if text.len() > UNPREPARED_BYTES_MAX {
        return Err(JidError::TooLong { part, bytes: text.len() });
    }
    let prepared = prepare(text).ok_or_else(|| JidError::Forbidden { part, text: text.into() })?;
    match prepared.len() {
        0 => Err(JidError::Empty { part, text: text.into() }),
        bytes if bytes > PART_BYTES_MAX => Err(JidError::TooLong { part, bytes }),
        _ => Ok(prepared),
    }
}

fn narrow(len: usize) -> u16 {
    u16::try_from(len).expect("parts are shorter than 1,024 bytes")
}

impl FromStr for Jid {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        Self::parse(text)
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Local => "local part",
            Self::Domain => "domain",
            Self::Resource => "resource",
        })
    }
}

impl PartialEq for Jid {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Jid {}

impl Hash for Jid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for Jid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Jid {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

/// Bytes of a part (RFC 7622 3.2, 3.3, 3.4).
pub const PART_BYTES_MAX: usize = 1023;

/// Bytes of a part before preparation: full-width letters take three bytes and become one.
const UNPREPARED_BYTES_MAX: usize = 3 * PART_BYTES_MAX;
