//! The clock: sane, synchronised, and that of the disk.

#![allow(unsafe_code)]

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Finding;

/// 2025-01-01: this program is younger.
const UNIX_SECONDS_MIN: u64 = 1_735_689_600;
/// 2100-01-01.
const UNIX_SECONDS_MAX: u64 = 4_102_444_800;
/// Certificates and tokens bear this much.
const DISK_SKEW_MAX: Duration = Duration::from_secs(5);

pub(super) fn check(data_dir: &Path) -> Vec<Finding> {
    let mut findings = vec![check_time()];
    findings.extend(check_disk(data_dir));
    findings
}

fn check_time() -> Finding {
    const SUBJECT: &str = "clock";
    const FIX: &str = "run an NTP client (timedatectl set-ntp true)";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if !(UNIX_SECONDS_MIN..UNIX_SECONDS_MAX).contains(&now) {
        let evidence = format!("it says {}", httpdate::fmt_http_date(SystemTime::now()));
        return Finding::fail(SUBJECT, evidence, FIX);
    }
    match is_synchronised() {
        Some(true) => Finding::ok(SUBJECT, "synchronised"),
        Some(false) => {
            Finding::warn(SUBJECT, "the kernel is not told that it is synchronised", FIX)
        }
        None => Finding::ok(SUBJECT, "its year is sane; its synchronisation cannot be asked"),
    }
}

/// Times on a NAS are the NAS's.
fn check_disk(data_dir: &Path) -> Option<Finding> {
    let path = data_dir.join(format!(".whimbrel-doctor-clock-{}", std::process::id()));
    let before = SystemTime::now();
    let file = std::fs::File::create_new(&path).ok()?;
    let written = file.metadata().and_then(|metadata| metadata.modified());
    let _ = std::fs::remove_file(&path);
    let written = written.ok()?;
    let skew = written.duration_since(before).unwrap_or_else(|error| error.duration());
    (skew > DISK_SKEW_MAX).then(|| {
        let evidence = format!("data_dir's clock is {} s off", skew.as_secs());
        Finding::warn("clock of the disk", evidence, "synchronise the NAS's clock as well")
    })
}

/// adjtimex(2) with no change asked; `None` where it is forbidden.
#[cfg(target_os = "linux")]
fn is_synchronised() -> Option<bool> {
    // SAFETY: `timex` consists of integers, for which zero is a value; modes = 0 asks only.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, writable timex for the duration of the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    (state >= 0).then_some(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_synchronised() -> Option<bool> {
    None
}
