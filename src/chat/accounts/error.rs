//! Why something was not done with an account.

use chat_core::access::{DeviceIdError, TooManyAppPasswords};
use chat_core::sasl::PasswordError;
use chat_core::transaction::StorageError;
use chat_core::verification::{NumberError, PinFormError, Refusal};

use crate::chat::gateway::DeliveryError;

/// Why something was not done with an account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A text is no number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A device's id is none.
    #[error(transparent)]
    Device(#[from] DeviceIdError),
    /// A PIN cannot be set.
    #[error(transparent)]
    PinForm(#[from] PinFormError),
    /// A password cannot be set.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Nobody gets an account by himself here.
    #[error("this server takes no registrations; its operator gives accounts")]
    RegistrationClosed,
    /// The registrar says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The code was not sent.
    #[error("the code cannot be sent now")]
    Delivery(#[from] DeliveryError),
    /// There are enough app passwords.
    #[error(transparent)]
    TooManyAppPasswords(#[from] TooManyAppPasswords),
    /// The token opens nothing.
    #[error("the token does not count; register this device anew")]
    Unauthorized,
    /// There is no such thing in the account.
    #[error("there is no such {what}")]
    NotFound {
        /// What.
        what: &'static str,
    },
    /// The number was taken meanwhile.
    #[error("the number was given to another account at the same moment")]
    NumberTaken,
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[source] StorageError),
}

impl From<StorageError> for AccountError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Exists { .. } => Self::NumberTaken,
            error => Self::Storage(error),
        }
    }
}
