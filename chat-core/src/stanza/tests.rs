//! Stanzas read and rendered.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Child, Condition, IqType, Kind, MessageType, PresenceType, Rewrite, Stanza, StanzaError,
    append_to_rendered, with_client_namespace,
};
use crate::ns;
use crate::xml::tests::trees;
use crate::xml::{Element, Limits, XmlError};

fn stanza(text: &str) -> Stanza {
    Stanza::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Rendered by `rewrite`, `input` is `expected`.
#[track_caller]
fn check(input: &str, rewrite: &Rewrite<'_>, expected: &str) {
    assert_eq!(text(&stanza(input).render(rewrite)), expected);
}

#[test]
fn a_head_is_read() {
    let message = stanza(
        "<message to='A@b/c' from='x' id='&lt;1' type='chat' xml:lang='de' other='1'>\
         <body>hi</body><x xmlns='u' y='&amp;'><z/></x></message>",
    );
    assert_eq!(
        (message.kind(), message.name(), message.ns()),
        (Kind::Message, "message", ns::CLIENT)
    );
    assert_eq!(message.to().unwrap().as_str(), "a@b/c");
    assert_eq!(message.from().unwrap().as_str(), "x");
    assert_eq!((message.id(), message.lang()), (Some("<1"), Some("de")));
    assert_eq!((message.type_(), message.message_type()), (Some("chat"), MessageType::Chat));
    assert_eq!(message.attr("other").as_deref(), Some("1"));
    assert_eq!(message.text_of("body").as_deref(), Some("hi"));
    assert!(message.has("x", "u") && !message.has("x", ns::CLIENT) && !message.has("z", "u"));
    assert_eq!(message.raw_child("x", "u"), Some(&b"<x xmlns='u' y='&amp;'><z/></x>"[..]));
    assert_eq!(message.find("x", "u").unwrap().attr("y").as_deref(), Some("&"));
    assert_eq!(message.child("x", "u").unwrap().children().count(), 1);
    let children: Vec<_> = message.children().map(|child| (child.name(), child.ns())).collect();
    assert_eq!(children, [("body", ns::CLIENT), ("x", "u")]);
    assert!(message.inner().starts_with(b"<body>") && message.inner().ends_with(b"</x>"));
}

#[test]
fn types_are_told_apart() {
    assert_eq!(stanza("<message type='odd'/>").message_type(), MessageType::Normal);
    assert_eq!(stanza("<presence/>").presence_type(), Some(PresenceType::Available));
    assert_eq!(stanza("<presence type='odd'/>").presence_type(), None);
    assert_eq!(stanza("<iq type='set'/>").iq_type(), Some(IqType::Set));
    assert_eq!(stanza("<iq/>").iq_type(), None);
    assert!(stanza("<iq type='error'/>").is_error());
    for other in ["<a/>", "<message xmlns='jabber:server'/>", "<r xmlns='urn:xmpp:sm:3'/>"] {
        assert_eq!(stanza(other).kind(), Kind::Other, "{other}");
    }
    let request = stanza("<r xmlns='urn:xmpp:sm:3'/>");
    assert_eq!((request.name(), request.ns()), ("r", ns::STREAM_MANAGEMENT));
}

#[test]
fn a_malformed_address_is_kept_as_an_error() {
    let message = stanza("<message to='a@' from='b'/>");
    assert!(message.to().is_none() && message.to_error().is_some());
    assert!(message.from_error().is_none());
    let reply = message.error_reply(&StanzaError::jid_malformed()).to_bytes(ns::CLIENT);
    assert_eq!(
        text(&reply),
        "<message type='error' from='a@' to='b'><error type='modify'>\
         <jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    );
}

#[test]
fn the_head_is_rewritten_and_the_rest_kept() {
    let plain = Rewrite::default();
    let from = Rewrite { from: Some("a'@b"), ..plain };
    check("<presence/>", &plain, "<presence></presence>");
    check("<presence  id = \"1\" />", &plain, "<presence id = \"1\"></presence>");
    check("<iq to='x' from='y'/>", &from, "<iq to='x' from='a&apos;@b'></iq>");
    let both = Rewrite { to: Some("c"), append: b"<e/>", ..from };
    check("<iq to='x'><a> </a></iq>", &both, "<iq from='a&apos;@b' to='c'><a> </a><e/></iq>");
    let xmlns = Rewrite { xmlns: true, ..plain };
    check("<iq id='1'/>", &xmlns, "<iq xmlns='jabber:client' id='1'></iq>");
    check("<iq xmlns='jabber:client'/>", &xmlns, "<iq xmlns='jabber:client'></iq>");
    check("<iq xmlns='jabber:client' />", &plain, "<iq></iq>");
    check("<r xmlns='u'><a/></r>", &plain, "<r xmlns='u'><a/></r>");
}

#[test]
fn declarations_of_the_start_tag_survive() {
    let input = "<message xmlns:x='u' x:a='1' to='b'>t<x:c/></message>";
    let rewrite = Rewrite { to: Some("d"), ..Rewrite::default() };
    check(input, &rewrite, "<message xmlns:x='u' x:a='1' to='d'>t<x:c/></message>");
    let message = stanza(input);
    assert_eq!(message.child("c", "u").unwrap().to_bytes("u"), "<c/>");
    check(
        "<c:message xmlns:c='jabber:client' xmlns='u'><a/><c:body/></c:message>",
        &Rewrite::default(),
        "<message><a xmlns='u'/><body/></message>",
    );
}

#[test]
fn children_are_dropped() {
    let forged = |child: &Child<'_>| {
        child.is("stanza-id", ns::STANZA_ID) && child.attr("by").as_deref() == Some("me")
    };
    let rewrite = Rewrite { drop: Some(&forged), append: b"<n/>", ..Rewrite::default() };
    check(
        "<message>a<stanza-id xmlns='urn:xmpp:sid:0' by='me'/>b\
         <s:stanza-id xmlns:s='urn:xmpp:sid:0' by='m&#101;'><x/></s:stanza-id>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='you'/><stanza-id by='me'/></message>",
        &rewrite,
        "<message>ab<stanza-id xmlns='urn:xmpp:sid:0' by='you'/><stanza-id by='me'/><n/></message>",
    );
}

#[test]
fn rendered_stanzas_can_be_added_to() {
    let rendered = stanza("<message><body/></message>").render(&Rewrite::default());
    let longer = append_to_rendered(&rendered, b"<a/>");
    assert_eq!(text(&longer), "<message><body/><a/></message>");
    assert_eq!(
        text(&with_client_namespace(&longer)),
        "<message xmlns='jabber:client'><body/><a/></message>"
    );
}

#[test]
fn what_may_not_be_forwarded_is_refused() {
    let condition = |text: &'static str| {
        let parsed = Stanza::parse(Bytes::from_static(text.as_bytes()), &Limits::default());
        parsed.map_err(|error: XmlError| error.stream_condition()).unwrap_err()
    };
    assert_eq!(condition("<message><a></message>"), "not-well-formed");
    assert_eq!(condition("<message><x:a/></message>"), "bad-namespace-prefix");
    assert_eq!(condition("<x:message/>"), "bad-namespace-prefix");
    assert_eq!(condition("<xml:message/>"), "bad-namespace-prefix");
    assert_eq!(condition("<message><!-- --></message>"), "restricted-xml");
}

#[test]
fn results_and_errors_go_back() {
    let iq = stanza("<iq type='get' id='1' from='a@b/c' to='b'><query xmlns='u'/></iq>");
    let result = iq.iq_result(Some(Element::new("query", "u")));
    let expected = "<iq type='result' id='1' from='b' to='a@b/c'><query xmlns='u'/></iq>";
    assert_eq!(text(&result.to_bytes(ns::CLIENT)), expected);
    assert_eq!(iq.iq_result(None).children().count(), 0);

    let error =
        StanzaError::redirect("xmpp:x@y").with_text("moved").with_app(Element::new("a", "v"));
    let expected = "<error type='modify'>\
         <redirect xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:x@y</redirect>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>moved</text>\
         <a xmlns='v'/></error>";
    assert_eq!(text(&error.to_element().to_bytes(ns::CLIENT)), expected);
    assert_eq!(StanzaError::gone(None).condition, Condition::Gone(None));
    assert_eq!(StanzaError::not_allowed().to_string(), "not-allowed");
}

/// Namespaces long or many, in a form that is written anew: it must neither grow without bound
/// nor panic.
#[test]
fn prefixes_cannot_be_multiplied() {
    let uri = "u".repeat(256);
    let children = "<p:c/>".repeat(4000);
    let small = format!("<p:m xmlns:p='{uri}'>{children}</p:m>");
    assert!(stanza(&small).as_bytes().len() < 2_000_000);

    let declared: String = (0..60).map(|n| format!(" xmlns:p{n}='u{n}'")).collect();
    let used: String = (0..60).map(|n| format!(" p{n}:a=''")).collect();
    let nested = format!("{}{}", format!("<x{used}>").repeat(60), "</x>".repeat(60));
    let deep = format!("<p1:m{declared}>{nested}</p1:m>");
    assert_eq!(stanza(&deep).children().count(), 1);
}

proptest! {
    #[test]
    fn any_tree_is_forwarded_as_it_is(element in trees::element()) {
        prop_assume!(element.ns() != ns::XML);
        let stanza = Stanza::from_element(&element);
        for xmlns in [false, true] {
            let rendered = stanza.render(&Rewrite { xmlns, ..Rewrite::default() });
            prop_assert_eq!(Element::parse(&rendered, ns::CLIENT).unwrap(), element.clone());
            if xmlns {
                prop_assert_eq!(Element::parse(&rendered, "").unwrap(), element.clone());
            }
        }
        let children: Vec<Element> = stanza.children().map(|child| child.element()).collect();
        prop_assert_eq!(children.iter().collect::<Vec<_>>(), element.children().collect::<Vec<_>>());
        let drop_all = |_: &Child<'_>| true;
        let bare = stanza.render(&Rewrite { drop: Some(&drop_all), ..Rewrite::default() });
        let bare = Element::parse(&bare, ns::CLIENT).unwrap();
        prop_assert_eq!(bare.text(), element.text());
    }
}
