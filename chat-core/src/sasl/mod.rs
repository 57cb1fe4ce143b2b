//! The server's side of SASL (RFC 4422): who a client is, by password, app password or token.
//!
//! An exchange is a chain of types: each [`Step`] carries the next one's only way on.
//!
//! - [`start`] takes the mechanism and the initial response;
//! - [`Step::LookUp`] wants what the storage knows of a user name;
//! - [`Step::Challenge`] wants the client's response;
//! - [`Step::VerifyPlain`] wants a verdict that costs milliseconds, so that it can run elsewhere;
//! - [`Step::Success`] and [`Step::Failure`] end it.
//!
//! What a client is told of a user name that does not exist is what it would be told of one that
//! does.

mod channel;
mod credentials;
mod end_point;
mod exchange;
mod failure;
mod gs2;
mod hash;
mod hashed_token;
mod keys;
mod mechanism;
mod offer;
mod plain;
mod prepare;
mod scram;
mod secret;
#[cfg(test)]
pub(crate) mod tests;
mod token;

pub use channel::{Channel, ChannelBinding, ChannelBindings};
pub use credentials::{Credential, Credentials};
pub use end_point::server_end_point;
pub use exchange::{Challenge, LookUp, Step, Success, Terms, Undecided, start};
pub use failure::{SaslCondition, SaslFailure};
pub use hash::ScramHash;
pub use keys::{
    KeysError, PasswordKeys, PasswordMark, SALT_BYTES, SCRAM_ITERATIONS, Salt, ScramKeys,
};
pub use mechanism::{Mechanism, TokenMechanism};
pub use offer::{Offer, Policy};
pub use plain::PlainAttempt;
pub use prepare::{PasswordError, check_password};
pub use secret::{ServerNonce, ServerSecret};
pub use token::{
    DeviceTokens, LiveToken, NewToken, TOKEN_LIFETIME_S, TokenError, TokenHolder, TokenRefused,
    TokenWish,
};

/// Bytes of one decoded SASL message. The longest honest one holds a user name and a password, or
/// a nonce and channel-binding data.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes of a user name or an authorization identity: RFC 7622 allows 1023 in each part of a JID.
pub const USERNAME_BYTES_MAX: usize = 1023;
/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 1023;
