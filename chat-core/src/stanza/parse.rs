//! One pass of the scanner.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Address, ChildSpan, Kind, Stanza, Text};
use crate::jid::Jid;
use crate::ns;
use crate::xml::{
    Element, Limits, ScannedAttribute, Scanner, Span, StartTag, Token, XmlError, unescape_attr,
};

pub(super) fn parse(bytes: Bytes, limits: &Limits) -> Result<Stanza, XmlError> {
    let Some((head, inside)) = scan(&bytes, limits)? else {
        return parse_prefixed(&bytes, limits);
    };
    Ok(Stanza {
        kind: head.kind,
        name: head.name,
        other_ns: head.other_ns,
        attributes: head.attributes,
        to: head.to,
        from: head.from,
        id: head.id,
        type_: head.type_,
        lang: head.lang,
        inner: inside.span,
        children: inside.children,
        bytes,
    })
}

/// `None` if the name has a prefix.
fn scan(bytes: &[u8], limits: &Limits) -> Result<Option<(Head, Inside)>, XmlError> {
    let mut scanner = Scanner::new(bytes, ns::CLIENT, limits)?;
    let Some(Token::Start(tag)) = scanner.next()? else {
        return Err(XmlError::Syntax { at: 0, expected: "an element" });
    };
    if !tag.name.prefix().is_empty() {
        return Ok(None);
    }
    let head = Head::read(&tag, &scanner);
    Ok(Some((head, Inside::read(&mut scanner)?)))
}

/// A stanza whose own name has a prefix: its unprefixed children would mean something else
/// behind the start tag that `render` writes.
fn parse_prefixed(bytes: &Bytes, limits: &Limits) -> Result<Stanza, XmlError> {
    let element = Element::parse_within(bytes, ns::CLIENT, limits)?;
    if element.ns() == ns::XML {
        // It has no other form; and nothing of that namespace opens a stanza.
        return Err(XmlError::UndeclaredPrefix { at: 1, prefix: "xml".into() });
    }
    parse(element.to_bytes(ns::CLIENT), &Limits::STORED)
}

struct Head {
    kind: Kind,
    name: Span,
    other_ns: Option<Text>,
    attributes: SmallVec<[ScannedAttribute; 6]>,
    to: Address,
    from: Address,
    id: Option<Text>,
    type_: Option<Text>,
    lang: Option<Text>,
}

impl Head {
    fn read(tag: &StartTag, scanner: &Scanner<'_>) -> Self {
        let namespace = scanner.namespace(tag.binding);
        let kind = match (scanner.text(tag.name.local()), namespace == ns::CLIENT) {
            ("message", true) => Kind::Message,
            ("presence", true) => Kind::Presence,
            ("iq", true) => Kind::Iq,
            _ => Kind::Other,
        };
        let other_ns = (namespace != ns::CLIENT).then(|| Text::Decoded(namespace.into()));
        let mut head = Self {
            kind,
            name: tag.name.local(),
            other_ns,
            attributes: SmallVec::from_slice(scanner.attributes()),
            to: Address::Absent,
            from: Address::Absent,
            id: None,
            type_: None,
            lang: None,
        };
        for attribute in scanner.attributes() {
            head.read_attribute(attribute, scanner);
        }
        head
    }

    fn read_attribute(&mut self, attribute: &ScannedAttribute, scanner: &Scanner<'_>) {
        match scanner.text(attribute.name.whole) {
            "to" => self.to = address(attribute.value, scanner),
            "from" => self.from = address(attribute.value, scanner),
            "id" => self.id = Some(text(attribute.value, scanner)),
            "type" => self.type_ = Some(text(attribute.value, scanner)),
            "xml:lang" => self.lang = Some(text(attribute.value, scanner)),
            _ => {}
        }
    }
}

fn text(value: Span, scanner: &Scanner<'_>) -> Text {
    match unescape_attr(scanner.text(value)) {
        std::borrow::Cow::Borrowed(_) => Text::Span(value),
        std::borrow::Cow::Owned(text) => Text::Decoded(text.into()),
    }
}

fn address(value: Span, scanner: &Scanner<'_>) -> Address {
    match Jid::parse(&unescape_attr(scanner.text(value))) {
        Ok(jid) => Address::Good(jid),
        Err(error) => Address::Bad(error),
    }
}

/// What stands between the tags.
struct Inside {
    span: Span,
    children: SmallVec<[ChildSpan; 4]>,
}

impl Inside {
    /// Reads to the end of the element.
    fn read(scanner: &mut Scanner<'_>) -> Result<Self, XmlError> {
        let inner_start = scanner.position();
        let mut inner_end = inner_start;
        let mut children: SmallVec<[ChildSpan; 4]> = SmallVec::new();
        while let Some(token) = scanner.next()? {
            match token {
                Token::Start(tag) if scanner.depth() == 2 => children.push(child(&tag, scanner)),
                Token::End { end, .. } if scanner.depth() == 1 => {
                    let child = children.last_mut().expect("a child was open");
                    child.span = Span::new(child.span.range().start, end);
                }
                Token::End { start, .. } if scanner.depth() == 0 => inner_end = start,
                _ => {}
            }
        }
        Ok(Self { span: Span::new(inner_start, inner_end), children })
    }
}

fn child(tag: &StartTag, scanner: &Scanner<'_>) -> ChildSpan {
    let ns = match scanner.namespace_span(tag.binding) {
        Some(span) => Text::Span(span),
        None => match scanner.namespace(tag.binding) {
            ns::CLIENT => Text::Client,
            namespace => Text::Decoded(namespace.into()),
        },
    };
    ChildSpan { span: tag.span, name: tag.name.local(), ns }
}
