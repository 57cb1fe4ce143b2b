//! h2load (nghttp2-client) as the HTTP/2 driver: cheaper than any client of our own could be.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;

use crate::error::BenchError;
use crate::load::{Interrupt, Moment, Origin};

/// What a run of h2load says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct H2loadReport {
    pub succeeded: u64,
    pub failed: u64,
    pub body_bytes: u64,
    pub per_second: f64,
}

/// What h2load is asked for.
#[derive(Clone, Copy, Debug)]
pub struct H2loadSpec<'a> {
    pub origin: &'a Origin,
    pub file: &'a str,
    pub connections: usize,
    pub streams: usize,
    pub warm_up: Duration,
    pub duration: Duration,
}

/// Runs h2load for a duration, on the core that this thread is pinned to. `on_moment` is called
/// at the begin and the end of what it counts: handshakes fall into the warm-up before.
///
/// # Errors
/// It fails, a request does, or the run was interrupted.
pub fn run(
    program: &Path,
    spec: H2loadSpec<'_>,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<H2loadReport, BenchError> {
    let child = Command::new(program)
        .arg("--threads=1")
        .arg(format!("--clients={}", spec.connections))
        .arg(format!("--max-concurrent-streams={}", spec.streams))
        .arg(format!("--warm-up-time={}ms", spec.warm_up.as_millis()))
        .arg(format!("--duration={}ms", spec.duration.as_millis()))
        .args(["--npn-list=h2", "--tls13-ciphers=TLS_AES_128_GCM_SHA256"])
        .arg(format!("https://{}/{}", spec.origin.authority, spec.file))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(BenchError::io("starting h2load"))?;
    let mut guard = Guard(child);
    let output = follow(&mut guard.0, interrupt, on_moment)?;
    let refused = |detail: String| BenchError::H2load { detail };
    let report = parse(&output).ok_or_else(|| refused(format!("unknown report {output:?}")))?;
    if report.failed > 0 || (report.succeeded == 0 && report.body_bytes == 0) {
        return Err(refused(format!("{} answers, {} failed", report.succeeded, report.failed)));
    }
    Ok(report)
}

/// Reads what h2load says until it ends, and tells the moments as its lines come.
fn follow(
    child: &mut Child,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<String, BenchError> {
    let failed = |error: io::Error| BenchError::io("reading h2load")(error);
    let Some(stdout) = &mut child.stdout else { return Ok(String::new()) };
    let (mut output, mut told) = (String::new(), 0);
    let mut chunk = [0; 4096];
    loop {
        interrupt.check()?;
        let mut descriptors = [PollFd::new(stdout, PollFlags::IN)];
        if poll(&mut descriptors, Some(&POLL_INTERVAL)).map_err(|errno| failed(errno.into()))? == 0
        {
            continue;
        }
        let bytes = stdout.read(&mut chunk).map_err(failed)?;
        if bytes == 0 {
            return Ok(output);
        }
        output.push_str(&String::from_utf8_lossy(&chunk[..bytes]));
        while let Some(end) = output[told..].find('\n') {
            let line = &output[told..told + end];
            told += end + 1;
            if line.starts_with(MAIN_BEGINS) {
                on_moment(Moment::Begin);
            } else if line.starts_with(MAIN_ENDS) {
                on_moment(Moment::End);
            }
        }
    }
}

/// Ends h2load when a run is left early.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It has ended in the ordinary case, and then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn parse(output: &str) -> Option<H2loadReport> {
    let line = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    let requests = line("requests:")?;
    let before = |text: &str, word: &str| -> Option<u64> {
        let part = text.split(',').find(|part| part.trim().ends_with(word))?;
        part.split_ascii_whitespace().next()?.parse().ok()
    };
    let answers = line("status codes:")?;
    let unwanted: u64 = ["3xx", "4xx", "5xx"].iter().filter_map(|kind| before(answers, kind)).sum();
    let (_, data) = line("traffic:")?.rsplit_once('(')?;
    let (_, rate) = line("finished in")?.split_once(", ")?;
    Some(H2loadReport {
        succeeded: before(requests, "succeeded")?,
        failed: before(requests, "failed")? + unwanted,
        body_bytes: data.split(')').next()?.parse().ok()?,
        per_second: rate.split_ascii_whitespace().next()?.parse().ok()?,
    })
}

const MAIN_BEGINS: &str = "Main benchmark duration is started";
const MAIN_ENDS: &str = "Main benchmark duration is over";
/// How soon an interrupt is noticed.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_report() {
        let output = "starting benchmark...\n\
            finished in 1.01s, 23660.00 req/s, 23.83MB/s\n\
            requests: 23660 total, 23740 started, 23660 done, 23660 succeeded, 2 failed, 0 errored, 0 timeout\n\
            status codes: 23660 2xx, 0 3xx, 1 4xx, 0 5xx\n\
            traffic: 23.83MB (24986088) total, 324.34KB (332128) headers (space savings 92.61%), 23.11MB (24227840) data\n";
        let expected = H2loadReport {
            succeeded: 23_660,
            failed: 3,
            body_bytes: 24_227_840,
            per_second: 23_660.0,
        };
        assert_eq!(parse(output), Some(expected));
        assert_eq!(parse("requests: none"), None);
    }
}
