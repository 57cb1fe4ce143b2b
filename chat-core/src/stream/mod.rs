//! Streams before and after login (RFC 6120 4 to 7).

mod error;
mod login;

pub use error::{StreamError, StreamErrorCondition};
pub use login::{Bind2, Enable, Inline, Login, Ready, Resume, SessionRequest, UserAgent};
