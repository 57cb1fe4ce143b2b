//! Trees and their bytes.

use bytes::Bytes;
use proptest::prelude::*;

use super::trees;
use crate::ns;
use crate::xml::{Element, escape_attr, escape_text};

fn written(element: &Element) -> String {
    String::from_utf8(element.to_bytes(ns::CLIENT).to_vec()).unwrap()
}

/// What is read from `input` is written as `expected`.
#[track_caller]
fn check(input: &str, expected: &str) {
    let element = Element::parse(input.as_bytes(), ns::CLIENT).unwrap();
    assert_eq!(written(&element), expected);
    assert_eq!(Element::parse(expected.as_bytes(), ns::CLIENT).unwrap(), element);
}

#[test]
fn namespaces_are_declared_where_they_change() {
    check("<a xmlns='jabber:client'><b xmlns='jabber:client'/></a>", "<a><b/></a>");
    check("<a xmlns='u'><b/><c xmlns='v'/></a>", "<a xmlns='u'><b/><c xmlns='v'/></a>");
    check("<x:a xmlns:x='u'><b/></x:a>", "<a xmlns='u'><b xmlns='jabber:client'/></a>");
    check("<a><b xmlns=''><c/></b></a>", "<a><b xmlns=''><c/></b></a>");
    check("<a xml:lang=\"de\"/>", "<a xml:lang='de'/>");
    check("<xml:a><b/></xml:a>", "<xml:a><b/></xml:a>");
    check(
        "<a xmlns:x='u' xmlns:y='u' x:b='1' y:c='2' d='3'/>",
        "<a xmlns:a0='u' a0:b='1' a0:c='2' d='3'/>",
    );
}

#[test]
fn characters_are_normalised_and_escaped() {
    check("<a>\r\n1\r2&#13;&amp;]]&gt;</a>", "<a>\n1\n2&#13;&amp;]]&gt;</a>");
    check("<a><![CDATA[<\r\n&]]>b</a>", "<a>&lt;\n&amp;b</a>");
    check("<a b='\r\n\t&#10;&quot;'/>", "<a b='  &#10;&quot;'/>");
    let mut out = Vec::new();
    escape_text("a\u{0}b<", &mut out);
    escape_attr("\u{ffff}'", &mut out);
    assert_eq!(out, "a\u{fffd}b&lt;\u{fffd}&apos;".as_bytes());
}

#[test]
fn an_element_is_read_by_name() {
    let text = "<iq xmlns='jabber:client' id='1' xml:lang='en'>a<query xmlns='u'>\
                <item n='1'/><item n='2'/></query>b<query/></iq>";
    let element = Element::parse(text.as_bytes(), "").unwrap();
    assert!(element.is("iq", ns::CLIENT));
    assert_eq!((element.attr("id"), element.lang()), (Some("1"), Some("en")));
    assert_eq!((element.attr("lang"), element.attr_ns("lang", ns::XML)), (None, Some("en")));
    assert_eq!(element.text(), "ab");
    assert_eq!(element.children().count(), 2);
    let query = element.child("query", "u").unwrap();
    let numbers: Vec<_> = query.children_named("item", "u").map(|item| item.attr("n")).collect();
    assert_eq!(numbers, [Some("1"), Some("2")]);
    assert_eq!(element.text_of("query", ns::CLIENT).as_deref(), Some(""));
    assert_eq!(element.text_of("query", "v"), None);
}

#[test]
fn an_element_can_be_changed() {
    let mut element = Element::new("a", "u").with_attr("b", "1").with_attr("b", "2");
    assert_eq!(element.remove_attr("b").as_deref(), Some("2"));
    element.push(Element::new("b", "u"));
    element.push(Element::new("c", "u"));
    element.push_text("text");
    element.retain_children(|child| child.name() == "c");
    assert_eq!(written(&element), "<a xmlns='u'><c/>text</a>");
    assert_eq!(element.take_children(), [Element::new("c", "u")]);
    assert_eq!(written(&element), "<a xmlns='u'/>");
}

#[test]
fn raw_elements_keep_their_namespace() {
    let raw = Bytes::from_static(b"<message id='1'><body>x</body></message>");
    let forwarded = Element::new("forwarded", ns::FORWARD).with_raw(raw.clone(), ns::CLIENT);
    let expected = "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='1'>\
                    <body>x</body></message></forwarded>";
    let forwarded = forwarded.unwrap();
    assert_eq!(written(&forwarded), expected);
    assert_eq!(Element::parse(expected.as_bytes(), "").unwrap(), forwarded);

    let same = Element::new("a", ns::CLIENT).with_raw(raw, ns::CLIENT).unwrap();
    assert_eq!(written(&same), "<a><message id='1'><body>x</body></message></a>");
    let own = Bytes::from_static(b"<b xmlns='v'/>");
    let own = Element::new("a", "u").with_raw(own, ns::CLIENT).unwrap();
    assert_eq!(written(&own), "<a xmlns='u'><b xmlns='v'/></a>");
    for wrong in [&b"<a>"[..], b"<a/><b/>", b"<x:a/>", b"text", b""] {
        let raw = Bytes::from_static(wrong);
        assert!(Element::new("a", "u").with_raw(raw, ns::CLIENT).is_err());
    }
}

#[test]
fn stream_elements_bear_their_prefix() {
    let features = Element::new("features", ns::STREAM)
        .with_child(Element::new("bind", ns::BIND))
        .with_child(Element::new("x", ns::CLIENT));
    let mut out = Vec::new();
    features.write_stream_prefixed(&mut out, ns::CLIENT, false);
    let expected = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><x/>\
                    </stream:features>";
    assert_eq!(out, expected.as_bytes());

    out.clear();
    features.write_stream_prefixed(&mut out, "", true);
    assert_eq!(Element::parse(&out, "").unwrap(), features);
}

#[test]
fn equality_is_that_of_xml() {
    let parse = |text: &str| Element::parse(text.as_bytes(), "").unwrap();
    let one = parse("<x:a xmlns:x='u' c='1' b='&#50;'>t<![CDATA[u]]></x:a>");
    assert_eq!(one, parse("<a b='2' c='1' xmlns='u'>tu</a>"));
    for other in ["<a b='2' c='1'>tu</a>", "<a xmlns='u' b='2'>tu</a>", "<a xmlns='u'/>"] {
        assert_ne!(one, parse(other));
    }
}

proptest! {
    #[test]
    fn any_tree_comes_back(element in trees::element(), around in "(jabber:client|u)?") {
        let bytes = element.to_bytes(&around);
        let again = Element::parse(&bytes, &around).unwrap();
        prop_assert_eq!(&again, &element, "{}", String::from_utf8_lossy(&bytes));
        // And so do its bytes, once they are ours.
        prop_assert_eq!(again.to_bytes(&around), bytes);
    }

    #[test]
    fn any_raw_tree_comes_back(element in trees::element()) {
        let raw = element.to_bytes(ns::CLIENT);
        let parent = Element::new("forwarded", ns::FORWARD);
        let with_raw = parent.clone().with_raw(raw, ns::CLIENT).unwrap();
        let bytes = with_raw.to_bytes("");
        prop_assert_eq!(Element::parse(&bytes, "").unwrap(), parent.with_child(element));
    }
}
