//! A certificate with its key, read from PEM and checked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use thiserror::Error;

use super::validity::{self, Validity};

/// A certificate that is valid now, with the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What rustls signs handshakes with.
    pub key: Arc<CertifiedKey>,
    /// When the certificate is valid.
    pub validity: Validity,
}

/// What is wrong with a certificate, and what to do about it.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; check the path in [tls] and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file or folder under `data_dir/tls` cannot be written.
    #[error("cannot write {}: {source}; {}", path.display(), remedy(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error("no certificate in {}: it must hold -----BEGIN CERTIFICATE----- blocks, the server's own first", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no key that can be used.
    #[error("no usable private key in {}: it must hold an unencrypted PKCS#8, PKCS#1 or SEC1 key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The two files do not belong together.
    #[error("the key in {} does not belong to the first certificate in {}: put the server's own certificate first, or take the key it was issued for", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The bytes are not a certificate.
    #[error("the first certificate in {} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        reason: String,
    },
    /// Its time is over.
    #[error("the certificate in {} expired on {}: renew it", path.display(), httpdate::fmt_http_date(*at))]
    Expired {
        /// The file.
        path: PathBuf,
        /// When it ended.
        at: SystemTime,
    },
    /// Its time has not come.
    #[error("the certificate in {} is valid only from {}: check this machine's clock", path.display(), httpdate::fmt_http_date(*from))]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// When it begins.
        from: SystemTime,
    },
    /// A key or certificate could not be made.
    #[error("cannot make a certificate for {names:?}: {source}; check `domain` and [tls] domains")]
    Generate {
        /// The names it was for.
        names: Vec<String>,
        /// The generator's reason.
        source: rcgen::Error,
    },
    /// rustls refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

impl CertificateError {
    /// Whether the file is just not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Identity {
    /// Reads and checks a certificate chain and its key; both may stand in one file.
    ///
    /// # Errors
    /// [`CertificateError`] names the file, the fault and the remedy.
    pub fn load(
        cert: &Path,
        key: &Path,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let chain = read_chain(cert)?;
        let validity = check_validity(&chain[0], cert, now)?;
        let private_key = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|_| CertificateError::NoKey { path: key.to_owned() })?;
        let certified = CertifiedKey::from_der(chain, private_key, provider)
            .map_err(|error| key_error(error, cert, key))?;
        Ok(Self { key: Arc::new(certified), validity })
    }

    /// Whether nobody else vouches for the certificate: its issuer is its subject.
    pub fn is_self_issued(&self) -> bool {
        self.key.cert.first().is_some_and(|certificate| validity::is_self_issued(certificate))
    }

    /// Whether the certificate names each of `names`.
    pub fn covers(&self, names: &[String]) -> bool {
        let Some(Ok(certificate)) = self.key.cert.first().map(ParsedCertificate::try_from) else {
            return false;
        };
        names.iter().all(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| rustls::client::verify_server_name(&certificate, &name).is_ok())
        })
    }
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        _ => "the server must own data_dir",
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NoCertificate { path: path.to_owned() })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })
}

fn check_validity(
    certificate: &[u8],
    path: &Path,
    now: SystemTime,
) -> Result<Validity, CertificateError> {
    let path = path.to_owned();
    let Some(validity) = Validity::of_certificate(certificate) else {
        return Err(CertificateError::Damaged { path, reason: "no validity in it".to_owned() });
    };
    if now > validity.not_after {
        return Err(CertificateError::Expired { path, at: validity.not_after });
    }
    if now < validity.not_before {
        return Err(CertificateError::NotYetValid { path, from: validity.not_before });
    }
    Ok(validity)
}

fn key_error(error: rustls::Error, cert: &Path, key: &Path) -> CertificateError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            CertificateError::Mismatch { cert: cert.to_owned(), key: key.to_owned() }
        }
        rustls::Error::InvalidCertificate(fault) => {
            CertificateError::Damaged { path: cert.to_owned(), reason: format!("{fault:?}") }
        }
        _ => CertificateError::NoKey { path: key.to_owned() },
    }
}
