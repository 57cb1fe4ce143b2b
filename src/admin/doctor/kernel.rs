//! What the kernel grants: io_uring and descriptors.

use super::Finding;
use crate::config::Config;
use crate::edge::config::IoUring;
use crate::telemetry::process::descriptors_max;

/// Fewer are used up by a few thousand visitors.
const DESCRIPTORS_LOW: u64 = 16_384;
const DESCRIPTORS_MIN: u64 = 256;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    vec![check_descriptors(), check_io_uring(config.http.io_uring)]
}

fn check_descriptors() -> Finding {
    const SUBJECT: &str = "descriptors";
    let fix = "raise it: LimitNOFILE= in the unit, --ulimit nofile= for a container, ulimit -n";
    match descriptors_max() {
        None => Finding::ok(SUBJECT, "no limit"),
        Some(most) => match most {
            ..DESCRIPTORS_MIN => Finding::fail(SUBJECT, format!("only {most}"), fix),
            DESCRIPTORS_MIN..DESCRIPTORS_LOW => Finding::warn(SUBJECT, format!("only {most}"), fix),
            _ => Finding::ok(SUBJECT, format!("{most}")),
        },
    }
}

#[cfg(target_os = "linux")]
fn check_io_uring(wanted: IoUring) -> Finding {
    const SUBJECT: &str = "io_uring";
    const ENTRIES: u32 = 8;
    if wanted == IoUring::Off {
        return Finding::ok(SUBJECT, "switched off in the configuration");
    }
    // As the fast lane asks for it.
    let ring = io_uring::IoUring::<io_uring::squeue::Entry>::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(ENTRIES);
    let Err(error) = ring else { return Finding::ok(SUBJECT, "available") };
    let fix = match error.raw_os_error() {
        Some(libc::EPERM) => {
            "allow it: sysctl kernel.io_uring_disabled=0, and in a container a seccomp profile \
             that permits io_uring; until then tokio carries everything, at a higher cost"
        }
        Some(libc::ENOSYS | libc::EINVAL) => {
            "use Linux 6.1 or later; until then tokio carries everything, at a higher cost"
        }
        Some(libc::ENOMEM) => "raise the limit of locked memory (LimitMEMLOCK=)",
        _ => "until this is solved tokio carries everything, at a higher cost",
    };
    Finding::warn(SUBJECT, error.to_string(), fix)
}

#[cfg(not(target_os = "linux"))]
fn check_io_uring(_wanted: IoUring) -> Finding {
    Finding::ok("io_uring", "not on this system; tokio carries everything")
}
