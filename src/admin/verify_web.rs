//! `whimbrel verify-web URL`: is a server's web app the one that is part of this program?
//!
//! A server could give its users an app that tells their keys. All that the app's page names is part
//! of the program and compared, and its policy lets it run nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_SECURITY_POLICY;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use rustls::crypto::CryptoProvider;

use crate::edge::app::{self, AppFile};
use crate::http_client::{ExchangeError, HttpClient, RootsError, Schemes};

/// How long a server may take for one file.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// What to compare.
#[derive(Debug, Args)]
pub struct VerifyWeb {
    /// Where the app is served: https://example.org
    #[arg(value_name = "URL")]
    pub url: Uri,
    /// Trust the certificates of this file in place of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Why nothing was compared, or what differs.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// This program has no app.
    #[error("this program was built without the web app; take one that has it")]
    NoApp,
    /// No thread, no descriptor.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// Certificates cannot be checked.
    #[error("{0}")]
    Roots(#[from] RootsError),
    /// The URL is not that of a server.
    #[error("{0} is not the address of a server; name it like https://example.org")]
    Url(Uri),
    /// The server does not answer.
    #[error("{path}: {reason}")]
    Exchange {
        /// The file that was asked for.
        path: &'static str,
        /// What went wrong.
        reason: ExchangeError,
    },
    /// It is another app.
    #[error("{} of {count} files differ: another version of the app, or one that was changed", differences.len())]
    Differs {
        /// Files that were compared.
        count: usize,
        /// Those that are not the same.
        differences: Vec<&'static str>,
    },
}

/// Compares the app that a server gives with `files`. Says each that differs, and returns how
/// many were compared.
///
/// # Errors
/// [`VerifyError`].
pub fn run(what: VerifyWeb, files: &[AppFile]) -> Result<usize, VerifyError> {
    if files.is_empty() {
        return Err(VerifyError::NoApp);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(what, files, provider))
}

async fn compare(
    what: VerifyWeb,
    files: &[AppFile],
    provider: Arc<CryptoProvider>,
) -> Result<usize, VerifyError> {
    let client = HttpClient::new(provider, what.ca_file.as_deref(), Schemes::HttpAndHttps)?;
    let mut differences = Vec::new();
    let page = files.iter().find(|file| file.path == app::PAGE).ok_or(VerifyError::NoApp)?;
    let root = AppFile { path: "/", ..*page };
    for file in [&root].into_iter().chain(files) {
        let url = url_of(&what.url, file.path).ok_or_else(|| VerifyError::Url(what.url.clone()))?;
        let request = Request::get(url).body(Empty::<Bytes>::new());
        let request = request.map_err(|_| VerifyError::Url(what.url.clone()))?;
        let answer = client.exchange(request, ANSWER_TIME).await;
        let answer = answer.map_err(|reason| VerifyError::Exchange { path: file.path, reason })?;
        if !is_same(&answer, file) {
            println!("{}: differs", file.path);
            differences.push(file.path);
        }
    }
    let count = files.len() + 1;
    match differences.is_empty() {
        true => Ok(count),
        false => Err(VerifyError::Differs { count, differences }),
    }
}

fn is_same(answer: &Response<Bytes>, file: &AppFile) -> bool {
    let policy = answer.headers().get(CONTENT_SECURITY_POLICY);
    answer.status() == StatusCode::OK
        && answer.body() == file.identity
        && policy.is_some_and(|policy| policy == app::POLICY)
}

/// The address of a path on the server that `base` names.
fn url_of(base: &Uri, path: &'static str) -> Option<Uri> {
    let mut parts = base.clone().into_parts();
    if parts.path_and_query.as_ref().is_some_and(|path| path != "/") {
        return None;
    }
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    Uri::from_parts(parts).ok().filter(|url| url.authority().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, expected: Option<&str>) {
        let url = url_of(&base.parse().unwrap(), "/index.html").map(|url| url.to_string());
        assert_eq!(url.as_deref(), expected, "{base}");
    }

    #[test]
    fn addresses() {
        check("https://example.org", Some("https://example.org/index.html"));
        check("http://localhost:8080/", Some("http://localhost:8080/index.html"));
        check("https://example.org/app", None);
        check("/index.html", None);
    }
}
