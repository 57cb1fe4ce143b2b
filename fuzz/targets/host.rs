//! Hosts (RFC 3986 3.2.2): the name alone, without port, nothing that could leave it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::edge::request::valid_host;

fuzz_target!(|authority: &str| {
    let Some(host) = valid_host(authority) else { return };
    assert!(!host.is_empty() && authority.starts_with(host));
    assert!(!host.contains(['/', '\\', '@', '?', '#', ' ', '\r', '\n', '\0']));
    assert_eq!(valid_host(host), Some(host));
    let port = &authority[host.len()..];
    assert!(port.is_empty() || port.starts_with(':'));
    assert!(host.starts_with('[') || !host.contains(':'));
});
