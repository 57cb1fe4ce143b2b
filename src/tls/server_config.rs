//! What the server offers in a handshake.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite as suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite};

use super::channel_binding::ExporterLog;

/// The cryptography in use: aws-lc, with our choice and order of suites and groups. The process's
/// default provider is never asked.
pub fn provider() -> Arc<CryptoProvider> {
    let mut cipher_suites = SUITES.to_vec();
    if !has_fast_aes() {
        cipher_suites.sort_by_key(|suite| !is_chacha(suite));
    }
    Arc::new(CryptoProvider {
        cipher_suites,
        kx_groups: KX_GROUPS.to_vec(),
        ..aws_lc_rs::default_provider()
    })
}

/// What is spoken over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/2 and HTTP/1.1.
    Http,
    /// XMPP (XEP-0368), whose logins are tied to the connection.
    Xmpp,
}

/// The settings for all TLS listeners: TLS 1.2 and 1.3, ALPN for what is spoken, stateless
/// tickets whose keys rotate every 6 hours, no early data.
///
/// # Errors
/// When the system gives no random bytes for the first ticket key.
pub fn server_config(
    provider: Arc<CryptoProvider>,
    certificates: Arc<dyn ResolvesServerCert>,
    speaks: Speaks,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    match speaks {
        Speaks::Http => config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Speaks::Xmpp => {
            config.alpn_protocols = vec![b"xmpp-client".to_vec()];
            config.key_log = Arc::new(ExporterLog);
        }
    }
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

fn has_fast_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

fn is_chacha(suite: &SupportedCipherSuite) -> bool {
    [
        suite::TLS13_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]
    .contains(suite)
}

// AES-128 first: it costs a quarter less than AES-256 and is as far out of reach.
const SUITES: [SupportedCipherSuite; 9] = [
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

static KX_GROUPS: [&dyn SupportedKxGroup; 3] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1];
