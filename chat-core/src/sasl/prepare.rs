//! RFC 4013 SASLprep: the one written form of a user name and of a password.

use stringprep::saslprep;

use super::failure::SaslFailure;
use super::{PASSWORD_BYTES_MAX, USERNAME_BYTES_MAX};

/// Why a password cannot be set or tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing is left of it after SASLprep.
    #[error("the password is empty")]
    Empty,
    /// See [`PASSWORD_BYTES_MAX`].
    #[error("the password has {bytes} bytes; {PASSWORD_BYTES_MAX} are allowed")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It holds what SASLprep forbids: control characters, directions that mix, characters newer
    /// than Unicode 3.2.
    #[error("SASLprep forbids a character of the password")]
    Forbidden,
}

/// The written form of `password`, from which keys are derived.
pub(crate) fn password(password: &str) -> Result<String, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong { bytes: password.len() });
    }
    let prepared = saslprep(password).map_err(|_| PasswordError::Forbidden)?;
    if prepared.is_empty() { Err(PasswordError::Empty) } else { Ok(prepared.into_owned()) }
}

/// Whether a password can be set.
///
/// # Errors
/// [`PasswordError`].
pub fn check_password(text: &str) -> Result<(), PasswordError> {
    password(text).map(drop)
}

/// The written form of `name`, by which the account is looked up.
pub(crate) fn username(name: &str) -> Result<String, SaslFailure> {
    if name.len() > USERNAME_BYTES_MAX {
        return Err(SaslFailure::malformed("the user name is too long"));
    }
    let prepared =
        saslprep(name).map_err(|_| SaslFailure::malformed("SASLprep forbids the user name"))?;
    if prepared.is_empty() {
        return Err(SaslFailure::malformed("the user name is empty"));
    }
    Ok(prepared.into_owned())
}
