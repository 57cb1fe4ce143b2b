//! The machine of a run, as far as it explains the numbers.

use std::fs;
use std::time::SystemTime;

/// What the reader of a report must know of the machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    /// Load average over a minute, before the run: other work moves the numbers.
    pub load: String,
    /// Date and time, RFC 9110 form.
    pub date: String,
    /// The command as it was given.
    pub command: String,
}

impl Machine {
    /// Reads `/proc`; what is not there is "unknown".
    pub fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim());
        let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: model.unwrap_or(UNKNOWN).to_owned(),
            // Not those left to this thread, which is pinned.
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: first_word(&kernel),
            load: first_word(&loads),
            date: httpdate::fmt_http_date(SystemTime::now()),
            command: command(),
        }
    }
}

fn first_word(text: &str) -> String {
    text.split_ascii_whitespace().next().unwrap_or(UNKNOWN).to_owned()
}

/// The arguments; the program by its name alone, as its folder says nothing to others.
fn command() -> String {
    let arguments = std::env::args().skip(1);
    std::iter::once("whimbrel-bench".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

const UNKNOWN: &str = "unknown";
