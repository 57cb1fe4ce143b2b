//! `whimbrel doctor`: tries what the server needs from this machine, and says the fix.

use std::fmt;

use super::client;
use super::data::DataDir;
use crate::config::Config;

mod certificate;
mod clock;
mod disk;
mod kernel;
mod network;

pub use network::bind_advice;

/// What one check found.
#[derive(Debug, Clone)]
pub struct Finding {
    subject: String,
    verdict: Verdict,
    evidence: String,
    fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn ok(subject: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict: Verdict::Ok, evidence: evidence.into(), fix: None }
    }

    fn warn(
        subject: impl Into<String>,
        evidence: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Warn, fix: Some(fix.into()), ..Self::ok(subject, evidence) }
    }

    fn fail(
        subject: impl Into<String>,
        evidence: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(subject, evidence, fix) }
    }

    /// Whether the server cannot serve like this.
    pub fn is_failure(&self) -> bool {
        self.verdict == Verdict::Fail
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        write!(f, "{verdict:4}  {}: {}", self.subject, self.evidence)?;
        match &self.fix {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}

/// Every check, in the order of what a first start needs.
pub fn examine(config: &Config) -> Vec<Finding> {
    let data = DataDir::new(&config.data_dir);
    let is_served = data.is_served();
    let mut findings = vec![Finding::ok("configuration", "it parses and agrees with itself")];
    if is_served {
        findings.push(health(config));
    }
    findings.extend(disk::check(data.root()));
    findings.extend(network::check_ports(config, is_served));
    findings.push(network::check_name(&config.domain));
    findings.extend(certificate::check(config));
    findings.extend(clock::check(data.root()));
    findings.extend(kernel::check(config));
    findings
}

/// Whether the running server's parts all serve.
pub fn health(config: &Config) -> Finding {
    const SUBJECT: &str = "server";
    let parts = match client::status(&DataDir::new(&config.data_dir)) {
        Ok(parts) => parts,
        Err(error) => {
            return Finding::fail(SUBJECT, error.to_string(), "start it by `whimbrel serve`");
        }
    };
    let failing: Vec<&str> =
        parts.iter().map(String::as_str).filter(|part| !part.ends_with(": serving")).collect();
    match failing.is_empty() {
        true => Finding::ok(SUBJECT, format!("{} parts serve", parts.len())),
        false => Finding::fail(SUBJECT, failing.join(", "), "see its log"),
    }
}
