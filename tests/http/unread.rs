//! An answer that comes before its request's content was read reaches the client all the same
//! (RFC 9112 9.6): what the client still sends must not reset it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use whimbrel::admin::request::ListenerRole;

use crate::support::door::{TestServer, on_each_lane};

/// More than socket buffers hold.
const CONTENT_BYTES: usize = 12 * 1024 * 1024;

#[test]
fn a_refusal_reaches_a_client_that_goes_on_sending() {
    on_each_lane(|lane| {
        let server = TestServer::start(lane);
        for head in [
            format!(
                "POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: {CONTENT_BYTES}\r\n\r\n"
            ),
            format!(
                "POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: {CONTENT_BYTES}\r\nConnection: close\r\n\r\n"
            ),
            "POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"
                .to_owned(),
        ] {
            let tcp = server.tcp(ListenerRole::Http);
            tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let sender = send_all(tcp.try_clone().unwrap(), head.clone());
            let answer = read_late(&tcp);
            let status = answer.get(..12).unwrap_or_default();
            assert!(
                matches!(status, b"HTTP/1.1 405" | b"HTTP/1.1 400"),
                "{head}: {:?}",
                String::from_utf8_lossy(&answer)
            );
            sender.join().unwrap();
        }
    });
}

/// Sends as long as it can; that the server stops taking is no fault.
fn send_all(mut tcp: TcpStream, head: String) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let _ = tcp.write_all(head.as_bytes());
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..CONTENT_BYTES / piece.len() {
            if tcp.write_all(&piece).is_err() {
                return;
            }
        }
    })
}

/// Reads after a while: a reset in between would have thrown the answer away.
fn read_late(mut tcp: &TcpStream) -> Vec<u8> {
    thread::sleep(Duration::from_millis(300));
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match tcp.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => answer.extend_from_slice(&piece[..len]),
            Err(error) => panic!("{error} where an answer was due"),
        }
    }
    answer
}
