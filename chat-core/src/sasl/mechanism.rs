//! The mechanisms that the server speaks.

use std::fmt;

use super::channel::ChannelBinding;
use super::hash::ScramHash;

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 5802, RFC 7677 and the draft for SHA-512.
    Scram {
        /// Under which hash function.
        hash: ScramHash,
        /// Whether it binds to the TLS connection.
        plus: bool,
    },
    /// RFC 4616: the password itself.
    Plain,
    /// draft-schmaus-kitten-sasl-ht-09: a token, for XEP-0484.
    HashedToken(TokenMechanism),
}

impl Mechanism {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scram { hash: ScramHash::Sha1, plus: true } => "SCRAM-SHA-1-PLUS",
            Self::Scram { hash: ScramHash::Sha256, plus: true } => "SCRAM-SHA-256-PLUS",
            Self::Scram { hash: ScramHash::Sha512, plus: true } => "SCRAM-SHA-512-PLUS",
            Self::Scram { hash, plus: false } => hash.scram_name(),
            Self::Plain => "PLAIN",
            Self::HashedToken(token) => token.name(),
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A mechanism that takes a token (HT-SHA-256-…). A token works with the one for which the client
/// asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenMechanism {
    /// Bound to the TLS connection: `HT-SHA-256-EXPR`.
    Exporter,
    /// Bound to the server's certificate: `HT-SHA-256-ENDP`.
    EndPoint,
    /// For browsers, which cannot see their TLS connection: `HT-SHA-256-NONE`.
    Unbound,
}

impl TokenMechanism {
    /// The strongest one first.
    pub const ALL: [Self; 3] = [Self::Exporter, Self::EndPoint, Self::Unbound];

    /// The mechanism's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exporter => "HT-SHA-256-EXPR",
            Self::EndPoint => "HT-SHA-256-ENDP",
            Self::Unbound => "HT-SHA-256-NONE",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    pub(crate) fn binding(self) -> Option<ChannelBinding> {
        match self {
            Self::Exporter => Some(ChannelBinding::TlsExporter),
            Self::EndPoint => Some(ChannelBinding::TlsServerEndPoint),
            Self::Unbound => None,
        }
    }
}
