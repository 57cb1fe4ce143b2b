//! XMPP clients of a real server: STARTTLS, TLS from the start, WebSocket, login, a message, the end.

mod process;

#[path = "xmpp/account_api.rs"]
mod account_api;
#[path = "xmpp/decided.rs"]
mod decided;
#[path = "xmpp/ended.rs"]
mod ended;
#[path = "xmpp/hostile.rs"]
mod hostile;
#[path = "xmpp/house.rs"]
mod house;
#[path = "xmpp/push.rs"]
mod push;
#[path = "xmpp/slow.rs"]
mod slow;
#[path = "support/tls.rs"]
mod tls_client;
#[path = "xmpp/uploads.rs"]
mod uploads;
#[path = "chat/wire.rs"]
mod wire;
#[path = "chat/xml.rs"]
mod xml;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use process::{CONFIG, Process, run_well};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const NUMBER: &str = "+15550100123";
const PASSWORD: &str = "correct horse";
const HEADER: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
/// `\0+15550100123\0correct horse` in base64.
const PLAIN: &str = "ACsxNTU1MDEwMDEyMwBjb3JyZWN0IGhvcnNl";

/// A server with one account, made while it runs; its JID.
fn server(folder: &Path) -> (Process, String) {
    std::fs::write(folder.join("config.toml"), CONFIG).unwrap();
    let server = Process::serve(folder, &["serve", "-c", "config.toml"]);
    let add = ["account", "add", "-c", "config.toml", NUMBER, "--password", PASSWORD];
    let added = run_well(folder, &add);
    let jid = added.split_whitespace().find(|word| word.contains("@localhost"));
    (server, jid.unwrap_or_else(|| panic!("{added}")).to_owned())
}

/// Reads until `end` has come.
fn read_until(stream: &mut impl Read, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut bytes = [0; 1];
        let len = stream.read(&mut bytes).unwrap_or(0);
        assert!(len > 0, "ended before {end:?}: {text}");
        text.push(char::from(bytes[0]));
    }
    text
}

fn tls(folder: &Path, socket: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let file = folder.join("data/tls/self-signed.pem");
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"xmpp-client".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

fn connect(server: &Process, role: &str) -> TcpStream {
    let socket = TcpStream::connect(server.address(role)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// Logs in by PLAIN and binds a resource.
fn log_in(stream: &mut (impl Read + Write)) {
    write!(stream, "{HEADER}").unwrap();
    let features = read_until(stream, "</stream:features>");
    assert!(features.contains("SCRAM-SHA-256-PLUS"), "{features}");
    assert!(features.contains("tls-exporter"), "{features}");
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
    write!(stream, "{auth}{PLAIN}</auth>").unwrap();
    read_until(stream, "<success");
    read_until(stream, ">");
    write!(stream, "{HEADER}").unwrap();
    read_until(stream, "</stream:features>");
    let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind>";
    write!(stream, "<iq id='b' type='set'>{bind}</iq>").unwrap();
    read_until(stream, "</iq>");
}

#[test]
fn a_message_goes_its_way_over_tls_and_the_server_says_goodbye() {
    let folder = tempfile::tempdir().unwrap();
    let (server, jid) = server(folder.path());
    let mut stream = tls(folder.path(), connect(&server, "xmpp_tls"));
    log_in(&mut stream);
    write!(stream, "<presence/>").unwrap();
    let body = "<body>hello</body></message>";
    write!(stream, "<message to='{jid}' id='m1' type='chat'>{body}").unwrap();
    let received = read_until(&mut stream, "</message>");
    assert!(received.contains("<body>hello</body>"), "{received}");
    let stopping = std::thread::spawn(move || server.stop());
    let goodbye = read_until(&mut stream, "</stream:stream>");
    assert!(goodbye.contains("system-shutdown"), "{goodbye}");
    drop(stream);
    stopping.join().unwrap();
}

#[test]
fn starttls_is_required_and_forgets_what_was_injected_before() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = server(folder.path());
    let mut socket = connect(&server, "xmpp");
    write!(socket, "{HEADER}").unwrap();
    let features = read_until(&mut socket, "</stream:features>");
    assert!(features.contains("<required"), "{features}");
    assert!(!features.contains("mechanism"), "{features}");
    let injected = "<iq id='injected' type='get' to='localhost'/>";
    let starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    // In one piece: what comes later is read as TLS, and refused as such.
    socket.write_all(format!("{starttls}{injected}").as_bytes()).unwrap();
    read_until(&mut socket, "<proceed");
    read_until(&mut socket, ">");
    let mut stream = tls(folder.path(), socket);
    log_in(&mut stream);
    write!(stream, "<iq id='p' type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        .unwrap();
    let answer = read_until(&mut stream, "id='p'");
    assert!(!answer.contains("injected"), "{answer}");
    server.stop();
}

/// A client's text frame, masked by nothing but zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match text.len() {
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

#[test]
fn a_websocket_of_loopback_opens_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = server(folder.path());
    let mut socket = connect(&server, "http");
    let features = open_websocket(&mut socket);
    assert!(features.contains("<open "), "{features}");
    close_websocket(&mut socket);
    server.stop();
}

#[test]
fn a_websocket_over_tls_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    let (server, jid) = server(folder.path());
    let mut stream = tls(folder.path(), connect(&server, "https"));
    let features = open_websocket(&mut stream);
    assert!(features.contains("SCRAM-SHA-256-PLUS") && features.contains("PLAIN"), "{features}");
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
    stream.write_all(&frame(&format!("{auth}{PLAIN}</auth>"))).unwrap();
    read_until(&mut stream, "<success");
    stream.write_all(&frame(OPEN)).unwrap();
    read_until(&mut stream, "</stream:features>");
    let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
    let bind = format!("<iq xmlns='jabber:client' id='b' type='set'>{bind}</iq>");
    stream.write_all(&frame(&bind)).unwrap();
    let bound = read_until(&mut stream, "</iq>");
    assert!(bound.contains(&jid), "{bound}");
    let body = "<body>by browser</body></message>";
    let message = format!("<message xmlns='jabber:client' to='{jid}' type='chat'>{body}");
    stream.write_all(&frame("<presence xmlns='jabber:client'/>")).unwrap();
    stream.write_all(&frame(&message)).unwrap();
    let received = read_until(&mut stream, "</message>");
    assert!(received.contains("by browser"), "{received}");
    close_websocket(&mut stream);
    server.stop();
}

const OPEN: &str =
    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>";

/// Upgrades, opens a stream, and gives what the server says first.
fn open_websocket(socket: &mut (impl Read + Write)) -> String {
    write!(
        socket,
        "GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    assert!(read_until(socket, "\r\n\r\n").contains(" 101 "));
    socket.write_all(&frame(OPEN)).unwrap();
    read_until(socket, "</stream:features>")
}

fn close_websocket(socket: &mut (impl Read + Write)) {
    socket.write_all(&frame("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")).unwrap();
    read_until(socket, "<close ");
}
