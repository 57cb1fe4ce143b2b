//! What is sent of a representation: RFC 9110 8.8 (validators), 13 (conditional requests),
//! 14 (ranges), 5.6.7 (dates).

use crate::exchange::{Exchange, check, check_on};
use crate::support::door::{Door, Transport, through_doors, through_each_door};
use crate::support::site::{LARGE_BYTES, MODIFIED, pattern};
use crate::support::wire::Answer;

/// `TAG` stands for the entity tag.
const CONDITIONS: &[Exchange] = &[
    ("If-None-Match: TAG", "304; etag: TAG; no content-length; open"),
    ("If-None-Match: W/TAG", "304; open"),
    ("If-None-Match: \"a\", TAG , \"b\"", "304; open"),
    ("If-None-Match: \"a\"\nIf-None-Match: TAG", "304; open"),
    ("If-None-Match: *", "304; open"),
    ("If-None-Match: \"a\"", "200; = 0123456789; open"),
    // The tag outranks the date.
    ("If-None-Match: \"a\"\nIf-Modified-Since: Sun, 06 Nov 2033 08:49:37 GMT", "200; open"),
    ("If-None-Match: TAG\nIf-Modified-Since: Sun, 06 Nov 1993 08:49:37 GMT", "304; open"),
    // The three formats of a date.
    ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "304; open"),
    ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "304; open"),
    ("If-Modified-Since: Sun Nov  6 08:49:37 1994", "304; open"),
    ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "200; open"),
    ("If-Modified-Since: yesterday", "200; open"),
    ("If-Match: TAG", "200; open"),
    ("If-Match: \"a\", TAG", "200; open"),
    ("If-Match: *", "200; open"),
    ("If-Match: W/TAG", "412; open"),
    ("If-Match: \"a\"", "412; open"),
    ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "200; open"),
    ("If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT", "412; open"),
    ("If-Match: TAG\nIf-Unmodified-Since: Sun, 06 Nov 1993 08:49:37 GMT", "200; open"),
    // Preconditions come before ranges.
    ("Range: bytes=2-4\nIf-None-Match: TAG", "304; open"),
    ("Range: bytes=2-4\nIf-Match: \"a\"", "412; open"),
];

const RANGES: &[Exchange] = &[
    (
        "Range: bytes=2-4",
        "206; content-range: bytes 2-4/10; content-length: 3; etag: TAG; = 234; open",
    ),
    ("Range: bytes=7-", "206; content-range: bytes 7-9/10; = 789; open"),
    ("Range: bytes=-2", "206; content-range: bytes 8-9/10; = 89; open"),
    ("Range: bytes=-99", "206; content-range: bytes 0-9/10; = 0123456789; open"),
    ("Range: bytes=8-99999999999999999999999", "206; content-range: bytes 8-9/10; open"),
    ("range: BYTES=0-0", "206; = 0; open"),
    ("Range: bytes=10-", "416; content-range: bytes */10; open"),
    ("Range: bytes=-0", "416; content-range: bytes */10; open"),
    ("Range: bytes=20-30,40-", "416; content-range: bytes */10; open"),
    // What is no range is as if it were not there.
    ("Range: bytes=4-2", "200; = 0123456789; open"),
    ("Range: bytes=a-b", "200; open"),
    ("Range: lines=1-2", "200; open"),
    ("Range: bytes=", "200; open"),
    ("Range: bytes=1-2\nRange: bytes=4-5", "200; open"),
    ("If-Range: TAG\nRange: bytes=2-4", "206; = 234; open"),
    ("If-Range: \"a\"\nRange: bytes=2-4", "200; = 0123456789; open"),
    ("If-Range: W/TAG\nRange: bytes=2-4", "200; open"),
    ("If-Range: Sun, 06 Nov 1994 08:49:37 GMT\nRange: bytes=2-4", "206; open"),
    ("If-Range: Sunday, 06-Nov-94 08:49:37 GMT\nRange: bytes=2-4", "206; open"),
    ("If-Range: Sun, 06 Nov 1994 08:49:38 GMT\nRange: bytes=2-4", "200; open"),
];

#[test]
fn validators_and_ranges_of_a_sites_file() {
    through_doors(&[Transport::Plain, Transport::Tls13], |door| {
        conditions_and_ranges(door, "/digits.txt", CONDITIONS);
        conditions_and_ranges(door, "/digits.txt", RANGES);
    });
}

#[test]
fn validators_and_ranges_of_an_object() {
    through_doors(&[Transport::Plain], |door| {
        let path = door.server.put_media(b"0123456789");
        let has_no_date = |request: &str| !request.contains("Nov");
        let timeless = CONDITIONS.iter().chain(RANGES).filter(|(request, _)| has_no_date(request));
        conditions_and_ranges(door, &path, timeless);
        let tag = format!("etag: \"{}\"", path.trim_start_matches("/media/"));
        let immutable = "cache-control: public, immutable, max-age=31536000";
        let request = format!("GET {path} HTTP/1.1\nHost: x\n\n");
        let expected = format!("200; {tag}; {immutable}; x-content-type-options: nosniff; open");
        check_on(&mut door.connect(), &request, &expected);
    });
}

fn conditions_and_ranges<'a>(
    door: &Door,
    path: &str,
    exchanges: impl IntoIterator<Item = &'a Exchange>,
) {
    let tag = get(door, path, "").field("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag} is strong");
    for (fields, expected) in exchanges {
        let fields = fields.replace("TAG", &tag);
        let request = format!("GET {path} HTTP/1.1\nHost: x\n{fields}\n\n");
        check_on(&mut door.connect(), &request, &expected.replace("TAG", &tag));
    }
}

#[test]
fn a_files_date_is_its_own() {
    through_doors(&[Transport::Plain], |door| {
        assert_eq!(get(door, "/digits.txt", "").field("last-modified"), Some(MODIFIED));
        // A HEAD asks for no part (RFC 9110 14.2).
        let head = "HEAD /digits.txt HTTP/1.1\nHost: x\nRange: bytes=2-4\n\n";
        check(door, &[(head, "200; content-length: 10; accept-ranges: bytes; open")]);
        check(door, &[("GET /empty.txt HTTP/1.1\nHost: x\n\n", "200; content-length: 0; open")]);
        let range = "GET /empty.txt HTTP/1.1\nHost: x\nRange: bytes=0-\n\n";
        check(door, &[(range, "416; content-range: bytes */0; open")]);
    });
}

#[test]
fn several_ranges_come_as_parts() {
    let large = pattern(LARGE_BYTES);
    through_each_door(|door| {
        let object = door.server.put_media(&large);
        for path in ["/large.bin", object.as_str()] {
            let whole = get(door, path, "");
            let answer = get(door, path, "Range: bytes=5-9, -3,1000000-3000000\n");
            assert_eq!(answer.status, 206);
            assert_eq!(answer.field("content-range"), None);
            let parts = parts(&answer, whole.field("content-type").unwrap());
            let last = LARGE_BYTES - 1;
            let expected = [(5, 9), (last - 2, last), (1_000_000, 3_000_000)];
            assert_eq!(parts.len(), expected.len());
            for ((range, content), (first, last)) in parts.iter().zip(expected) {
                assert_eq!(*range, format!("bytes {first}-{last}/{LARGE_BYTES}"));
                assert!(*content == large[first..=last], "{range} of {path}");
            }
        }
    });
}

#[test]
fn a_flood_of_ranges_costs_no_more_than_the_file() {
    through_doors(&[Transport::Plain], |door| {
        let many = vec!["0-9"; 500].join(",");
        assert_eq!(get(door, "/digits.txt", &format!("Range: bytes={many}\n")).status, 200);
        let overlapping = get(door, "/large.bin", "Range: bytes=0-5000000,1-5000001,2-\n");
        assert!(overlapping.content.len() <= LARGE_BYTES);
    });
}

/// Range, and content, of each part of a `multipart/byteranges` (RFC 9110 14.6).
fn parts(answer: &Answer, content_type: &str) -> Vec<(String, Vec<u8>)> {
    let boundary = answer.field("content-type").unwrap();
    let boundary = boundary.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut rest = answer.content.as_slice();
    let mut parts = Vec::new();
    loop {
        rest = rest.strip_prefix(delimiter.as_slice()).expect("a delimiter");
        if rest == b"--\r\n" {
            return parts;
        }
        let end = rest.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 4..];
        let field = |name: &str| {
            head.split("\r\n").find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
        };
        assert_eq!(field("Content-Type: "), content_type);
        let range = field("Content-Range: ");
        let (first, last) = range["bytes ".len()..].split_once('-').unwrap();
        let last: usize = last.split('/').next().unwrap().parse().unwrap();
        let (content, behind) = rest.split_at(last + 1 - first.parse::<usize>().unwrap());
        parts.push((range, content.to_vec()));
        rest = behind;
    }
}

#[test]
fn large_files_arrive_whole() {
    let large = pattern(LARGE_BYTES);
    through_each_door(|door| {
        let object = door.server.put_media(&large);
        for path in ["/large.bin", object.as_str()] {
            let mut wire = door.connect();
            for _ in 0..2 {
                wire.send(&format!("GET {path} HTTP/1.1\nHost: x\n\n"));
                assert!(wire.answer("GET").content == large, "{path}");
            }
            assert!(wire.is_open());
        }
    });
}

fn get(door: &Door, path: &str, fields: &str) -> Answer {
    let mut wire = door.connect();
    wire.send(&format!("GET {path} HTTP/1.1\nHost: x\n{fields}\n"));
    wire.answer("GET")
}
