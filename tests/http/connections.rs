//! How long a connection lives, and what may stand on it: RFC 9112 3.2 (target), 9.3
//! (persistence, pipelining), RFC 9110 9.3.7 (OPTIONS), 10.1.1 (Expect).

use crate::exchange::{Exchange, check, check_later};
use crate::support::door::{Lane, Transport, through_doors, through_each_door};
use crate::support::site::{LARGE_BYTES, pattern};

const PERSISTENCE: &[Exchange] = &[
    ("GET /hello.txt HTTP/1.1\nHost: x\n\n", "200; no connection; = hello\n; open"),
    ("GET /hello.txt HTTP/1.1\nHost: x\nConnection: close\n\n", "200; connection: close; ended"),
    ("GET /hello.txt HTTP/1.1\nHost: x\nConnection: x, CLOSE\n\n", "200; ended"),
    ("GET /hello.txt HTTP/1.0\n\n", "200; connection: close; = hello\n; ended"),
    ("GET /hello.txt HTTP/1.0\nConnection: keep-alive\n\n", "200; connection: keep-alive; open"),
    ("GET /hello.txt HTTP/1.0\nConnection: close, keep-alive\n\n", "200; ended"),
    ("GET /absent HTTP/1.1\nHost: x\n\n", "404; content-type: *; open"),
    ("\n\nGET /hello.txt HTTP/1.1\nHost: x\n\n", "200; open"),
];

#[test]
fn connections_live_as_long_as_both_sides_say() {
    through_each_door(|door| {
        check(door, PERSISTENCE);
        check_later(door, PERSISTENCE);
    });
}

const METHODS: &[Exchange] = &[
    ("HEAD /hello.txt HTTP/1.1\nHost: x\n\n", "200; content-length: 6; etag: *; open"),
    ("HEAD /absent HTTP/1.1\nHost: x\n\n", "404; open"),
    ("HEAD /folder HTTP/1.1\nHost: x\n\n", "301/308; location: /folder/; open"),
    ("OPTIONS /hello.txt HTTP/1.1\nHost: x\n\n", "204; allow: GET, HEAD, OPTIONS; open"),
    ("OPTIONS * HTTP/1.1\nHost: x\n\n", "204; allow: *; open"),
    ("GET * HTTP/1.1\nHost: x\n\n", "400; ended"),
    ("PUT /hello.txt HTTP/1.1\nHost: x\n\n", "405; allow: GET, HEAD, OPTIONS; open"),
    ("DELETE /absent HTTP/1.1\nHost: x\n\n", "405; allow: *; open"),
    ("get /hello.txt HTTP/1.1\nHost: x\n\n", "405; allow: *; open"),
    ("BREW /hello.txt HTTP/1.1\nHost: x\n\n", "405; allow: *; open"),
];

#[test]
fn methods() {
    through_doors(&[Transport::Plain, Transport::Tls13], |door| {
        check(door, METHODS);
        check_later(door, METHODS);
    });
}

const TARGETS: &[Exchange] = &[
    ("CONNECT example.org:443 HTTP/1.1\nHost: example.org:443\n\n", "400/405; ended"),
    ("GET http://x/hello.txt HTTP/1.1\nHost: x\n\n", "200; = hello\n; open"),
    ("GET HTTP://x:8080/hello.txt?a=b HTTP/1.1\nHost: y\n\n", "200; = hello\n; open"),
    ("GET http://x HTTP/1.1\nHost: x\n\n", "404; open"),
    ("GET ftp://x/hello.txt HTTP/1.1\nHost: x\n\n", "400; ended"),
    ("GET http://a@x/hello.txt HTTP/1.1\nHost: x\n\n", "400; ended"),
    ("GET hello.txt HTTP/1.1\nHost: x\n\n", "400; ended"),
    ("GET /%68ello.txt HTTP/1.1\nHost: x\n\n", "200; = hello\n"),
    ("GET /hello.txt?query HTTP/1.1\nHost: x\n\n", "200; = hello\n"),
    ("GET /folder?a=b HTTP/1.1\nHost: x\n\n", "301/308; location: /folder/?a=b; open"),
    ("GET /folder/../hello.txt HTTP/1.1\nHost: x\n\n", "200/301/308/400/404; open"),
    ("GET /%2e%2e/data/catalog HTTP/1.1\nHost: x\n\n", "400/404"),
    ("GET //example.org/%2e%2e HTTP/1.1\nHost: x\n\n", "400/404"),
];

#[test]
fn targets() {
    through_doors(&[Transport::Plain], |door| {
        check(door, TARGETS);
        check_later(door, TARGETS);
    });
}

const HOSTS: &[Exchange] = &[
    ("GET /hello.txt HTTP/1.1\n\n", "400; ended"),
    ("GET /hello.txt HTTP/1.1\nHost: x\nHost: x\n\n", "400; ended"),
    ("GET /hello.txt HTTP/1.1\nHost: a b\n\n", "400; ended"),
    ("GET /hello.txt HTTP/1.1\nHost: a/b\n\n", "400; ended"),
    ("GET /hello.txt HTTP/1.1\nHost: a@b\n\n", "400; ended"),
    ("GET /hello.txt HTTP/1.1\nHost: x:99999\n\n", "400; ended"),
    ("GET http://x/hello.txt HTTP/1.1\n\n", "400; ended"),
    ("GET /hello.txt HTTP/1.0\nHost: x\nHost: y\n\n", "400; ended"),
    ("GET /hello.txt HTTP/1.1\nHost:\n\n", "200; open"),
    ("GET /hello.txt HTTP/1.1\nHost: [::1]:8080\n\n", "200; open"),
    ("GET /hello.txt HTTP/1.1\nhost: EXAMPLE.org:\n\n", "200; open"),
];

#[test]
fn host_is_there_once_and_well_formed() {
    through_doors(&[Transport::Plain], |door| {
        check(door, HOSTS);
        check_later(door, HOSTS);
    });
}

const EXPECTATIONS: &[Exchange] = &[
    ("GET /hello.txt HTTP/1.1\nHost: x\nExpect: 100-continue\n\n", "200; = hello\n; open"),
    ("GET /hello.txt HTTP/1.0\nExpect: 100-continue\n\n", "200; ended"),
    ("GET /hello.txt HTTP/1.1\nHost: x\nExpect: tea\n\n", "417; ended"),
    (
        "POST /hello.txt HTTP/1.1\nHost: x\nContent-Length: 5\nExpect: 100-continue\n\n",
        "405; allow: GET, HEAD, OPTIONS",
    ),
];

#[test]
fn expectations() {
    through_doors(&[Transport::Plain, Transport::Tls12], |door| {
        check(door, EXPECTATIONS);
        check_later(door, EXPECTATIONS);
    });
}

/// A site's file takes no content, but content that comes is read past: the next request counts.
const CONTENT: &[Exchange] = &[
    ("POST /hello.txt HTTP/1.1\nHost: x\nContent-Length: 5\n\nabcde", "405; allow: *; open"),
    ("GET /hello.txt HTTP/1.1\nHost: x\nContent-Length: 5\n\nabcde", "200; = hello\n; open"),
    ("GET /hello.txt HTTP/1.1\nHost: x\nContent-Length: 0\n\n", "200; = hello\n; open"),
    (
        "POST /hello.txt HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n\
         5;name=value\nabcde\n00\nTrailer: yes\n\n",
        "405; allow: GET, HEAD, OPTIONS; ended",
    ),
    (
        "POST /hello.txt HTTP/1.1\nHost: x\ntransfer-encoding: Chunked\n\n0\n\n",
        "405; allow: *; ended",
    ),
];

#[test]
fn content_for_what_takes_none() {
    through_doors(&[Transport::Plain, Transport::Tls13], |door| {
        check(door, CONTENT);
        check_later(door, CONTENT);
    });
}

/// Fifty requests in one write, and again cut at random places.
#[test]
fn pipelined_requests_are_answered_in_their_order() {
    const KINDS: &[(&str, &str, u16)] = &[
        ("GET", "/hello.txt", 200),
        ("HEAD", "/large.bin", 200),
        ("GET", "/absent", 404),
        ("GET", "/large.bin", 206),
        ("OPTIONS", "/hello.txt", 204),
        ("GET", "/digits.txt", 200),
        ("GET", "/folder", 0),
    ];
    let large = pattern(LARGE_BYTES);
    through_each_door(|door| {
        let mut seed = 0x5eed_u64;
        for is_cut in [false, true] {
            let mut wire = door.connect();
            let mut sent = Vec::new();
            let mut random = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as usize
            };
            let asked: Vec<_> = (0..50).map(|_| KINDS[random() % KINDS.len()]).collect();
            for (number, (method, target, status)) in asked.iter().enumerate() {
                let range = if *status == 206 { "Range: bytes=1000000-2000000\r\n" } else { "" };
                let head = format!("{method} {target}?{number} HTTP/1.1\r\nHost: x\r\n{range}\r\n");
                sent.extend_from_slice(head.as_bytes());
            }
            let mut rest = sent.as_slice();
            while !rest.is_empty() {
                let len = if is_cut { (1 + random() % 100).min(rest.len()) } else { rest.len() };
                wire.send_bytes(&rest[..len]).unwrap();
                rest = &rest[len..];
            }
            for (number, (method, target, status)) in asked.iter().enumerate() {
                let answer = wire.answer(method);
                match (*target, *method) {
                    ("/folder", _) => {
                        let location = format!("/folder/?{number}");
                        assert_eq!(answer.field("location"), Some(location.as_str()));
                    }
                    ("/large.bin", "GET") => {
                        assert!(answer.content == large[1_000_000..=2_000_000], "request {number}");
                    }
                    _ => assert_eq!(answer.status, *status, "request {number}: {target}"),
                }
            }
            assert!(wire.is_open());
        }
    });
}

#[test]
fn a_client_that_half_closes_gets_its_answers() {
    through_doors(&[Transport::Plain], |door| {
        let mut wire = door.connect();
        wire.send("GET /hello.txt HTTP/1.1\nHost: x\n\nGET /large.bin HTTP/1.1\nHost: x\n\n");
        wire.end();
        assert_eq!(wire.answer("GET").content, b"hello\n");
        assert_eq!(wire.answer("GET").content.len(), LARGE_BYTES);
        assert!(wire.is_ended());

        let mut wire = door.connect();
        wire.send("POST /hello.txt HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc");
        wire.end();
        assert_eq!(wire.answer("POST").status, 405);
        assert!(wire.is_ended());
    });
}

#[test]
fn a_client_that_leaves_midway_leaves_no_trace() {
    through_doors(&[Transport::Plain], |door| {
        for sent in ["", "GET /hel", "GET /hello.txt HTTP/1.1\nHost: x\n"] {
            let mut wire = door.connect();
            wire.send(sent);
            wire.end();
            assert!(wire.is_ended(), "{sent:?}");
        }
        let mut wire = door.connect();
        wire.send("GET /large.bin HTTP/1.1\nHost: x\n\n");
        drop(wire);
        assert!(door.connect().is_open());
        // Neither lane counts a client's leaving as a fault of its own.
        assert_eq!(door.server.metric("whimbrel_http_panics_total", ""), 0.0);
        if door.lane() == Lane::Ring {
            assert!(door.server.metric("whimbrel_http_requests_total", "lane=\"fast\"") > 0.0);
        }
    });
}
