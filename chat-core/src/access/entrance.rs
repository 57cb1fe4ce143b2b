//! By what a session was opened, so that its client can be named, and shut out (XEP-0494).

use super::{Access, DeviceId};
use crate::sasl::Credential;
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

    /// The password that was proved: [`Access::credentials`] has the account's own first.
    pub(super) fn shown(&self, credential: &Credential) -> Option<Shown> {
        let Credential::Password(index) = credential else { return None };
        let behind_own = index.0.checked_sub(usize::from(self.password.is_some()));
        let app_password = behind_own.and_then(|at| self.app_passwords.get(at));
        Some(app_password.map_or(Shown::Password, |one| Shown::AppPassword(one.id.clone())))
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
