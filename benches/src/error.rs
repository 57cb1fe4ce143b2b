//! What can go wrong in a measurement, with its evidence.

use std::io;
use std::path::PathBuf;

/// Why a run could not be made or must not be believed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{text:?} is not {wanted}")]
    Parse { text: String, wanted: &'static str },
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("TLS set-up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("all addresses must share scheme, host and port: {first} and {other}")]
    MixedOrigins { first: String, other: String },
    #[error("{authority} has no address")]
    NoAddress { authority: String },
    #[error("{errors} of {requests} requests failed: {detail}")]
    Failed { errors: u64, requests: u64, detail: String },
    #[error("no request was answered within {seconds:.1} s")]
    Silent { seconds: f64 },
    #[error("{opened} of {wanted} connections opened: {detail}")]
    Connections { opened: usize, wanted: usize, detail: String },
    #[error("{done} of {wanted} logins done: {detail}")]
    Logins { done: usize, wanted: usize, detail: String },
    #[error("of {sent} messages: {detail}")]
    Delivery { sent: u64, detail: String },
    #[error("{what}: {answer}")]
    Refused { what: &'static str, answer: String },
    #[error("MLS: {0}")]
    Mls(#[from] mls_client::Error),
    #[error("an account was refused: {detail}")]
    Registration { detail: String },
    #[error("{accounts} accounts are given and {wanted} are needed")]
    Accounts { accounts: usize, wanted: usize },
    #[error("{server} ended or did not answer within {seconds} s: {log}")]
    NotReady { server: &'static str, seconds: u64, log: String },
    #[error("no process listens on port {port}")]
    NoListener { port: u16 },
    #[error("h2load: {detail}")]
    H2load { detail: String },
    #[error("{wanted} descriptors are needed and the limit is {limit}")]
    Descriptors { wanted: u64, limit: u64 },
    #[error("--{option}: {detail}")]
    Option { option: &'static str, detail: String },
    #[error("interrupted")]
    Interrupted,
}

impl BenchError {
    /// Names the operation that an I/O error broke.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Names the file that an I/O error broke.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
