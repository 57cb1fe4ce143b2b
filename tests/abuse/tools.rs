//! What others wrote to try servers: slowhttptest and testssl.sh.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use whimbrel::admin::request::ListenerRole;
use whimbrel::tls::Mode;

use crate::slow::others_are_served;
use crate::support::door::{Lane, TestServer, Transport, on_each_lane};

/// Slow heads, slow content, overlapping ranges, slow reading.
const MODES: [&str; 4] = ["-H", "-B", "-R", "-X"];
const ATTACK_S: &str = "8";

#[test]
fn slowhttptest_hurts_nobody_in_any_mode() {
    if !is_installed("slowhttptest") {
        return;
    }
    on_each_lane(|lane| {
        let server = TestServer::start_with(lane, |config, _| {
            config.http.head_timeout_s = 2;
            config.http.body_timeout_s = 2;
            config.http.write_timeout_s = 2;
        });
        let url = format!("http://{}/large.bin", server.address(ListenerRole::Http));
        others_are_served(&server, || {
            thread::scope(|scope| {
                for mode in MODES {
                    let url = &url;
                    scope.spawn(move || attack(mode, url));
                }
            });
        });
        assert!(server.connect(Transport::Plain).is_open());
        assert_eq!(server.metric("whimbrel_http_panics_total", ""), 0.0);
    });
}

fn attack(mode: &str, url: &str) {
    let arguments = ["-c", "200", "-r", "200", "-i", "1", "-l", ATTACK_S, "-p", "5", "-u", url];
    let told = Command::new("slowhttptest").arg(mode).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let last = told.rmatch_indices("service available:").next();
    let (at, _) = last.unwrap_or_else(|| panic!("{mode}: {told}"));
    assert!(told[at..].lines().next().unwrap().contains("YES"), "{mode}: {told}");
}

/// What testssl.sh says of a test authority, and of compression, which only public files get.
const EXPECTED_FINDINGS: [&str; 5] = [
    "cert_chain_of_trust",
    "cert_revocation",
    "cert_crlDistributionPoints",
    "BREACH",
    "DNS_CAArecord",
];

#[test]
fn testssl_finds_nothing() {
    if !is_installed("testssl") {
        return;
    }
    let server = TestServer::start_with(Lane::Ring, |config, folder| {
        certify(folder);
        config.tls.mode = Mode::Files;
        config.tls.cert = Some(folder.join("cert.pem"));
        config.tls.key = Some(folder.join("key.pem"));
    });
    let folder = tempfile::tempdir().unwrap();
    let findings = folder.path().join("findings.json");
    let port = server.address(ListenerRole::Https).port();
    let ended = Command::new("testssl")
        .args(["--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1"])
        .args(TESTSSL_PARTS)
        .arg("--jsonfile")
        .arg(&findings)
        .arg(format!("localhost:{port}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let findings: Vec<serde_json::Value> =
        serde_json::from_str(&fs::read_to_string(findings).unwrap()).unwrap();
    let severe: Vec<_> = findings.iter().filter(|finding| is_severe(finding)).collect();
    assert!(findings.len() > 30, "{said}");
    assert!(severe.is_empty(), "{severe:#?}");
}

fn is_severe(finding: &serde_json::Value) -> bool {
    let id = finding["id"].as_str().unwrap();
    let severity = finding["severity"].as_str().unwrap();
    let is_expected = EXPECTED_FINDINGS.iter().any(|expected| id.starts_with(expected));
    !is_expected && matches!(severity, "LOW" | "MEDIUM" | "HIGH" | "CRITICAL" | "FATAL")
}

/// Long enough that nobody warns of the end, and not longer than browsers take.
const LIFE: Duration = Duration::from_secs(200 * 86_400);

/// A certificate as an authority would give it.
fn certify(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "Tests' authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new(["localhost".to_owned()]).unwrap();
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    server.not_before = SystemTime::now().into();
    server.not_after = (SystemTime::now() + LIFE).into();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem() + &root.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
    let is_installed = found.is_ok_and(|status| status.success());
    if !is_installed {
        println!("left out: no {program}");
    }
    is_installed
}

/// All but what takes long: the whole list of clients and ciphers is tried by hand.
const TESTSSL_PARTS: [&str; 6] = ["-p", "-s", "-f", "-S", "-h", "-U"];
