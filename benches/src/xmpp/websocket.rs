//! RFC 6455 as far as RFC 7395 needs it: the upgrade, and messages of one frame each.

use aws_lc_rs::digest;
use data_encoding::BASE64;

/// A frame from the server; its payload is not masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub opcode: Opcode,
    pub payload: &'a [u8],
}

/// What a frame is, RFC 6455 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Text = 1,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// The server does not speak WebSocket as this client does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    #[error("the upgrade was answered by status {0}")]
    Status(u16),
    #[error("the answer to the upgrade is not HTTP")]
    NotHttp,
    #[error("the answer to the upgrade lacks {0}")]
    Lacks(&'static str),
    #[error("a frame with first byte {0:#x}: fragments and extensions were not agreed on")]
    Frame(u8),
    #[error("a masked frame from the server")]
    Masked,
    #[error("a frame of {0} bytes")]
    TooLong(u64),
}

/// Appends the request that asks for the upgrade.
pub fn write_upgrade(out: &mut Vec<u8>, host: &str, path: &str) {
    out.extend_from_slice(
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             Sec-WebSocket-Protocol: xmpp\r\n\r\n"
        )
        .as_bytes(),
    );
}

/// Reads the answer to the upgrade and returns its length; `None` if it has not come whole.
///
/// # Errors
/// It refuses, or agrees to something else.
pub fn read_upgrade(bytes: &[u8]) -> Result<Option<usize>, WebSocketError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(WebSocketError::NotHttp),
    };
    match response.code {
        Some(101) => {}
        other => return Err(WebSocketError::Status(other.unwrap_or(0))),
    }
    let has = |name: &str, value: &str| {
        let mut own = response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        own.any(|field| field.value.eq_ignore_ascii_case(value.as_bytes()))
    };
    if !has("Sec-WebSocket-Accept", &accept_value()) {
        return Err(WebSocketError::Lacks("the accept value of our key"));
    }
    if !has("Sec-WebSocket-Protocol", "xmpp") {
        return Err(WebSocketError::Lacks("the protocol xmpp"));
    }
    Ok(Some(length))
}

/// Reads the first frame of `bytes` and says how many bytes it takes.
///
/// # Errors
/// The frame is masked, fragmented or too long.
pub fn read_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, WebSocketError> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    let opcode = match first {
        0x81 => Opcode::Text,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        other => return Err(WebSocketError::Frame(other)),
    };
    if second & MASKED != 0 {
        return Err(WebSocketError::Masked);
    }
    let (length, start) = match second {
        126 => {
            let Some(field) = bytes.get(2..4).and_then(|field| field.try_into().ok()) else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(field)), 4)
        }
        127 => {
            let Some(field) = bytes.get(2..10).and_then(|field| field.try_into().ok()) else {
                return Ok(None);
            };
            (u64::from_be_bytes(field), 10)
        }
        short => (u64::from(short), 2),
    };
    if length > PAYLOAD_BYTES_MAX {
        return Err(WebSocketError::TooLong(length));
    }
    let end = start + length as usize;
    Ok(bytes.get(start..end).map(|payload| (Frame { opcode, payload }, end)))
}

/// Appends a frame of a whole message, masked as a client's must be (RFC 6455 5.3).
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.push(0x80 | opcode as u8);
    match payload.len() {
        short @ ..126 => out.push(MASKED | short as u8),
        middle if middle <= usize::from(u16::MAX) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    let key = fastrand::u32(..).to_ne_bytes();
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Makes a server's frames of a client's, so that tests can read what this client writes.
#[cfg(test)]
pub fn unmask_for_tests(bytes: &mut Vec<u8>) {
    if bytes.first().is_none_or(|first| first & 0x80 == 0) {
        return;
    }
    let (mut at, mut unmasked) = (0, Vec::new());
    while at < bytes.len() {
        let short = usize::from(bytes[at + 1] & !MASKED);
        let (length, start) = match short {
            126 => (usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])), 4),
            _ => (short, 2),
        };
        unmasked.push(bytes[at]);
        unmasked.push(bytes[at + 1] & !MASKED);
        unmasked.extend_from_slice(&bytes[at + 2..at + start]);
        let key = bytes[at + start..at + start + 4].to_vec();
        let payload = &bytes[at + start + 4..at + start + 4 + length];
        unmasked.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        at += start + 4 + length;
    }
    *bytes = unmasked;
}

fn accept_value() -> String {
    let key = format!("{KEY}{MAGIC}");
    BASE64.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()).as_ref())
}

/// The example of RFC 6455 1.3: a key proves that the server speaks WebSocket, and no more.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MASKED: u8 = 0x80;
const HEADERS_MAX: usize = 64;
const PAYLOAD_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check_upgrade(answer: &str, expected: Result<Option<usize>, WebSocketError>) {
        assert_eq!(read_upgrade(answer.as_bytes()), expected, "{answer}");
    }

    #[test]
    fn upgrades_are_checked() {
        let good = "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                    Sec-WebSocket-Protocol: xmpp\r\n\r\n";
        check_upgrade(good, Ok(Some(good.len())));
        check_upgrade(&good[..40], Ok(None));
        check_upgrade("HTTP/1.1 404 x\r\n\r\n", Err(WebSocketError::Status(404)));
        check_upgrade("SMTP\r\n\r\n", Err(WebSocketError::NotHttp));
        let other = good.replace("s3pP", "AAAA");
        check_upgrade(&other, Err(WebSocketError::Lacks("the accept value of our key")));
    }

    #[test]
    fn frames_of_all_lengths() {
        for length in [0, 1, 125, 126, 127, 65_535] {
            let payload = vec![b'x'; length];
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Opcode::Text, &payload);
            unmask_for_tests(&mut bytes);
            let (frame, used) = read_frame(&bytes).unwrap().unwrap();
            assert_eq!((frame.payload, used), (payload.as_slice(), bytes.len()));
            assert_eq!(read_frame(&bytes[..bytes.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn frames_that_were_not_agreed_on() {
        assert_eq!(read_frame(&[0x01, 0]), Err(WebSocketError::Frame(0x01)));
        assert_eq!(read_frame(&[0x81, 0x80]), Err(WebSocketError::Masked));
        let long = [0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read_frame(&long), Err(WebSocketError::TooLong(1 << 56)));
    }
}
