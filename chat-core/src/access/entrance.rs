//! By what a session was opened, so that its client can be named, and shut out (XEP-0494).

use super::{Access, DeviceId};
use crate::sasl::{Credential, TokenRefused};
use crate::stream::Login;

/// What a session was opened by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Entrance {
    /// The account's password, which every client shares.
    #[default]
    Password,
    /// The app password of this id.
    AppPassword(Box<str>),
    /// A device's token, or a password for which the device then got one.
    Device(DeviceId),
}

/// What a device showed to get its tokens; it may still have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The account's password.
    Password,
    /// The app password of this id.
    AppPassword(Box<str>),
}

/// Why a log-in is not taken that was proved: what opens the account has changed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// The password was changed or revoked.
    #[error("the password opens the account no more")]
    Password,
    /// The token was.
    #[error(transparent)]
    Token(#[from] TokenRefused),
}

impl Access {
    /// What a log-in that was just noted came by.
    pub(crate) fn entrance(&self, login: &Login) -> Entrance {
        let id = login.user_agent.as_ref().and_then(|agent| agent.id.as_deref());
        let device = id.and_then(|id| self.device(id));
        match (&login.credential, device) {
            (Credential::Token { .. }, Some(device)) => Entrance::Device(device.id.clone()),
            (Credential::Password(_), Some(device)) if login.tokens != Default::default() => {
                Entrance::Device(device.id.clone())
            }
            _ => match self.shown(&login.credential) {
                Some(Shown::AppPassword(id)) => Entrance::AppPassword(id),
                _ => Entrance::Password,
            },
        }
    }

    /// The password that was proved, unless it opens the account no more.
    pub(super) fn shown(&self, credential: &Credential) -> Option<Shown> {
        let Credential::Password(mark) = credential else { return None };
        if self.password.as_ref().is_some_and(|keys| keys.is(*mark)) {
            return Some(Shown::Password);
        }
        let app_password = self.app_passwords.iter().find(|one| one.keys.is(*mark))?;
        Some(Shown::AppPassword(app_password.id.clone()))
    }
}

impl Shown {
    pub(super) fn parse(text: &str) -> Option<Shown> {
        match text.split_once('/') {
            Some(("app", id)) => Some(Shown::AppPassword(id.into())),
            _ => (text == "password").then_some(Shown::Password),
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Shown::Password => "password".to_owned(),
            Shown::AppPassword(id) => format!("app/{id}"),
        }
    }
}
