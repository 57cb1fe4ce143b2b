//! The tests' own MLS client (RFC 9420), over openmls: what a device of a user does, without a
//! network. Tests and the load tool carry its messages; `mls-client` is its command line.
//!
//! All messages are of the form `MLSMessage` (RFC 9420 6), serialised.

#![forbid(unsafe_code)]

mod crypto;
mod device;
mod error;
mod hpke;
mod provider;
mod secrets;
mod signer;
pub mod stanza;
mod state;

pub use crypto::{Crypto, SUITE};
pub use device::{Changes, Commit, Device, Received};
pub use error::Error;
pub use provider::Provider;
