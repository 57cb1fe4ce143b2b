//! Bytes of a TCP stream to stream headers and elements (RFC 6120 4).

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr3};

use super::chars::is_space;
use super::declaration;
use super::error::{Refused, XmlError};
use super::header::StreamHeader;
use super::limits::Limits;

/// Cuts the bytes of one direction of a TCP stream into its header, its elements and its end.
///
/// It looks at each byte once, however small the pieces are in which they come, and holds no
/// memory between elements. It finds where an element ends; if what lies between is well-formed
/// is told by whoever parses it.
#[derive(Debug)]
pub struct Framer {
    /// Starts with what is being read; nothing before it is kept.
    buffer: BytesMut,
    /// How much of `buffer` has been looked at.
    scanned: usize,
    stage: Stage,
    inside: Inside,
    /// Elements open in what is being read.
    depth: usize,
}

/// What a stream consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The stream header.
    Open(StreamHeader),
    /// A whole element at the stream's first level, without white space around it.
    Element(Bytes),
    /// The stream's end tag.
    Close,
}

/// Where in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// At the first byte, where a byte order mark may stand.
    Start,
    /// Before the header; an XML declaration has been read or not.
    Prolog {
        declared: bool,
    },
    /// Between the header and the end tag.
    Open,
    /// After a header that closed itself.
    SelfClosed,
    Closed,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Text, or what is between elements.
    Text,
    /// Markup whose kind its next byte tells.
    Markup,
    StartTag,
    /// A value in a start tag, until this quote.
    Value(u8),
    EndTag,
    /// `<!`, of whose sequel so many bytes have been seen.
    Bang(usize),
    /// A CDATA section whose content starts here.
    Cdata(usize),
    /// `<?`
    Instruction,
}

/// What a scan found at `scanned`.
enum Found {
    Element,
    Header { closes_itself: bool },
    Declaration,
    Close,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// Waits for a stream header.
    pub fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            stage: Stage::Start,
            inside: Inside::Text,
            depth: 0,
        }
    }

    /// Where to append what the peer sent. Appending is all a caller may do to it.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Appends what the peer sent.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// If no byte waits to become part of a frame.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Waits for a new stream header, after SASL (RFC 6120 6.4.6); it may be in the buffer
    /// already.
    pub fn reset(&mut self) {
        *self = Self { buffer: std::mem::take(&mut self.buffer), ..Self::new() };
    }

    /// Waits for a new stream header after STARTTLS, and forgets what came before the handshake:
    /// anybody on the way could have put it there.
    pub fn reset_for_tls(&mut self) {
        *self = Self::new();
    }

    /// The next frame, or `None` until more bytes have come.
    ///
    /// # Errors
    /// Ends the stream: calling again is of no use. Positions are relative to what was being
    /// read.
    pub fn next(&mut self, limits: &Limits) -> Result<Option<Frame>, XmlError> {
        loop {
            if self.stage == Stage::SelfClosed {
                self.stage = Stage::Closed;
                return Ok(Some(Frame::Close));
            }
            if self.depth == 0 && self.inside == Inside::Text && !self.skip_between()? {
                return Ok(None);
            }
            let Some(found) = self.scan(limits)? else {
                return Ok(None);
            };
            if let Some(frame) = self.take(found, limits)? {
                return Ok(Some(frame));
            }
        }
    }

    /// Drops what may stand between elements; returns if markup waits behind it.
    fn skip_between(&mut self) -> Result<bool, XmlError> {
        if self.stage == Stage::Start && !self.skip_byte_order_mark()? {
            return Ok(false);
        }
        let space = self.buffer.iter().take_while(|&&byte| is_space(byte)).count();
        self.buffer.advance(space);
        match self.buffer.first() {
            None => {
                self.release();
                Ok(false)
            }
            Some(b'<') if self.stage != Stage::Closed => Ok(true),
            Some(0) if matches!(self.stage, Stage::Prolog { .. }) => Err(wide("UTF-16 or UTF-32")),
            Some(_) => Err(expected(0, "an element")),
        }
    }

    /// Returns if the first bytes have told what they are.
    fn skip_byte_order_mark(&mut self) -> Result<bool, XmlError> {
        let seen = &self.buffer[..self.buffer.len().min(BYTE_ORDER_MARK.len())];
        match seen {
            [] => return Ok(false),
            [0xfe, ..] | [0xff, ..] => return Err(wide("UTF-16")),
            _ if seen == BYTE_ORDER_MARK => self.buffer.advance(BYTE_ORDER_MARK.len()),
            _ if BYTE_ORDER_MARK.starts_with(seen) => return Ok(false),
            _ => {}
        }
        self.stage = Stage::Prolog { declared: false };
        Ok(true)
    }

    /// Looks at new bytes until something is whole, and never beyond what may be one element.
    fn scan(&mut self, limits: &Limits) -> Result<Option<Found>, XmlError> {
        let bytes_max = limits.element_bytes_max;
        let window = self.buffer.len().min(bytes_max);
        while self.scanned < window {
            let rest = &self.buffer[self.scanned..window];
            let hit = match self.inside {
                Inside::Text => memchr(b'<', rest),
                Inside::StartTag => memchr3(b'>', b'"', b'\'', rest),
                Inside::Value(quote) => memchr(quote, rest),
                Inside::EndTag | Inside::Cdata(_) | Inside::Instruction => memchr(b'>', rest),
                Inside::Markup | Inside::Bang(_) => Some(0),
            };
            let Some(offset) = hit else {
                self.scanned = window;
                break;
            };
            let at = self.scanned + offset;
            self.scanned = at + 1;
            if let Some(found) = self.step(at, limits)? {
                return Ok(Some(found));
            }
        }
        if self.buffer.len() > bytes_max { Err(XmlError::TooLarge { bytes_max }) } else { Ok(None) }
    }

    /// The byte at `at` ends what `inside` says.
    fn step(&mut self, at: usize, limits: &Limits) -> Result<Option<Found>, XmlError> {
        match self.inside {
            Inside::Text => self.inside = Inside::Markup,
            Inside::Markup => self.inside = self.markup(at)?,
            Inside::StartTag => return self.in_start_tag(at, limits),
            Inside::Value(_) => self.inside = Inside::StartTag,
            Inside::EndTag => return Ok(self.end_tag()),
            Inside::Bang(seen) => self.inside = self.bang(at, seen)?,
            Inside::Cdata(start) => {
                if self.buffer[start..at].ends_with(b"]]") {
                    self.inside = Inside::Text;
                }
            }
            Inside::Instruction => return Ok(self.instruction(at)),
        }
        Ok(None)
    }

    fn markup(&self, at: usize) -> Result<Inside, XmlError> {
        let in_prolog = matches!(self.stage, Stage::Prolog { .. });
        match self.buffer[at] {
            b'/' if in_prolog => Err(expected(at, "a stream header")),
            b'/' => Ok(Inside::EndTag),
            b'!' => Ok(Inside::Bang(0)),
            b'?' if self.stage == (Stage::Prolog { declared: false }) => Ok(Inside::Instruction),
            b'?' => Err(refused(at, Refused::ProcessingInstruction)),
            0 if in_prolog => Err(wide("UTF-16")),
            b'>' | b'<' => Err(expected(at, "a name")),
            byte if is_space(byte) => Err(expected(at, "a name")),
            _ => Ok(Inside::StartTag),
        }
    }

    fn in_start_tag(&mut self, at: usize, limits: &Limits) -> Result<Option<Found>, XmlError> {
        let byte = self.buffer[at];
        if byte != b'>' {
            self.inside = Inside::Value(byte);
            return Ok(None);
        }
        self.inside = Inside::Text;
        let closes_itself = self.buffer[at - 1] == b'/';
        if self.stage != Stage::Open {
            return Ok(Some(Found::Header { closes_itself }));
        }
        let depth_max = limits.depth_max;
        if self.depth >= depth_max {
            return Err(XmlError::TooDeep { depth_max });
        }
        self.depth += usize::from(!closes_itself);
        Ok((self.depth == 0).then_some(Found::Element))
    }

    fn end_tag(&mut self) -> Option<Found> {
        self.inside = Inside::Text;
        match self.depth {
            0 => Some(Found::Close),
            1 => {
                self.depth = 0;
                Some(Found::Element)
            }
            _ => {
                self.depth -= 1;
                None
            }
        }
    }

    /// `<!` may only start a CDATA section, and that only inside an element.
    fn bang(&self, at: usize, seen: usize) -> Result<Inside, XmlError> {
        let byte = self.buffer[at];
        if byte != CDATA[seen] || self.depth == 0 {
            let is_comment = byte == b'-';
            let kind = if is_comment { Refused::Comment } else { Refused::DocumentType };
            return Err(refused(at, kind));
        }
        let is_whole = seen + 1 == CDATA.len();
        Ok(if is_whole { Inside::Cdata(at + 1) } else { Inside::Bang(seen + 1) })
    }

    fn instruction(&mut self, at: usize) -> Option<Found> {
        if self.buffer[at - 1] != b'?' {
            return None;
        }
        self.inside = Inside::Text;
        Some(Found::Declaration)
    }

    fn take(&mut self, found: Found, limits: &Limits) -> Result<Option<Frame>, XmlError> {
        let bytes = self.buffer.split_to(self.scanned);
        self.scanned = 0;
        self.release();
        match found {
            Found::Element => Ok(Some(Frame::Element(bytes.freeze()))),
            Found::Declaration => {
                declaration::check(&bytes)?;
                self.stage = Stage::Prolog { declared: true };
                Ok(None)
            }
            Found::Header { closes_itself } => {
                let header = StreamHeader::parse(&bytes, limits)?;
                self.stage = if closes_itself { Stage::SelfClosed } else { Stage::Open };
                Ok(Some(Frame::Open(header)))
            }
            Found::Close => {
                check_close(&bytes)?;
                self.stage = Stage::Closed;
                Ok(Some(Frame::Close))
            }
        }
    }

    /// An idle connection holds no memory.
    fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

fn check_close(bytes: &[u8]) -> Result<(), XmlError> {
    let name = bytes[2..bytes.len() - 1].trim_ascii_end();
    if name == b"stream:stream" {
        return Ok(());
    }
    Err(XmlError::Mismatched {
        at: 0,
        open: "stream:stream".into(),
        closed: String::from_utf8_lossy(name).into(),
    })
}

fn expected(at: usize, expected: &'static str) -> XmlError {
    XmlError::Syntax { at, expected }
}

fn refused(at: usize, refused: Refused) -> XmlError {
    XmlError::Restricted { at, refused }
}

fn wide(declared: &str) -> XmlError {
    XmlError::Encoding { declared: declared.into() }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const CDATA: &[u8] = b"[CDATA[";
