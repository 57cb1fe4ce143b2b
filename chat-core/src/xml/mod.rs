//! Everything that reads or writes XML (XML 1.0, Namespaces in XML 1.0, RFC 6120 11).
//!
//! [`Framer`] cuts a byte stream into elements; [`Element`] is a small tree for cold paths;
//! [`Stanza`](crate::stanza::Stanza) is the hot path over the same scanner. What they return is
//! well-formed and namespace-well-formed, so it can be forwarded as it is.

mod chars;
mod declaration;
mod element;
mod error;
mod escape;
mod framer;
mod header;
mod limits;
mod namespace;
mod parse;
mod scanner;
mod unescape;
mod write;

pub use element::{Attribute, Element, Node, Raw};
pub use error::{Refused, XmlError};
pub use escape::{escape_attr, escape_text};
pub use framer::{Frame, Framer};
pub use header::StreamHeader;
pub use limits::Limits;
pub use namespace::Namespace;

pub(crate) use parse::parse as parse_scanned;
pub(crate) use scanner::{ScannedAttribute, Scanner, Span, StartTag, Token};
pub(crate) use unescape::unescape_attr;
pub(crate) use write::{write_attr, write_default_declaration};

#[cfg(test)]
pub(crate) mod tests;
