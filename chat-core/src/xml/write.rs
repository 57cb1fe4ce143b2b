//! A tree to bytes.

use bytes::Bytes;

use super::element::{Attribute, Element, Node};
use super::escape::{escape_attr, escape_text};
use crate::ns;

impl Element {
    /// Appends it as XML; `parent_ns` is the default namespace in scope around it, which is
    /// declared again only where it changes.
    pub fn write_to(&self, out: &mut Vec<u8>, parent_ns: &str) {
        if self.ns() == ns::XML {
            // Namespaces in XML 1.0, 3: this one cannot be a default namespace.
            return self.write_prefixed(b"xml:", parent_ns, out);
        }
        out.push(b'<');
        out.extend_from_slice(self.name().as_bytes());
        if self.ns() != parent_ns {
            write_default_declaration(self.ns(), out);
        }
        self.write_rest(b"", self.ns(), out);
    }

    fn write_prefixed(&self, prefix: &[u8], default_ns: &str, out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(prefix);
        out.extend_from_slice(self.name().as_bytes());
        self.write_rest(prefix, default_ns, out);
    }

    /// It as XML; `parent_ns` is the default namespace in scope around it.
    pub fn to_bytes(&self, parent_ns: &str) -> Bytes {
        let mut out = Vec::with_capacity(USUAL_BYTES);
        self.write_to(&mut out, parent_ns);
        out.into()
    }

    /// Appends it with its name under the prefix `stream`, as RFC 6120 wants `<stream:features/>`
    /// and `<stream:error/>`.
    ///
    /// `default_ns` is the default namespace in scope around it. With `declare_prefix` it stands
    /// for itself, as a WebSocket message must (RFC 7395 3.3.2); without, the stream's header has
    /// declared the prefix.
    pub fn write_stream_prefixed(&self, out: &mut Vec<u8>, default_ns: &str, declare_prefix: bool) {
        assert_eq!(self.ns(), ns::STREAM, "the prefix is bound to this namespace");
        out.extend_from_slice(b"<stream:");
        out.extend_from_slice(self.name().as_bytes());
        if declare_prefix {
            write_attr("xmlns:stream", ns::STREAM, out);
        }
        self.write_rest(b"stream:", default_ns, out);
    }

    /// What follows name and declaration; `default_ns` is in scope inside.
    fn write_rest(&self, prefix: &[u8], default_ns: &str, out: &mut Vec<u8>) {
        for (index, attribute) in self.attrs().iter().enumerate() {
            self.write_attribute(index, attribute, out);
        }
        if self.nodes().is_empty() {
            return out.extend_from_slice(b"/>");
        }
        out.push(b'>');
        for node in self.nodes() {
            match node {
                Node::Element(child) => child.write_to(out, default_ns),
                Node::Text(text) => escape_text(text, out),
                Node::Raw(raw) => raw.write_to(out, default_ns),
            }
        }
        out.extend_from_slice(b"</");
        out.extend_from_slice(prefix);
        out.extend_from_slice(self.name().as_bytes());
        out.push(b'>');
    }

    fn write_attribute(&self, index: usize, attribute: &Attribute, out: &mut Vec<u8>) {
        match attribute.ns() {
            "" => write_attr(attribute.name(), attribute.value(), out),
            ns::XML => write_attr(&format!("xml:{}", attribute.name()), attribute.value(), out),
            namespace => {
                let same = |attribute: &Attribute| attribute.ns() == namespace;
                let first = self.attrs().iter().position(same).unwrap_or(index);
                if first == index {
                    write_attr(&format!("xmlns:a{first}"), namespace, out);
                }
                let name = format!("a{first}:{}", attribute.name());
                write_attr(&name, attribute.value(), out);
            }
        }
    }
}

/// Appends ` xmlns='…'`.
pub(crate) fn write_default_declaration(namespace: &str, out: &mut Vec<u8>) {
    write_attr("xmlns", namespace, out);
}

/// Appends ` name='value'`.
pub(crate) fn write_attr(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_attr(value, out);
    out.push(b'\'');
}

/// Bytes that hold most elements.
const USUAL_BYTES: usize = 256;
