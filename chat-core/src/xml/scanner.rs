//! One pass over one whole element that checks everything and allocates next to nothing.

use memchr::{memchr, memchr2};
use smallvec::SmallVec;

use super::chars::{checked_text, is_ncname, is_space, name_len};
use super::error::{Refused, XmlError};
use super::limits::Limits;
use super::unescape::{check_references, unescape_attr};
use crate::ns;

/// Bytes `start..end` of the scanned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        // `Scanner::new` refuses what is longer.
        let narrow = |at| u32::try_from(at).expect("scanned text is shorter than 4 GiB");
        Self { start: narrow(start), end: narrow(end) }
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Pulls tokens out of one element.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    open: SmallVec<[Open; 8]>,
    bindings: SmallVec<[Binding<'a>; 8]>,
    attributes: SmallVec<[ScannedAttribute; 8]>,
    /// Where the self-closing tag ended whose `End` is still to be told.
    empty_tag_end: Option<usize>,
    elements: usize,
}

#[derive(Debug)]
pub(crate) enum Token {
    /// A start tag; its attributes are `Scanner::attributes` until the next token.
    Start(StartTag),
    /// The element that was opened last ends at this byte; its end tag starts at the other.
    End { start: usize, end: usize },
    /// Character data.
    Text { span: Span, form: TextForm },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct StartTag {
    /// From `<` through `>`.
    pub(crate) span: Span,
    /// As written, with its prefix.
    pub(crate) name: QName,
    /// To be resolved by `Scanner::namespace`.
    pub(crate) binding: usize,
}

/// How character data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// As it reads, or with references.
    Text,
    /// In a CDATA section.
    Cdata,
}

/// A name with an optional prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QName {
    pub(crate) whole: Span,
    local_start: u32,
}

impl QName {
    pub(crate) fn prefix(self) -> Span {
        let end = self.local_start.saturating_sub(1).max(self.whole.start);
        Span { start: self.whole.start, end }
    }

    pub(crate) fn local(self) -> Span {
        Span { start: self.local_start, end: self.whole.end }
    }
}

/// An attribute whose syntax and references are checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScannedAttribute {
    /// From its name through the closing quote.
    pub(crate) span: Span,
    pub(crate) name: QName,
    /// Between the quotes, as written.
    pub(crate) value: Span,
    /// The namespace of a prefixed one, to be resolved by `Scanner::namespace`.
    pub(crate) binding: Option<usize>,
    pub(crate) declares: Declares,
}

impl ScannedAttribute {
    /// The prefix that it declares: `Some(None)` for the default namespace, `None` if it is no
    /// declaration.
    pub(crate) fn declared_prefix(&self) -> Option<Option<Span>> {
        match self.declares {
            Declares::Nothing => None,
            Declares::Default => Some(None),
            Declares::Prefix => Some(Some(self.name.local())),
        }
    }

    /// If it declares the default namespace.
    pub(crate) fn declares_default(&self) -> bool {
        self.declares == Declares::Default
    }
}

/// Whether an attribute is a namespace declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declares {
    Nothing,
    Default,
    Prefix,
}

struct Open {
    name: Span,
    bindings_before: usize,
}

/// A prefix ("" for the default namespace) and what it stands for.
struct Binding<'a> {
    prefix: &'a str,
    namespace: Uri<'a>,
    /// Where the namespace is written as it reads.
    span: Option<Span>,
}

enum Uri<'a> {
    Written(&'a str),
    Decoded(Box<str>),
}

impl<'a> Scanner<'a> {
    /// Checks size, encoding and characters; the rest is checked on the way.
    ///
    /// `default_ns` is the default namespace in scope around the element.
    pub(crate) fn new(
        bytes: &'a [u8],
        default_ns: &'a str,
        limits: &Limits,
    ) -> Result<Self, XmlError> {
        let bytes_max = limits.element_bytes_max.min(SCANNED_BYTES_MAX);
        if bytes.len() > bytes_max {
            return Err(XmlError::TooLarge { bytes_max });
        }
        let mut bindings = SmallVec::new();
        bindings.push(Binding { prefix: "", namespace: Uri::Written(default_ns), span: None });
        bindings.push(Binding { prefix: "xml", namespace: Uri::Written(ns::XML), span: None });
        Ok(Self {
            text: checked_text(bytes)?,
            at: 0,
            limits: *limits,
            open: SmallVec::new(),
            bindings,
            attributes: SmallVec::new(),
            empty_tag_end: None,
            elements: 0,
        })
    }

    /// Adds a declaration that is in scope around the element.
    pub(crate) fn bind(&mut self, prefix: &'a str, namespace: String) {
        let namespace = Uri::Decoded(namespace.into());
        self.bindings.push(Binding { prefix, namespace, span: None });
    }

    /// The next token; `None` after the element and the white space that may follow it.
    pub(crate) fn next(&mut self) -> Result<Option<Token>, XmlError> {
        if let Some(end) = self.empty_tag_end.take() {
            self.close_innermost();
            return Ok(Some(Token::End { start: end, end }));
        }
        if self.open.is_empty() {
            return self.outside();
        }
        let rest = &self.text.as_bytes()[self.at..];
        match memchr(b'<', rest) {
            Some(0) => self.markup().map(Some),
            Some(len) => self.character_data(len).map(Some),
            None => Err(self.expected_at(self.text.len(), "an end tag")),
        }
    }

    /// The attributes of the last start tag.
    pub(crate) fn attributes(&self) -> &[ScannedAttribute] {
        &self.attributes
    }

    /// The namespace behind a `binding`; valid until the token after its start tag.
    pub(crate) fn namespace(&self, binding: usize) -> &str {
        self.bindings[binding].uri()
    }

    /// Where that namespace is written, if it is written as it reads inside the scanned text.
    pub(crate) fn namespace_span(&self, binding: usize) -> Option<Span> {
        self.bindings[binding].span
    }

    /// How many elements are open, that of the last start tag among them.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// What was read, from the first byte after the last token.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn text(&self, span: Span) -> &'a str {
        &self.text[span.range()]
    }

    fn outside(&mut self) -> Result<Option<Token>, XmlError> {
        self.skip_space();
        match self.peek() {
            None if self.elements > 0 => Ok(None),
            Some(b'<') if self.elements == 0 => self.markup().map(Some),
            _ if self.elements > 0 => Err(self.expected("nothing after the element")),
            _ => Err(self.expected("an element")),
        }
    }

    fn markup(&mut self) -> Result<Token, XmlError> {
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'/') => self.end_tag(),
            Some(b'?') => Err(self.refused(Refused::ProcessingInstruction)),
            Some(b'!') => self.cdata(),
            _ => self.start_tag(),
        }
    }

    fn character_data(&mut self, len: usize) -> Result<Token, XmlError> {
        let span = Span::new(self.at, self.at + len);
        let raw = self.text(span);
        if let Some(first) = memchr2(b'&', b']', raw.as_bytes()) {
            check_references(raw, self.at)?;
            if let Some(at) = memchr::memmem::find(&raw.as_bytes()[first..], b"]]>") {
                return Err(self.expected_at(self.at + first + at, "no \"]]>\" in text"));
            }
        }
        self.at += len;
        Ok(Token::Text { span, form: TextForm::Text })
    }

    fn cdata(&mut self) -> Result<Token, XmlError> {
        let rest = &self.text[self.at..];
        if !rest.starts_with(CDATA_START) {
            let is_comment = rest.starts_with("<!--");
            let refused = if is_comment { Refused::Comment } else { Refused::DocumentType };
            return Err(self.refused(refused));
        }
        if self.open.is_empty() {
            return Err(self.expected("an element"));
        }
        let start = self.at + CDATA_START.len();
        let Some(len) = memchr::memmem::find(&self.text.as_bytes()[start..], CDATA_END) else {
            return Err(self.expected_at(self.text.len(), "\"]]>\""));
        };
        self.at = start + len + CDATA_END.len();
        Ok(Token::Text { span: Span::new(start, start + len), form: TextForm::Cdata })
    }

    fn end_tag(&mut self) -> Result<Token, XmlError> {
        let start = self.at;
        let name_start = start + 2;
        let name_end = name_start + name_len(&self.text[name_start..]);
        let Some(open) = self.open.last() else {
            return Err(self.expected("an element"));
        };
        let name = &self.text[name_start..name_end];
        if name != &self.text[open.name.range()] {
            return Err(XmlError::Mismatched {
                at: start,
                open: self.text[open.name.range()].into(),
                closed: name.into(),
            });
        }
        self.at = name_end;
        self.skip_space();
        self.expect(b'>', "\">\"")?;
        self.close_innermost();
        Ok(Token::End { start, end: self.at })
    }

    fn close_innermost(&mut self) {
        let open = self.open.pop().expect("an element is open");
        self.bindings.truncate(open.bindings_before);
    }

    fn start_tag(&mut self) -> Result<Token, XmlError> {
        let start = self.at;
        self.at += 1;
        let name = self.qname()?;
        let is_empty = self.scan_attributes()?;
        self.open_element(name.whole)?;
        self.declare_namespaces()?;
        let binding = self.resolve(name)?;
        self.resolve_attributes()?;
        self.check_duplicates()?;
        self.empty_tag_end = is_empty.then_some(self.at);
        Ok(Token::Start(StartTag { span: Span::new(start, self.at), name, binding }))
    }

    fn open_element(&mut self, name: Span) -> Result<(), XmlError> {
        let Limits { depth_max, children_max, .. } = self.limits;
        if self.open.len() >= depth_max {
            return Err(XmlError::TooDeep { depth_max });
        }
        if self.elements > children_max {
            return Err(XmlError::TooManyChildren { children_max });
        }
        self.elements += 1;
        let bindings_before = self.bindings.len();
        self.open.push(Open { name, bindings_before });
        Ok(())
    }

    /// Reads through the tag's end; returns if the tag closes itself.
    fn scan_attributes(&mut self) -> Result<bool, XmlError> {
        self.attributes.clear();
        loop {
            let spaced = self.skip_space();
            match self.peek() {
                Some(b'>') => {
                    self.at += 1;
                    return Ok(false);
                }
                Some(b'/') => {
                    self.at += 1;
                    self.expect(b'>', "\">\"")?;
                    return Ok(true);
                }
                _ if !spaced => return Err(self.expected("white space, \"/>\" or \">\"")),
                _ => self.scan_attribute()?,
            }
        }
    }

    fn scan_attribute(&mut self) -> Result<(), XmlError> {
        let attributes_max = self.limits.attributes_max;
        if self.attributes.len() >= attributes_max {
            return Err(XmlError::TooManyAttributes { attributes_max });
        }
        let name = self.qname()?;
        self.skip_space();
        self.expect(b'=', "\"=\"")?;
        self.skip_space();
        let value = self.quoted()?;
        let span = Span { start: name.whole.start, end: value.end + 1 };
        let declares = match (self.text(name.prefix()), self.text(name.local())) {
            ("", "xmlns") => Declares::Default,
            ("xmlns", _) => Declares::Prefix,
            _ => Declares::Nothing,
        };
        self.attributes.push(ScannedAttribute { span, name, value, binding: None, declares });
        Ok(())
    }

    fn quoted(&mut self) -> Result<Span, XmlError> {
        let quote = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => quote,
            _ => return Err(self.expected("a quote")),
        };
        let start = self.at + 1;
        let mut has_reference = false;
        // One loop: most values are too short for searches to pay off.
        for (len, &byte) in self.text.as_bytes()[start..].iter().enumerate() {
            match byte {
                b'<' => {
                    let expected = "no \"<\" in an attribute's value";
                    return Err(self.expected_at(start + len, expected));
                }
                b'&' => has_reference = true,
                _ if byte == quote => {
                    let value = Span::new(start, start + len);
                    if has_reference {
                        check_references(self.text(value), start)?;
                    }
                    self.at = start + len + 1;
                    return Ok(value);
                }
                _ => {}
            }
        }
        Err(self.expected_at(self.text.len(), "the closing quote"))
    }

    fn qname(&mut self) -> Result<QName, XmlError> {
        let start = self.at;
        let name = &self.text[start..start + name_len(&self.text[start..])];
        let local = match memchr(b':', name.as_bytes()) {
            Some(colon) if is_ncname(&name[..colon]) => colon + 1,
            Some(_) => return Err(self.expected("a name")),
            None => 0,
        };
        if !is_ncname(&name[local..]) {
            return Err(self.expected_at(start + local, "a name"));
        }
        self.at = start + name.len();
        let local_start = Span::new(start + local, self.at).start;
        Ok(QName { whole: Span::new(start, self.at), local_start })
    }

    fn declare_namespaces(&mut self) -> Result<(), XmlError> {
        for index in 0..self.attributes.len() {
            let attribute = self.attributes[index];
            let prefix = match attribute.declares {
                Declares::Nothing => continue,
                Declares::Default => "",
                Declares::Prefix => self.text(attribute.name.local()),
            };
            let namespace = Uri::decode(self.text(attribute.value));
            if !is_lawful(prefix, namespace.as_str()) {
                let declaration = self.text(attribute.name.whole).into();
                let at = attribute.span.start as usize;
                return Err(XmlError::Declaration { at, declaration });
            }
            self.check_declaration(namespace.as_str())?;
            let span = matches!(namespace, Uri::Written(_)).then_some(attribute.value);
            self.bindings.push(Binding { prefix, namespace, span });
        }
        Ok(())
    }

    fn check_declaration(&self, namespace: &str) -> Result<(), XmlError> {
        let declarations_max = self.limits.declarations_max;
        if self.bindings.len() - IMPLIED_BINDINGS >= declarations_max {
            return Err(XmlError::TooManyDeclarations { declarations_max });
        }
        if namespace.len() > NAMESPACE_BYTES_MAX {
            return Err(XmlError::NamespaceTooLong { bytes_max: NAMESPACE_BYTES_MAX });
        }
        Ok(())
    }

    fn resolve(&self, name: QName) -> Result<usize, XmlError> {
        let prefix = self.text(name.prefix());
        let innermost = match prefix {
            "" => self.bindings.iter().rposition(|binding| binding.prefix.is_empty()),
            _ => self.bindings.iter().rposition(|binding| binding.prefix == prefix),
        };
        innermost.ok_or_else(|| XmlError::UndeclaredPrefix {
            at: name.whole.start as usize,
            prefix: prefix.into(),
        })
    }

    fn resolve_attributes(&mut self) -> Result<(), XmlError> {
        for index in 0..self.attributes.len() {
            let attribute = self.attributes[index];
            if attribute.declares == Declares::Nothing && !attribute.name.prefix().is_empty() {
                self.attributes[index].binding = Some(self.resolve(attribute.name)?);
            }
        }
        Ok(())
    }

    fn check_duplicates(&self) -> Result<(), XmlError> {
        for (index, attribute) in self.attributes.iter().enumerate() {
            if self.attributes[..index].iter().any(|earlier| self.are_same(earlier, attribute)) {
                return Err(XmlError::DuplicateAttribute {
                    at: attribute.span.start as usize,
                    name: self.text(attribute.name.whole).into(),
                });
            }
        }
        Ok(())
    }

    fn are_same(&self, one: &ScannedAttribute, other: &ScannedAttribute) -> bool {
        match (one.binding, other.binding) {
            (Some(a), Some(b)) => {
                self.text(one.name.local()) == self.text(other.name.local())
                    && self.namespace(a) == self.namespace(b)
            }
            (None, None) => self.text(one.name.whole) == self.text(other.name.whole),
            _ => false,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Returns if there was any.
    fn skip_space(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > start
    }

    fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), XmlError> {
        if self.peek() != Some(byte) {
            return Err(self.expected(name));
        }
        self.at += 1;
        Ok(())
    }

    fn expected(&self, expected: &'static str) -> XmlError {
        self.expected_at(self.at, expected)
    }

    fn expected_at(&self, at: usize, expected: &'static str) -> XmlError {
        XmlError::Syntax { at, expected }
    }

    fn refused(&self, refused: Refused) -> XmlError {
        XmlError::Restricted { at: self.at, refused }
    }
}

impl Binding<'_> {
    fn uri(&self) -> &str {
        self.namespace.as_str()
    }
}

impl<'a> Uri<'a> {
    fn decode(raw: &'a str) -> Self {
        match unescape_attr(raw) {
            std::borrow::Cow::Borrowed(text) => Self::Written(text),
            std::borrow::Cow::Owned(text) => Self::Decoded(text.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Written(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

/// Namespaces in XML 1.0, 3 ("Reserved Prefixes and Namespace Names") and 2.2.
fn is_lawful(prefix: &str, namespace: &str) -> bool {
    match prefix {
        "xmlns" => false,
        "xml" => namespace == ns::XML,
        "" => namespace != ns::XML && namespace != ns::XMLNS,
        _ => !namespace.is_empty() && namespace != ns::XML && namespace != ns::XMLNS,
    }
}

const CDATA_START: &str = "<![CDATA[";
const CDATA_END: &[u8] = b"]]>";
/// Bytes; positions are 32 bits wide.
const SCANNED_BYTES_MAX: usize = u32::MAX as usize;
/// Bytes of a namespace's name. One long name that many elements use would be written anew for
/// each of them.
const NAMESPACE_BYTES_MAX: usize = 256;
/// The default namespace around the element and `xml`.
const IMPLIED_BINDINGS: usize = 2;
