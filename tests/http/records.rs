//! What the server tells of its requests: access log, metrics, health.

use std::fs;
use std::path::PathBuf;

use whimbrel::admin::request::ListenerRole;
use whimbrel::edge::access_log::AccessLogFormat;

use crate::exchange::check_on;
use crate::support::door::{Lane, TestServer, Transport, on_each_lane, through_each_door};
use crate::support::until;
use crate::support::wire::Wire;

#[test]
fn the_common_log_has_a_line_for_each_request() {
    on_each_lane(|lane| {
        let lines = logged(lane, AccessLogFormat::Common);
        let mut shown: Vec<_> = lines.iter().map(|line| without_time(line)).collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                r#"127.0.0.1 - - "- / HTTP/1.0" 400 N "-" "-""#,
                r#"127.0.0.1 - - "GET /absent HTTP/1.1" 404 N "-" "-""#,
                r#"127.0.0.1 - - "GET /hello.txt?a=b HTTP/1.1" 200 N "http://x/\"" "test\\1""#,
                r#"127.0.0.1 - - "HEAD /hello.txt HTTP/1.0" 200 - "-" "-""#,
                r#"127.0.0.1 - - "POST /hello.txt HTTP/1.1" 405 N "-" "-""#,
            ]
        );
    });
}

#[test]
fn the_json_log_has_an_object_for_each_request() {
    on_each_lane(|lane| {
        let lines = logged(lane, AccessLogFormat::Json);
        assert_eq!(lines.len(), 5, "{lines:#?}");
        let objects: Vec<serde_json::Value> =
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |target: &str, method: &str| {
            let is = |object: &&serde_json::Value| {
                object["target"] == target && object["method"] == method
            };
            objects.iter().find(is).unwrap_or_else(|| panic!("{method} {target}: {lines:#?}"))
        };
        let hello = of("/hello.txt?a=b", "GET");
        assert_eq!(hello["status"], 200);
        assert_eq!(hello["sent_bytes"], 6);
        assert_eq!(hello["host"], "x");
        assert_eq!(hello["tls"], false);
        assert_eq!(hello["referer"], "http://x/\"");
        assert_eq!(hello["user_agent"], "test\\1");
        assert_eq!(hello["version"], "HTTP/1.1");
        assert_eq!(of("/hello.txt", "POST")["tls"], true);
        assert_eq!(of("/hello.txt", "HEAD")["sent_bytes"], 0);
    });
}

/// Makes five requests, and returns what the log says of them.
fn logged(lane: Lane, format: AccessLogFormat) -> Vec<String> {
    let mut path = PathBuf::new();
    let server = TestServer::start_with(lane, |config, folder| {
        path = folder.join("access.log");
        config.access_log.enabled = true;
        config.access_log.path = path.clone();
        config.access_log.format = format;
    });
    let mut wire = server.connect(Transport::Plain);
    check_on(
        &mut wire,
        "GET /hello.txt?a=b HTTP/1.1\nHost: x\nReferer: http://x/\"\nUser-Agent: test\\1\n\n",
        "200",
    );
    check_on(&mut wire, "GET /absent HTTP/1.1\nHost: x\n\n", "404");
    check_on(&mut wire, "HEAD /hello.txt HTTP/1.0\n\n", "200; ended");
    let mut wire = server.connect(Transport::Plain);
    check_on(&mut wire, "GET /hello.txt HTTP/1.1\n\n", "400; ended");
    let mut wire = server.connect(Transport::Tls13);
    check_on(
        &mut wire,
        "POST /hello.txt HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 1\n\nx",
        "405; ended",
    );
    // The folder goes with the server.
    let kept = tempfile::NamedTempFile::new().unwrap();
    fs::remove_file(kept.path()).unwrap();
    fs::hard_link(&path, kept.path()).unwrap();
    server.stop();
    let log = fs::read_to_string(kept.path()).unwrap();
    log.lines().map(str::to_owned).collect()
}

/// `host - - "request" status N "referer" "user agent"`.
fn without_time(line: &str) -> String {
    let (before, rest) = line.split_once('[').unwrap();
    let (time, rest) = rest.split_once("] ").unwrap();
    assert_eq!(time.len(), "22/Nov/2026:13:44:38 +0000".len(), "{time}");
    let (request, rest) = rest.split_once("\" ").unwrap();
    let mut words: Vec<_> = rest.split(' ').collect();
    if words[1] != "-" {
        assert!(words[1].parse::<u64>().is_ok());
        words[1] = "N";
    }
    format!("{before}{request}\" {}", words.join(" "))
}

#[test]
fn requests_are_counted() {
    on_each_lane(|lane| {
        let server = TestServer::start(lane);
        let mut wire = server.connect(Transport::Plain);
        for _ in 0..10 {
            check_on(&mut wire, "GET /hello.txt HTTP/1.1\nHost: x\n\n", "200");
        }
        for _ in 0..3 {
            check_on(&mut wire, "GET /absent HTTP/1.1\nHost: x\n\n", "404");
        }
        check_on(
            &mut wire,
            "GET /large.bin HTTP/1.1\nHost: x\nConnection: close\n\n",
            "200; ended",
        );
        let requests = |status: &str| {
            server.metric("whimbrel_http_requests_total", &format!("status=\"{status}\""))
        };
        assert_eq!((requests("2xx"), requests("4xx"), requests("5xx")), (11.0, 3.0, 0.0));
        let sent = server.metric("whimbrel_http_sent_bytes_total", "");
        assert!(sent > 9.0 * 1024.0 * 1024.0, "{sent}");
        assert_eq!(server.metric("whimbrel_http_request_seconds_count", ""), 14.0);
        assert_eq!(server.metric("whimbrel_http_accepted_total", ""), 1.0);
        drop(wire);
        until("the connection is counted out", || {
            server.metric("whimbrel_http_connections", "") == 0.0
        });
    });
}

#[test]
fn health_is_told_at_both_listeners() {
    through_each_door(|door| {
        let request = "GET /healthz HTTP/1.1\nHost: x\n\n";
        check_on(&mut door.connect(), request, "200; cache-control: no-store; open");
        check_on(&mut door.connect(), "HEAD /healthz HTTP/1.1\nHost: x\n\n", "200; open");
        let mut admin = Wire::plain(door.server.tcp(ListenerRole::Admin));
        check_on(&mut admin, request, "200");
    });
}
