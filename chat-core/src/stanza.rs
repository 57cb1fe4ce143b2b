//! Messages, presences and IQs (RFC 6120 8) over the sender's own bytes: the hot path.

mod child;
mod condition;
mod error;
mod kind;
mod parse;
mod render;
mod reply;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::jid::{Jid, JidError};
use crate::ns;
use crate::xml::{Element, Limits, ScannedAttribute, Scanner, Span, XmlError};

pub use child::Child;
pub use condition::{Condition, ErrorType};
pub use error::StanzaError;
pub use kind::{IqType, Kind, MessageType, PresenceType};
pub use render::{Rewrite, append_to_rendered, with_client_namespace};

/// One checked element at a stream's first level.
///
/// Its bytes are well-formed and namespace-well-formed. Head and children are known by where they
/// stand in them; nothing else is copied.
#[derive(Debug, Clone)]
pub struct Stanza {
    bytes: Bytes,
    kind: Kind,
    name: Span,
    /// The namespace of an element that is no stanza.
    other_ns: Option<Text>,
    attributes: SmallVec<[ScannedAttribute; 6]>,
    to: Address,
    from: Address,
    id: Option<Text>,
    type_: Option<Text>,
    lang: Option<Text>,
    /// Between the start tag and the end tag; empty, behind the tag, if that closes itself.
    inner: Span,
    children: SmallVec<[ChildSpan; 4]>,
}

/// A piece of text: where it stands, or what it stands for if it is written with references.
#[derive(Debug, Clone)]
enum Text {
    Span(Span),
    Client,
    Decoded(Box<str>),
}

#[derive(Debug, Clone)]
enum Address {
    Absent,
    Good(Jid),
    Bad(JidError),
}

#[derive(Debug, Clone)]
struct ChildSpan {
    span: Span,
    name: Span,
    ns: Text,
}

impl Stanza {
    /// Checks one element, for which `jabber:client` is the default namespace if it declares
    /// none, and finds its parts.
    ///
    /// # Errors
    /// Says where and why this is not one namespace-well-formed element within the limits.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, XmlError> {
        parse::parse(bytes, limits)
    }

    /// Makes a stanza of a tree.
    ///
    /// # Panics
    /// If the tree is larger than [`Limits::STORED`] or has an attribute's prefix `xmlns`: our
    /// own mistake.
    pub fn from_element(element: &Element) -> Self {
        let bytes = element.to_bytes(ns::CLIENT);
        Self::parse(bytes, &Limits::STORED).expect("the writer writes well-formed XML")
    }

    /// Message, presence, IQ or something else.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The element's name.
    pub fn name(&self) -> &str {
        self.str(self.name)
    }

    /// The element's namespace.
    pub fn ns(&self) -> &str {
        self.other_ns.as_ref().map_or(ns::CLIENT, |ns| self.resolve(ns))
    }

    /// Whom it is for; `None` also if the address is malformed, see [`Stanza::to_error`].
    pub fn to(&self) -> Option<&Jid> {
        self.to.good()
    }

    /// Who sent it, as the sender says; `None` also if the address is malformed.
    pub fn from(&self) -> Option<&Jid> {
        self.from.good()
    }

    /// Why `to` is no address. The answer is [`StanzaError::jid_malformed`]; who routes must ask
    /// first, for a stanza without `to` goes to the sender's own account.
    pub fn to_error(&self) -> Option<&JidError> {
        self.to.bad()
    }

    /// Why `from` is no address.
    pub fn from_error(&self) -> Option<&JidError> {
        self.from.bad()
    }

    /// The attribute `id`.
    pub fn id(&self) -> Option<&str> {
        self.optional(&self.id)
    }

    /// The attribute `type` as it is written.
    pub fn type_(&self) -> Option<&str> {
        self.optional(&self.type_)
    }

    /// The attribute `xml:lang`.
    pub fn lang(&self) -> Option<&str> {
        self.optional(&self.lang)
    }

    /// An attribute of the start tag without a prefix.
    pub fn attr(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.attributes.iter().find(|attr| self.str(attr.name.whole) == name)?;
        Some(crate::xml::unescape_attr(self.str(found.value)))
    }

    /// The type of a message (RFC 6121 5.2.2: an unknown one counts as normal).
    pub fn message_type(&self) -> MessageType {
        MessageType::parse(self.type_())
    }

    /// The type of a presence; `None` if it is an unknown one.
    pub fn presence_type(&self) -> Option<PresenceType> {
        PresenceType::parse(self.type_())
    }

    /// The type of an IQ; `None` if it is missing or unknown.
    pub fn iq_type(&self) -> Option<IqType> {
        IqType::parse(self.type_())
    }

    /// If this is an error, which must not be answered by one (RFC 6120 8.3.1).
    pub fn is_error(&self) -> bool {
        self.type_() == Some("error")
    }

    /// The elements directly in it.
    pub fn children(&self) -> impl Iterator<Item = Child<'_>> {
        self.children.iter().map(|child| Child::new(self, child))
    }

    /// If a child has this name and namespace.
    pub fn has(&self, name: &str, ns: &str) -> bool {
        self.find(name, ns).is_some()
    }

    /// The first child of this name and namespace, parsed.
    pub fn child(&self, name: &str, ns: &str) -> Option<Element> {
        self.find(name, ns).map(|child| child.element())
    }

    /// The first child of this name and namespace, as written: it may use prefixes and the
    /// default namespace that are declared around it.
    pub fn raw_child(&self, name: &str, ns: &str) -> Option<&[u8]> {
        self.find(name, ns).map(|child| &self.bytes[child.span()])
    }

    /// The first child of this name and namespace.
    pub fn find(&self, name: &str, ns: &str) -> Option<Child<'_>> {
        self.children().find(|child| child.name() == name && child.ns() == ns)
    }

    /// The character data of the first child of this name in `jabber:client`, as of `body`.
    pub fn text_of(&self, name: &str) -> Option<String> {
        self.child(name, ns::CLIENT).map(|child| child.text().into_owned())
    }

    /// The whole, parsed.
    pub fn element(&self) -> Element {
        Element::parse(&self.bytes, ns::CLIENT).expect("it is checked")
    }

    /// What stands between its tags, as written.
    pub fn inner(&self) -> &[u8] {
        &self.bytes[self.inner.range()]
    }

    /// The whole, as written.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn optional<'a>(&'a self, text: &'a Option<Text>) -> Option<&'a str> {
        text.as_ref().map(|text| self.resolve(text))
    }

    fn resolve<'a>(&'a self, text: &'a Text) -> &'a str {
        match text {
            Text::Span(span) => self.str(*span),
            Text::Client => ns::CLIENT,
            Text::Decoded(text) => text,
        }
    }

    fn str(&self, span: Span) -> &str {
        self.range(span.range())
    }

    fn range(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range]).expect("the scanner has checked it")
    }

    /// A scanner of a part, which knows what the start tag declares.
    fn scanner_of(&self, part: Range<usize>) -> Scanner<'_> {
        let mut scanner = Scanner::new(&self.bytes[part], ns::CLIENT, &Limits::STORED)
            .expect("it is scanned before");
        for attribute in &self.attributes {
            if let Some(prefix) = attribute.declared_prefix() {
                let namespace = crate::xml::unescape_attr(self.str(attribute.value));
                let prefix = prefix.map_or("", |prefix| self.str(prefix));
                scanner.bind(prefix, namespace.into_owned());
            }
        }
        scanner
    }
}

impl Address {
    fn good(&self) -> Option<&Jid> {
        match self {
            Self::Good(jid) => Some(jid),
            Self::Absent | Self::Bad(_) => None,
        }
    }

    fn bad(&self) -> Option<&JidError> {
        match self {
            Self::Bad(error) => Some(error),
            Self::Absent | Self::Good(_) => None,
        }
    }
}
