//! The certificate in use, and how it is replaced while the server runs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use super::config::{Mode, TlsConfig};
use super::identity::{CertificateError, Identity};
use super::self_signed;
use super::server_config::{self, Speaks};
use super::validity::Validity;

/// The certificate that handshakes use from now on; it can be replaced at any time.
#[derive(Debug)]
pub struct Certificates {
    provider: Arc<CryptoProvider>,
    source: Source,
    current: RwLock<Identity>,
    /// Of `current`; each answer asks for it.
    is_self_issued: AtomicBool,
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
            is_self_issued: AtomicBool::new(identity.is_self_issued()),
            current: RwLock::new(identity),
            stamp: Mutex::new(stamp),
        }))
    }

    /// The settings for HTTPS listeners that use these certificates.
    ///
    /// # Errors
    /// When rustls cannot be set up: the system gives no random bytes.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, CertificateError> {
        self.settings(Speaks::Http)
    }

    /// The settings for XMPP, by STARTTLS and from the start. Their sessions know
    /// [`Session::exporter`](super::Session::exporter).
    ///
    /// # Errors
    /// As [`Certificates::server_config`].
    pub fn xmpp_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, CertificateError> {
        self.settings(Speaks::Xmpp)
    }

    fn settings(self: &Arc<Self>, speaks: Speaks) -> Result<Arc<ServerConfig>, CertificateError> {
        let resolver = Arc::clone(self) as Arc<dyn ResolvesServerCert>;
        Ok(server_config::server_config(Arc::clone(&self.provider), resolver, speaks)?)
    }

    /// The server's own certificate that is in use, in DER: `tls-server-end-point` (RFC 5929 4) is
    /// made of it.
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.current().key.cert.first().cloned()
    }

    /// Does the certificate in use prove nothing to strangers, as one of our own making?
    pub fn is_self_issued(&self) -> bool {
        self.is_self_issued.load(Relaxed)
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
        self.is_self_issued.store(identity.is_self_issued(), Relaxed);
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
                    Ok(identity) if identity.covers(names) => return Ok(identity),
                    Ok(_) => tracing::warn!(?names, "the ACME certificate has other names"),
                    Err(error) if error.is_absent() => {}
                    Err(error) => tracing::error!(%error, "serving a self-signed certificate"),
                }
                self_signed::load_or_make(folder, names, provider, now)
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

/// Where the server keeps what it made or fetched, under `data_dir`.
pub(super) const FOLDER: &str = "tls";
/// Key and chain that ACME gave, in one file so that they are replaced together.
pub(super) const ACME_CERTIFICATE: &str = "acme.pem";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A chain and its key as PEM; `life_days` counts from yesterday.
    fn pem(life_days: u64) -> (String, String) {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let day = std::time::Duration::from_secs(24 * 3600);
        let yesterday = SystemTime::now() - day;
        params.not_before = (yesterday - day).into();
        params.not_after = (yesterday + day * life_days as u32).into();
        let key = rcgen::KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn files(folder: &Path, (cert, key): &(String, String)) -> TlsConfig {
        let config = TlsConfig {
            mode: Mode::Files,
            cert: Some(folder.join("cert.pem")),
            key: Some(folder.join("key.pem")),
            ..TlsConfig::default()
        };
        // Replaced as tools do it, so that the inode changes.
        for (name, content) in [("cert.pem", cert), ("key.pem", key)] {
            fs::write(folder.join("new"), content).unwrap();
            fs::rename(folder.join("new"), folder.join(name)).unwrap();
        }
        config
    }

    fn check_error(cert: &str, key: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let config = files(folder.path(), &(cert.to_owned(), key.to_owned()));
        let error = Certificates::open(&config, "a.example", folder.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains('\n'), "{text}");
    }

    #[test]
    fn faults_are_named() {
        let (cert, key) = pem(30);
        check_error(&cert, &pem(30).1, "does not belong to the first certificate");
        check_error(&pem(0).0, &key, "expired on ");
        check_error("", &key, "no certificate in ");
        check_error(&cert, "", "no usable private key in ");
        check_error(&cert, &cert, "no usable private key in ");
        let config = TlsConfig {
            mode: Mode::Files,
            cert: Some("/nowhere/cert.pem".into()),
            key: Some("/nowhere/key.pem".into()),
            ..TlsConfig::default()
        };
        let error = Certificates::open(&config, "a.example", Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().starts_with("cannot read /nowhere/cert.pem: "), "{error}");
    }

    #[test]
    fn changed_files_are_taken_up_and_bad_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let first = pem(30);
        let certificates =
            Certificates::open(&files(folder.path(), &first), "a.example", folder.path()).unwrap();
        let in_use = || certificates.current().key.cert[0].clone();
        let original = in_use();
        assert!(!certificates.changed());

        files(folder.path(), &(first.0.clone(), pem(30).1));
        assert!(certificates.changed());
        assert!(certificates.reload().is_err());
        assert_eq!(in_use(), original);
        assert!(!certificates.changed(), "a bad file is reported once");

        files(folder.path(), &pem(60));
        assert!(certificates.changed());
        certificates.refresh();
        assert_ne!(in_use(), original);
        assert!(!certificates.changed());
    }

    #[test]
    fn self_signed_is_kept_private_and_made_anew_for_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let open = |domain| {
            let opened = Certificates::open(&TlsConfig::default(), domain, folder.path()).unwrap();
            opened.current()
        };
        let first = open("a.example");
        assert!(first.covers(&["a.example", "localhost", "127.0.0.1", "::1"].map(String::from)));
        assert_eq!(open("a.example").key.cert, first.key.cert);
        assert_ne!(open("b.example").key.cert, first.key.cert);
        #[cfg(unix)]
        {
            let metadata = fs::metadata(folder.path().join("tls/self-signed.pem")).unwrap();
            assert_eq!(
                std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
                0o600
            );
        }
    }
}
