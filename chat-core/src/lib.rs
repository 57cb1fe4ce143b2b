//! The chat domain of Whimbrel: time and input go in, effects come out.
//!
//! Nothing here knows a socket, a file, a thread or a clock. The rim (`src/chat` of the server)
//! moves bytes, commits transactions and answers queries.

#![forbid(unsafe_code)]

pub mod access;
pub mod account;
pub mod chat;
pub mod config;
pub mod context;
pub mod date_time;
pub mod features;
pub mod id;
pub mod jid;
pub mod mls;
pub mod ns;
pub mod rooms;
pub mod sasl;
pub mod session;
pub mod stanza;
pub mod stream;
pub mod stream_management;
pub mod time;
pub mod transaction;
pub mod verification;
pub mod xml;
