//! The forwarding core of Whimbrel's calls: time and packets go in, packets and events come out.
//!
//! Nothing here knows a socket, a thread or a clock, nor encryption: the rim (`src/call` of the
//! server) gives decrypted packets and encrypts what comes out.

#![forbid(unsafe_code)]

pub mod codec;
pub mod rtcp;
pub mod rtp;
pub mod time;
