//! The certificate: its files, chain, names and end.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::Finding;
use crate::config::Config;
use crate::tls::{Certificates, Mode, Validity};

/// Renewed certificates have more than this left.
const LIFE_SHORT: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) fn check(config: &Config) -> Vec<Finding> {
    const SUBJECT: &str = "certificate";
    if !config.speaks_tls() {
        return vec![Finding::ok(SUBJECT, "not needed: nothing listens for TLS")];
    }
    match (config.tls.mode, &config.tls.cert) {
        (Mode::SelfSigned, _) => vec![Finding::warn(
            SUBJECT,
            "self-signed: browsers warn of it",
            "for others than yourself, set [tls] mode to \"acme\" or \"files\"",
        )],
        (Mode::Acme, _) => vec![Finding::ok(SUBJECT, "fetched by ACME; the log tells how it goes")],
        (Mode::Files, Some(path)) => check_files(config, path),
        // The configuration's own check has refused this.
        (Mode::Files, None) => Vec::new(),
    }
}

fn check_files(config: &Config, path: &Path) -> Vec<Finding> {
    let subject = format!("certificate {}", path.display());
    // Reads both files and compares the key with the certificate.
    if let Err(error) = Certificates::open(&config.tls, &config.domain, &config.data_dir) {
        return vec![Finding::fail(subject, error.to_string(), "correct [tls] cert and key")];
    }
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    let chain = match chain {
        Ok(chain) => chain,
        Err(error) => {
            return vec![Finding::fail(subject, error.to_string(), "write it as PEM")];
        }
    };
    let Some(leaf) = chain.first() else { return Vec::new() };
    let mut findings = vec![check_life(&subject, leaf), check_chain(&subject, &chain)];
    findings.extend(config.tls.names(&config.domain).iter().map(|name| match names(leaf, name) {
        Ok(()) => Finding::ok(&subject, format!("it names {name}")),
        Err(error) => Finding::fail(
            &subject,
            format!("it does not name {name} ({error})"),
            "have one issued for this name, or correct `domain`",
        ),
    }));
    findings
}

fn check_life(subject: &str, leaf: &CertificateDer) -> Finding {
    let Some(validity) = Validity::of_certificate(leaf) else {
        return Finding::fail(subject, "its dates cannot be read", "have it issued anew");
    };
    let now = SystemTime::now();
    let until = httpdate::fmt_http_date(validity.not_after);
    let left = validity.left(now);
    if now < validity.not_before {
        let from = httpdate::fmt_http_date(validity.not_before);
        Finding::fail(subject, format!("it is valid only from {from}"), "check the clock")
    } else if left.is_zero() {
        Finding::fail(subject, format!("it ended on {until}"), "renew it, then send SIGHUP")
    } else if left < LIFE_SHORT {
        Finding::warn(subject, format!("it ends on {until}"), "renew it, then send SIGHUP")
    } else {
        Finding::ok(subject, format!("valid until {until}"))
    }
}

/// Each certificate must be signed by the next. The last one's own trust is the visitors' to judge.
fn check_chain(subject: &str, chain: &[CertificateDer<'static>]) -> Finding {
    let (Some(leaf), Some(last)) = (chain.first(), chain.last()) else {
        return Finding::fail(subject, "no certificate", "write it as PEM");
    };
    if chain.len() == 1 {
        return Finding::warn(
            subject,
            "it stands alone",
            "unless it is self-signed, append its issuer's certificates (fullchain.pem)",
        );
    }
    let mut roots = RootCertStore::empty();
    let verified = roots.add(last.clone()).and_then(|()| {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(leaf)?,
            &roots,
            &chain[1..chain.len() - 1],
            UnixTime::now(),
            rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all,
        )
    });
    match verified {
        Ok(()) => Finding::ok(subject, format!("a chain of {}", chain.len())),
        Err(error) => Finding::fail(
            subject,
            format!("its chain is broken: {error}"),
            "put the certificate first, then each one's issuer",
        ),
    }
}

fn names(leaf: &CertificateDer, name: &str) -> Result<(), rustls::Error> {
    let name = ServerName::try_from(name)
        .map_err(|_| rustls::Error::General("it is no server name".to_owned()))?;
    verify_server_name(&ParsedCertificate::try_from(leaf)?, &name)
}
