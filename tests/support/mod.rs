//! What tests that speak to a whole server share: starting one, and raw connections to it.
#![allow(dead_code, reason = "each test program uses its own part of it")]

pub mod door;
pub mod site;
pub mod tls;
pub mod wire;

use std::thread;
use std::time::{Duration, Instant};

/// Waits until something holds; only a failing test waits long.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let gives_up = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < gives_up, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
