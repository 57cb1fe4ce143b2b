//! Inputs and the stream error that each earns.

use crate::ns;
use crate::xml::{Element, Limits, XmlError};

const TIGHT: Limits = Limits {
    element_bytes_max: 400,
    depth_max: 3,
    attributes_max: 3,
    children_max: 4,
    declarations_max: 4,
};

fn parse(input: &[u8]) -> Result<Element, XmlError> {
    Element::parse_within(input, ns::CLIENT, &TIGHT)
}

/// `expected`: "" if it is taken, else the stream error's condition.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    let input = input.as_ref();
    let parsed = parse(input);
    let actual = parsed.as_ref().err().map_or("", XmlError::stream_condition);
    assert_eq!(actual, expected, "{}: {parsed:?}", String::from_utf8_lossy(input));
}

#[test]
fn lawful_elements_are_taken() {
    for input in [
        "<a/>",
        " \r\n<a />\t",
        "<a></a >",
        "<a\nb='1'\tc = \"2\"/>",
        "<a b='>' c='\"' d=\"'\"/>",
        "<a>text &lt;&gt;&amp;&apos;&quot; &#65;&#x1F600;&#x0000041;</a>",
        "<a>]] > ]></a>",
        "<a><![CDATA[<b>&nonsense;]]]]><![CDATA[>]]></a>",
        "<é.1-_·/>",
        "<x:a xmlns:x='urn:x'><x:b/></x:a>",
        "<a xmlns:x='urn:x' x:b='1' b='2'/>",
        "<a xmlns=''><b xmlns='urn:x'/></a>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>",
        "<xml:a/>",
        "<a xmlns:x='urn:x' xmlns:y='urn:y' x:b='1'><b xmlns:x='urn:z'/></a>",
        "<a>\u{7f}\u{85}\u{d7ff}\u{e000}\u{fffd}\u{10ffff}</a>",
    ] {
        check(input, "");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for input in [
        "",
        "  ",
        "a",
        "<",
        "<a",
        "<a ",
        "<a/",
        "<a>",
        "<a/ >",
        "< a/>",
        "</a>",
        "<a></b>",
        "<a></a b='1'>",
        "<a><b></a></b>",
        "<a/><a/>",
        "<a/>text",
        "<1a/>",
        "<-a/>",
        "<a:/>",
        "<:a/>",
        "<a:b:c/>",
        "<a:1 xmlns:a='urn:a'/>",
        "<a b/>",
        "<a b=/>",
        "<a b=1/>",
        "<a b='1/>",
        "<a b='1'c='2'/>",
        "<a b='<'/>",
        "<a b='1' b='2'/>",
        "<a xmlns='urn:a' xmlns='urn:a'/>",
        "<a xmlns:x='u' xmlns:x='v'/>",
        "<a>]]></a>",
        "<a><![CDATA[</a>",
        "<a>\u{0}</a>",
        "<a>\u{1f}</a>",
        "<a>\u{fffe}</a>",
        "<a b='\u{ffff}'/>",
        "<a>&#0;</a>",
        "<a>&#xFFFF;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
        "<a xmlns:x=''/>",
        "<a xmlns:xml='urn:x'/>",
        "<a xmlns:xmlns='urn:x'/>",
        "<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
    ] {
        check(input, "not-well-formed");
    }
}

#[test]
fn one_attribute_by_two_prefixes_is_refused() {
    let input = "<a xmlns:x='u' xmlns:y='&#117;' x:b='1' y:b='2'/>";
    let error = Element::parse(input.as_bytes(), "").unwrap_err();
    assert_eq!(error, XmlError::DuplicateAttribute { at: 40, name: "y:b".into() });
}

#[test]
fn what_streams_forbid_is_refused() {
    for input in [
        "<!-- a --><a/>",
        "<a><!-- a --></a>",
        "<?xml version='1.0'?><a/>",
        "<a><?php ?></a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<a>&nbsp;</a>",
        "<a>&b</a>",
        "<a>& </a>",
        "<a>&;</a>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&#X41;</a>",
        "<a>&#4A;</a>",
        "<a b='&nbsp;'/>",
        "<a><![cdata[]]></a>",
    ] {
        check(input, "restricted-xml");
    }
}

#[test]
fn undeclared_prefixes_are_refused() {
    for input in [
        "<x:a/>",
        "<a><x:b/></a>",
        "<a x:b='1'/>",
        "<a><b xmlns:x='urn:x'/><x:b/></a>",
        "<stream:error/>",
        "<xmlns:a/>",
    ] {
        check(input, "bad-namespace-prefix");
    }
}

#[test]
fn other_encodings_are_refused() {
    for input in [
        &b"<a>\xff</a>"[..],
        b"<a>\xc0\x80</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a b='\xe9'/>",
        b"\xff\xfe<\0a\0/\0>\0",
    ] {
        check(input, "unsupported-encoding");
    }
}

#[test]
fn limits_hold() {
    check(format!("<a>{}</a>", "x".repeat(393)), "");
    check(format!("<a>{}</a>", "x".repeat(394)), "policy-violation");
    check("<a><b><c/></b></a>", "");
    check("<a><b><c><d/></c></b></a>", "policy-violation");
    check("<a b='' c='' d=''/>", "");
    check("<a b='' c='' d='' e=''/>", "policy-violation");
    check("<a><b/><b/><b/><b/></a>", "");
    check("<a><b/><b/><b/><b><b/></b></a>", "policy-violation");
    let four = "<a xmlns='u' xmlns:b='u'><b xmlns='v' xmlns:c='u'>";
    check(format!("{four}</b></a>"), "");
    check(format!("{four}<c xmlns=''/></b></a>"), "policy-violation");
    check(format!("<a xmlns='{}'/>", "u".repeat(256)), "");
    check(format!("<a xmlns='{}'/>", "u".repeat(257)), "policy-violation");
}

#[test]
fn errors_carry_evidence() {
    let mismatch = XmlError::Mismatched { at: 6, open: "b".into(), closed: "a".into() };
    assert_eq!(parse(b"<a><b></a>"), Err(mismatch));
    let prefix = XmlError::UndeclaredPrefix { at: 4, prefix: "x".into() };
    assert_eq!(parse(b"<a><x:b/></a>"), Err(prefix));
    let character = XmlError::Character { at: 5, code: 1 };
    assert_eq!(parse("<a>\u{e9}\u{1}</a>".as_bytes()), Err(character));
    assert_eq!(parse(b"<a>&#x1;</a>"), Err(XmlError::Character { at: 3, code: 1 }));
}
