//! HTTP/1 heads (RFC 9112): a head means the same however it arrives, and nothing behind it
//! changes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::edge::http1::{FIELDS_MAX, HEAD_BYTES_MAX, Head, parse};
use whimbrel::edge::request::{Method, Version, valid_host};

const PIECES_MAX: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    let Ok(Head::Complete { request, head_len }) = &whole else {
        if let Err(malformed) = whole {
            assert!(matches!(malformed.status, 400 | 414 | 417 | 431 | 501 | 505));
        }
        return;
    };
    assert!(*head_len <= bytes.len().min(HEAD_BYTES_MAX));
    assert!(bytes[..*head_len].ends_with(b"\n"));
    let lines = bytes[..*head_len].iter().filter(|byte| **byte == b'\n').count();
    let empty_lines = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    assert!(lines <= FIELDS_MAX + empty_lines + 2);

    let is_asterisk = request.path == "*" && request.method == Method::Options;
    assert!(request.path.starts_with('/') || is_asterisk, "{request:?}");
    assert!(!request.path.contains('?'));
    match request.host {
        // RFC 9112 3.2: a target without authority has an empty Host.
        Some(host) => assert!(host.is_empty() || valid_host(host) == Some(host)),
        None => assert_eq!(request.version, Version::Http10),
    }

    let expected = format!("{request:?} {head_len}");
    let alone = parse(&bytes[..*head_len]);
    assert_eq!(describe(&alone), Some(expected), "what follows a head changed it");
    // Bytes arrive in pieces: a beginning is never taken for a whole head, and never refused.
    for end in (0..*head_len).step_by(head_len.div_ceil(PIECES_MAX)) {
        assert!(matches!(parse(&bytes[..end]), Ok(Head::Partial)), "refused at {end}");
    }
});

fn describe(head: &Result<Head<'_>, whimbrel::edge::request::Malformed>) -> Option<String> {
    match head {
        Ok(Head::Complete { request, head_len }) => Some(format!("{request:?} {head_len}")),
        _ => None,
    }
}
