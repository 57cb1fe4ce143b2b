//! HTTP/2 by ALPN (RFC 9113): the same answers, many at once.

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::SupportedProtocolVersion;
use rustls::pki_types::ServerName;
use whimbrel::admin::request::ListenerRole;

use crate::support::door::{TestServer, on_each_lane};
use crate::support::site::{LARGE_BYTES, pattern};
use crate::support::tls;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

type Sender = SendRequest<Full<Bytes>>;

#[test]
fn meaning_is_that_of_http1() {
    /// Method, path, a field, and the status.
    const REQUESTS: &[(&str, &str, (&str, &str), u16)] = &[
        ("GET", "/hello.txt", ("x-any", "x"), 200),
        ("HEAD", "/hello.txt", ("x-any", "x"), 200),
        ("GET", "/absent", ("x-any", "x"), 404),
        ("GET", "/folder", ("x-any", "x"), 308),
        ("GET", "/healthz", ("x-any", "x"), 200),
        ("OPTIONS", "/hello.txt", ("x-any", "x"), 204),
        ("POST", "/hello.txt", ("x-any", "x"), 405),
        ("GET", "/digits.txt", ("range", "bytes=2-4"), 206),
        ("GET", "/digits.txt", ("range", "bytes=10-"), 416),
        ("GET", "/digits.txt", ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), 304),
        ("GET", "/digits.txt", ("if-match", "\"a\""), 412),
        ("GET", "/hello.txt", ("expect", "tea"), 417),
    ];
    on_each_connection(async |_, mut sender| {
        for (method, path, (name, value), status) in REQUESTS {
            let (head, content) = ask(&mut sender, method, path, (name, value)).await;
            let status = StatusCode::from_u16(*status).unwrap();
            let is_redirect = head.status().is_redirection() && status.is_redirection();
            assert!(head.status() == status || is_redirect, "{method} {path}: {head:?}");
            assert_eq!(head.version(), Version::HTTP_2);
            assert!(head.headers().contains_key("date"), "{head:?}");
            assert!(!head.headers().contains_key("connection"), "{head:?}");
            match (*method, *path, status.as_u16()) {
                ("HEAD", ..) | (_, _, 204 | 304) => assert_eq!(content.len(), 0),
                (_, "/hello.txt", 200) => assert_eq!(content, "hello\n"),
                (_, _, 206) => assert_eq!(content, "234"),
                _ => {}
            }
        }
    });
}

#[test]
fn large_files_arrive_whole_beside_small_ones() {
    let large = pattern(LARGE_BYTES);
    on_each_connection(async |server, sender| {
        let object = server.put_media(&large);
        let paths = ["/large.bin", object.as_str(), "/hello.txt"];
        let asked = (0..30).map(|number| {
            let mut sender = sender.clone();
            async move { ask(&mut sender, "GET", paths[number % 3], ("x-any", "x")).await.1 }
        });
        for (number, content) in join_all(asked).await.into_iter().enumerate() {
            match number % 3 {
                2 => assert_eq!(content, "hello\n"),
                _ => assert!(content == large, "answer {number}"),
            }
        }
    });
}

#[test]
fn content_that_nobody_wants_does_not_hurt_other_streams() {
    on_each_connection(async |_, mut sender| {
        let content = Full::new(Bytes::from(vec![b'x'; 5 * 1024 * 1024]));
        let request = Request::post("https://localhost/hello.txt").body(content).unwrap();
        let refused = sender.send_request(request).await.unwrap();
        assert_eq!(refused.status(), 405);
        let (head, content) = ask(&mut sender, "GET", "/hello.txt", ("x-any", "x")).await;
        assert_eq!((head.status(), content), (StatusCode::OK, "hello\n".into()));
    });
}

async fn ask(
    sender: &mut Sender,
    method: &str,
    path: &str,
    (name, value): (&str, &str),
) -> (Response<()>, Bytes) {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(format!("https://localhost{path}"))
        .header(name, value)
        .body(Full::new(Bytes::new()))
        .unwrap();
    sender.ready().await.unwrap();
    let (head, content) = sender.send_request(request).await.unwrap().into_parts();
    (Response::from_parts(head, ()), content.collect().await.unwrap().to_bytes())
}

fn on_each_connection(test: impl AsyncFn(&TestServer, Sender)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    on_each_lane(|lane| {
        let server = TestServer::start(lane);
        for version in VERSIONS {
            runtime.block_on(async { test(&server, connect(&server, version).await).await });
        }
    });
}

async fn connect(server: &TestServer, version: &'static SupportedProtocolVersion) -> Sender {
    let client = tls::client(&server.certificate(), version, &[b"h2"]);
    let tcp = tokio::net::TcpStream::connect(server.address(ListenerRole::Https)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(client).connect(name, tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let io = TokioIo::new(stream);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}
