//! STUN (RFC 8489) from strangers: nothing panics, nothing of it is proven without the password, and what we
//! write is read as it was meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::call::stun::{
    BindingRequest, RESPONSE_BYTES_MAX, key_of, write_request, write_role_conflict, write_success,
};

fuzz_target!(|bytes: &[u8]| {
    let key = key_of("a password that nobody knows");
    let Ok(request) = BindingRequest::parse(bytes) else { return };
    assert!(!request.is_signed_by(&key));
    assert!(request.local_ufrag().len() <= request.username.len());
    let mapped = ([192, 0, 2, 1], u16::from(bytes[bytes.len() - 1])).into();
    let mut out = Vec::new();
    write_success(request.transaction, mapped, &key, &mut out);
    assert!(out.len() <= RESPONSE_BYTES_MAX);
    out.clear();
    write_role_conflict(request.transaction, &key, &mut out);
    assert!(out.len() <= RESPONSE_BYTES_MAX);
    out.clear();
    if let Ok(username) = std::str::from_utf8(request.username) {
        write_request(request.transaction, username, request.use_candidate, &key, &mut out);
        if let Ok(again) = BindingRequest::parse(&out) {
            assert!(again.is_signed_by(&key));
            assert_eq!(again.username, request.username);
            assert_eq!(again.use_candidate, request.use_candidate);
        }
    }
});
