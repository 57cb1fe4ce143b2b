//! `Accept-Encoding` (RFC 9110 12.5.3): only what lies ready is chosen, and nothing refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::edge::encoding::{Encoding, negotiate};

fuzz_target!(|input: (u8, &[u8])| {
    let (ready, header) = input;
    let available = || {
        let bit = |encoding: &Encoding| 1_u8 << (*encoding as u8);
        Encoding::ALL.into_iter().filter(move |encoding| ready & bit(encoding) != 0)
    };
    let chosen = negotiate(Some(header), available());
    if let Some(chosen) = chosen {
        assert!(available().any(|encoding| encoding == chosen));
        let lower = header.to_ascii_lowercase();
        let is_named = |name: &str| lower.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(is_named(chosen.name()) || is_named("*") || is_named("x-gzip"));
        // The choice does not depend on what was not chosen.
        assert_eq!(negotiate(Some(header), std::iter::once(chosen)), Some(chosen));
    }
    assert_eq!(negotiate(Some(header), std::iter::empty()), None);
});
