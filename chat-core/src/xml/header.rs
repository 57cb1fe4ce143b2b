//! Stream headers (RFC 6120 4.7).

use super::error::XmlError;
use super::limits::Limits;
use super::scanner::{Declares, ScannedAttribute, Scanner, Token};
use super::unescape::unescape_attr;
use crate::ns;

/// A stream header (RFC 6120 4.7) as its sender wrote it.
///
/// Only the prefix `stream` is taken, as RFC 6120 4.8.5 allows; another is an undeclared prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamHeader {
    /// Whom it is for.
    pub to: Option<String>,
    /// Who says so.
    pub from: Option<String>,
    /// The stream's id; only servers give one.
    pub id: Option<String>,
    /// The version of XMPP, as `1.0`.
    pub version: Option<String>,
    /// The language of the stream (`xml:lang`).
    pub lang: Option<String>,
    /// The default namespace; "" if none is declared.
    pub namespace: String,
}

impl StreamHeader {
    /// Reads a start tag, from `<` through `>`.
    pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, XmlError> {
        let mut scanner = Scanner::new(bytes, "", limits)?;
        let Some(Token::Start(tag)) = scanner.next()? else {
            return Err(XmlError::Syntax { at: 0, expected: "a stream header" });
        };
        let namespace = scanner.namespace(tag.binding);
        let (prefix, local) = (scanner.text(tag.name.prefix()), scanner.text(tag.name.local()));
        if local != "stream" {
            return Err(XmlError::NotAStream { name: scanner.text(tag.name.whole).into() });
        }
        if namespace != ns::STREAM {
            return Err(XmlError::StreamNamespace { namespace: namespace.into() });
        }
        if prefix != "stream" {
            return Err(XmlError::UndeclaredPrefix { at: 1, prefix: prefix.into() });
        }
        let mut header = Self::default();
        for attribute in scanner.attributes() {
            header.read(attribute, &scanner);
        }
        Ok(header)
    }

    fn read(&mut self, attribute: &ScannedAttribute, scanner: &Scanner<'_>) {
        let value = || unescape_attr(scanner.text(attribute.value)).into_owned();
        if attribute.declares == Declares::Default {
            self.namespace = value();
            return;
        }
        match scanner.text(attribute.name.whole) {
            "to" => self.to = Some(value()),
            "from" => self.from = Some(value()),
            "id" => self.id = Some(value()),
            "version" => self.version = Some(value()),
            "xml:lang" => self.lang = Some(value()),
            _ => {}
        }
    }
}
