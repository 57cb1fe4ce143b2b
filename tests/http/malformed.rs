//! Heads that must not be served: RFC 9112 2.2, 3, 5.1, 5.2, 6.1, 6.3, 11.2 (request smuggling),
//! RFC 9110 15.5.15 (414), RFC 6585 5 (431).

use crate::support::door::{Transport, through_doors};
use crate::support::wire::Wire;

/// Bytes, and the status that refuses them. A refusal ends the connection, so that nothing behind
/// it is taken for a request.
const HEADS: &[(&str, u16)] = &[
    // Two framings, in both orders, and hidden ones.
    (
        "POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /hello.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /hello.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    ("POST /hello.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (
        "POST /hello.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "POST /hello.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        501,
    ),
    ("POST /hello.txt HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // Two lengths, and what is no length.
    (
        "POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        400,
    ),
    (
        "POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        400,
    ),
    ("POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nabcde", 400),
    ("POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde", 400),
    ("POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    ("POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nabcde", 400),
    ("POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    // Lines that two readers may read differently.
    ("GET /hello.txt HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ("GET /hello.txt HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n", 400),
    ("GET /hello.txt HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ("GET /hello.txt HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n", 400),
    ("GET /hello.txt HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n", 400),
    ("GET /hello.txt HTTP/1.1\r\nHost: x\r\nX-A\0: b\r\n\r\n", 400),
    ("GET /hello.txt\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /hello.txt HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
    ("GET /hello.txt HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n", 400),
    ("GET /hel lo.txt HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET  /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET\t/hello.txt HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /hello.txt\r\n\r\n", 400),
    ("GET /hello.txt http/1.1\r\nHost: x\r\n\r\n", 400),
    ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n", 400),
    // Other versions.
    ("GET /hello.txt HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ("GET /hello.txt HTTP/1.2\r\nHost: x\r\n\r\n", 505),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
];

#[test]
fn malformed_heads_are_refused_and_nothing_behind_them_is_served() {
    through_doors(&[Transport::Plain, Transport::Tls13], |door| {
        for (head, status) in HEADS {
            refused(&mut door.connect(), head, *status);
        }
    });
}

#[test]
fn malformed_heads_are_refused_on_later_requests_too() {
    through_doors(&[Transport::Plain, Transport::Tls13], |door| {
        for (head, status) in HEADS {
            let mut wire = door.connect();
            assert!(wire.is_open());
            refused(&mut wire, head, *status);
            // A connection that had content is the full lane's.
            let mut wire = door.connect();
            wire.send("POST /hello.txt HTTP/1.1\nHost: x\nContent-Length: 2\n\nab");
            assert_eq!(wire.answer("POST").status, 405);
            refused(&mut wire, head, *status);
        }
    });
}

#[test]
fn limits_of_line_head_and_count() {
    let long_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9000));
    let long_head =
        format!("GET /hello.txt HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "b".repeat(40_000));
    let many = format!("GET /hello.txt HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(101));
    let within = format!("GET /hello.txt HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(99));
    through_doors(&[Transport::Plain, Transport::Tls13], |door| {
        for (head, status) in [(&long_line, 414), (&long_head, 431), (&many, 431)] {
            refused(&mut door.connect(), head, status);
            let mut wire = door.connect();
            assert!(wire.is_open());
            refused(&mut wire, head, status);
        }
        let mut wire = door.connect();
        wire.send_bytes(within.as_bytes()).unwrap();
        assert_eq!(wire.answer("GET").status, 200);
        assert!(wire.is_open());
    });
}

/// A line that never ends is refused without waiting for its end.
#[test]
fn an_endless_line_is_refused() {
    through_doors(&[Transport::Plain], |door| {
        for (begin, status) in [("GET /", 414), ("GET /hello.txt HTTP/1.1\r\nHost: x\r\nX: ", 431)]
        {
            let mut wire = door.connect();
            let sent = format!("{begin}{}", "a".repeat(33 * 1024));
            wire.send_bytes(sent.as_bytes()).unwrap();
            assert_eq!(wire.answer("GET").status, status, "{begin:?}");
            assert!(wire.is_ended());
        }
    });
}

/// Chunks are read by hyper only; what is wrong with one ends the connection, whatever the
/// answer was.
#[test]
fn malformed_chunks_end_the_connection() {
    const CHUNKS: &[&str] = &[
        "x\r\n",
        "-1\r\n",
        "+5\r\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
        "5\r\nabcdefg\r\n0\r\n\r\n",
        "5\nabcde\n0\n\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "5 x\r\nabcde\r\n0\r\n\r\n",
        "\r\n",
    ];
    through_doors(&[Transport::Plain], |door| {
        for chunk in CHUNKS {
            let mut wire = door.connect();
            let head = "POST /hello.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            let sent = format!("{head}{chunk}{SMUGGLED}");
            wire.send_bytes(sent.as_bytes()).unwrap();
            assert_smuggled_nothing(&mut wire, chunk);
        }
    });
}

const SMUGGLED: &str = "GET /digits.txt HTTP/1.1\r\nHost: x\r\n\r\n";

fn refused(wire: &mut Wire, head: &str, status: u16) {
    let sent = format!("{head}{SMUGGLED}");
    wire.send_bytes(sent.as_bytes()).unwrap();
    let shown = &head[..head.len().min(200)];
    let answer = match wire.try_answer("GET") {
        Ok(Some(answer)) => answer,
        other => panic!("{shown:?}: {other:?}"),
    };
    assert_eq!(answer.status, status, "{shown:?}");
    assert_eq!(answer.field("connection"), Some("close"), "{shown:?}");
    assert_smuggled_nothing(wire, shown);
}

fn assert_smuggled_nothing(wire: &mut Wire, sent: &str) {
    let rest = wire.rest();
    let served = rest.as_ref().is_ok_and(|rest| rest.windows(10).any(|part| part == b"0123456789"));
    assert!(rest.is_ok() && !served, "{sent:?}: {rest:?}");
}
