//! The configuration: each part's own section, put together.
//!
//! Without a file the defaults serve on localhost. Unknown keys are mistakes; all mistakes are
//! named at once, each with its line. Relative paths are relative to the file's folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::admin::{AdminConfig, DataDir};
use crate::call::config::CallConfig;
use crate::chat::accounts::command::Desk;
use crate::chat::config::XmppConfig;
use crate::chat::gateway::VerificationConfig;
use crate::chat::previews::PreviewsConfig;
use crate::chat::push::PushConfig;
use crate::chat::storage::StoreConfig;
use crate::edge::access_log::AccessLogConfig;
use crate::edge::app::WebConfig;
use crate::edge::config::HttpConfig;
use crate::edge::site::SiteConfig;
use crate::telemetry::LogConfig;
use crate::tls::TlsConfig;
use media_store::StoreConfig as MediaConfig;

mod check;
mod document;

pub use document::{Lines, Problem};

use document::Document;

/// Read where no file is named, if it is there.
pub const FILE_DEFAULT: &str = "config.toml";
/// A larger file is refused: it is no configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the server is told before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The name this server answers to.
    pub domain: String,
    /// Where everything is kept that must survive a restart.
    pub data_dir: PathBuf,
    /// `[runtime]`.
    pub runtime: RuntimeConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[tls]`.
    pub tls: TlsConfig,
    /// Each `[[site]]`.
    pub sites: Vec<SiteConfig>,
    /// `[web]`.
    pub web: WebConfig,
    /// `[verification]`.
    pub verification: VerificationConfig,
    /// `[xmpp]`.
    pub xmpp: XmppConfig,
    /// `[call]`.
    pub call: CallConfig,
    /// `[push]`.
    pub push: PushConfig,
    /// `[previews]`.
    pub previews: PreviewsConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[media]`.
    pub media: MediaConfig,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[access_log]`.
    pub access_log: AccessLogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domain: "localhost".to_owned(),
            data_dir: "data".into(),
            runtime: RuntimeConfig::default(),
            http: HttpConfig::default(),
            tls: TlsConfig::default(),
            sites: vec![SiteConfig::default()],
            web: WebConfig::default(),
            verification: VerificationConfig::default(),
            xmpp: XmppConfig::default(),
            call: CallConfig::default(),
            push: PushConfig::default(),
            previews: PreviewsConfig::default(),
            store: StoreConfig::default(),
            media: MediaConfig::default(),
            admin: AdminConfig::default(),
            log: LogConfig::default(),
            access_log: AccessLogConfig::default(),
        }
    }
}

/// `[runtime]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// Fast lanes; 0: one per core.
    pub edge_threads: usize,
    /// Threads that carry calls; 0: one per core. This version has one.
    pub media_threads: usize,
    /// How long connections may go on after the order to stop, in seconds.
    pub drain_timeout_s: u32,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self { edge_threads: 0, media_threads: 0, drain_timeout_s: 30 }
    }
}

impl RuntimeConfig {
    /// Fast lanes to start.
    pub fn edge_threads(&self) -> usize {
        match self.edge_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// A configuration and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration, its paths resolved.
    pub config: Config,
    /// Where it came from.
    pub origin: Origin,
    /// What the log should say about it.
    pub notes: Vec<String>,
}

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This file.
    File(PathBuf),
    /// There is no file.
    Defaults,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Defaults => f.write_str("the built-in defaults"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}; name another file by -c", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The file is no configuration.
    #[error("{} is larger than {bytes_max} bytes; is it a configuration?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest that is read.
        bytes_max: u64,
    },
    /// It was read, and is wrong.
    #[error("{}", listed(origin, problems))]
    Wrong {
        /// Where it came from.
        origin: Origin,
        /// Every mistake.
        problems: Vec<Problem>,
    },
}

impl Config {
    /// Reads `file`; without one, `config.toml` of the current folder; without that, the defaults.
    /// Everything that can be checked without changing anything is checked.
    pub fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
        let (path, named) = match file {
            Some(path) => (path, true),
            None => (Path::new(FILE_DEFAULT), false),
        };
        let text = match read(path) {
            Err(ConfigError::Unreadable { reason, .. })
                if !named && reason.kind() == io::ErrorKind::NotFound =>
            {
                return Self::assemble("", Path::new(""), Origin::Defaults);
            }
            text => text?,
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::assemble(&text, folder, Origin::File(path.to_owned()))
    }

    /// Reads a configuration from `text`, whose relative paths are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Loaded, ConfigError> {
        Self::assemble(text, folder, Origin::Defaults)
    }

    /// What commands on accounts go by.
    pub fn account_desk(&self) -> Desk {
        // A region that is none is named when the configuration is checked.
        let region = self.verification.region().ok().flatten();
        Desk { domain: self.domain.clone(), region }
    }

    /// What lies where.
    pub fn data(&self) -> DataDir {
        // A URL of another kind is named when the configuration is checked.
        match self.store.database(&self.data_dir) {
            Ok(database) => DataDir::new(&self.data_dir).with_chats(database),
            Err(_) => DataDir::new(&self.data_dir),
        }
    }

    fn assemble(text: &str, folder: &Path, origin: Origin) -> Result<Loaded, ConfigError> {
        let Draft { mut config, lines, mut problems } = match read_document(text) {
            Ok(read) => read,
            Err(problem) => {
                return Err(ConfigError::Wrong { origin, problems: vec![problem] });
            }
        };
        config.resolve(folder);
        let notes = config.build_in_absent_default_site(folder).into_iter().collect();
        problems.extend(config.check(&lines));
        problems.sort_by_key(|problem| problem.line);
        match problems.is_empty() {
            true => Ok(Loaded { config, origin, notes }),
            false => Err(ConfigError::Wrong { origin, problems }),
        }
    }

    /// Whether calls are carried: who is in one is known by the chat server.
    pub fn has_calls(&self) -> bool {
        self.call.enabled && self.xmpp.enabled
    }

    /// Whether any listener needs a certificate.
    pub fn speaks_tls(&self) -> bool {
        let xmpp = [&self.xmpp.listen, &self.xmpp.listen_tls];
        let by_xmpp = self.xmpp.enabled && xmpp.iter().any(|list| !list.is_empty());
        by_xmpp || !self.http.listen_tls.is_empty()
    }

    fn resolve(&mut self, folder: &Path) {
        let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
        resolve(&mut self.data_dir);
        self.store.resolve(folder);
        self.sites.iter_mut().for_each(|site| site.resolve(folder));
        for path in [&mut self.tls.cert, &mut self.tls.key, &mut self.tls.ca_file] {
            path.as_mut().map(resolve);
        }
        self.verification.resolve(folder);
        self.xmpp.resolve(folder);
        self.push.resolve(folder);
        if let Some(s3) = &mut self.media.s3 {
            s3.secret_access_key_file.as_mut().map(resolve);
        }
        if !self.access_log.is_stdout() {
            resolve(&mut self.access_log.path);
        }
    }

    /// The default site is an offer: without its folder it serves a page that is built in.
    fn build_in_absent_default_site(&mut self, folder: &Path) -> Option<String> {
        let mut default = SiteConfig::default();
        default.resolve(folder);
        let site = self.sites.iter_mut().find(|site| **site == default && !site.root.exists())?;
        *site = site.clone().built_in();
        Some(format!("there is no folder {}; its site is a built-in page", site.root.display()))
    }
}

/// What a document says, before it is checked.
struct Draft {
    config: Config,
    lines: Lines,
    problems: Vec<Problem>,
}

fn read_document(text: &str) -> Result<Draft, Problem> {
    let mut document = Document::parse(text)?;
    let default = Config::default();
    let config = Config {
        domain: document.value("domain", default.domain),
        data_dir: document.value("data_dir", default.data_dir),
        runtime: document.section("runtime"),
        http: document.section("http"),
        tls: document.section("tls"),
        sites: document.sections("site").unwrap_or(default.sites),
        web: document.section("web"),
        verification: document.section("verification"),
        xmpp: document.section("xmpp"),
        call: document.section("call"),
        push: document.section("push"),
        previews: document.section("previews"),
        store: document.section("store"),
        media: document.section("media"),
        admin: document.section("admin"),
        log: document.section("log"),
        access_log: document.section("access_log"),
    };
    let (lines, problems) = document.finish();
    Ok(Draft { config, lines, problems })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |reason| ConfigError::Unreadable { path: path.to_owned(), reason };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge { path: path.to_owned(), bytes_max: FILE_BYTES_MAX });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn listed(origin: &Origin, problems: &[Problem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{origin}: {problem}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
