//! What a stream hands to the core, and what it gets back.

use std::fmt;

use crate::jid::{AccountId, Jid};
use crate::sasl::{Credential, Mechanism, NewToken, TokenWish};
use crate::verification::{PhoneNumber, Region};
use crate::xml::Element;

/// The user name of an account: its permanent id, or its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginName {
    /// The local part of its JID.
    Account(AccountId),
    /// The number that it is known by today.
    Number(PhoneNumber),
}

impl LoginName {
    /// Reads a user name, or the local part of an address. What is neither an id nor a number is
    /// no account.
    pub fn parse(text: &str, region: Option<Region>) -> Option<Self> {
        // Numbers first: with a region, twelve digits are more likely one than an id.
        let number = PhoneNumber::parse(text, region).ok().map(Self::Number);
        number.or_else(|| AccountId::parse(&text.to_ascii_lowercase()).ok().map(Self::Account))
    }
}

impl fmt::Display for LoginName {
    /// Its one written form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A client that has proved who it is.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whose.
    pub account: AccountId,
    /// What it proved to have.
    pub credential: Credential,
    /// By which mechanism.
    pub mechanism: Mechanism,
    /// XEP-0388: what it says of itself.
    pub user_agent: Option<UserAgent>,
    /// XEP-0484: what it wants of tokens; nothing where it does not name its device. The core
    /// takes note by [`crate::sasl::DeviceTokens::log_in`].
    pub tokens: TokenWish,
    /// What it asked for at once.
    pub request: SessionRequest,
}

/// XEP-0388 2.3: the client's software and device, for the account's owner only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAgent {
    /// Tells the installation from others; never shown.
    pub id: Option<String>,
    /// The software's name.
    pub software: Option<String>,
    /// The device's name.
    pub device: Option<String>,
}

/// How a session is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionRequest {
    /// RFC 6120 6: the client binds or resumes later, by elements that the core handles.
    Legacy,
    /// XEP-0388: at once.
    Inline(Inline),
}

/// XEP-0388 2.6.1: requests inside `<authenticate/>`. If the session is resumed, nothing is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inline {
    /// XEP-0198: resume this session.
    pub resume: Option<Resume>,
    /// XEP-0386: bind a resource.
    pub bind: Option<Bind2>,
}

/// XEP-0198 5: `<resume/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The id of the session.
    pub previous: String,
    /// Stanzas that the client has handled, modulo 2^32.
    pub handled: u32,
}

/// XEP-0386 3.2: `<bind/>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind2 {
    /// A name of the software, to be seen in the resource.
    pub tag: Option<String>,
    /// XEP-0198: turn on stream management.
    pub enable: Option<Enable>,
    /// XEP-0280: turn on carbons.
    pub carbons: bool,
    /// `urn:whimbrel:groups:0`: the session gets the messages of its account's rooms.
    pub groups: bool,
    /// XEP-0352: nobody looks at the client.
    pub is_inactive: bool,
}

/// XEP-0198 3: `<enable/>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enable {
    /// The client wants to resume later.
    pub can_resume: bool,
}

/// What came of a [`Login`].
#[derive(Clone, Debug, Default)]
pub struct Ready {
    /// The full JID, where a resource is bound or a session resumed.
    pub jid: Option<Jid>,
    /// The results of inline requests, in order: `<resumed/>` or `<failed/>`, `<bound/>`.
    pub children: Vec<Element>,
    /// XEP-0484: a token for the client's next login.
    pub token: Option<NewToken>,
}
