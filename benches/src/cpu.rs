//! Cores and CPU time: pinning, and what a process has used, from the kernel's own account.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::BenchError;
use crate::process;

/// CPU time of a process tree up to one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTime {
    /// User and system time of all threads, ended ones included, in nanoseconds.
    pub total_ns: u64,
    /// The user part, in clock ticks (10 ms).
    pub user_ticks: u64,
    /// The system part, in clock ticks (10 ms).
    pub system_ticks: u64,
}

impl CpuTime {
    /// What `root` and its descendants have used so far.
    ///
    /// # Errors
    /// The process is gone.
    pub fn of_tree(root: u32) -> Result<Self, BenchError> {
        let mut sum = Self::default();
        for pid in process::tree(root) {
            // A child that ends between the listing and here has nothing more to tell.
            match Self::of_process(pid) {
                Ok(time) => sum = sum.plus(time),
                Err(error) if pid == root => return Err(error),
                Err(_) => {}
            }
        }
        Ok(sum)
    }

    /// The time between `earlier` and this.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            total_ns: self.total_ns.saturating_sub(earlier.total_ns),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }

    /// The part spent outside the kernel, 0 to 1; `None` when less than a few ticks passed.
    pub fn user_share(self) -> Option<f64> {
        let ticks = self.user_ticks + self.system_ticks;
        (ticks >= SHARE_TICKS_MIN).then(|| self.user_ticks as f64 / ticks as f64)
    }

    /// What was used in `elapsed`, and for each of `count` pieces of work.
    pub fn line(self, elapsed: Duration, unit: &str, count: u64) -> String {
        let share =
            self.user_share().map_or(String::new(), |x| format!(", {:.0} % user", x * 100.0));
        format!(
            "{:.3} s ({:.0} % of a core{share}): {:.2} µs per {unit}",
            self.total_ns as f64 / 1e9,
            self.total_ns as f64 / 1e7 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE),
            self.total_ns as f64 / 1e3 / count.max(1) as f64,
        )
    }

    fn of_process(pid: u32) -> Result<Self, BenchError> {
        let total_ns = process_clock_ns(pid).map_err(BenchError::io(format!("clock of {pid}")))?;
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).map_err(BenchError::file(&path))?;
        let (user_ticks, system_ticks) = parse_stat_ticks(&stat).unwrap_or_default();
        Ok(Self { total_ns, user_ticks, system_ticks })
    }

    /// Both times together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            total_ns: self.total_ns + other.total_ns,
            user_ticks: self.user_ticks + other.user_ticks,
            system_ticks: self.system_ticks + other.system_ticks,
        }
    }
}

/// Binds this thread, and what it starts from now on, to one core.
///
/// # Errors
/// The machine has no such core, or it is not ours to use.
pub fn pin_current_thread(core: usize) -> Result<(), BenchError> {
    if core >= CpuSet::MAX_CPU {
        let detail = format!("there is no core {core}");
        return Err(BenchError::Option { option: "cpu", detail });
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
        .map_err(|errno| BenchError::io(format!("pinning to core {core}"))(errno.into()))
}

/// A process's CPU clock, clock_getcpuclockid(3): nanoseconds, all threads, also ended ones.
///
/// `/proc/PID/stat` counts in ticks of 10 ms and `/proc/PID/task/*/schedstat` forgets the threads
/// that have ended, which pools of blocking threads do all the time.
fn process_clock_ns(pid: u32) -> io::Result<u64> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is valid for a write for the whole call.
    let failed = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` is valid for a write for the whole call.
    if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled `time`.
    let time = unsafe { time.assume_init() };
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// utime and stime of a `/proc/PID/stat` line, proc_pid_stat(5) fields 14 and 15.
///
/// The command's name, field 2, may hold blanks and brackets; fields are counted after its end.
fn parse_stat_ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Below this the split into user and system is mostly the ticks' rounding.
const SHARE_TICKS_MIN: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted_after_the_name() {
        let plain = "7 (nginx) S 1 7 7 0 -1 4194304 90 0 0 0 123 456 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_stat_ticks(plain), Some((123, 456)));
        let nasty = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 123 456 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_stat_ticks(nasty), Some((123, 456)));
        assert_eq!(parse_stat_ticks("7 (nginx) S 1"), None);
    }

    #[test]
    fn own_time_grows_and_counts_ended_threads() {
        let pid = std::process::id();
        let before = CpuTime::of_tree(pid).unwrap();
        let spin = || (0..30_000_000_u64).fold(1, |sum, x| std::hint::black_box(sum ^ x));
        std::thread::spawn(spin).join().unwrap();
        let used = CpuTime::of_tree(pid).unwrap().since(before);
        assert!(used.total_ns > 1_000_000, "{used:?}");
    }

    #[test]
    fn shares_need_enough_ticks() {
        let time = |user_ticks, system_ticks| CpuTime { total_ns: 0, user_ticks, system_ticks };
        assert_eq!(time(5, 95).user_share(), Some(0.05));
        assert_eq!(time(1, 2).user_share(), None);
    }
}
