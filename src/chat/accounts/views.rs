//! What owners and operators are shown of an account, as JSON. Nothing of it opens the account.

use crate::chat::backups;
use chat_core::access::{AppPassword, Device, FEATURE};
use chat_core::transaction::{Record, StoredAccount};
use serde::Serialize;

/// An app password, without the password. Times are seconds since 1970.
#[derive(Serialize)]
pub struct AppPasswordView {
    id: String,
    name: String,
    created: u64,
}

/// A device that has tokens, without these. Times are seconds since 1970.
#[derive(Serialize)]
pub struct DeviceView {
    id: String,
    name: String,
    created: u64,
    seen: u64,
    is_this: bool,
}

/// A feature's record.
#[derive(Serialize)]
pub struct RecordView<'a> {
    feature: &'a str,
    key: &'a str,
    xml: std::borrow::Cow<'a, str>,
}

impl AppPasswordView {
    /// Of one.
    pub fn of(made: &AppPassword) -> Self {
        Self { id: made.id.to_string(), name: made.name.clone(), created: made.created_unix_s }
    }

    /// Of each.
    pub fn list(app_passwords: &[AppPassword]) -> Vec<Self> {
        app_passwords.iter().map(Self::of).collect()
    }
}

impl DeviceView {
    /// Of each; `this` is the one that asks, or empty.
    pub fn list(devices: &[Device], this: &str) -> Vec<Self> {
        let view = |device: &Device| Self {
            id: device.id.to_string(),
            name: device.name.clone(),
            created: device.created_unix_s,
            seen: device.seen_unix_s,
            is_this: device.id.as_str() == this,
        };
        devices.iter().map(view).collect()
    }
}

impl<'a> RecordView<'a> {
    /// Of each, but for those that open the account or its backup.
    pub fn list(stored: &'a StoredAccount) -> Vec<Self> {
        let view = |record: &'a Record| Self {
            feature: &record.feature,
            key: &record.key,
            xml: String::from_utf8_lossy(&record.value),
        };
        let is_shown =
            |record: &&Record| *record.feature != *FEATURE && !backups::is_secret(record);
        stored.records.iter().filter(is_shown).map(view).collect()
    }
}
