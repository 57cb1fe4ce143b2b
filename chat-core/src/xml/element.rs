//! A small tree.

use std::borrow::Cow;

use bytes::Bytes;

use super::chars::is_whole_ncname;
use super::error::XmlError;
use super::limits::Limits;
use super::namespace::Namespace;
use super::parse::parse;
use super::scanner::{ScannedAttribute, Scanner, Token};
use super::write::write_default_declaration;
use crate::ns;

/// An owned XML element, for paths that are not hot.
///
/// Equality is that of XML: prefixes, the order of attributes and the way characters are written
/// make no difference.
#[derive(Debug, Clone)]
pub struct Element {
    name: Cow<'static, str>,
    ns: Namespace,
    attrs: Vec<Attribute>,
    nodes: Vec<Node>,
}

/// An attribute; one without a prefix has no namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    name: Cow<'static, str>,
    ns: Namespace,
    value: String,
}

/// What an element holds.
#[derive(Debug, Clone)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Character data.
    Text(String),
    /// An element that is serialised already.
    Raw(Raw),
}

/// One serialised element, checked, and the default namespace around it.
#[derive(Debug, Clone)]
pub struct Raw {
    bytes: Bytes,
    around: Namespace,
    /// Where a declaration of `around` may be put in, if the element has none of its own.
    insert_at: Option<usize>,
}

impl Element {
    /// An empty element.
    ///
    /// # Panics
    /// In debug builds, if `name` is no name without a prefix.
    pub fn new(name: impl Into<Cow<'static, str>>, ns: impl Into<Namespace>) -> Self {
        let name = name.into();
        debug_assert!(is_whole_ncname(&name), "{name:?} is not a name");
        Self { name, ns: ns.into(), attrs: Vec::new(), nodes: Vec::new() }
    }

    /// Reads one element (within [`Limits::STORED`]); white space may surround it.
    ///
    /// `default_ns` is the default namespace in scope around it.
    ///
    /// # Errors
    /// Says where and why this is not one namespace-well-formed element.
    pub fn parse(bytes: &[u8], default_ns: &str) -> Result<Self, XmlError> {
        Self::parse_within(bytes, default_ns, &Limits::STORED)
    }

    /// Like [`Element::parse`], within these limits.
    ///
    /// # Errors
    /// Says where and why this is not one namespace-well-formed element.
    pub fn parse_within(bytes: &[u8], default_ns: &str, limits: &Limits) -> Result<Self, XmlError> {
        parse(Scanner::new(bytes, default_ns, limits)?)
    }

    /// Its name, without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace; "" if it has none.
    pub fn ns(&self) -> &str {
        self.ns.as_str()
    }

    /// If this is its name and namespace.
    pub fn is(&self, name: &str, ns: &str) -> bool {
        self.name == name && self.ns.as_str() == ns
    }

    /// The value of an attribute without a prefix.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attr_ns(name, "")
    }

    /// The value of an attribute in a namespace.
    pub fn attr_ns(&self, name: &str, ns: &str) -> Option<&str> {
        self.attrs.iter().find(|attr| attr.name == name && attr.ns() == ns).map(Attribute::value)
    }

    /// Its `xml:lang`.
    pub fn lang(&self) -> Option<&str> {
        self.attr_ns("lang", ns::XML)
    }

    /// All attributes; namespace declarations are not among them.
    pub fn attrs(&self) -> &[Attribute] {
        &self.attrs
    }

    /// All it holds, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The elements in it, those pushed as raw excepted.
    pub fn children(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) | Node::Raw(_) => None,
        })
    }

    /// The elements in it, to be changed.
    pub fn children_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.nodes.iter_mut().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) | Node::Raw(_) => None,
        })
    }

    /// The first child of this name and namespace.
    pub fn child(&self, name: &str, ns: &str) -> Option<&Element> {
        self.children().find(|child| child.is(name, ns))
    }

    /// The children of this name and namespace.
    pub fn children_named<'a>(
        &'a self,
        name: &'a str,
        ns: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        self.children().filter(move |child| child.is(name, ns))
    }

    /// Its own character data.
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) | Node::Raw(_) => None,
        });
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// The character data of the first child of this name and namespace.
    pub fn text_of(&self, name: &str, ns: &str) -> Option<Cow<'_, str>> {
        self.child(name, ns).map(Element::text)
    }

    /// With an attribute set.
    ///
    /// # Panics
    /// In debug builds, if `name` is no name without a prefix.
    pub fn with_attr(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.set_attr(name, value);
        self
    }

    /// With its `xml:lang` set.
    pub fn with_lang(mut self, lang: impl Into<String>) -> Self {
        self.set_attr_ns("lang", ns::XML, lang);
        self
    }

    /// With a child added.
    pub fn with_child(mut self, child: Element) -> Self {
        self.push(child);
        self
    }

    /// With children added.
    pub fn with_children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.nodes.extend(children.into_iter().map(Node::Element));
        self
    }

    /// With character data added.
    pub fn with_text(mut self, text: impl AsRef<str>) -> Self {
        self.push_text(text);
        self
    }

    /// With a serialised element added, such as a stored stanza.
    ///
    /// # Errors
    /// As [`Element::push_raw`].
    pub fn with_raw(mut self, raw: Bytes, default_ns: &'static str) -> Result<Self, XmlError> {
        self.push_raw(raw, default_ns)?;
        Ok(self)
    }

    /// Sets an attribute without a prefix.
    ///
    /// # Panics
    /// In debug builds, if `name` is no name without a prefix, or `xmlns`.
    pub fn set_attr(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let name = name.into();
        debug_assert_ne!(name, "xmlns", "declarations are the writer's");
        self.set_attr_ns(name, Namespace::NONE, value);
    }

    /// Sets an attribute in a namespace.
    ///
    /// # Panics
    /// In debug builds, if `name` is no name without a prefix.
    pub fn set_attr_ns(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        ns: impl Into<Namespace>,
        value: impl Into<String>,
    ) {
        let attr = Attribute { name: name.into(), ns: ns.into(), value: value.into() };
        debug_assert!(is_whole_ncname(&attr.name), "{:?} is not a name", attr.name);
        match self.attrs.iter_mut().find(|old| old.name == attr.name && old.ns == attr.ns) {
            Some(old) => *old = attr,
            None => self.attrs.push(attr),
        }
    }

    /// Takes an attribute without a prefix away and returns its value.
    pub fn remove_attr(&mut self, name: &str) -> Option<String> {
        let at = self.attrs.iter().position(|attr| attr.name == name && attr.ns().is_empty())?;
        Some(self.attrs.remove(at).value)
    }

    /// Adds a child.
    pub fn push(&mut self, child: Element) {
        self.nodes.push(Node::Element(child));
    }

    /// Adds character data.
    pub fn push_text(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match self.nodes.last_mut() {
            _ if text.is_empty() => {}
            Some(Node::Text(last)) => last.push_str(text),
            _ => self.nodes.push(Node::Text(text.into())),
        }
    }

    /// Adds a serialised element; `default_ns` is the default namespace it was written for, and
    /// is declared on it where the element around it has another.
    ///
    /// # Errors
    /// Says where and why this is not one namespace-well-formed element.
    pub fn push_raw(&mut self, raw: Bytes, default_ns: &'static str) -> Result<(), XmlError> {
        self.nodes.push(Node::Raw(Raw::check(raw, default_ns.into())?));
        Ok(())
    }

    /// Takes all it holds away and returns the elements of it, those pushed as raw excepted.
    pub fn take_children(&mut self) -> Vec<Element> {
        let element = |node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) | Node::Raw(_) => None,
        };
        std::mem::take(&mut self.nodes).into_iter().filter_map(element).collect()
    }

    /// Takes the children away that `keep` refuses.
    pub fn retain_children(&mut self, mut keep: impl FnMut(&Element) -> bool) {
        self.nodes.retain(|node| match node {
            Node::Element(child) => keep(child),
            Node::Text(_) | Node::Raw(_) => true,
        });
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.ns
    }

    pub(super) fn push_attr(&mut self, name: String, ns: Namespace, value: String) {
        self.attrs.push(Attribute { name: name.into(), ns, value });
    }

    /// Its nodes with every raw one parsed and texts that meet joined.
    fn plain_nodes(&self) -> Vec<Cow<'_, Node>> {
        let mut nodes: Vec<Cow<'_, Node>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            match (node, nodes.last_mut()) {
                (Node::Text(text), _) if text.is_empty() => {}
                (Node::Text(text), Some(last)) if matches!(**last, Node::Text(_)) => {
                    let Node::Text(last) = last.to_mut() else { unreachable!("it is a text") };
                    last.push_str(text);
                }
                (Node::Raw(raw), _) => nodes.push(Cow::Owned(Node::Element(raw.parse()))),
                _ => nodes.push(Cow::Borrowed(node)),
            }
        }
        nodes
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.ns == other.ns
            && self.attrs.len() == other.attrs.len()
            && self.attrs.iter().all(|attr| other.attrs.contains(attr))
            && self.plain_nodes() == other.plain_nodes()
    }
}

impl Eq for Element {}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Element(one), Self::Element(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Raw(raw), Self::Element(element)) | (Self::Element(element), Self::Raw(raw)) => {
                raw.parse() == *element
            }
            (Self::Raw(one), Self::Raw(other)) => one.parse() == other.parse(),
            _ => false,
        }
    }
}

impl Eq for Node {}

impl Attribute {
    /// Its name, without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace; "" if it has none.
    pub fn ns(&self) -> &str {
        self.ns.as_str()
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl Raw {
    fn check(bytes: Bytes, around: Namespace) -> Result<Self, XmlError> {
        let insert_at = find_insertion(Scanner::new(&bytes, around.as_str(), &Limits::STORED)?)?;
        Ok(Self { insert_at, around, bytes })
    }

    /// The element as a tree.
    pub fn parse(&self) -> Element {
        Element::parse(&self.bytes, self.around.as_str()).expect("it is checked")
    }

    /// Appends it, fit for where `default_ns` is the default namespace.
    pub(super) fn write_to(&self, out: &mut Vec<u8>, default_ns: &str) {
        match self.insert_at {
            Some(at) if self.around.as_str() != default_ns => {
                out.extend_from_slice(&self.bytes[..at]);
                write_default_declaration(self.around.as_str(), out);
                out.extend_from_slice(&self.bytes[at..]);
            }
            _ => out.extend_from_slice(&self.bytes),
        }
    }
}

/// Reads the whole element; returns the end of its name if it declares no default namespace.
fn find_insertion(mut scanner: Scanner<'_>) -> Result<Option<usize>, XmlError> {
    let mut insert_at = None;
    while let Some(token) = scanner.next()? {
        if let Token::Start(tag) = token
            && scanner.depth() == 1
        {
            let has_own = scanner.attributes().iter().any(ScannedAttribute::declares_default);
            insert_at = (!has_own).then_some(tag.name.whole.range().end);
        }
    }
    Ok(insert_at)
}
