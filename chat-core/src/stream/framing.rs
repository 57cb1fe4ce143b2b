//! How a stream's header, elements and end are written: RFC 6120 4 on TCP, RFC 7395 3 on WebSocket.

use bytes::Bytes;

use crate::ns;
use crate::stanza::Stanza;
use crate::xml::{Element, Limits, StreamHeader, XmlError, write_attr};

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// RFC 6120: one long document.
    Tcp,
    /// RFC 7395: each message is a document of its own.
    WebSocket,
}

/// What one whole element is, or one WebSocket message.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to the core")]
pub(super) enum Framed {
    Open(StreamHeader),
    Element(Stanza),
    Close,
}

impl Framing {
    /// Reads what the client sent.
    pub(super) fn read(self, bytes: Bytes, limits: &Limits) -> Result<Framed, XmlError> {
        let element = Stanza::parse(bytes, limits)?;
        if self == Self::Tcp || element.ns() != ns::FRAMING {
            return Ok(Framed::Element(element));
        }
        Ok(match element.name() {
            "open" => Framed::Open(open_header(&element)),
            "close" => Framed::Close,
            _ => Framed::Element(element),
        })
    }

    /// The server's header.
    pub(super) fn header(self, from: &str, to: Option<&str>, id: &str) -> Bytes {
        let mut out = Vec::with_capacity(256);
        match self {
            Self::Tcp => {
                out.extend_from_slice(b"<?xml version='1.0'?><stream:stream");
                write_attr("xmlns", ns::CLIENT, &mut out);
                write_attr("xmlns:stream", ns::STREAM, &mut out);
            }
            Self::WebSocket => {
                out.extend_from_slice(b"<open");
                write_attr("xmlns", ns::FRAMING, &mut out);
            }
        }
        write_attr("from", from, &mut out);
        if let Some(to) = to {
            write_attr("to", to, &mut out);
        }
        write_attr("id", id, &mut out);
        write_attr("version", "1.0", &mut out);
        write_attr("xml:lang", "en", &mut out);
        out.extend_from_slice(if self == Self::Tcp { b">" } else { b"/>" });
        out.into()
    }

    /// An element, which on WebSocket declares all that it uses.
    pub(super) fn element(self, element: &Element) -> Bytes {
        let default_ns = self.default_ns();
        if element.ns() != ns::STREAM {
            return element.to_bytes(default_ns);
        }
        let mut out = Vec::with_capacity(512);
        element.write_stream_prefixed(&mut out, default_ns, self == Self::WebSocket);
        out.into()
    }

    /// The server's end tag.
    pub(super) fn close(self) -> Bytes {
        match self {
            Self::Tcp => Bytes::from_static(b"</stream:stream>"),
            Self::WebSocket => {
                Bytes::from_static(b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
            }
        }
    }

    /// What is in scope around an element.
    fn default_ns(self) -> &'static str {
        match self {
            Self::Tcp => ns::CLIENT,
            Self::WebSocket => "",
        }
    }
}

/// RFC 7395 3.4: `<open/>` has the attributes of a stream header, and stands for `jabber:client`.
fn open_header(open: &Stanza) -> StreamHeader {
    let attribute = |name| open.attr(name).map(|value| value.into_owned());
    StreamHeader {
        to: attribute("to"),
        from: attribute("from"),
        id: attribute("id"),
        version: attribute("version"),
        lang: open.lang().map(Into::into),
        namespace: ns::CLIENT.into(),
    }
}
