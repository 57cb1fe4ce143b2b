//! RFC 5056 channel binding: what ties an exchange to the TLS connection that it runs over.

use std::fmt;

/// What the stream runs over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// No TLS: loopback only, where the configuration allows it.
    Plaintext,
    /// TLS, with what it can be recognised by.
    Tls(ChannelBindings),
}

impl Channel {
    /// Whether nobody else reads along.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    pub(crate) fn data(&self, binding: ChannelBinding) -> Option<&[u8]> {
        let Self::Tls(bindings) = self else { return None };
        match binding {
            ChannelBinding::TlsExporter => bindings.exporter.as_deref(),
            ChannelBinding::TlsServerEndPoint => bindings.server_end_point.as_deref(),
        }
    }

    pub(crate) fn bindings(&self) -> impl Iterator<Item = ChannelBinding> {
        ChannelBinding::ALL.into_iter().filter(|binding| self.data(*binding).is_some())
    }
}

/// The channel-binding data of one TLS connection. Where an operator ends TLS on another machine
/// there is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    /// RFC 9266: 32 bytes of keying material under the label `EXPORTER-Channel-Binding`, with no
    /// context. Under TLS 1.2 it needs the extended master secret.
    pub exporter: Option<Vec<u8>>,
    /// RFC 5929 4.1: the digest of the server's certificate, see [`super::server_end_point`].
    pub server_end_point: Option<Vec<u8>>,
}

impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBindings")
            .field("exporter", &self.exporter.is_some())
            .field("server_end_point", &self.server_end_point.is_some())
            .finish()
    }
}

/// A type of channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// RFC 9266, strong: no other connection has it.
    TlsExporter,
    /// RFC 5929, weaker: whoever holds the certificate's key has it.
    TlsServerEndPoint,
}

impl ChannelBinding {
    pub(crate) const ALL: [Self; 2] = [Self::TlsExporter, Self::TlsServerEndPoint];

    /// The name that IANA registered, as in XEP-0440.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|binding| binding.name() == name)
    }
}
