//! TLS for every lane and for chat: one session type without a socket, a stream around it, and certificates
//! that are replaced while the server runs.

mod acme;
mod certificates;
mod channel_binding;
mod client_hello;
mod config;
mod identity;
mod outgoing;
mod self_signed;
mod server_config;
mod session;
mod stream;
mod validity;

pub use acme::{AcmeClient, AcmeError, ChallengeTokens};
pub use certificates::Certificates;
pub use channel_binding::EXPORTER_BYTES;
pub use config::{Mode, Records, TlsConfig, TlsConfigError};
pub use identity::CertificateError;
pub use server_config::provider;
pub use session::{
    Alpn, INCOMING_BYTES_MAX, Phase, RECORD_OVERHEAD_BYTES_MAX, RECORD_PLAINTEXT_BYTES_MAX,
    SEAL_SLACK_BYTES, SealError, Session, SessionError,
};
pub use stream::TlsStream;
pub use validity::Validity;
