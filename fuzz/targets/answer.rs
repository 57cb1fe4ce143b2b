//! The decision (RFC 9110): any head and any resource give an answer whose head parses, whose
//! length is what it says, and whose parts lie inside the source.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use whimbrel::edge::answer::{Answer, Content, Piece, Stays, decide};
use whimbrel::edge::http1::{Head, parse};
use whimbrel::edge::range::ByteRange;
use whimbrel::edge::resource::{Source, text};

const NOW_S: u64 = 2_000_000_000;
const DATE: &[u8] = b"Wed, 18 May 2033 03:33:20 GMT";

fuzz_target!(|input: (u16, &[u8])| {
    let (len, bytes) = input;
    let Ok(Head::Complete { request, .. }) = parse(bytes) else { return };
    let resource = Arc::new(text(200, vec![b'x'; usize::from(len)]));
    let answer = decide(&request, &resource, NOW_S);

    let sent: u64 = match &answer.content {
        Content::None => 0,
        Content::Part(source, range) => part(source, *range),
        Content::Pieces(pieces) => pieces.iter().map(piece).sum(),
        Content::Streamed { .. } => panic!("a resource is never made while it is sent"),
    };
    let mut head = Vec::new();
    answer.write_http1_head(Stays::decide(&request, true), DATE, b"", &mut head);
    check_head(&head, &answer, sent);
});

fn piece(piece: &Piece) -> u64 {
    match piece {
        Piece::Text(text) => text.len() as u64,
        Piece::Part(source, range) => part(source, *range),
    }
}

fn part(source: &Source, range: ByteRange) -> u64 {
    let Source::Memory(bytes) = source else { panic!("the resource is in memory") };
    assert!(range.len > 0 && range.end() <= bytes.len() as u64);
    range.len
}

fn check_head(head: &[u8], answer: &Answer, sent: u64) {
    let text = std::str::from_utf8(head).expect("an answer's head is ASCII");
    let lines = text.strip_suffix("\r\n\r\n").expect("a head ends with an empty line");
    assert!(!lines.contains("\r\n\r\n"), "a head was split: {text:?}");
    assert!(lines.starts_with(&format!("HTTP/1.1 {} ", answer.status)));
    let lengths: Vec<u64> = lines
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim().parse().expect("a length is a number"))
        .collect();
    assert!(lengths.len() <= 1, "{text:?}");
    if sent > 0 {
        assert_eq!(lengths, [sent], "{text:?}");
    }
}
