//! The certificate in use, and how it is replaced while the server runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::config::{Mode, TlsConfig};
use super::identity::{CertificateError, Identity};
use super::validity::Validity;
use super::{self_signed, server_config};

/// The certificate that handshakes use from now on; it can be replaced at any time.
#[derive(Debug)]
pub struct Certificates {
    provider: Arc<CryptoProvider>,
    source: Source,
    current: RwLock<Identity>,
    /// The files as last read, good or bad.
    stamp: Mutex<Option<Stamp>>,
}

#[derive(Debug)]
enum Source {
    Files { cert: PathBuf, key: PathBuf },
    SelfSigned { folder: PathBuf, names: Vec<String> },
    Acme { folder: PathBuf, names: Vec<String> },
}

impl Certificates {
    /// Finds the certificate that `config` asks for. With ACME it is the one fetched before, or a
    /// self-signed one until the first arrives. Blocks on the disk.
    ///
    /// # Errors
    /// [`CertificateError`]: the server should not start.
    pub fn open(
        config: &TlsConfig,
        domain: &str,
        data_dir: &Path,
    ) -> Result<Arc<Self>, CertificateError> {
        let source = Source::of(config, domain, data_dir);
        let provider = server_config::provider();
        let stamp = source.stamp();
        let identity = source.load(&provider, SystemTime::now())?;
        Ok(Arc::new(Self {
            provider,
            source,
            current: RwLock::new(identity),
            stamp: Mutex::new(stamp),
        }))
    }

    /// The settings for TLS listeners that use these certificates.
    ///
    /// # Errors
    /// When rustls cannot be set up: the system gives no random bytes.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, CertificateError> {
        let resolver = Arc::clone(self) as Arc<dyn ResolvesServerCert>;
        Ok(server_config::server_config(Arc::clone(&self.provider), resolver)?)
    }

    /// When the certificate in use is valid.
    pub fn validity(&self) -> Validity {
        self.current().validity
    }

    /// Whether the files differ from those last read, or a self-signed certificate is due. Looks
    /// at the files' metadata only.
    pub fn changed(&self) -> bool {
        if let Source::SelfSigned { .. } = self.source
            && self_signed::is_due(&self.current(), SystemTime::now())
        {
            return true;
        }
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) != self.source.stamp()
    }

    /// Reads the certificate again; handshakes that begin after this use the new one. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// [`CertificateError`]: the old certificate stays in use.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let stamp = self.source.stamp();
        let outcome = self.source.load(&self.provider, SystemTime::now());
        // A bad file is reported once, not at each look.
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        self.install(outcome?);
        Ok(())
    }

    /// [`Certificates::reload`] if [`Certificates::changed`]; the log tells how it went. To be
    /// called every few seconds, where blocking is allowed.
    pub fn refresh(&self) {
        if !self.changed() {
            return;
        }
        match self.reload() {
            Ok(()) => {
                let until = httpdate::fmt_http_date(self.validity().not_after);
                tracing::info!(until, "new certificate in use");
            }
            Err(error) => tracing::error!(%error, "keeping the old certificate"),
        }
    }

    /// Puts `identity` into use.
    fn install(&self, identity: Identity) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    fn current(&self) -> Identity {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key)
    }
}

impl Source {
    fn of(config: &TlsConfig, domain: &str, data_dir: &Path) -> Self {
        let folder = data_dir.join(FOLDER);
        let names = config.names(domain);
        match config.mode {
            Mode::SelfSigned => Self::SelfSigned { folder, names },
            Mode::Acme => Self::Acme { folder, names },
            Mode::Files => Self::Files {
                cert: config.cert.clone().unwrap_or_default(),
                key: config.key.clone().unwrap_or_default(),
            },
        }
    }

    fn load(
        &self,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Identity, CertificateError> {
        match self {
            Self::Files { cert, key } => Identity::load(cert, key, provider, now),
            Self::SelfSigned { folder, names } => {
                self_signed::load_or_make(folder, names, provider, now)
            }
            Self::Acme { folder, names } => {
                let path = folder.join(ACME_CERTIFICATE);
                match Identity::load(&path, &path, provider, now) {
                    Ok(identity) if identity.covers(names) => Ok(identity),
                    _ => self_signed::load_or_make(folder, names, provider, now),
                }
            }
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::Files { cert, key } => Some(Stamp([FileStamp::of(cert), FileStamp::of(key)])),
            Self::SelfSigned { .. } => None,
            Self::Acme { folder, .. } => {
                Some(Stamp([FileStamp::of(&folder.join(ACME_CERTIFICATE)), FileStamp::default()]))
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stamp([FileStamp; 2]);

/// What changes when a file is rewritten or replaced; all zero for a file that is not there.
#[derive(Debug, Default, PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl FileStamp {
    fn of(path: &Path) -> Self {
        // Links are followed: certbot replaces the link's target.
        let Ok(metadata) = std::fs::metadata(path) else { return Self::default() };
        Self {
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
            #[cfg(not(unix))]
            inode: 0,
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

const FOLDER: &str = "tls";
/// Key and chain that ACME gave, in one file so that they are replaced together.
pub(super) const ACME_CERTIFICATE: &str = "acme.pem";
