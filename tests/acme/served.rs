//! A real server fetches its certificate: a self-signed one first, then the issued one, which
//! outlives a restart.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::NAME;
use crate::authority::{Authority, Plan};
use crate::process::Process;

/// The client polls its order, and the fast lane looks at its certificate once a second.
const WAIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_comes_to_its_certificate_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority_folder = tempfile::tempdir().unwrap();
    let plans = vec![Plan::Issue { age: Duration::ZERO }];
    let authority = Authority::start(authority_folder.path(), plans).await;
    for lane in ["auto", "off"] {
        write_config(folder.path(), lane, &authority);
        let test = tokio::task::spawn_blocking({
            let (folder, authority) = (folder.path().to_owned(), authority.clone());
            move || match lane {
                "auto" => from_self_signed_to_issued(&folder, &authority),
                _ => issued_from_the_start(&folder, &authority),
            }
        });
        test.await.unwrap();
    }
    assert_eq!((authority.orders(), authority.accounts()), (1, 1));
}

fn from_self_signed_to_issued(folder: &Path, authority: &Authority) {
    let server = Process::serve(folder, &["serve", "-c", "config.toml"]);
    let https = server.address("https");
    let own = folder.join("data/tls/self-signed.pem");
    let head = ask(https, &own).expect("the self-signed certificate");
    assert!(!head.contains("strict-transport-security"), "{head}");
    assert_eq!(ask(https, &authority.ca_file), None);

    authority.look_at(server.address("http").port());
    let begun = Instant::now();
    let has_hsts = |head: Option<String>| {
        head.is_some_and(|head| {
            head.contains("\r\nstrict-transport-security: max-age=31536000\r\n")
        })
    };
    while !has_hsts(ask(https, &authority.ca_file)) {
        assert!(begun.elapsed() < WAIT, "{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(ask(https, &own), None);
    server.stop();
}

fn issued_from_the_start(folder: &Path, authority: &Authority) {
    let server = Process::serve(folder, &["serve", "-c", "config.toml"]);
    let head = ask(server.address("https"), &authority.ca_file).expect("the issued certificate");
    assert!(head.contains("strict-transport-security"), "{head}");
    server.stop();
}

fn write_config(folder: &Path, lane: &str, authority: &Authority) {
    let any = "[\"127.0.0.1:0\"]";
    let (directory, ca_file) = (&authority.directory, authority.ca_file.display());
    let config = format!(
        "domain = \"{NAME}\"\n\
         [http]\nlisten = {any}\nlisten_tls = {any}\nio_uring = \"{lane}\"\n\
         [xmpp]\nlisten = {any}\nlisten_tls = {any}\n\
         [call]\nudp_listen = {any}\n\
         [admin]\nlisten = {any}\n\
         [log]\nformat = \"json\"\n\
         [tls]\nmode = \"acme\"\ncontact = \"admin@{NAME}\"\n\
         directory = \"{directory}\"\nca_file = \"{ca_file}\"\n"
    );
    std::fs::write(folder.join("config.toml"), config).unwrap();
}

/// The head of an answer, if the server proves itself to a client that trusts `roots` alone.
fn ask(address: SocketAddr, roots: &Path) -> Option<String> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(roots).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).unwrap();
    let mut session = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket).ok()?;
    }
    let mut stream = StreamOwned::new(session, socket);
    let request = format!("GET /nothing HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    Some(format!("{head}\r\n"))
}
