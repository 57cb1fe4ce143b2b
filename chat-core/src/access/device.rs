//! A device of an account, and its tokens.

use std::fmt;
use std::str::FromStr;

use super::{Shown, value};
use crate::sasl::{DeviceTokens, TokenHolder};
use crate::xml::Element;

/// A device that has tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The `id` of SASL2's `<user-agent/>`.
    pub id: DeviceId,
    /// As its owner knows it; may be empty.
    pub name: String,
    /// When it came, in seconds since 1970.
    pub created_unix_s: u64,
    /// When it last logged in, in seconds since 1970.
    pub seen_unix_s: u64,
    /// Its tokens.
    pub tokens: DeviceTokens,
    /// What it showed to get them, where it was not let in by another device or a code.
    pub shown: Option<Shown>,
}

/// Names an installation: letters, digits and hyphens, 64 at most, best a UUID. Lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId(Box<str>);

/// A text is no device's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device's id has letters, digits and hyphens, 1 to {ID_BYTES_MAX}; take a UUID")]
pub struct DeviceIdError;

impl DeviceId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        let is_id = (1..=ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_id.then(|| Self(text.to_ascii_lowercase().into())).ok_or(DeviceIdError)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Device {
    pub(super) fn new(id: DeviceId, name: String, now_unix_s: u64) -> Self {
        let tokens = DeviceTokens::default();
        Self { id, name, created_unix_s: now_unix_s, seen_unix_s: now_unix_s, tokens, shown: None }
    }

    pub(super) fn read(id: &str, value: &Element) -> Option<Self> {
        let number = |name| value.attr(name).and_then(|text| text.parse().ok());
        Some(Self {
            id: id.parse().ok()?,
            name: value.attr("name").unwrap_or_default().to_owned(),
            created_unix_s: number("created")?,
            seen_unix_s: number("seen")?,
            tokens: value.text().parse().ok()?,
            shown: value.attr("shown").and_then(Shown::parse),
        })
    }

    pub(super) fn value(&self) -> Element {
        let mut value = value("device")
            .with_attr("name", &*self.name)
            .with_attr("created", self.created_unix_s.to_string())
            .with_attr("seen", self.seen_unix_s.to_string());
        if let Some(shown) = &self.shown {
            value.set_attr("shown", shown.to_text());
        }
        value.with_text(self.tokens.to_string())
    }

    pub(super) fn key(&self) -> String {
        format!("device/{}", self.id)
    }

    pub(super) fn holder<'a>(&'a self, account: &'a str) -> TokenHolder<'a> {
        TokenHolder { account, device: self.id.as_str() }
    }
}

/// What a person or a client calls something, without what would disturb a list.
pub(super) fn name_of(text: &str) -> String {
    let visible = text.trim().chars().filter(|character| !character.is_control());
    visible.take(NAME_CHARS_MAX).collect()
}

/// As in `<user-agent/>`.
const ID_BYTES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;
