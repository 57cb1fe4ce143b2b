//! Stanzas on their way out: a new start tag before the sender's own bytes.

use bytes::Bytes;
use memchr::memrchr;

use super::{Child, Stanza};
use crate::ns;
use crate::xml::{write_attr, write_default_declaration};

/// What a stanza is to become.
#[derive(Default, Clone, Copy)]
pub struct Rewrite<'a> {
    /// The new `from`; `None` keeps what the sender wrote.
    pub from: Option<&'a str>,
    /// The new `to`; `None` keeps what the sender wrote.
    pub to: Option<&'a str>,
    /// There is to be no `to`: the same bytes go to many, each over the stream of its own server
    /// (RFC 6120 8.1.1.1).
    pub omits_to: bool,
    /// If `xmlns='jabber:client'` is to be written, as WebSocket messages and forwarded stanzas
    /// need it. On TCP the stream's header has declared it.
    pub xmlns: bool,
    /// Which children to leave out.
    pub drop: Option<&'a dyn Fn(&Child<'_>) -> bool>,
    /// Serialised elements to put behind the last child.
    pub append: &'a [u8],
}

impl Stanza {
    /// The stanza as it is to be sent.
    ///
    /// It always ends with an end tag, so that [`append_to_rendered`] is a cut and an append.
    /// Declarations and unknown attributes of the start tag are kept.
    pub fn render(&self, rewrite: &Rewrite<'_>) -> Bytes {
        let added = rewrite.append.len()
            + rewrite.from.map_or(0, str::len)
            + rewrite.to.map_or(0, str::len);
        let mut out = Vec::with_capacity(self.bytes.len() + added + TAG_BYTES);
        self.write_start_tag(rewrite, &mut out);
        self.write_inside(rewrite, &mut out);
        out.extend_from_slice(rewrite.append);
        out.extend_from_slice(b"</");
        out.extend_from_slice(self.name().as_bytes());
        out.push(b'>');
        out.into()
    }

    fn write_start_tag(&self, rewrite: &Rewrite<'_>, out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(self.name().as_bytes());
        if rewrite.xmlns || self.ns() != ns::CLIENT {
            write_default_declaration(self.ns(), out);
        }
        for attribute in &self.attributes {
            let replaced = match self.str(attribute.name.whole) {
                "from" => rewrite.from.is_some(),
                "to" => rewrite.to.is_some() || rewrite.omits_to,
                "xmlns" => true,
                _ => false,
            };
            if !replaced {
                out.push(b' ');
                out.extend_from_slice(&self.bytes[attribute.span.range()]);
            }
        }
        for (name, value) in [("from", rewrite.from), ("to", rewrite.to)] {
            if let Some(value) = value {
                write_attr(name, value, out);
            }
        }
        out.push(b'>');
    }

    fn write_inside(&self, rewrite: &Rewrite<'_>, out: &mut Vec<u8>) {
        let inner = self.inner.range();
        let mut copied = inner.start;
        if let Some(drop) = rewrite.drop {
            for child in self.children().filter(|child| drop(child)) {
                out.extend_from_slice(&self.bytes[copied..child.span().start]);
                copied = child.span().end;
            }
        }
        out.extend_from_slice(&self.bytes[copied..inner.end]);
    }
}

/// A rendered stanza with serialised elements added behind its last child.
///
/// # Panics
/// If `rendered` does not end with an end tag, as [`Stanza::render`] writes it.
pub fn append_to_rendered(rendered: &[u8], extra: &[u8]) -> Bytes {
    let cut = memrchr(b'<', rendered).expect("a rendered stanza has tags");
    assert_eq!(rendered.get(cut + 1), Some(&b'/'), "a rendered stanza ends with an end tag");
    [&rendered[..cut], extra, &rendered[cut..]].concat().into()
}

/// A stanza that was rendered without `xmlns`, with `xmlns='jabber:client'`.
///
/// # Panics
/// If `rendered` does not start with a tag.
pub fn with_client_namespace(rendered: &[u8]) -> Bytes {
    let name_end = rendered.iter().position(|&byte| matches!(byte, b' ' | b'>' | b'/'));
    let (name, rest) = rendered.split_at(name_end.expect("a rendered stanza has tags"));
    [name, b" xmlns='jabber:client'", rest].concat().into()
}

/// Bytes that names, quotes and declaration of a start tag and an end tag take.
const TAG_BYTES: usize = 96;
