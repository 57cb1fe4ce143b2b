//! Lines of the access log: a request makes one line with its own fields, whatever it says.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use whimbrel::edge::access_log::{AccessLogFormat, Entry};

/// Longer fields are cut.
const FIELD_BYTES_MAX: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    // Newlines part the fields, so that seeds can be read; one field keeps its own.
    let mut fields = bytes.splitn(5, |byte| *byte == b'\n');
    let mut field = || fields.next().unwrap_or_default();
    let entry = Entry {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        time: UNIX_EPOCH + Duration::from_secs(1_709_210_096),
        method: field(),
        host: Some(field()),
        referer: Some(field()),
        user_agent: Some(field()),
        target: field(),
        version: "HTTP/1.1",
        status: 206,
        sent_bytes: 7,
        duration: Duration::from_micros(1500),
        tls: true,
        request_id: 0xab,
    };
    common(&text(&entry, AccessLogFormat::Common));
    json(&text(&entry, AccessLogFormat::Json), &entry);
});

/// The line, without its end.
fn text(entry: &Entry, format: AccessLogFormat) -> String {
    let line = String::from_utf8(entry.line(format)).expect("a line is UTF-8");
    let line = line.strip_suffix('\n').expect("a line ends");
    assert!(!line.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')));
    line.to_owned()
}

/// Quotes that are not escaped stand around the request, the referer and the user agent only.
fn common(line: &str) {
    assert!(line.is_ascii());
    let (mut quotes, mut is_escaped) = (0, false);
    for character in line.chars() {
        quotes += usize::from(character == '"' && !is_escaped);
        is_escaped = character == '\\' && !is_escaped;
    }
    assert_eq!(quotes, 6, "{line}");
    assert!(line.starts_with("127.0.0.1 - - [29/Feb/2024:12:34:56 +0000] \""));
}

fn json(line: &str, entry: &Entry) {
    let object: Value = serde_json::from_str(line).expect("a line is JSON");
    let said = |field: &[u8]| {
        let kept = &field[..field.len().min(FIELD_BYTES_MAX)];
        Value::String(String::from_utf8_lossy(kept).into_owned())
    };
    assert_eq!(object["method"], said(entry.method));
    assert_eq!(object["target"], said(entry.target));
    assert_eq!(object["host"], said(entry.host.unwrap_or_default()));
    assert_eq!(object["referer"], said(entry.referer.unwrap_or_default()));
    assert_eq!(object["user_agent"], said(entry.user_agent.unwrap_or_default()));
    assert_eq!(object["status"], 206);
    assert_eq!(object.as_object().map(serde_json::Map::len), Some(13));
}
