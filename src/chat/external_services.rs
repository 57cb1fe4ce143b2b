//! XEP-0215 External Service Discovery: the STUN and TURN servers that an operator names.

use std::fs;
use std::path::{Path, PathBuf};

use chat_core::features::external_services::ExternalService;
use serde::Deserialize;

/// One `[[xmpp.external_service]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalServiceConfig {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ServiceKind,
    /// Its name or address, as clients reach it.
    pub host: String,
    /// Its port. Without it: the usual one.
    #[serde(default)]
    pub port: Option<u16>,
    /// How it is reached.
    #[serde(default)]
    pub transport: ServiceTransport,
    /// A file that holds the secret alone that the TURN server shares with this one.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
}

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceKind {
    /// RFC 8489.
    Stun,
    /// RFC 8656.
    Turn,
    /// STUN over TLS or DTLS.
    Stuns,
    /// TURN over TLS or DTLS.
    Turns,
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTransport {
    /// By UDP.
    #[default]
    Udp,
    /// By TCP.
    Tcp,
}

/// What is wrong with a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalServiceError {
    /// Its host is none.
    #[error("{host:?} is no host")]
    Host {
        /// What stands in its place.
        host: String,
    },
    /// Its secret cannot be had.
    #[error("{}: {reason}", .path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ExternalServiceError {
    /// The key at fault, below the service.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Host { .. } => "host",
            Self::Secret { .. } => "secret_file",
        }
    }
}

impl ExternalServiceConfig {
    /// Makes relative paths ones below `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        if let Some(path) = &mut self.secret_file {
            *path = folder.join(&*path);
        }
    }

    /// What the core is told of it. Reads the secret's file.
    ///
    /// # Errors
    /// [`ExternalServiceError`].
    pub fn service(&self) -> Result<ExternalService, ExternalServiceError> {
        let is_host =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
        if self.host.is_empty() || !self.host.bytes().all(is_host) {
            return Err(ExternalServiceError::Host { host: self.host.clone() });
        }
        let (kind, usual_port) = match self.kind {
            ServiceKind::Stun => ("stun", 3478),
            ServiceKind::Turn => ("turn", 3478),
            ServiceKind::Stuns => ("stuns", 5349),
            ServiceKind::Turns => ("turns", 5349),
        };
        let transport = match self.transport {
            ServiceTransport::Udp => "udp",
            ServiceTransport::Tcp => "tcp",
        };
        Ok(ExternalService {
            kind: kind.into(),
            host: self.host.as_str().into(),
            port: self.port.unwrap_or(usual_port),
            transport: transport.into(),
            secret: self.secret_file.as_deref().map(read_secret).transpose()?,
        })
    }
}

fn read_secret(path: &Path) -> Result<Box<[u8]>, ExternalServiceError> {
    let wrong = |reason| ExternalServiceError::Secret { path: path.to_owned(), reason };
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(wrong("it is empty".to_owned())),
        secret => Ok(secret.as_bytes().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str, expected: &str) {
        let config: ExternalServiceConfig = toml::from_str(toml).unwrap();
        let found = match config.service() {
            Ok(service) => format!("{service:?}"),
            Err(error) => format!("{}: {error}", error.key()),
        };
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn what_is_left_out_is_as_usual() {
        check("type = 'stun'\nhost = 'a.example'", "stun:a.example:3478/udp");
        check("type = 'turns'\nhost = '2001:db8::1'", "turns:2001:db8::1:5349/udp");
        let whole = "type = 'turn'\nhost = 'a.example'\nport = 1\ntransport = 'tcp'";
        check(whole, "turn:a.example:1/tcp");
    }

    #[test]
    fn what_cannot_work_is_named() {
        check("type = 'stun'\nhost = ''", "host: \"\" is no host");
        check("type = 'stun'\nhost = 'a b'", "host: ");
        let secret = "type = 'turn'\nhost = 'a'\nsecret_file = '/no/such'";
        check(secret, "secret_file: /no/such: it cannot be read");
        check("type = 'turn'\nhost = 'a'\nsecret_file = '/dev/null'", "secret_file: /dev/null: it");
    }
}
