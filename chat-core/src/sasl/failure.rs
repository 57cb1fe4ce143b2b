//! RFC 6120 6.5: why an attempt failed.

use std::fmt;

/// A failed attempt: the condition that the client is told, and what it may read of the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{condition}{}{}", if text.is_some() { ": " } else { "" }, text.unwrap_or_default())]
pub struct SaslFailure {
    /// What the client acts on.
    pub condition: SaslCondition,
    /// What its developer reads; it never tells whether an account exists.
    pub text: Option<&'static str>,
}

impl SaslFailure {
    pub(crate) fn because(condition: SaslCondition, text: &'static str) -> Self {
        Self { condition, text: Some(text) }
    }

    pub(crate) fn malformed(text: &'static str) -> Self {
        Self::because(SaslCondition::MalformedRequest, text)
    }

    /// Wrong password, unknown user, spent token: one answer for all.
    pub(crate) const NOT_AUTHORIZED: Self =
        Self { condition: SaslCondition::NotAuthorized, text: None };
}

impl From<SaslCondition> for SaslFailure {
    fn from(condition: SaslCondition) -> Self {
        Self { condition, text: None }
    }
}

/// The conditions of RFC 6120 6.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslCondition {
    /// The client sent `<abort/>`.
    Aborted,
    /// The account is switched off.
    AccountDisabled,
    /// The password or token is past its end.
    CredentialsExpired,
    /// The mechanism needs TLS.
    EncryptionRequired,
    /// The data is not base64.
    IncorrectEncoding,
    /// The client may not act as the identity that it asked for.
    InvalidAuthzid,
    /// The mechanism was not offered.
    InvalidMechanism,
    /// The message does not follow its mechanism.
    MalformedRequest,
    /// The server's policy asks for a stronger mechanism.
    MechanismTooWeak,
    /// The credentials are not the account's, or there is no such account.
    NotAuthorized,
    /// The server cannot tell now.
    TemporaryAuthFailure,
}

impl SaslCondition {
    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AccountDisabled => "account-disabled",
            Self::CredentialsExpired => "credentials-expired",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::MechanismTooWeak => "mechanism-too-weak",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }
}

impl fmt::Display for SaslCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
