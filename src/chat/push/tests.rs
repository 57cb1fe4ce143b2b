//! Pushes to a push service of the tests' own.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use chat_core::features::web_push::{Push, PushKind, Subscription};
use chat_core::jid::AccountId;
use data_encoding::BASE64URL_NOPAD;

use super::encryption::encrypt_with;
use super::{Delivery, Identity, PushError, Pusher};
use crate::http_client::{HttpClient, Schemes};

const TAKEN: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 429 Later\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
const GONE: &str = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
const WRONG: &str = "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n";

fn bytes(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
}

fn subscription(endpoint: &str) -> Subscription {
    Subscription {
        endpoint: endpoint.into(),
        public_key: bytes(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        )
        .into(),
        secret: bytes("BTBZMqHH6r4Tts7J_aSIgg").into(),
        since_unix_ms: 0,
        is_enabled: true,
    }
}

/// RFC 8291 5 and its appendix A.
#[test]
fn the_example_of_rfc_8291_is_encrypted() {
    let own = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
    let own = PrivateKey::from_private_key(&ECDH_P256, &own).unwrap();
    let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
    let subscription = subscription("https://push.example.net/");
    let content = b"When I grow up, I want to be a watermelon";
    let message = encrypt_with(content, &subscription, &own, &salt).unwrap();
    let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3v\
                    CYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXP\
                    XLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    assert_eq!(BASE64URL_NOPAD.encode(&message), expected);
}

/// A push service that gives these answers, one for each connection.
struct Service {
    endpoint: String,
    asked: Receiver<Vec<u8>>,
}

impl Service {
    fn start(answers: &'static [&'static str]) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/push/1", listener.local_addr().unwrap());
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = tell.send(read_request(&mut stream));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Service { endpoint, asked }
    }

    fn deliver(&self, kind: PushKind) -> (Result<Delivery, PushError>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::open(folder.path(), "mailto:admin@example.org").unwrap();
        let again = Identity::open(folder.path(), "mailto:admin@example.org").unwrap();
        assert_eq!(identity.public_key(), again.public_key());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = HttpClient::new(provider, None, Schemes::HttpAndHttps).unwrap();
        let pusher = Pusher::new(identity, client);
        let push = Push {
            account: AccountId::from_random(1),
            subscription: subscription(&self.endpoint),
            kind,
            sender: "alice@example.org".into(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let delivered = runtime.block_on(pusher.deliver(&push));
        (delivered, pusher.public_key().to_vec())
    }
}

fn read_request(stream: &mut impl Read) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        request.extend_from_slice(&buffer[..count]);
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if count == 0 || request.len() >= end + 4 + length {
            return request;
        }
    }
}

fn field(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))[name.len() + 2..].to_owned()
}

#[test]
fn a_push_is_signed_sealed_and_named() {
    let service = Service::start(&[TAKEN]);
    let (delivered, key) = service.deliver(PushKind::Call);
    assert_eq!(delivered.unwrap(), Delivery::Taken);
    let request = service.asked.recv().unwrap();
    let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(request[..end].to_vec()).unwrap();
    assert!(head.starts_with("POST /push/1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "ttl"), "60");
    assert_eq!(field(&head, "urgency"), "high");
    assert_eq!(field(&head, "content-encoding"), "aes128gcm");
    let authorization = field(&head, "authorization");
    let (token, named) = authorization.split_once(", k=").unwrap();
    assert_eq!(bytes(named), key);
    let (signed, signature) = token.strip_prefix("vapid t=").unwrap().rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key)
        .verify(signed.as_bytes(), &bytes(signature))
        .unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&bytes(signed.split_once('.').unwrap().1)).unwrap();
    assert_eq!(claims["aud"], service.endpoint.trim_end_matches("/push/1"));
    assert_eq!(claims["sub"], "mailto:admin@example.org");
    assert!(!String::from_utf8_lossy(&request[end..]).contains("alice"));
}

#[test]
fn what_may_pass_is_tried_again() {
    let service = Service::start(&[BUSY, TAKEN]);
    assert_eq!(service.deliver(PushKind::Message).0.unwrap(), Delivery::Taken);
    assert_eq!(service.asked.iter().count(), 2);
}

#[test]
fn a_subscription_ends_where_its_service_says_so() {
    let service = Service::start(&[GONE]);
    assert_eq!(service.deliver(PushKind::Message).0.unwrap(), Delivery::Gone);
}

#[test]
fn a_refusal_is_final() {
    let service = Service::start(&[WRONG]);
    let error = service.deliver(PushKind::Message).0.unwrap_err();
    assert!(matches!(error, PushError::Refused { status, .. } if status == 400), "{error}");
    assert_eq!(service.asked.iter().count(), 1);
}
