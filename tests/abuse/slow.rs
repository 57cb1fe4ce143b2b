//! Clients that take their time with a head, with content, or with reading an answer.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use whimbrel::admin::request::ListenerRole;

use crate::support::door::{Lane, TestServer, Transport, on_each_lane};
use crate::support::until;

/// Only a client that is not cut takes so long.
const PATIENCE: Duration = Duration::from_secs(25);
const TIMEOUT_S: u32 = 1;
/// More than all socket buffers together.
const FILM_BYTES: u64 = 64 << 20;

/// How a client is slow.
type Slow = fn(&TestServer) -> TcpStream;

#[test]
fn slow_clients_are_cut_while_others_are_served() {
    const CLIENTS: &[(&str, Slow)] = &[
        ("says nothing", |server| server.tcp(ListenerRole::Http)),
        ("says nothing in TLS", |server| server.tcp(ListenerRole::Https)),
        ("stops in its head", |server| sent(server, b"GET /hello.txt HTTP/1.1\r\nHo")),
        ("stops in a later head", |server| {
            let mut tcp = sent(server, b"GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n");
            tcp.read_exact(&mut [0; 20]).unwrap();
            tcp.write_all(b"GET /").unwrap();
            tcp
        }),
        ("stops in its TLS handshake", |server| {
            let mut tcp = server.tcp(ListenerRole::Https);
            tcp.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
            tcp
        }),
        ("stops in its content", |server| upload(server)),
        ("stops in content for nobody", |server| {
            sent(server, b"POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")
        }),
        ("stops in a chunk", |server| {
            sent(
                server,
                b"POST /hello.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
            )
        }),
    ];
    on_each_lane(|lane| {
        let server = start(lane);
        others_are_served(&server, || {
            let clients: Vec<_> =
                CLIENTS.iter().map(|(name, client)| (name, client(&server))).collect();
            for (name, tcp) in clients {
                assert_cut(name, tcp);
            }
        });
        assert_eq!(server.metric("whimbrel_http_panics_total", ""), 0.0);
    });
}

#[test]
fn dripping_does_not_help() {
    on_each_lane(|lane| {
        let server = start(lane);
        others_are_served(&server, || {
            let head = sent(&server, b"GET /hello.txt HTTP/1.1\r\nHost: x\r\nX: ");
            let content = upload(&server);
            thread::scope(|scope| {
                for tcp in [head, content] {
                    scope.spawn(|| drip(tcp));
                }
            });
        });
    });
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    on_each_lane(|lane| {
        let server = start(lane);
        let film = server.put_media(&vec![7; 20 << 20]);
        others_are_served(&server, || {
            for (role, path) in [(ListenerRole::Http, "/film.bin"), (ListenerRole::Http, &film)] {
                let cut = || server.metric("whimbrel_http_timed_out_total", "");
                let cut_before = cut();
                let mut tcp = server.tcp(role);
                write!(tcp, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                until("the client is cut", || cut() > cut_before);
                // What lay in the buffers still comes; the whole does not.
                let mut received = Vec::new();
                tcp.set_read_timeout(Some(PATIENCE)).unwrap();
                let ended = tcp.read_to_end(&mut received);
                assert!(!matches!(&ended, Err(error) if is_timeout(error)), "{path}: {ended:?}");
                assert!((received.len() as u64) < (20 << 20), "{path}: {} bytes", received.len());
            }
        });
    });
}

fn start(lane: Lane) -> TestServer {
    let server = TestServer::start_with(lane, |config, _| {
        let http = &mut config.http;
        http.head_timeout_s = TIMEOUT_S;
        http.body_timeout_s = TIMEOUT_S;
        http.write_timeout_s = TIMEOUT_S;
        http.keep_alive_timeout_s = 2 * TIMEOUT_S;
    });
    fs::File::create(server.root().join("film.bin")).unwrap().set_len(FILM_BYTES).unwrap();
    server
}

fn sent(server: &TestServer, bytes: &[u8]) -> TcpStream {
    let mut tcp = server.tcp(ListenerRole::Http);
    tcp.write_all(bytes).unwrap();
    tcp
}

/// An upload that is allowed, and stops behind its first bytes.
fn upload(server: &TestServer) -> TcpStream {
    let token = server.upload_token();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\n\
         Authorization: Bearer {token}\r\nUpload-Length: 100000\r\nContent-Length: 100000\r\n\
         Content-Type: application/offset+octet-stream\r\n\r\nthe first bytes"
    );
    sent(server, head.as_bytes())
}

/// The server ends the connection, whatever it says before.
fn assert_cut(name: &str, mut tcp: TcpStream) {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let ended = tcp.read_to_end(&mut Vec::new());
    assert!(!matches!(&ended, Err(error) if is_timeout(error)), "a client that {name} is not cut");
}

/// Sends a byte now and then until the server ends the connection.
fn drip(mut tcp: TcpStream) {
    tcp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "a client that drips is not cut");
        let is_cut = match tcp.write_all(b"x").and_then(|()| tcp.read(&mut [0; 1024])) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => !is_timeout(&error),
        };
        if is_cut {
            return;
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Has another client ask again and again while something happens.
pub fn others_are_served(server: &TestServer, happens: impl FnOnce()) {
    let mut others = server.connect(Transport::Plain);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                // On a busy machine it may be this client that was idle for too long.
                if !others.is_open() {
                    others = server.connect(Transport::Plain);
                    assert!(others.is_open(), "another client is not served");
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        // The other client stops though this panics.
        let _done = Done(&done);
        happens();
        drop(_done);
        served.join().unwrap();
    });
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
