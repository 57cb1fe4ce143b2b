//! Web push (RFC 8030, RFC 8291) by a running server: a browser that is away is told through its
//! push service, and nobody has the server ask its neighbours.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::house::{House, ask, condition, until};

const WAIT: Duration = Duration::from_secs(20);
const TAKEN: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

/// A push service of the test's own, over TLS.
struct Service {
    address: SocketAddr,
    asked: Receiver<Vec<u8>>,
}

impl Service {
    /// Its certificate goes to `authority.pem` in `folder`.
    fn start(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("authority.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(made.cert.der().to_vec())], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let session = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(session, socket);
                let Some(request) = read_request(&mut stream) else { continue };
                let _ = stream.write_all(TAKEN);
                if tell.send(request).is_err() {
                    return;
                }
            }
        });
        Self { address, asked }
    }
}

fn read_request(stream: &mut impl Read) -> Option<Vec<u8>> {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&buffer[..count]);
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let len = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>();
        if request.len() >= end + 4 + len.ok()? {
            return Some(request);
        }
    }
}

/// A browser's half of a subscription (RFC 8291 3.1, 3.2).
struct Browser {
    key: PrivateKey,
    public: Vec<u8>,
    secret: [u8; 16],
}

impl Browser {
    fn new() -> Self {
        let key = PrivateKey::generate(&ECDH_P256).unwrap();
        let public = key.compute_public_key().unwrap().as_ref().to_vec();
        Self { key, public, secret: *b"sixteen is right" }
    }

    fn subscribe(&self, endpoint: &str) -> String {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (key, secret) = (encode(&self.public), encode(&self.secret));
        format!(
            "<subscribe xmlns='urn:whimbrel:web-push:0' endpoint='{endpoint}' p256dh='{key}' \
             auth='{secret}'/>"
        )
    }

    /// RFC 8188 2 and RFC 8291 3.4, from the other side.
    fn decrypt(&self, message: &[u8]) -> String {
        let (salt, rest) = message.split_at(16);
        let (_record_bytes, rest) = rest.split_at(4);
        let (theirs, sealed) = rest[1..].split_at(usize::from(rest[0]));
        let peer = UnparsedPublicKey::new(&ECDH_P256, theirs);
        let shared = agree(&self.key, peer, (), |shared| Ok(shared.to_vec())).unwrap();
        let info = [b"WebPush: info\0".as_slice(), &self.public, theirs, &[1]].concat();
        let input = mac(&mac(&self.secret, &shared), &info);
        let pseudo_random = mac(salt, &input);
        let key = &mac(&pseudo_random, b"Content-Encoding: aes128gcm\0\x01")[..16];
        let nonce = &mac(&pseudo_random, b"Content-Encoding: nonce\0\x01")[..12];
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        let mut sealed = sealed.to_vec();
        let opened = key.open_in_place(nonce, Aad::empty(), &mut sealed).unwrap();
        let text = opened.strip_suffix(&[2]).expect("the last record's delimiter");
        String::from_utf8(text.to_vec()).unwrap()
    }
}

fn mac(key: &[u8], content: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), content).as_ref().to_vec()
}

/// A server that trusts this service, and Anna, whose browser has subscribed and is away.
fn subscribed() -> (House, Service, Browser, String) {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let push = "[push]\nca_file = 'authority.pem'\nprivate_endpoints = true\n";
    let mut house = House::start_in(folder, "", push);
    let (anna, browser) = (house.account(), Browser::new());
    let mut wire = house.come_online(&anna);
    let endpoint = format!("https://localhost:{}/p/1", service.address.port());
    let subscribed = ask(&mut wire, "set", "", &browser.subscribe(&endpoint));
    assert_eq!(subscribed.attribute("type"), Some("result"), "{subscribed:?}");
    wire.send("</stream:stream>").unwrap();
    assert!(wire.wait_for(|_| false).is_err(), "the stream ends");
    (house, service, browser, anna)
}

fn write_to(house: &House, from: &str, to: &str) {
    let mut wire = house.log_in(from);
    let body = "<body>are you there?</body>";
    wire.send(&format!("<message to='{to}' type='chat'>{body}</message>")).unwrap();
    ask(&mut wire, "get", "", "<ping xmlns='urn:xmpp:ping'/>");
}

#[test]
fn a_browser_that_is_away_is_told_through_its_push_service() {
    let (mut house, service, browser, anna) = subscribed();
    let bert = house.account();
    write_to(&house, &bert, &anna);
    let request = service.asked.recv_timeout(WAIT).unwrap();
    let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&request[..end]);
    assert!(head.starts_with("POST /p/1 HTTP/1.1\r\n"), "{head}");
    let told: serde_json::Value =
        serde_json::from_str(&browser.decrypt(&request[end + 4..])).unwrap();
    assert_eq!(told, serde_json::json!({ "kind": "message", "sender": bert }));
}

#[test]
fn nobody_has_the_server_ask_its_neighbours() {
    let (mut house, service, browser, anna) = subscribed();
    let bert = house.account();
    // The name was taken while that was allowed; what counts is where it leads now.
    house.restart("[push]\nca_file = 'authority.pem'\n");
    write_to(&house, &bert, &anna);
    until("the push is refused", || house.process.log().contains("which is not asked"));
    assert!(service.asked.try_recv().is_err());
    let mut wire = house.log_in(&anna);
    for host in ["localhost", "127.0.0.1", "10.0.0.1"] {
        let refused = ask(&mut wire, "set", "", &browser.subscribe(&format!("https://{host}/p")));
        assert_eq!(condition(&refused), "not-acceptable", "{host}");
    }
}
