//! The data folder: whose it is, how much room it has, how fast it syncs.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::HumanBytes;

use super::Finding;

const FREE_BYTES_LOW: u64 = 1 << 30;
const FREE_BYTES_MIN: u64 = 64 << 20;
const FREE_FILES_LOW: u64 = 10_000;
/// Above this each acknowledged upload waits noticeably.
const SYNC_SLOW: Duration = Duration::from_millis(30);
const SYNCS: usize = 15;
const SYNC_BYTES: usize = 4096;
const OTHERS_MODE: u32 = 0o077;

pub(super) fn check(data_dir: &Path) -> Vec<Finding> {
    // Before the first start there is no folder yet: its disk is that of the folder above.
    let folder = existing(data_dir);
    let mut findings = vec![check_owner(data_dir)];
    findings.extend(check_room(&folder));
    findings.push(check_sync(&folder));
    findings
}

fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn check_owner(data_dir: &Path) -> Finding {
    let subject = format!("data_dir {}", data_dir.display());
    let Ok(metadata) = data_dir.metadata() else {
        return Finding::ok(subject, "it will be made at the first start");
    };
    let user = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o777;
    if metadata.uid() != user && user != 0 {
        let evidence = format!("it belongs to user {}, this is user {user}", metadata.uid());
        let fix = format!("chown it to user {user}, or run as its owner");
        Finding::fail(subject, evidence, fix)
    } else if mode & OTHERS_MODE != 0 {
        let evidence = format!("others may look into it (mode {mode:o})");
        Finding::warn(subject, evidence, format!("chmod 700 {}", data_dir.display()))
    } else {
        Finding::ok(subject, "only its owner may look into it")
    }
}

fn check_room(folder: &Path) -> Vec<Finding> {
    let disk = match rustix::fs::statvfs(folder) {
        Ok(disk) => disk,
        Err(error) => {
            let fix = "correct data_dir, or mount its disk";
            return vec![Finding::fail("disk", format!("cannot be measured: {error}"), fix)];
        }
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let evidence = format!("{} free", HumanBytes(free));
    let fix = "free some, or move data_dir to a larger disk";
    let room = match free {
        ..FREE_BYTES_MIN => Finding::fail("disk", evidence, fix),
        FREE_BYTES_MIN..FREE_BYTES_LOW => Finding::warn("disk", evidence, fix),
        _ => Finding::ok("disk", evidence),
    };
    let mut findings = vec![room];
    // Some file systems make inodes as they go and count none.
    if disk.f_files > 0 && disk.f_favail < FREE_FILES_LOW {
        let evidence = format!("only {} more files fit", disk.f_favail);
        findings.push(Finding::warn("disk", evidence, fix));
    }
    findings
}

fn check_sync(folder: &Path) -> Finding {
    const SUBJECT: &str = "fsync";
    match median_sync(folder) {
        Ok(median) => {
            let evidence = format!("{:.2} ms, median of {SYNCS}", median.as_secs_f64() * 1e3);
            match median > SYNC_SLOW {
                true => Finding::warn(
                    SUBJECT,
                    evidence,
                    "each upload waits for this; put data_dir on a faster disk",
                ),
                false => Finding::ok(SUBJECT, evidence),
            }
        }
        Err(error) => {
            let fix = match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space",
                _ => "give this user a data_dir that it may write to",
            };
            Finding::fail(SUBJECT, format!("{}: {error}", folder.display()), fix)
        }
    }
}

fn median_sync(folder: &Path) -> std::io::Result<Duration> {
    let path = folder.join(format!(".whimbrel-doctor-{}", std::process::id()));
    let mut file = std::fs::File::create_new(&path)?;
    let mut measure = || {
        let begun = Instant::now();
        file.write_all(&[0; SYNC_BYTES])?;
        file.sync_data()?;
        Ok(begun.elapsed())
    };
    let times: std::io::Result<Vec<Duration>> = (0..SYNCS).map(|_| measure()).collect();
    std::fs::remove_file(&path)?;
    let mut times = times?;
    times.sort();
    Ok(times[SYNCS / 2])
}
