//! Proof that a person has a phone number: one-time codes, their limits, the registration PIN.
//!
//! The rim sends codes and stores accounts; here it is decided who may have which, and how often.

pub mod code;
pub mod limits;
pub mod link;
pub mod number;
pub mod pin;
pub mod registrar;

pub use code::Code;
pub use limits::{Client, Limit};
pub use number::{NumberError, PhoneNumber, Reach, Region};
pub use pin::{Pin, PinFormError};
pub use registrar::{Confirmed, Holder, Policy, Refusal, Registrar, SendCode};
