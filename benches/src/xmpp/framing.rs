//! Pieces of a stream, by TCP or by WebSocket.

use super::find;
use super::scan::{self, Found, ScanError};
use super::websocket::{self, Frame, Opcode, WebSocketError};

/// What came: one piece at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The HTTP connection has become a WebSocket.
    Upgraded,
    /// The server's stream header.
    Opened,
    Element(&'a [u8]),
    /// The server ends the stream.
    Closed,
    /// A WebSocket ping, with its payload.
    Ping(&'a [u8]),
    /// Nothing that concerns the stream.
    Nothing,
}

/// The bytes are not what was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error(transparent)]
    Xml(#[from] ScanError),
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
}

/// How the pieces are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// RFC 6120: one document that grows.
    Tcp,
    /// RFC 6455 4: the answer to the upgrade is due.
    Upgrade,
    /// RFC 7395: one element in each message.
    WebSocket,
}

impl Framing {
    /// The first piece of `bytes` and how many bytes it takes; `None` if more must come first.
    ///
    /// # Errors
    /// The peer broke the framing.
    pub fn next<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<Option<(Piece<'a>, usize)>, FramingError> {
        match self {
            Self::Tcp => Ok(scan::first(bytes)?.map(|(found, used)| (piece(found, bytes), used))),
            Self::Upgrade => {
                let Some(used) = websocket::read_upgrade(bytes)? else { return Ok(None) };
                *self = Self::WebSocket;
                Ok(Some((Piece::Upgraded, used)))
            }
            Self::WebSocket => {
                let Some((frame, used)) = websocket::read_frame(bytes)? else { return Ok(None) };
                Ok(Some((message(frame), used)))
            }
        }
    }

    /// Appends the stream's opening.
    pub fn write_open(self, out: &mut Vec<u8>, domain: &str, from: Option<&str>) {
        let from = from.map_or(String::new(), |jid| format!(" from='{jid}'"));
        match self {
            Self::Tcp => out.extend_from_slice(
                format!(
                    "<?xml version='1.0'?><stream:stream to='{domain}'{from} version='1.0' \
                     xml:lang='en' xmlns='jabber:client' \
                     xmlns:stream='http://etherx.jabber.org/streams'>"
                )
                .as_bytes(),
            ),
            Self::Upgrade | Self::WebSocket => {
                let open = format!(
                    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{domain}'{from} \
                     version='1.0' xml:lang='en'/>"
                );
                websocket::write_frame(out, Opcode::Text, open.as_bytes());
            }
        }
    }

    /// Appends an element.
    pub fn write(self, out: &mut Vec<u8>, element: &[u8]) {
        match self {
            Self::Tcp => out.extend_from_slice(element),
            Self::Upgrade | Self::WebSocket => match find::name(element) {
                name @ (b"message" | b"iq" | b"presence") => {
                    // RFC 7395 3.3.3: each message is a document of its own, which says its
                    // namespace.
                    let (start, rest) = element.split_at(1 + name.len());
                    let whole = [start, b" xmlns='jabber:client'", rest].concat();
                    websocket::write_frame(out, Opcode::Text, &whole);
                }
                _ => websocket::write_frame(out, Opcode::Text, element),
            },
        }
    }

    /// Appends the answer to a ping.
    pub fn write_pong(self, out: &mut Vec<u8>, payload: &[u8]) {
        websocket::write_frame(out, Opcode::Pong, payload);
    }

    /// Appends the stream's end.
    pub fn write_close(self, out: &mut Vec<u8>) {
        match self {
            Self::Tcp => out.extend_from_slice(b"</stream:stream>"),
            Self::Upgrade | Self::WebSocket => {
                let close = b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
                websocket::write_frame(out, Opcode::Text, close);
            }
        }
    }
}

fn piece(found: Found, bytes: &[u8]) -> Piece<'_> {
    match found {
        Found::StreamStart(_) => Piece::Opened,
        Found::Element(range) => Piece::Element(&bytes[range]),
        Found::StreamEnd => Piece::Closed,
    }
}

fn message(frame: Frame<'_>) -> Piece<'_> {
    match frame.opcode {
        Opcode::Close => Piece::Closed,
        Opcode::Ping => Piece::Ping(frame.payload),
        Opcode::Pong => Piece::Nothing,
        Opcode::Text => {
            let element = frame.payload.trim_ascii();
            match find::name(element) {
                b"open" => Piece::Opened,
                b"close" => Piece::Closed,
                b"" => Piece::Nothing,
                _ => Piece::Element(element),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(framing: Framing, write: impl Fn(Framing, &mut Vec<u8>), expected: &[Piece<'_>]) {
        let (mut bytes, mut seen, mut framing) = (Vec::new(), Vec::new(), framing);
        write(framing, &mut bytes);
        websocket::unmask_for_tests(&mut bytes);
        let mut at = 0;
        while let Some((piece, used)) = framing.next(&bytes[at..]).unwrap() {
            seen.push(piece);
            at += used;
        }
        assert_eq!((seen.as_slice(), at), (expected, bytes.len()));
    }

    #[test]
    fn both_framings_carry_the_same_pieces() {
        for framing in [Framing::Tcp, Framing::WebSocket] {
            let write = |framing: Framing, out: &mut Vec<u8>| {
                framing.write_open(out, "localhost", Some("a@localhost"));
                framing.write(out, b"<iq id='1'/>");
                framing.write_close(out);
            };
            let iq: &[u8] = match framing {
                Framing::Tcp => b"<iq id='1'/>",
                _ => b"<iq xmlns='jabber:client' id='1'/>",
            };
            check(framing, write, &[Piece::Opened, Piece::Element(iq), Piece::Closed]);
        }
    }
}
