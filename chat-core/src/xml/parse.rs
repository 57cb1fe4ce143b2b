//! Tokens to a tree.

use super::element::Element;
use super::error::XmlError;
use super::namespace::Namespace;
use super::scanner::{Declares, Scanner, Span, StartTag, TextForm, Token};
use super::unescape::{normalise_line_ends, unescape_attr, unescape_text};

/// Reads the one element of `scanner`.
pub(crate) fn parse(mut scanner: Scanner<'_>) -> Result<Element, XmlError> {
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    while let Some(token) = scanner.next()? {
        match token {
            Token::Start(tag) => open.push(start(&scanner, tag, open.last())),
            Token::Text { span, form } => push_text(&scanner, span, form, open.last_mut()),
            Token::End { .. } => {
                let closed = open.pop().expect("the scanner balances tags");
                match open.last_mut() {
                    Some(parent) => parent.push(closed),
                    None => root = Some(closed),
                }
            }
        }
    }
    Ok(root.expect("the scanner ends after an element"))
}

fn start(scanner: &Scanner<'_>, tag: StartTag, parent: Option<&Element>) -> Element {
    let namespace = |binding| intern(scanner.namespace(binding), parent);
    let name = scanner.text(tag.name.local()).to_owned();
    let mut element = Element::new(name, namespace(tag.binding));
    for attribute in scanner.attributes() {
        if attribute.declares == Declares::Nothing {
            let name = scanner.text(attribute.name.local()).to_owned();
            let ns = attribute.binding.map_or(Namespace::NONE, namespace);
            let value = unescape_attr(scanner.text(attribute.value)).into_owned();
            element.push_attr(name, ns, value);
        }
    }
    element
}

/// A child mostly shares its parent's namespace.
fn intern(name: &str, parent: Option<&Element>) -> Namespace {
    match parent {
        Some(parent) if parent.ns() == name => parent.namespace().clone(),
        _ => Namespace::of(name),
    }
}

fn push_text(scanner: &Scanner<'_>, span: Span, form: TextForm, parent: Option<&mut Element>) {
    let raw = scanner.text(span);
    let text = match form {
        TextForm::Text => unescape_text(raw),
        TextForm::Cdata => normalise_line_ends(raw),
    };
    parent.expect("text stands inside an element").push_text(text);
}
