//! The chat domain of Whimbrel: time and input go in, effects come out.
//!
//! Nothing here knows a socket, a file, a thread or a clock. The rim (`src/chat` of the server)
//! moves bytes, commits transactions and answers queries.

#![forbid(unsafe_code)]

pub mod jid;
pub mod ns;
pub mod sasl;
pub mod stanza;
pub mod time;
pub mod verification;
pub mod xml;
