//! Stanzas (RFC 6120 8): what is taken is rendered to what reads the same, and its children are
//! where they are said to be.
#![no_main]

use bytes::Bytes;
use chat_core::ns;
use chat_core::stanza::{Child, Rewrite, Stanza, append_to_rendered, with_client_namespace};
use chat_core::xml::{Element, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    let tree = Element::parse_within(&bytes, ns::CLIENT, &Limits::default());
    let Ok(stanza) = Stanza::parse(bytes, &Limits::default()) else {
        assert!(tree.is_err() || tree.is_ok_and(|tree| tree.ns() == ns::XML));
        return;
    };
    let tree = tree.expect("both read by one scanner");
    assert_eq!(stanza.element(), tree);
    assert_eq!((stanza.name(), stanza.ns()), (tree.name(), tree.ns()));
    assert_eq!((stanza.id(), stanza.lang()), (tree.attr("id"), tree.lang()));
    let children: Vec<Element> = stanza.children().map(|child| child.element()).collect();
    assert!(children.iter().eq(tree.children()));
    for child in stanza.children() {
        let id = child.attr("id");
        assert_eq!(id.as_deref(), child.element().attr("id"));
    }
    check_renderings(&stanza, &tree);
});

fn check_renderings(stanza: &Stanza, tree: &Element) {
    let plain = stanza.render(&Rewrite::default());
    assert_eq!(parse(&plain), *tree);
    let whole = stanza.render(&Rewrite { xmlns: true, ..Rewrite::default() });
    assert_eq!(Element::parse(&whole, ""), Ok(tree.clone()));
    if tree.ns() == ns::CLIENT {
        assert_eq!(Element::parse(&with_client_namespace(&plain), ""), Ok(tree.clone()));
    }

    let mut expected = tree.clone().with_attr("from", "a'b").with_attr("to", "c");
    expected.retain_children(|child| child.name().len() != 1);
    let short = |child: &Child<'_>| child.name().len() == 1;
    let rewrite = Rewrite {
        from: Some("a'b"),
        to: Some("c"),
        drop: Some(&short),
        append: b"<one xmlns='u'/>",
        ..Rewrite::default()
    };
    let rendered = append_to_rendered(&stanza.render(&rewrite), b"<two xmlns='u'/>");
    let expected =
        expected.with_child(Element::new("one", "u")).with_child(Element::new("two", "u"));
    assert_eq!(parse(&rendered), expected);
}

fn parse(bytes: &[u8]) -> Element {
    Element::parse(bytes, ns::CLIENT).expect("what is rendered is well-formed")
}
