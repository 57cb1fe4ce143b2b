//! What requests and answers hold.

use chat_core::access::AppPassword;
use chat_core::sasl::TokenMechanism;
use chat_core::verification::PhoneNumber;
use chat_core::verification::code::{CODE_DIGITS, CODE_LIFETIME_MS};
use chat_core::verification::link::LINK_LIFETIME_MS;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::chat::accounts::views::AppPasswordView;
use crate::chat::accounts::{Accounts, NewDevice, OwnedClaim, Owner, Registered};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeForm {
    pub number: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistrationForm {
    pub number: Option<String>,
    pub code: Option<String>,
    pub pin: Option<String>,
    pub link: Option<String>,
    pub device: DeviceForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceForm {
    id: String,
    #[serde(default)]
    name: String,
    mechanism: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NumberForm {
    pub number: String,
    pub code: String,
    pub pin: Option<String>,
    #[serde(default)]
    pub tell_contacts: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinForm {
    pub pin: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameForm {
    pub name: String,
}

#[derive(Serialize)]
pub(super) struct CodeSent {
    number: String,
    digits: usize,
    expires_in: u64,
}

#[derive(Serialize)]
pub(super) struct RegisteredView {
    jid: String,
    account: String,
    created: bool,
    device: String,
    token: String,
    mechanism: &'static str,
    expires: u64,
    bearer: String,
}

#[derive(Serialize)]
pub(super) struct AccountView {
    jid: String,
    number: Option<String>,
    device: String,
    has_pin: bool,
    has_password: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retraction_within_s: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct NumberView {
    pub number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct ShownAppPassword {
    #[serde(flatten)]
    made: AppPasswordView,
    password: String,
}

#[derive(Serialize)]
pub(super) struct LinkView {
    link: String,
    expires_in: u64,
}

pub(super) fn claim(
    accounts: &Accounts,
    number: &str,
    code: String,
    pin: Option<String>,
) -> Result<OwnedClaim, Problem> {
    Ok(OwnedClaim { number: accounts.number(number)?, code, pin })
}

impl DeviceForm {
    pub fn read(self) -> Result<NewDevice, Problem> {
        let Self { id, name, mechanism } = self;
        let known = mechanism.as_deref().map_or(Some(TokenMechanism::Unbound), |mechanism| {
            TokenMechanism::from_name(mechanism)
        });
        let mechanism = known.ok_or_else(|| Problem::form("there is no such mechanism"))?;
        let id = id.parse().map_err(crate::chat::accounts::AccountError::Device)?;
        Ok(NewDevice { id, name, mechanism })
    }
}

impl CodeSent {
    pub fn to(number: PhoneNumber) -> Self {
        let expires_in = CODE_LIFETIME_MS / 1000;
        Self { number: number.to_string(), digits: CODE_DIGITS, expires_in }
    }
}

impl RegisteredView {
    pub fn of(accounts: &Accounts, registered: &Registered) -> Self {
        let Registered { account, is_created, device, token, mechanism } = registered;
        Self {
            jid: accounts.jid(*account),
            account: account.to_string(),
            created: *is_created,
            device: device.to_string(),
            token: token.token.clone(),
            mechanism: mechanism.name(),
            expires: token.expires_s,
            bearer: format!("{account}.{device}.{}", token.token),
        }
    }
}

impl AccountView {
    pub fn of(accounts: &Accounts, owner: &Owner) -> Self {
        Self {
            jid: accounts.jid(owner.account()),
            number: owner.number().map(str::to_owned),
            device: owner.device().to_owned(),
            has_pin: owner.access().pin().is_some(),
            has_password: owner.access().has_password(),
            retraction_within_s: accounts.retraction_within_s(),
        }
    }
}

impl ShownAppPassword {
    pub fn of(made: &AppPassword, password: String) -> Self {
        Self { made: AppPasswordView::of(made), password }
    }
}

impl LinkView {
    pub fn of(link: String) -> Self {
        Self { link, expires_in: LINK_LIFETIME_MS / 1000 }
    }
}
