//! Random elements.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::ns;
use crate::xml::{Element, Namespace};

/// An element with attributes, text and children of mixed namespaces.
pub(crate) fn element() -> impl Strategy<Value = Element> {
    let leaf = (head(), text()).prop_map(|(element, text)| element.with_text(text));
    leaf.prop_recursive(4, 24, 4, |inner| {
        (head(), vec((text(), inner), 0..4), text()).prop_map(|(element, children, last)| {
            let add = |parent: Element, (text, child)| parent.with_text(text).with_child(child);
            children.into_iter().fold(element, add).with_text(last)
        })
    })
}

fn head() -> impl Strategy<Value = Element> {
    (name(), namespace(), vec((name(), attr_namespace(), text()), 0..4)).prop_map(
        |(name, namespace, attributes)| {
            let mut element = Element::new(name, namespace);
            for (name, namespace, value) in attributes {
                element.set_attr_ns(name, namespace, value);
            }
            element
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("body".to_owned()),
        Just("message".to_owned()),
        "[a-zA-Z_\u{e9}\u{4e00}\u{10000}][a-zA-Z0-9._\u{b7}\u{300}-]{0,4}"
            .prop_filter("a declaration", |name| name != "xmlns"),
    ]
}

fn namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![
        Just(Namespace::from(ns::CLIENT)),
        Just(Namespace::from(ns::MAM)),
        Just(Namespace::from(ns::XML)),
        Just(Namespace::NONE),
        Just(Namespace::from("urn:x?a='1'&b=\"<\u{e9}>\n\"")),
    ]
}

fn attr_namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![3 => Just(Namespace::NONE), 2 => namespace()]
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("]]>".to_owned()),
        Just("&amp;".to_owned()),
        "[\\r\\n\\t <>&'\"a-z\u{e9}\u{fffd}\u{1f600}]{0,6}",
    ];
    vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}
