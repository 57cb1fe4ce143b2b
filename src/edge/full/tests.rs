//! The full lane over real sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::mpsc;

use super::{Engine, FullLane};
use crate::edge::api::{ApiAnswer, ApiDoor, ApiRequest, CONTENT_BYTES_MAX};
use crate::edge::config::HttpConfig;
use crate::edge::lane::HandedOver;
use crate::edge::limiter::RateLimiter;
use crate::edge::loader::Loader;
use crate::edge::origin::{ExtraFields, Origin};
use crate::edge::route::Router;
use crate::edge::websocket::{HostMeta, WebSocketClient, XmppDoor};
use crate::telemetry::health::{Health, PartState};
use crate::telemetry::metrics::Registry;
use crate::tls::ChallengeTokens;

struct Lane {
    full: FullLane,
    listener: TcpListener,
    registry: Registry,
    _runtime: tokio::runtime::Runtime,
}

impl Lane {
    fn start(engine: Engine, http: HttpConfig) -> Self {
        Self::start_with(engine, http, None, None)
    }

    fn start_with(
        engine: Engine,
        http: HttpConfig,
        api: Option<ApiDoor>,
        xmpp: Option<XmppDoor>,
    ) -> Self {
        let health = Health::new();
        health.set("edge", PartState::Serving);
        let registry = Registry::new();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let origin = Origin {
            http,
            router: Router::default(),
            loader: Loader::new(runtime.handle().clone(), &[], None, None, 0).unwrap(),
            uploads: None,
            api,
            xmpp,
            challenges: ChallengeTokens::default(),
            limiter: Arc::new(RateLimiter::new(0, 1)),
            extra: ExtraFields::default(),
            health,
            registry: registry.clone(),
            access_log: None,
        };
        let full = FullLane::start(1, engine, Arc::new(origin)).unwrap();
        Self {
            full,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            registry,
            _runtime: runtime,
        }
    }

    /// A connection of which `read` was read by another lane.
    fn connect(&self, read: &str) -> TcpStream {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = self.listener.accept().unwrap();
        let read = read.as_bytes().to_vec();
        let handed = HandedOver { stream, peer, tls: None, read, place: None };
        assert!(self.full.sender(0).try_send(handed).is_ok());
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    /// What is answered until the server closes.
    fn answers(&self, read: &str, sent: &str) -> String {
        let mut client = self.connect(read);
        client.write_all(sent.as_bytes()).unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).unwrap();
        answers
    }
}

fn engines() -> [Engine; 2] {
    [Engine::IoUring, Engine::Threads]
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).map(|s| &s[..3]).collect()
}

#[test]
fn what_was_read_before_and_what_comes_are_answered_in_order() {
    for engine in engines() {
        let lane = Lane::start(engine, HttpConfig::default());
        let first = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /api/x HTTP/1.1\r\nHo";
        let rest = "st: a\r\n\r\nHEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answers = lane.answers(first, rest);
        assert_eq!(statuses(&answers), ["200", "404", "200"], "{answers}");
        assert!(answers.contains("\r\ndate: "), "{answers}");
        assert_eq!(answers.matches("serving\n").count(), 1, "{answers}");
        let metrics = lane.registry.render();
        let counted = "whimbrel_http_requests_total{lane=\"full\",status=\"2xx\"} 2";
        assert!(metrics.contains(counted), "{metrics}");
    }
}

#[test]
fn what_could_smuggle_ends_the_connection() {
    let lane = Lane::start(Engine::Threads, HttpConfig::default());
    let next = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let check = |fields: &str, content: &str, expected: &[&str]| {
        let sent = format!("POST /healthz HTTP/1.1\r\n{fields}\r\n{content}{next}");
        let answers = lane.answers("", &sent);
        assert_eq!(statuses(&answers), expected, "{fields:?}: {answers}");
    };
    check("Host: a\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", &["405"]);
    check("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n", &["400"]);
    check("Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n", "abc", &["400"]);
    check("Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n", "abc", &["400"]);
    check("Host: a\r\nHost: b\r\n", "", &["400"]);
    check("", "", &["400"]);
}

/// Answers each request by what came, unless its path says otherwise.
fn echo(mut requests: mpsc::Receiver<ApiRequest>) {
    while let Some(request) = requests.blocking_recv() {
        let ApiRequest { method, path, query, content, peer, is_tls, reply, .. } = request;
        if path == "/api/drop" {
            continue;
        }
        if path == "/api/long" || path == "/api/cut" {
            let (pieces, more) = mpsc::channel(2);
            pieces.blocking_send(Ok(Bytes::from_static(b"second"))).unwrap();
            if path == "/api/cut" {
                pieces.blocking_send(Err(std::io::ErrorKind::Other.into())).unwrap();
            }
            let (content, fields) = (Bytes::from_static(b"first "), HeaderMap::new());
            let _ = reply.send(ApiAnswer { status: 200, fields, content, more: Some(more) });
            continue;
        }
        let told = format!("{method} {path} {query:?} {} {is_tls} ", peer.ip());
        let content = [told.as_bytes(), &content].concat().into();
        let _ =
            reply.send(ApiAnswer { status: 201, fields: HeaderMap::new(), content, more: None });
    }
}

#[test]
fn api_requests_are_passed_on_whole() {
    for engine in engines() {
        let (requests, passed) = mpsc::channel(1);
        let lane =
            Lane::start_with(engine, HttpConfig::default(), Some(ApiDoor { requests }), None);
        std::thread::spawn(move || echo(passed));
        let post = |path: &str, content: &str| {
            let len = content.len();
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
            lane.answers(&head, &format!("Content-Length: {len}\r\n\r\n{content}"))
        };
        let answers = post("/api/v1/x?y", "{}");
        assert_eq!(statuses(&answers), ["201"], "{answers}");
        assert!(answers.ends_with("POST /api/v1/x Some(\"y\") 127.0.0.1 false {}"), "{answers}");
        assert!(answers.contains("\r\ncache-control: no-store\r\n"), "{answers}");
        assert_eq!(statuses(&post("/api/drop", "")), ["500"]);
        let longest = "x".repeat(CONTENT_BYTES_MAX);
        assert_eq!(statuses(&post("/api/", &longest)), ["201"]);
        assert_eq!(statuses(&post("/api/", &(longest + "x"))), ["413"]);
    }
}

#[test]
fn long_answers_are_sent_as_they_are_made() {
    for engine in engines() {
        let (requests, passed) = mpsc::channel(1);
        let lane =
            Lane::start_with(engine, HttpConfig::default(), Some(ApiDoor { requests }), None);
        std::thread::spawn(move || echo(passed));
        let get = |path: &str| {
            let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            lane.answers(&head, "")
        };
        let whole = get("/api/long");
        assert!(whole.contains("\r\ntransfer-encoding: chunked\r\n"), "{whole}");
        assert!(whole.contains("first ") && whole.contains("second"), "{whole}");
        assert!(whole.ends_with("\r\n0\r\n\r\n"), "{whole}");
        let cut = get("/api/cut");
        assert!(!cut.ends_with("\r\n0\r\n\r\n"), "{cut}");
    }
}

#[test]
fn api_requests_beyond_the_queue_are_told_to_come_again() {
    let (requests, mut passed) = mpsc::channel(1);
    let lane =
        Lane::start_with(Engine::Threads, HttpConfig::default(), Some(ApiDoor { requests }), None);
    let ask = "GET /api/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut first = lane.connect(ask);
    while passed.is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(statuses(&lane.answers(ask, "")), ["503"]);
    let ApiRequest { reply, .. } = passed.blocking_recv().unwrap();
    let answer =
        ApiAnswer { status: 204, fields: HeaderMap::new(), content: Bytes::new(), more: None };
    reply.send(answer).unwrap();
    let mut told = String::new();
    first.read_to_string(&mut told).unwrap();
    assert_eq!(statuses(&told), ["204"], "{told}");
}

#[test]
fn slow_clients_are_cut() {
    let http = HttpConfig {
        head_timeout_s: 1,
        keep_alive_timeout_s: 1,
        body_timeout_s: 1,
        ..HttpConfig::default()
    };
    let lane = Lane::start(Engine::IoUring, http);
    assert_eq!(lane.answers("GET /healthz HT", ""), "");
    let answers = lane.answers("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "");
    assert_eq!(statuses(&answers), ["200"]);
    let metrics = lane.registry.render();
    assert!(metrics.contains("whimbrel_http_timed_out_total{lane=\"full\"} 1"), "{metrics}");
}

#[test]
fn a_drained_lane_ends_idle_connections_and_then_itself() {
    for engine in engines() {
        let lane = Lane::start(engine, HttpConfig::default());
        let mut client = lane.connect("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut first = [0; 12];
        client.read_exact(&mut first).unwrap();
        lane.full.stop(Duration::from_secs(10));
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("serving\n"), "{rest}");
    }
}

/// A lane with a door for one XMPP client at a time, and what comes through it.
fn lane_with_door(engine: Engine) -> (Lane, mpsc::Receiver<WebSocketClient>) {
    let (clients, came) = mpsc::channel(1);
    let host_meta = HostMeta::new("wss://a.example/xmpp-websocket");
    let door = XmppDoor { clients, origins: Arc::default(), host_meta };
    (Lane::start_with(engine, HttpConfig::default(), None, Some(door)), came)
}

const HANDSHAKE: &str = "GET /xmpp-websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_websocket_leaves_the_lane_with_what_came_behind_it() {
    for engine in engines() {
        let (lane, mut came) = lane_with_door(engine);
        let mut client = lane.connect(&format!("{HANDSHAKE}first"));
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(statuses(&answer), ["101"], "{answer}");
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        let left = came.blocking_recv().unwrap();
        assert_eq!((left.read.as_slice(), left.tls.is_none()), (b"first".as_slice(), true));
        client.write_all(b" and more").unwrap();
        left.stream.set_nonblocking(false).unwrap();
        let mut more = [0; 9];
        (&left.stream).read_exact(&mut more).unwrap();
        assert_eq!(&more, b" and more");
        // It is no longer the lane's: the lane ends at once, and the connection lives on.
        lane.full.stop(Duration::from_secs(10));
        (&left.stream).write_all(b"still").unwrap();
        let mut still = [0; 5];
        client.read_exact(&mut still).unwrap();
        assert_eq!(&still, b"still");
    }
}

#[test]
fn a_full_door_and_a_wrong_handshake_have_a_status() {
    let (lane, came) = lane_with_door(Engine::Threads);
    let close = "Connection: close\r\n";
    let plain = format!("GET /xmpp-websocket HTTP/1.1\r\nHost: a\r\n{close}\r\n");
    assert_eq!(statuses(&lane.answers(&plain, "")), ["426"]);
    let described = format!("GET /.well-known/host-meta HTTP/1.1\r\nHost: a\r\n{close}\r\n");
    let answers = lane.answers(&described, "");
    assert!(answers.contains("\r\naccess-control-allow-origin: *\r\n"), "{answers}");
    assert!(answers.contains("wss://a.example/xmpp-websocket"), "{answers}");
    let _first = lane.connect(HANDSHAKE);
    while came.is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = HANDSHAKE.replace("Connection: Upgrade", "Connection: Upgrade, close");
    assert_eq!(statuses(&lane.answers(&second, "")), ["503"]);
}
