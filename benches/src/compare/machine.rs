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

/// The command as it was given.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    without_folders(&format!("whimbrel-bench {}", arguments.join(" ")))
}

/// A text with each absolute path cut to its last name: folders of one machine say nothing to
/// others.
pub fn without_folders(text: &str) -> String {
    let shortened = |word: &str| match word.find('/') {
        Some(start) if start == 0 || matches!(word.as_bytes()[start - 1], b'=' | b'"' | b'(') => {
            let end = word.rfind('/').map_or(start, |last| last + 1);
            format!("{}{}", &word[..start], &word[end..])
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(shortened).collect::<Vec<_>>().join(" ")
}

const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(without_folders(text), expected);
    }

    #[test]
    fn folders_are_left_out() {
        check("--html /home/me/x.html -n 1", "--html x.html -n 1");
        check("--whimbrel=/opt/whimbrel", "--whimbrel=whimbrel");
        check("\"/var/x\" is (/var/y)", "\"x\" is (y)");
        check("served 1.2GiB/s of target/compare.html", "served 1.2GiB/s of target/compare.html");
    }
}
