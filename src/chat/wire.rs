//! How elements stand on the wire: RFC 6120 4 on TCP, RFC 7395 in WebSocket messages.

use bytes::Bytes;
use chat_core::stream::StreamInput;
use chat_core::xml::{Frame, Framer, Limits};

use super::outgoing::Outgoing;
use super::websocket::{self, CloseCode, Event, FrameHead, WebSocket};

/// One client's way of writing elements.
#[derive(Debug)]
pub enum Wire {
    /// One long document.
    Tcp(Framer),
    /// A document in each text message.
    WebSocket(Box<Messages>),
}

/// Incoming messages.
#[derive(Debug)]
pub struct Messages {
    socket: WebSocket,
    unread: Vec<u8>,
    start: usize,
    close_sent: bool,
}

/// What the client said next.
#[derive(Debug)]
pub enum Said {
    /// Something for the stream.
    Stream(StreamInput),
    /// A sign of life, which has been answered.
    Alive,
    /// The WebSocket ends.
    WebSocketClosed,
}

impl Wire {
    /// A TCP stream that waits for its header.
    pub fn tcp() -> Self {
        Self::Tcp(Framer::new())
    }

    /// A WebSocket whose handshake is done.
    pub fn websocket() -> Self {
        Self::WebSocket(Box::new(Messages {
            socket: WebSocket::new(Limits::default().element_bytes_max),
            unread: Vec::new(),
            start: 0,
            close_sent: false,
        }))
    }

    /// Takes what has been read.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Tcp(framer) => framer.push(bytes),
            Self::WebSocket(messages) => messages.unread.extend_from_slice(bytes),
        }
    }

    /// What the client said next; `None` until more has come. Answers that the wire itself gives go
    /// to `outgoing`.
    pub fn next(&mut self, limits: &Limits, outgoing: &mut Outgoing) -> Option<Said> {
        match self {
            Self::Tcp(framer) => match framer.next(limits) {
                Ok(None) => None,
                Ok(Some(Frame::Open(header))) => Some(Said::Stream(StreamInput::Opened(header))),
                Ok(Some(Frame::Element(bytes))) => Some(Said::Stream(StreamInput::Element(bytes))),
                Ok(Some(Frame::Close)) => Some(Said::Stream(StreamInput::Closed)),
                Err(error) => Some(Said::Stream(StreamInput::Malformed(error))),
            },
            Self::WebSocket(messages) => messages.next(limits, outgoing),
        }
    }

    /// Waits for a new header, after SASL.
    pub fn restart(&mut self) {
        if let Self::Tcp(framer) = self {
            framer.reset();
        }
    }

    /// Waits for a new header, and forgets what came in the clear.
    pub fn restart_for_tls(&mut self) {
        if let Self::Tcp(framer) = self {
            framer.reset_for_tls();
        }
    }

    /// Sends what is already written for this wire.
    pub fn send(&self, bytes: Bytes, outgoing: &mut Outgoing) {
        if let Self::WebSocket(_) = self {
            outgoing.push(Bytes::copy_from_slice(&FrameHead::text(bytes.len())));
        }
        outgoing.push(bytes);
    }

    /// Sends an element that the core wrote for `jabber:client`; in a WebSocket message it must say
    /// so itself (RFC 7395 3.3.3).
    pub fn send_element(&self, bytes: Bytes, outgoing: &mut Outgoing) {
        let Some(name_len) = name_without_namespace(&bytes) else {
            return self.send(bytes, outgoing);
        };
        match self {
            Self::Tcp(_) => outgoing.push(bytes),
            Self::WebSocket(_) => {
                let len = bytes.len() + CLIENT_NAMESPACE.len();
                let head = FrameHead::text(len);
                let begin = [&head, &bytes[..name_len], CLIENT_NAMESPACE].concat();
                outgoing.push(begin.into());
                outgoing.push(bytes.slice(name_len..));
            }
        }
    }

    /// Asks for a sign of life: a space between elements (RFC 6120 4.6.1), or a ping.
    pub fn ping(&self, outgoing: &mut Outgoing) {
        match self {
            Self::Tcp(_) => outgoing.push(Bytes::from_static(b" ")),
            Self::WebSocket(_) => {
                let mut frame = Vec::new();
                websocket::ping(b"", &mut frame);
                outgoing.push(frame.into());
            }
        }
    }

    /// Does a ping have to be answered?
    pub fn is_websocket(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// Ends the wire behind the stream (RFC 7395 3.6).
    pub fn close(&mut self, outgoing: &mut Outgoing) {
        if let Self::WebSocket(messages) = self {
            messages.close(CloseCode::NORMAL, "", outgoing);
        }
    }
}

impl Messages {
    fn next(&mut self, limits: &Limits, outgoing: &mut Outgoing) -> Option<Said> {
        self.socket.set_message_bytes_max(limits.element_bytes_max);
        let read = self.socket.read(&self.unread[self.start..]);
        let event = match read {
            Ok((used, event)) => {
                self.start += used;
                event
            }
            Err(fault) => {
                self.close(fault.code(), &fault.to_string(), outgoing);
                return Some(Said::WebSocketClosed);
            }
        };
        if self.start == self.unread.len() {
            (self.unread, self.start) = (Vec::new(), 0);
        }
        match event? {
            Event::Text(text) => {
                Some(Said::Stream(StreamInput::Element(Bytes::from(text.into_bytes()))))
            }
            Event::Ping(payload) => {
                let mut frame = Vec::new();
                websocket::pong(&payload, &mut frame);
                outgoing.push(frame.into());
                Some(Said::Alive)
            }
            Event::Pong => Some(Said::Alive),
            Event::Close { code } => {
                self.close(code.unwrap_or(CloseCode::NORMAL), "", outgoing);
                Some(Said::WebSocketClosed)
            }
        }
    }

    fn close(&mut self, code: CloseCode, reason: &str, outgoing: &mut Outgoing) {
        if !std::mem::replace(&mut self.close_sent, true) {
            let mut frame = Vec::new();
            websocket::close(code, reason, &mut frame);
            outgoing.push(frame.into());
        }
    }
}

/// Where the name of an element ends that does not declare its default namespace. The core writes
/// what is well-formed.
fn name_without_namespace(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>');
    let name_len = bytes.iter().position(is_end)?;
    let mut rest = &bytes[name_len..];
    loop {
        let begin = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        rest = &rest[begin..];
        if matches!(rest.first()?, b'/' | b'>') {
            return Some(name_len);
        }
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        if rest[..equals].trim_ascii() == b"xmlns" {
            return None;
        }
        let value = rest[equals + 1..].trim_ascii_start();
        let (quote, value) = value.split_first()?;
        let end = value.iter().position(|byte| byte == quote)?;
        rest = &value[end + 1..];
    }
}

const CLIENT_NAMESPACE: &[u8] = b" xmlns='jabber:client'";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(element: &'static str, expected: &str) {
        let mut outgoing = Outgoing::default();
        Wire::websocket().send_element(Bytes::from_static(element.as_bytes()), &mut outgoing);
        let mut frame = Vec::new();
        websocket::text(expected.as_bytes(), &mut frame);
        assert_eq!(outgoing.take(usize::MAX), frame, "{element}");
        Wire::tcp().send_element(Bytes::from_static(element.as_bytes()), &mut outgoing);
        assert_eq!(outgoing.take(usize::MAX), element.as_bytes());
    }

    #[test]
    fn a_message_declares_its_namespace() {
        check("<presence/>", "<presence xmlns='jabber:client'/>");
        check("<iq  id='a>b'></iq>", "<iq xmlns='jabber:client'  id='a>b'></iq>");
        check(
            "<message a=\" xmlns='x'\"><b xmlns='c'/></message>",
            "<message xmlns='jabber:client' a=\" xmlns='x'\"><b xmlns='c'/></message>",
        );
        check("<r xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/>");
        check("<a h='1'\n xmlns = \"x\"/>", "<a h='1'\n xmlns = \"x\"/>");
    }
}
