//! What the server says of itself: log lines by `tracing`, and metrics.
//!
//! Log lines go to stderr. They carry ids, addresses, sizes and times; never a token, a key, a
//! password or a body. `WHIMBREL_LOG` overrides `[log] level`.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

pub mod health;
pub mod metrics;
pub mod process;

/// The environment variable whose filter replaces `[log] level`.
pub const LEVEL_VARIABLE: &str = "WHIMBREL_LOG";

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// How lines are written.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or a filter such as
    /// `info,whimbrel::edge=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people where stderr is a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("{source_name} = {filter:?} is not a log filter: {reason}")]
    Filter {
        /// Where the filter was written: `level` or the variable's name.
        source_name: &'static str,
        /// What was written.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The process has a subscriber already.
    #[error("logging is set up already")]
    Twice,
}

/// Changes the filter of a running process.
pub struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Logging {
    /// Puts `config`'s level in force; its format cannot change while the process runs.
    pub fn reload(&self, config: &LogConfig) -> Result<(), LogError> {
        let filter = filter_of(config)?;
        self.filter.reload(filter).map_err(|_| LogError::Twice)
    }
}

/// Sets up logging for the whole process.
pub fn init(config: &LogConfig) -> Result<Logging, LogError> {
    let (filter, handle) = reload::Layer::new(filter_of(config)?);
    let on_terminal = std::io::stderr().is_terminal();
    let human = match config.format {
        LogFormat::Auto => on_terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let lines = if human {
        fmt::layer().with_ansi(on_terminal).with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|_| LogError::Twice)?;
    Ok(Logging { filter: handle })
}

/// Says whether `level` would be accepted.
pub fn check_level(level: &str) -> Result<(), LogError> {
    parse_filter("level", level).map(drop)
}

fn filter_of(config: &LogConfig) -> Result<EnvFilter, LogError> {
    match std::env::var(LEVEL_VARIABLE) {
        Ok(filter) if !filter.is_empty() => parse_filter(LEVEL_VARIABLE, &filter),
        _ => parse_filter("level", &config.level),
    }
}

fn parse_filter(source_name: &'static str, filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(filter).map_err(|error| LogError::Filter {
        source_name,
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_a_filter_is_accepted() {
        for level in ["info", "warn,whimbrel::edge=trace", "off"] {
            assert!(check_level(level).is_ok(), "{level}");
        }
        assert!(check_level("whimbrel=loud").is_err());
    }
}
