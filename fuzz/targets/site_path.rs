//! Paths of requests (RFC 3986): decoded once, inside the root, never a hidden file, and a
//! redirect leads to the same path on this server.
#![no_main]

use std::path::Component;

use libfuzzer_sys::fuzz_target;
use whimbrel::edge::site::decode_path;

fuzz_target!(|raw: &str| {
    let Ok(path) = decode_path(raw) else { return };
    let mut components = path.as_path().components();
    assert!(components.all(|part| matches!(part, Component::Normal(_))), "{path:?}");
    let decoded = path.to_bytes();
    assert!(decoded.starts_with(b"/") && !decoded.starts_with(b"//"));
    assert!(!decoded.contains(&0));
    let mut names = decoded.split(|byte| *byte == b'/');
    assert!(names.all(|name| !name.starts_with(b".") || name == b".well-known"), "{path:?}");

    let location = path.folder_location();
    assert!(location.starts_with('/') && location.ends_with('/'));
    assert!(!location.starts_with("//") && !location.contains('\\'));
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
    let again = decode_path(&location).expect("our own location is valid");
    assert_eq!(again.as_path(), path.as_path());
    assert_eq!(again.folder_location(), location);
});
