//! A certificate of the server's own making, for a first start and while ACME has none yet.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::crypto::CryptoProvider;

use super::identity::{CertificateError, Identity};

/// Loads the certificate in `folder`, or makes one: when there is none, when it is damaged or
/// near its end, and when it does not name `names`.
///
/// # Errors
/// When none can be made or written.
pub(super) fn load_or_make(
    folder: &Path,
    names: &[String],
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Identity, CertificateError> {
    let path = folder.join(FILE_NAME);
    let names = with_local_names(names);
    match Identity::load(&path, &path, provider, now) {
        Ok(identity) if !is_due(&identity, now) && identity.covers(&names) => return Ok(identity),
        Ok(_) => tracing::info!(file = %path.display(), "renewing the self-signed certificate"),
        Err(error) if error.is_absent() => {
            tracing::info!(file = %path.display(), ?names, "making a self-signed certificate");
        }
        Err(error) => tracing::warn!(%error, "making a new self-signed certificate"),
    }
    let pem = make(&names, now)
        .map_err(|source| CertificateError::Generate { names: names.clone(), source })?;
    write_private(&path, pem.as_bytes())?;
    Identity::load(&path, &path, provider, now)
}

/// Whether a certificate of ours should be replaced.
pub(super) fn is_due(identity: &Identity, now: SystemTime) -> bool {
    identity.validity.left(now) < RENEW_BEFORE_END
}

/// Writes a file that only the server's user may read, whole or not at all.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<(), CertificateError> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = path.with_extension("new");
        // A leftover of a crash may have other permissions.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // Clients come to trust it, so it must not be another one after a power cut.
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    write().map_err(|source| CertificateError::Write { path: path.to_owned(), source })
}

fn with_local_names(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    for local in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|name| name == local) {
            names.push(local.to_owned());
        }
    }
    names
}

/// Key and certificate in one PEM text, so that they are replaced together.
fn make(names: &[String], now: SystemTime) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Whimbrel self-signed");
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now - CLOCK_SKEW + LIFE).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok(key.serialize_pem() + &certificate.pem())
}

const FILE_NAME: &str = "self-signed.pem";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Clients refuse server certificates that live longer than 398 days.
const LIFE: Duration = Duration::from_secs(397 * 24 * 3600);
const RENEW_BEFORE_END: Duration = Duration::from_secs(30 * 24 * 3600);
/// A client's clock may be behind.
const CLOCK_SKEW: Duration = DAY;
