//! The `[tls]` section of the configuration.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::Deserialize;
use thiserror::Error;

use super::identity::{CertificateError, Identity};
use super::server_config::provider;

/// How the server proves who it is, and who encrypts.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub mode: Mode,
    /// PEM file with the certificate and its chain, for `mode = "files"`.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key, for `mode = "files"`.
    pub key: Option<PathBuf>,
    /// Mail address that the certificate authority may write to, for `mode = "acme"`.
    pub contact: Option<String>,
    /// URL of the ACME directory.
    pub directory: String,
    /// Names on the certificate; the server's domain when empty.
    pub domains: Vec<String>,
    /// PEM file with the roots that the ACME directory's own certificate is checked against; the
    /// system's roots without it.
    pub ca_file: Option<PathBuf>,
    /// Which record layer encrypts.
    pub records: Records,
}

/// Where the certificate comes from.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Made at first start and kept in `data_dir/tls`.
    #[default]
    SelfSigned,
    /// Read from `cert` and `key`, again whenever they change.
    Files,
    /// Fetched from a certificate authority by ACME (RFC 8555) and renewed in time.
    Acme,
}

/// Which record layer encrypts.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Records {
    /// The one of rustls.
    #[default]
    Rustls,
}

/// What is wrong in `[tls]`, and what to do about it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TlsConfigError {
    /// A key that the mode needs is absent.
    #[error("[tls] mode = \"{mode}\" needs `{key}`: add `{key} = {example}`")]
    MissingKey {
        /// The mode as written.
        mode: &'static str,
        /// The absent key.
        key: &'static str,
        /// A value for the sake of example.
        example: &'static str,
    },
    /// A key that only another mode uses.
    #[error(
        "[tls] `{key}` has no effect with mode = \"{mode}\": remove it or set mode = \"{fits}\""
    )]
    UselessKey {
        /// The mode as written.
        mode: &'static str,
        /// The key without effect.
        key: &'static str,
        /// The mode that uses the key.
        fits: &'static str,
    },
    /// The directory is not a URL that ACME may use.
    #[error("[tls] directory = {url:?} is not an https:// URL")]
    DirectoryUrl {
        /// The value.
        url: String,
    },
    /// A name that a public certificate authority cannot certify by http-01.
    #[error(
        "[tls] no authority certifies {name:?} by ACME: set `domain` or `domains` to public host names (no wildcard, no address), or mode = \"self-signed\""
    )]
    Uncertifiable {
        /// The name.
        name: String,
    },
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            mode: Mode::SelfSigned,
            cert: None,
            key: None,
            contact: None,
            directory: LETS_ENCRYPT_DIRECTORY.to_owned(),
            domains: Vec::new(),
            ca_file: None,
            records: Records::Rustls,
        }
    }
}

impl TlsConfig {
    /// Checks that the keys fit the mode; `domain` is the server's.
    ///
    /// # Errors
    /// [`TlsConfigError`] names the key and the remedy.
    pub fn validate(&self, domain: &str) -> Result<(), TlsConfigError> {
        self.check_files()?;
        if self.mode != Mode::Acme {
            return self.check_no_acme();
        }
        if !self.directory.starts_with("https://") {
            return Err(TlsConfigError::DirectoryUrl { url: self.directory.clone() });
        }
        match self.names(domain).into_iter().find(|name| !is_certifiable(name)) {
            Some(name) => Err(TlsConfigError::Uncertifiable { name }),
            None => Ok(()),
        }
    }

    /// Reads the files of `mode = "files"`, and checks that they belong together and are valid now.
    ///
    /// # Errors
    /// [`CertificateError`] names the file, the fault and the remedy.
    pub fn try_files(&self) -> Result<(), CertificateError> {
        match (self.mode, &self.cert, &self.key) {
            (Mode::Files, Some(cert), Some(key)) => {
                Identity::load(cert, key, &provider(), SystemTime::now()).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The names on the certificate.
    pub fn names(&self, domain: &str) -> Vec<String> {
        if self.domains.is_empty() { vec![domain.to_owned()] } else { self.domains.clone() }
    }

    fn check_files(&self) -> Result<(), TlsConfigError> {
        let mode = self.mode.name();
        for (key, value, example) in [
            ("cert", &self.cert, "\"/etc/whimbrel/fullchain.pem\""),
            ("key", &self.key, "\"/etc/whimbrel/privkey.pem\""),
        ] {
            match (self.mode, value) {
                (Mode::Files, None) => {
                    return Err(TlsConfigError::MissingKey { mode, key, example });
                }
                (Mode::SelfSigned | Mode::Acme, Some(_)) => {
                    return Err(TlsConfigError::UselessKey { mode, key, fits: "files" });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_no_acme(&self) -> Result<(), TlsConfigError> {
        let useless = [
            ("contact", self.contact.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("directory", self.directory != LETS_ENCRYPT_DIRECTORY),
        ];
        match useless.into_iter().find(|(_, set)| *set) {
            Some((key, _)) => {
                Err(TlsConfigError::UselessKey { mode: self.mode.name(), key, fits: "acme" })
            }
            None => Ok(()),
        }
    }
}

impl Mode {
    /// The mode as the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SelfSigned => "self-signed",
            Self::Files => "files",
            Self::Acme => "acme",
        }
    }
}

// http-01 proves host names only: wildcards need DNS, and addresses are certified by few.
fn is_certifiable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    name.contains('.') && name.bytes().all(plain) && name.parse::<std::net::IpAddr>().is_err()
}

const LETS_ENCRYPT_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let outcome = match toml::from_str::<TlsConfig>(text) {
            Err(error) => error.message().to_owned(),
            Ok(config) => match config.validate("chat.example.org") {
                Ok(()) => "fine".to_owned(),
                Err(error) => error.to_string(),
            },
        };
        assert!(outcome.contains(expected), "{text:?} gave {outcome:?}, not {expected:?}");
    }

    #[test]
    fn nothing_is_self_signed() {
        check("", "fine");
        assert_eq!(toml::from_str::<TlsConfig>("").unwrap(), TlsConfig::default());
    }

    #[test]
    fn files_need_both() {
        check("mode = 'files'\ncert = 'a.pem'\nkey = 'b.pem'", "fine");
        check("mode = 'files'\ncert = 'a.pem'", "needs `key`");
        check("mode = 'files'\nkey = 'a.pem'", "needs `cert`");
    }

    #[test]
    fn keys_of_another_mode() {
        check("cert = 'a.pem'", "set mode = \"files\"");
        check("contact = 'a@example.org'", "set mode = \"acme\"");
    }

    #[test]
    fn acme() {
        check("mode = 'acme'", "fine");
        check("mode = 'acme'\ndirectory = 'http://ca.example'", "not an https:// URL");
        check("mode = 'acme'\ndomains = ['*.example.org']", "no authority certifies");
        check("mode = 'acme'\ndomains = ['localhost']", "no authority certifies");
        check("mode = 'acme'\ndomains = ['192.0.2.1']", "no authority certifies");
    }

    #[test]
    fn unknown_values_name_the_known() {
        check("mode = 'magic'", "`self-signed`, `files`, `acme`");
        check("records = 'own'", "expected `rustls`");
        check("certs = 'a'", "unknown field `certs`");
    }
}
