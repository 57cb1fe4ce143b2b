//! Certificates from an authority by ACME (RFC 8555) with the http-01 challenge (section 8.3).
//!
//! [`AcmeClient::run`] fetches the first certificate, renews it when two thirds of its life are
//! over, and retries failures ever more slowly. Account and certificate live in `data_dir/tls`.

mod http;
mod order;
mod schedule;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::http::AuthorityHttp;
use super::certificates::{ACME_CERTIFICATE, Certificates, FOLDER};
use super::config::TlsConfig;
use super::identity::{CertificateError, Identity};
use super::self_signed::write_private;
use super::server_config::provider;

/// Answers that prove to the authority that a name is ours. The edge serves them at
/// `/.well-known/acme-challenge/<token>` over plain HTTP on port 80.
#[derive(Clone, Debug, Default)]
pub struct ChallengeTokens(Arc<RwLock<HashMap<String, String>>>);

/// Why no certificate came.
#[derive(Debug, Error)]
pub enum AcmeError {
    /// The authority refused, or cannot be reached.
    #[error("{0}")]
    Authority(#[from] instant_acme::Error),
    /// The authority did not find our answer under the name.
    #[error(
        "the authority did not accept {name}: {reason}; it must reach http://{name}/.well-known/acme-challenge/ on port 80 of this server"
    )]
    NotProven {
        /// The name.
        name: String,
        /// What the authority says.
        reason: String,
    },
    /// The authority wants another kind of proof.
    #[error(
        "the authority offers no http-01 challenge for {name}: use another directory or [tls] mode = \"files\""
    )]
    NoHttpChallenge {
        /// The name.
        name: String,
    },
    /// The certificate that came does not name all that was ordered.
    #[error("the authority's certificate does not name all of {names:?}")]
    WrongNames {
        /// The names ordered.
        names: Vec<String>,
    },
    /// A file or the certificate is at fault.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The account's file is damaged.
    #[error("{} is damaged ({source}): remove it, a new account will be made", path.display())]
    AccountFile {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// The roots that the authority's own certificate is checked against cannot be read.
    #[error(
        "no usable root certificates in {place}: {reason}; set [tls] ca_file or install ca-certificates"
    )]
    Roots {
        /// The file, or "the system".
        place: String,
        /// What went wrong.
        reason: String,
    },
}

/// Keeps one certificate fresh.
pub struct AcmeClient {
    directory: String,
    contact: Option<String>,
    names: Vec<String>,
    folder: PathBuf,
    http: AuthorityHttp,
    certificates: Arc<Certificates>,
    tokens: ChallengeTokens,
    /// When to act next.
    due: SystemTime,
    failures: u32,
}

impl AcmeClient {
    /// A client for the certificate that `config` asks for; `certificates` was opened with the
    /// same configuration. Blocks on the disk.
    ///
    /// # Errors
    /// [`AcmeError::Roots`] when the authority's certificate could never be checked.
    pub fn new(
        config: &TlsConfig,
        domain: &str,
        data_dir: &Path,
        certificates: Arc<Certificates>,
        tokens: ChallengeTokens,
    ) -> Result<Self, AcmeError> {
        let folder = data_dir.join(FOLDER);
        let names = config.names(domain);
        let now = SystemTime::now();
        let due = match load_certificate(&folder.join(ACME_CERTIFICATE), &names) {
            Ok(identity) => schedule::renewal_time(identity.validity, schedule::jitter()),
            Err(_) => now,
        };
        Ok(Self {
            directory: config.directory.clone(),
            contact: config.contact.clone(),
            names,
            folder,
            http: AuthorityHttp::new(config.ca_file.as_deref())?,
            certificates,
            tokens,
            due,
            failures: 0,
        })
    }

    /// Fetches and renews for as long as the server runs; dropping the future stops it.
    pub async fn run(mut self) {
        loop {
            let wait = self.step().await;
            tokio::time::sleep(wait).await;
        }
    }

    /// Does what is due now, and returns how long to wait before the next call.
    pub async fn step(&mut self) -> Duration {
        let early = self.due.duration_since(SystemTime::now()).unwrap_or_default();
        if early.is_zero() {
            self.renew().await;
        }
        // The clock may be set, and the machine may sleep: look again now and then.
        let wait = self.due.duration_since(SystemTime::now()).unwrap_or_default();
        wait.min(schedule::LOOK_AGAIN_AFTER)
    }

    /// When the next order is due.
    pub fn due(&self) -> SystemTime {
        self.due
    }

    async fn renew(&mut self) {
        tracing::info!(names = ?self.names, directory = self.directory, "ordering a certificate");
        match self.fetch().await {
            Ok(identity) => {
                self.failures = 0;
                self.due = schedule::renewal_time(identity.validity, schedule::jitter());
                tracing::info!(
                    names = ?self.names,
                    until = httpdate::fmt_http_date(identity.validity.not_after),
                    renewal = httpdate::fmt_http_date(self.due),
                    "certificate received"
                );
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let asked = self.http.take_retry_after();
                let is_limited = is_rate_limit(&error);
                let wait =
                    schedule::retry_wait(self.failures, is_limited, asked, schedule::jitter());
                self.due = SystemTime::now() + wait;
                tracing::error!(
                    %error,
                    failures = self.failures,
                    retry = httpdate::fmt_http_date(self.due),
                    serving_until = httpdate::fmt_http_date(self.certificates.validity().not_after),
                    "no certificate from the authority"
                );
            }
        }
    }

    async fn fetch(&self) -> Result<Identity, AcmeError> {
        let account = match self.account().await {
            Err(AcmeError::Authority(error)) if is_unknown_account(&error) => {
                tracing::warn!("the authority does not know our account any more: making another");
                self.make_account().await?
            }
            outcome => outcome?,
        };
        let pem = order::obtain(&account, &self.names, &self.tokens).await?;
        self.keep(&pem)
    }

    /// Checks the new certificate, stores it and puts it into use.
    fn keep(&self, pem: &str) -> Result<Identity, AcmeError> {
        let candidate = self.folder.join(CANDIDATE);
        write_private(&candidate, pem.as_bytes())?;
        let identity = load_certificate(&candidate, &self.names)?;
        write_private(&self.folder.join(ACME_CERTIFICATE), pem.as_bytes())?;
        // The same bytes stand in the file now; a candidate left behind does no harm.
        let _ = std::fs::remove_file(&candidate);
        self.certificates.reload()?;
        Ok(identity)
    }

    async fn account(&self) -> Result<Account, AcmeError> {
        let path = self.folder.join(ACCOUNT);
        let Ok(content) = std::fs::read(&path) else { return self.make_account().await };
        let stored: StoredAccount = serde_json::from_slice(&content)
            .map_err(|source| AcmeError::AccountFile { path: path.clone(), source })?;
        if stored.directory != self.directory {
            return self.make_account().await;
        }
        let builder = Account::builder_with_http(self.http.boxed());
        let credentials = serde_json::from_value(stored.credentials.clone())
            .map_err(|source| AcmeError::AccountFile { path, source })?;
        let account = builder.from_credentials(credentials).await?;
        // Also tells an account that the authority has forgotten, before an order begins.
        let contact = self.contact_url();
        account.update_contacts(&contact.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        Ok(account)
    }

    async fn make_account(&self) -> Result<Account, AcmeError> {
        let contact = self.contact_url();
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let request = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let (account, credentials) = Account::builder_with_http(self.http.boxed())
            .create(&request, self.directory.clone(), None)
            .await?;
        self.store_account(&credentials)?;
        tracing::info!(directory = self.directory, account = account.id(), "ACME account made");
        Ok(account)
    }

    fn store_account(&self, credentials: &AccountCredentials) -> Result<(), AcmeError> {
        let path = self.folder.join(ACCOUNT);
        let damaged = |source| AcmeError::AccountFile { path: path.clone(), source };
        let stored = StoredAccount {
            directory: self.directory.clone(),
            credentials: serde_json::to_value(credentials).map_err(damaged)?,
        };
        let content = serde_json::to_vec_pretty(&stored).map_err(damaged)?;
        Ok(write_private(&path, &content)?)
    }

    fn contact_url(&self) -> Option<String> {
        self.contact.as_ref().map(|contact| match contact.starts_with("mailto:") {
            true => contact.clone(),
            false => format!("mailto:{contact}"),
        })
    }
}

impl ChallengeTokens {
    /// The body to answer a request for `token` with (`text/plain`); nothing (404) if no
    /// challenge with it is open.
    pub fn get(&self, token: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// Answers `token` until the returned guard is dropped.
    fn open(&self, token: &str, answer: &str) -> OpenChallenge {
        let mut open = self.0.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(token.to_owned(), answer.to_owned());
        OpenChallenge { tokens: self.clone(), token: token.to_owned() }
    }
}

/// A challenge that is being answered.
struct OpenChallenge {
    tokens: ChallengeTokens,
    token: String,
}

impl Drop for OpenChallenge {
    fn drop(&mut self) {
        self.tokens.0.write().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
    }
}

/// The account as kept on disk.
#[derive(Serialize, Deserialize)]
struct StoredAccount {
    directory: String,
    credentials: serde_json::Value,
}

fn load_certificate(path: &Path, names: &[String]) -> Result<Identity, AcmeError> {
    let identity = Identity::load(path, path, &provider(), SystemTime::now())?;
    if !identity.covers(names) {
        return Err(AcmeError::WrongNames { names: names.to_owned() });
    }
    Ok(identity)
}

fn is_rate_limit(error: &AcmeError) -> bool {
    matches!(error, AcmeError::Authority(error) if problem_ends_with(error, ":rateLimited"))
}

fn is_unknown_account(error: &instant_acme::Error) -> bool {
    problem_ends_with(error, ":accountDoesNotExist")
}

fn problem_ends_with(error: &instant_acme::Error, kind: &str) -> bool {
    let instant_acme::Error::Api(problem) = error else { return false };
    problem.r#type.as_deref().is_some_and(|found| found.ends_with(kind))
}

const ACCOUNT: &str = "acme-account.json";
const CANDIDATE: &str = "acme-candidate.pem";
