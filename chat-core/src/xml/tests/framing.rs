//! Streams and the frames that are cut from them.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::trees;
use crate::ns;
use crate::xml::{Frame, Framer, Limits, StreamHeader, XmlError};

const HEADER: &str = "<stream:stream to='example.org' version='1.0' xml:lang='de' \
     xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// All frames of `pieces`, as text, and how it ends: "" or the stream error's condition.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, &'static str) {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next(&Limits::default()) {
                Ok(Some(frame)) => frames.push(shown(frame)),
                Ok(None) => break,
                Err(error) => return (frames, error.stream_condition()),
            }
        }
    }
    (frames, "")
}

fn shown(frame: Frame) -> String {
    match frame {
        Frame::Open(header) => format!("to {}", header.to.unwrap_or_default()),
        Frame::Element(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Frame::Close => "end".into(),
    }
}

/// The frames whole, and byte by byte.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &[&str], condition: &str) {
    let input = input.as_ref();
    for pieces in [vec![input], input.chunks(1).collect()] {
        let (frames, actual) = frames(pieces);
        assert_eq!(frames, expected);
        assert_eq!(actual, condition, "{}", String::from_utf8_lossy(input));
    }
}

#[track_caller]
fn check_after_header(input: &str, expected: &[&str], condition: &str) {
    let expected = [&["to example.org"], expected].concat();
    check(format!("{HEADER}{input}"), &expected, condition);
}

#[test]
fn a_header_opens_a_stream() {
    let opened = &["to example.org"];
    check(HEADER, opened, "");
    check(format!("<?xml version='1.0'?>{HEADER}"), opened, "");
    check(format!("\n<?xml version=\"1.0\" encoding='utf-8' ?>\r\n {HEADER} "), opened, "");
    check(format!("\u{feff}{HEADER}"), opened, "");
    check(HEADER.replace('>', "/>"), &["to example.org", "end"], "");
}

#[test]
fn a_header_says_what_it_says() {
    let mut framer = Framer::new();
    framer.push(HEADER.as_bytes());
    let header = StreamHeader {
        to: Some("example.org".into()),
        version: Some("1.0".into()),
        lang: Some("de".into()),
        namespace: ns::CLIENT.into(),
        ..StreamHeader::default()
    };
    assert_eq!(framer.next(&Limits::default()), Ok(Some(Frame::Open(header))));
    assert!(framer.is_empty());
}

#[test]
fn what_opens_no_stream_is_refused() {
    let with = |old: &str, new: &str| HEADER.replace(old, new);
    check("hello", &[], "not-well-formed");
    check("GET / HTTP/1.1\r\n", &[], "not-well-formed");
    check("\x16\x03\x01", &[], "not-well-formed");
    check("</stream:stream>", &[], "not-well-formed");
    check("<message>", &[], "bad-format");
    check(with("etherx.jabber.org", "example.org"), &[], "invalid-namespace");
    check(with("xmlns:stream", "xmlns:x"), &[], "bad-namespace-prefix");
    check(
        with("stream:stream", "x:stream").replace("s:stream", "s:x"),
        &[],
        "bad-namespace-prefix",
    );
    check(with("to=", "to='a' to="), &[], "not-well-formed");
    check("<?xml version='1.0' encoding='latin1'?>", &[], "unsupported-encoding");
    check("<?xml version='2.0'?>", &[], "not-well-formed");
    check("<?php echo?>", &[], "restricted-xml");
    check("<?xml version='1.0'?><?xml version='1.0'?>", &[], "restricted-xml");
    check("<!DOCTYPE a>", &[], "restricted-xml");
    check("<!-- a -->", &[], "restricted-xml");
    check(b"\xff\xfe<\0", &[], "unsupported-encoding");
    check(b"\xfe\xff\0<", &[], "unsupported-encoding");
    check(b"<\0s\0", &[], "unsupported-encoding");
    check(b"\0<\0s", &[], "unsupported-encoding");
}

#[test]
fn elements_are_cut_where_they_end() {
    check_after_header("<a/>", &["<a/>"], "");
    check_after_header("  <a/> \n <b></b>\t", &["<a/>", "<b></b>"], "");
    check_after_header("<a><a/><b><a></a></b></a><c/>", &["<a><a/><b><a></a></b></a>", "<c/>"], "");
    check_after_header("<a b='/>' c=\"'>\"/>", &["<a b='/>' c=\"'>\"/>"], "");
    check_after_header("<a><![CDATA[</a>]]]]></a>", &["<a><![CDATA[</a>]]]]></a>"], "");
    check_after_header("<a/></stream:stream>\n", &["<a/>", "end"], "");
    check_after_header("<a></stream:stream>", &["<a></stream:stream>"], "");
    check_after_header("<a", &[], "");
}

#[test]
fn what_no_stream_may_hold_is_refused() {
    check_after_header("text", &[], "not-well-formed");
    check_after_header("<a/>text", &["<a/>"], "not-well-formed");
    check_after_header("<a><!-- b --></a>", &[], "restricted-xml");
    check_after_header("<a><?b?></a>", &[], "restricted-xml");
    check_after_header("<?xml version='1.0'?>", &[], "restricted-xml");
    check_after_header("<![CDATA[a]]>", &[], "restricted-xml");
    check_after_header("<>", &[], "not-well-formed");
    check_after_header("</a>", &[], "not-well-formed");
    check_after_header("</stream:stream><a/>", &["end"], "not-well-formed");
    check_after_header(&"<a>".repeat(65), &[], "policy-violation");
    check_after_header(&format!("<a>{}", "x".repeat(256 * 1024)), &[], "policy-violation");
    check(format!("<?xml {}", " ".repeat(256 * 1024)), &[], "policy-violation");
}

#[test]
fn a_restart_takes_what_follows() {
    let mut framer = Framer::new();
    framer.push(format!("{HEADER}<auth/>{HEADER}<iq/>").as_bytes());
    let next = |framer: &mut Framer| shown(framer.next(&Limits::default()).unwrap().unwrap());
    assert_eq!(next(&mut framer), "to example.org");
    assert_eq!(next(&mut framer), "<auth/>");
    framer.reset();
    assert_eq!(next(&mut framer), "to example.org");
    framer.reset_for_tls();
    assert!(framer.is_empty());
    assert_eq!(framer.next(&Limits::default()), Ok(None));
}

#[test]
fn an_idle_stream_holds_no_memory() {
    let mut framer = Framer::new();
    framer.push(HEADER.as_bytes());
    framer.push(&[b"<a>", &[b'x'; 100_000][..], b"</a>"].concat());
    while framer.next(&Limits::default()).unwrap().is_some() {}
    assert_eq!(framer.buffer().capacity(), 0);
    framer.push(b" \n ");
    assert_eq!(framer.next(&Limits::default()), Ok(None));
    assert_eq!(framer.buffer().capacity(), 0);
}

#[test]
fn a_large_element_in_single_bytes_is_read_once() {
    let limits = Limits { element_bytes_max: 500_100, ..Limits::default() };
    // In text, in a CDATA section, in an attribute: where every byte could end something.
    for (before, byte, after) in
        [("", b"]", ""), ("<![CDATA[", b">", "]]>"), ("<b c='", b"\"", "'/>")]
    {
        let element = [b"<a>", before.as_bytes(), &byte.repeat(500_000), after.as_bytes(), b"</a>"];
        let element = element.concat();
        let started = Instant::now();
        let mut framer = Framer::new();
        framer.push(HEADER.as_bytes());
        assert!(matches!(framer.next(&limits), Ok(Some(Frame::Open(_)))));
        for byte in &element {
            assert_eq!(framer.next(&limits), Ok(None));
            framer.push(std::slice::from_ref(byte));
        }
        assert_eq!(framer.next(&limits), Ok(Some(Frame::Element(element.into()))));
        // Looking at all bytes again for each would be 125 GB.
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[test]
fn the_limit_is_that_of_one_element() {
    let limits = Limits { element_bytes_max: 200, ..Limits::default() };
    let mut framer = Framer::new();
    framer.push(format!("{HEADER}{}", "<a/>".repeat(1000)).as_bytes());
    let mut count = 0;
    while framer.next(&limits).unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 1001);
    framer.push(format!("<a>{}</a>", "x".repeat(194)).as_bytes());
    assert_eq!(framer.next(&limits), Err(XmlError::TooLarge { bytes_max: 200 }));
}

proptest! {
    #[test]
    fn pieces_give_the_frames_of_the_whole(
        elements in vec(trees::element(), 0..4),
        cuts in vec(1_usize..40, 1..20),
        noise in "([<>/'\"! -]|\\[|\\]|CDATA|[a-c]){0,8}",
    ) {
        let mut input = HEADER.as_bytes().to_vec();
        for element in &elements {
            element.write_to(&mut input, ns::CLIENT);
            input.push(b'\n');
        }
        input.extend_from_slice(noise.as_bytes());
        let whole = frames([&input[..]]);
        let mut pieces = Vec::new();
        let (mut rest, mut cuts) = (&input[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert!(whole.0.len() > elements.len());
        prop_assert_eq!(frames(pieces), whole);
    }
}
