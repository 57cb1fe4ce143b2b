//! RFC 6455 WebSocket framing, the server's side, without a socket; RFC 7395 uses text messages
//! only, so binary ones are refused.
//!
//! No extension is negotiated. Bytes go in by [`WebSocket::read`] in any fragments, events come
//! out one at a time; frames to send are appended by [`text`], [`ping`], [`pong`] and [`close`].
//! A connection between two messages holds no buffer.

use std::fmt;

/// The subprotocol of RFC 7395.
pub const SUBPROTOCOL: &str = "xmpp";

/// Payload bytes of a control frame (RFC 6455 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Payload bytes of a close frame's reason, behind its code.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// Frames that one message may be made of. A sender splits messages to send before it knows their
/// length; XMPP's are known whole.
pub const FRAGMENTS_MAX: u32 = 1024;

/// The receiving side of one connection.
#[derive(Debug)]
pub struct WebSocket {
    message_bytes_max: usize,
    head: PartialHead,
    frame: Option<Frame>,
    /// Unmasked payload of the message that is being received.
    message: Vec<u8>,
    /// Frames of that message; 0 between messages.
    fragments: u32,
    /// Unmasked payload of the control frame that is being received, which may stand between a
    /// message's fragments.
    control: Vec<u8>,
    is_closed: bool,
}

/// What the peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole text message.
    Text(String),
    /// To be answered by [`pong`] with the same payload.
    Ping(Vec<u8>),
    /// An answer to our ping, or a life sign.
    Pong,
    /// The peer closes, and sends no more. To be answered by [`close`] unless ours has been sent.
    Close {
        /// The reason, where one was given.
        code: Option<CloseCode>,
    },
}

/// A reason to close (RFC 6455 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down, or the page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// A frame against RFC 6455.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of data that is not taken: binary.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// A message against the receiver's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message above the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);

    /// Whether a close frame may carry it: registered for that, or of the private ranges.
    pub fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the peer did wrong: send [`Fault::code`] by [`close`], then end the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An extension's bit, and none was negotiated (5.2).
    #[error("a frame has reserved bits {bits:#05b}")]
    ReservedBits {
        /// RSV1 to RSV3.
        bits: u8,
    },
    /// An opcode that is not assigned (5.2).
    #[error("a frame has the unknown opcode {opcode:#x}")]
    UnknownOpcode {
        /// The opcode.
        opcode: u8,
    },
    /// A client's frame without a mask (5.1).
    #[error("a frame is not masked")]
    NotMasked,
    /// A control frame in fragments (5.4).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame that is too long (5.5).
    #[error("a control frame announces {bytes} bytes of at most {CONTROL_BYTES_MAX}")]
    LongControl {
        /// Announced bytes.
        bytes: u64,
    },
    /// A length in more bytes than it needs (5.2).
    #[error("a frame's length {bytes} is written too long")]
    LengthNotMinimal {
        /// The length.
        bytes: u64,
    },
    /// A continuation frame without a message to continue (5.4).
    #[error("a continuation frame continues nothing")]
    NothingToContinue,
    /// A new message inside of another (5.4).
    #[error("a message begins inside of another")]
    MessageInMessage,
    /// A message in more than [`FRAGMENTS_MAX`] frames.
    #[error("a message has more than {FRAGMENTS_MAX} fragments")]
    TooManyFragments,
    /// A binary message (RFC 7395 3.2 has text only).
    #[error("a binary message")]
    Binary,
    /// A message above the limit.
    #[error("a message of at least {bytes} bytes, of at most {bytes_max}")]
    TooBig {
        /// What it has so far, with what its last frame announces.
        bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// Text or a close frame's reason that is not UTF-8 (8.1).
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A close frame with one byte, or a code that must not be sent (5.5.1, 7.4).
    #[error("a close frame is malformed")]
    MalformedClose,
}

impl Fault {
    /// The code that tells the peer.
    pub fn code(self) -> CloseCode {
        match self {
            Self::Binary => CloseCode::UNSUPPORTED,
            Self::NotUtf8 => CloseCode::INVALID_PAYLOAD,
            Self::TooBig { .. } => CloseCode::TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl WebSocket {
    /// A connection whose handshake is done. Messages may have up to `message_bytes_max` bytes.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            head: PartialHead::default(),
            frame: None,
            message: Vec::new(),
            fragments: 0,
            control: Vec::new(),
            is_closed: false,
        }
    }

    /// Sets another limit, from the next frame on: an authenticated peer may be trusted with more.
    pub fn set_message_bytes_max(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = message_bytes_max;
    }

    /// Reads from `input` up to the end of the next event, and says how many bytes were used.
    /// Without an event all were, and more are needed. What follows a close is used up silently.
    ///
    /// # Errors
    /// [`Fault`]: nothing more can be read.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Fault> {
        let mut rest = input;
        while !rest.is_empty() && !self.is_closed {
            if let Some(event) = self.step(&mut rest)? {
                return Ok((input.len() - rest.len(), Some(event)));
            }
        }
        Ok((input.len(), None))
    }

    /// Bytes of an unfinished message that are held.
    pub fn held_bytes(&self) -> usize {
        self.message.capacity() + self.control.capacity()
    }

    fn step(&mut self, rest: &mut &[u8]) -> Result<Option<Event>, Fault> {
        let mut frame = match self.frame.take() {
            Some(frame) => frame,
            None => match self.head.take_from(rest)? {
                None => return Ok(None),
                Some(frame) => self.begin(frame)?,
            },
        };
        let payload = match frame.kind {
            Kind::Text | Kind::Continuation => &mut self.message,
            Kind::Ping | Kind::Pong | Kind::Close => &mut self.control,
        };
        frame.unmask_into(rest, payload);
        if frame.left_bytes > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        self.end(&frame)
    }

    /// Checks a frame against the message that it belongs to.
    fn begin(&mut self, frame: Frame) -> Result<Frame, Fault> {
        match frame.kind {
            Kind::Ping | Kind::Pong | Kind::Close => return Ok(frame),
            Kind::Text if self.fragments > 0 => return Err(Fault::MessageInMessage),
            Kind::Continuation if self.fragments == 0 => return Err(Fault::NothingToContinue),
            Kind::Text | Kind::Continuation => {}
        }
        self.fragments += 1;
        if self.fragments > FRAGMENTS_MAX {
            return Err(Fault::TooManyFragments);
        }
        let bytes = (self.message.len() as u64).saturating_add(frame.left_bytes);
        if bytes > self.message_bytes_max as u64 {
            return Err(Fault::TooBig { bytes, bytes_max: self.message_bytes_max });
        }
        Ok(frame)
    }

    fn end(&mut self, frame: &Frame) -> Result<Option<Event>, Fault> {
        let event = match frame.kind {
            Kind::Text | Kind::Continuation if !frame.is_final => return Ok(None),
            Kind::Text | Kind::Continuation => {
                self.fragments = 0;
                let text = String::from_utf8(std::mem::take(&mut self.message));
                Event::Text(text.map_err(|_| Fault::NotUtf8)?)
            }
            Kind::Ping => Event::Ping(std::mem::take(&mut self.control)),
            Kind::Pong => {
                self.control = Vec::new();
                Event::Pong
            }
            Kind::Close => {
                self.is_closed = true;
                self.message = Vec::new();
                Event::Close { code: close_code(&std::mem::take(&mut self.control))? }
            }
        };
        Ok(Some(event))
    }
}

/// Appends a text message in one frame.
pub fn text(message: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(&FrameHead::text(message.len()));
    output.extend_from_slice(message);
}

/// Appends a ping; its payload, at most [`CONTROL_BYTES_MAX`] bytes, comes back.
pub fn ping(payload: &[u8], output: &mut Vec<u8>) {
    control(OPCODE_PING, payload, output);
}

/// Appends the answer to a ping.
pub fn pong(payload: &[u8], output: &mut Vec<u8>) {
    control(OPCODE_PONG, payload, output);
}

/// Appends a close frame; of `reason` as much as fits.
pub fn close(code: CloseCode, reason: &str, output: &mut Vec<u8>) {
    let fitting = reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX);
    let mut payload = Vec::with_capacity(2 + fitting);
    payload.extend_from_slice(&code.0.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..fitting]);
    control(OPCODE_CLOSE, &payload, output);
}

fn control(opcode: u8, payload: &[u8], output: &mut Vec<u8>) {
    assert!(payload.len() <= CONTROL_BYTES_MAX, "a control frame carries little");
    output.extend_from_slice(&[FIN | opcode, payload.len() as u8]);
    output.extend_from_slice(payload);
}

/// The head of an unmasked frame, to be sent before its payload.
#[derive(Debug, Clone, Copy)]
pub struct FrameHead {
    bytes: [u8; HEAD_BYTES_MAX],
    len: u8,
}

impl FrameHead {
    /// The head of a text message of `len` bytes in one frame.
    pub fn text(len: usize) -> Self {
        let mut bytes = [0; HEAD_BYTES_MAX];
        bytes[0] = FIN | OPCODE_TEXT;
        let len = match len {
            0..=125 => {
                bytes[1] = len as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = LENGTH_16;
                bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = LENGTH_64;
                bytes[2..10].copy_from_slice(&(len as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, len }
    }
}

impl std::ops::Deref for FrameHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A frame whose head is read.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    is_final: bool,
    mask: [u8; MASK_BYTES],
    /// Payload bytes to come.
    left_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Continuation,
    Text,
    Close,
    Ping,
    Pong,
}

impl Kind {
    fn of(opcode: u8) -> Result<Self, Fault> {
        match opcode {
            OPCODE_CONTINUATION => Ok(Self::Continuation),
            OPCODE_TEXT => Ok(Self::Text),
            OPCODE_BINARY => Err(Fault::Binary),
            OPCODE_CLOSE => Ok(Self::Close),
            OPCODE_PING => Ok(Self::Ping),
            OPCODE_PONG => Ok(Self::Pong),
            opcode => Err(Fault::UnknownOpcode { opcode }),
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Frame {
    fn parse(head: &[u8]) -> Result<Self, Fault> {
        let (first, second) = (head[0], head[1]);
        if first & RESERVED != 0 {
            return Err(Fault::ReservedBits { bits: (first & RESERVED) >> 4 });
        }
        let kind = Kind::of(first & OPCODE)?;
        let is_final = first & FIN != 0;
        let (length, mask) = head[2..].split_at(head.len() - 2 - MASK_BYTES);
        let left_bytes = match length.len() {
            0 => u64::from(second & LENGTH_7),
            _ => length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let is_minimal = match length.len() {
            0 => true,
            2 => left_bytes >= u64::from(LENGTH_16),
            // The highest bit must be 0 (5.2).
            _ => left_bytes > 0xffff && left_bytes >> 63 == 0,
        };
        if !is_minimal {
            return Err(Fault::LengthNotMinimal { bytes: left_bytes });
        }
        if kind.is_control() {
            if !is_final {
                return Err(Fault::FragmentedControl);
            }
            if left_bytes > CONTROL_BYTES_MAX as u64 {
                return Err(Fault::LongControl { bytes: left_bytes });
            }
        }
        let mut frame = Self { kind, is_final, mask: [0; MASK_BYTES], left_bytes };
        frame.mask.copy_from_slice(mask);
        Ok(frame)
    }

    /// Moves as much of the payload as is there from `rest` to the end of `payload`.
    fn unmask_into(&mut self, rest: &mut &[u8], payload: &mut Vec<u8>) {
        let len = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(rest.len());
        let (masked, behind) = rest.split_at(len);
        *rest = behind;
        let begin = payload.len();
        payload.extend_from_slice(masked);
        for chunk in payload[begin..].chunks_mut(MASK_BYTES) {
            for (byte, mask) in chunk.iter_mut().zip(self.mask) {
                *byte ^= mask;
            }
        }
        self.mask.rotate_left(len % MASK_BYTES);
        self.left_bytes -= len as u64;
    }
}

/// A frame's head, as far as it has come.
#[derive(Debug, Default)]
struct PartialHead {
    bytes: [u8; HEAD_MASKED_BYTES_MAX],
    len: u8,
}

impl PartialHead {
    /// Takes bytes until the head is whole.
    fn take_from(&mut self, rest: &mut &[u8]) -> Result<Option<Frame>, Fault> {
        loop {
            let have = usize::from(self.len);
            if have >= 2 && self.bytes[1] & MASKED == 0 {
                return Err(Fault::NotMasked);
            }
            let wanted = self.wanted_bytes();
            if have == wanted {
                self.len = 0;
                return Frame::parse(&self.bytes[..wanted]).map(Some);
            }
            let taken = (wanted - have).min(rest.len());
            if taken == 0 {
                return Ok(None);
            }
            self.bytes[have..have + taken].copy_from_slice(&rest[..taken]);
            self.len += taken as u8;
            *rest = &rest[taken..];
        }
    }

    /// How long the head is, as far as that is known.
    fn wanted_bytes(&self) -> usize {
        if self.len < 2 {
            return 2;
        }
        match self.bytes[1] & LENGTH_7 {
            LENGTH_16 => 2 + 2 + MASK_BYTES,
            LENGTH_64 => 2 + 8 + MASK_BYTES,
            _ => 2 + MASK_BYTES,
        }
    }
}

fn close_code(payload: &[u8]) -> Result<Option<CloseCode>, Fault> {
    match payload {
        [] => Ok(None),
        [_] => Err(Fault::MalformedClose),
        [high, low, reason @ ..] => {
            let code = CloseCode(u16::from_be_bytes([*high, *low]));
            if !code.may_be_sent() {
                return Err(Fault::MalformedClose);
            }
            match std::str::from_utf8(reason) {
                Ok(_) => Ok(Some(code)),
                Err(_) => Err(Fault::NotUtf8),
            }
        }
    }
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH_7: u8 = 0x7f;
/// Two bytes of length follow.
const LENGTH_16: u8 = 126;
/// Eight bytes of length follow.
const LENGTH_64: u8 = 127;

const OPCODE_CONTINUATION: u8 = 0;
const OPCODE_TEXT: u8 = 1;
const OPCODE_BINARY: u8 = 2;
const OPCODE_CLOSE: u8 = 8;
const OPCODE_PING: u8 = 9;
const OPCODE_PONG: u8 = 10;

const MASK_BYTES: usize = 4;
const HEAD_BYTES_MAX: usize = 10;
const HEAD_MASKED_BYTES_MAX: usize = HEAD_BYTES_MAX + MASK_BYTES;

#[cfg(test)]
mod tests;
