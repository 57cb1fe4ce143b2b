//! TLS sessions (RFC 8446, RFC 5246): what was not sent is never opened, and nothing piles up.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| whimbrel::edge::tls::fuzz_session(data));
