//! Webhooks against a provider on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::*;

/// Answers one request after the other, and tells what it was asked.
struct Provider {
    address: SocketAddr,
    asked: Receiver<String>,
}

impl Provider {
    fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let request = read_request(&mut BufReader::new(&stream));
                tell.send(request).unwrap();
                (&stream).write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { address, asked }
    }

    fn deliver(&self, webhook: &str) -> Result<(), DeliveryError> {
        let url = format!("http://{}", self.address);
        let toml = format!("gateway = \"webhook\"\n[webhook]\n{}", webhook.replace("URL", &url));
        deliver(&toml)
    }
}

fn read_request(reader: &mut impl BufRead) -> String {
    let (mut head, mut len) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
        let is_end = line == "\r\n";
        head.push_str(&line);
        if is_end {
            break;
        }
    }
    let mut content = vec![0; len];
    reader.read_exact(&mut content).unwrap();
    head + std::str::from_utf8(&content).unwrap()
}

fn deliver(toml: &str) -> Result<(), DeliveryError> {
    let config: VerificationConfig = toml::from_str(toml).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let gateway = Gateway::new(&config, "chat.example", provider).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(gateway.deliver(&send()))
}

fn send() -> SendCode {
    use chat_core::time::Now;
    use chat_core::verification::{Policy, Registrar};
    let policy = Policy { accepts_possible_numbers: true, ..Policy::default() };
    let now = Now { elapsed_ms: 0, unix_ms: 0 };
    let number = "+15550100123".parse().unwrap();
    let address = "192.0.2.1".parse().unwrap();
    Registrar::new(policy, [3; 32]).request_code(now, number, address).unwrap()
}

const OK: &str = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

#[test]
fn json_with_a_bearer() {
    let provider = Provider::start(&[OK]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "k3y\n").unwrap();
    let webhook = format!(
        "url = \"URL/send/{{digits}}\"\nheaders = {{ authorization = \"Bearer {{secret}}\" }}\n\
         secret_file = {:?}\nbody = '{{\"to\":\"{{number}}\",\"text\":\"{{text}}\"}}'",
        file.path()
    );
    provider.deliver(&webhook).unwrap();
    let asked = provider.asked.recv().unwrap();
    assert!(asked.starts_with("POST /send/15550100123 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nauthorization: Bearer k3y\r\n"), "{asked}");
    assert!(asked.contains("\r\ncontent-type: application/json\r\n"), "{asked}");
    let code = send().code;
    let expected = format!(
        "{{\"to\":\"+15550100123\",\"text\":\"{code} is your code for chat.example. \
         Give it to nobody.\\n\\n@chat.example #{code}\"}}"
    );
    assert!(asked.ends_with(&expected), "{asked}");
}

#[test]
fn a_form_with_a_password() {
    let provider = Provider::start(&[OK]);
    let webhook =
        "url = \"URL/\"\nformat = \"form\"\nusername = \"AC1\"\nbody = \"To={number}&C={code}\"";
    provider.deliver(webhook).unwrap();
    let asked = provider.asked.recv().unwrap();
    assert!(asked.contains("\r\nauthorization: Basic QUMxOg==\r\n"), "{asked}");
    assert!(asked.ends_with(&format!("\r\nTo=%2B15550100123&C={}", send().code)), "{asked}");
}

#[test]
fn what_may_pass_is_tried_again() {
    let provider = Provider::start(&[BUSY, OK]);
    provider.deliver("url = \"URL\"").unwrap();
    assert_eq!(provider.asked.iter().count(), 2);
}

#[test]
fn a_refusal_is_told_without_the_code() {
    let code = send().code.to_string();
    let refusal = format!("HTTP/1.1 400 No\r\nConnection: close\r\n\r\nno +15550100123 {code}");
    let provider = Provider::start(vec![&*refusal.leak()].leak());
    let error = provider.deliver("url = \"URL\"").unwrap_err().to_string();
    assert_eq!(error, "the provider: it answered 400 Bad Request: no {number} {code}");
    assert_eq!(provider.asked.iter().count(), 1);
}

#[test]
fn a_provider_that_is_away_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let toml =
        format!("gateway = \"webhook\"\n[webhook]\nurl = \"http://{address}\"\ntries_max = 1");
    assert!(matches!(deliver(&toml), Err(DeliveryError::Webhook(WebhookError::Exchange(_)))));
}

#[test]
fn the_console_needs_nothing() {
    deliver("").unwrap();
}
