//! RFC 6120 4: where the elements of a stream begin and end.
//!
//! The scanner looks for `<` and for the `>` that ends a tag (quotes may hide one), and counts
//! depth. It checks nothing else: what it is for is to cost less than the server under load.

use std::ops::Range;

use memchr::{memchr, memchr3};

/// What stands at the front of a stream's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The start tag of the stream itself.
    StreamStart(Range<usize>),
    /// A whole child of the stream.
    Element(Range<usize>),
    /// The end tag of the stream.
    StreamEnd,
}

/// The bytes are no stream of XMPP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("text between stanzas")]
    Text,
    #[error("markup that XMPP forbids")]
    Forbidden,
    #[error("an element of more than {ELEMENT_BYTES_MAX} bytes")]
    TooLong,
}

/// Finds the first piece of `bytes` and how many bytes it takes; `None` if more must come first.
///
/// # Errors
/// The bytes cannot become a stream.
pub fn first(bytes: &[u8]) -> Result<Option<(Found, usize)>, ScanError> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
    let Some(start) = start else { return Ok(None) };
    match tag_at(bytes, start)? {
        None => whole_or_too_long(bytes),
        Some(Tag { kind: Kind::Declaration, end }) => {
            let rest = first(&bytes[end..])?;
            Ok(rest.map(|(found, used)| (shifted(found, end), used + end)))
        }
        Some(Tag { kind: Kind::Close, end }) => Ok(Some((Found::StreamEnd, end))),
        Some(Tag { kind: Kind::Empty, end }) => Ok(Some((Found::Element(start..end), end))),
        Some(Tag { kind: Kind::Open, end }) if is_stream(&bytes[start..end]) => {
            Ok(Some((Found::StreamStart(start..end), end)))
        }
        Some(Tag { kind: Kind::Open, end }) => match element_end(bytes, end)? {
            Some(end) => Ok(Some((Found::Element(start..end), end))),
            None => whole_or_too_long(bytes),
        },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Empty,
    Declaration,
}

struct Tag {
    kind: Kind,
    /// Where the bytes behind it begin.
    end: usize,
}

/// The tag at `start`, if it has come whole.
fn tag_at(bytes: &[u8], start: usize) -> Result<Option<Tag>, ScanError> {
    if bytes[start] != b'<' {
        return Err(ScanError::Text);
    }
    let Some(second) = bytes.get(start + 1) else { return Ok(None) };
    let mut at = start + 1;
    loop {
        let Some(found) = memchr3(b'>', b'"', b'\'', &bytes[at..]) else { return Ok(None) };
        let found = at + found;
        if bytes[found] == b'>' {
            let kind = match second {
                b'/' => Kind::Close,
                b'?' => Kind::Declaration,
                b'!' => return Err(ScanError::Forbidden),
                _ if bytes[found - 1] == b'/' => Kind::Empty,
                _ => Kind::Open,
            };
            return Ok(Some(Tag { kind, end: found + 1 }));
        }
        let Some(length) = memchr(bytes[found], &bytes[found + 1..]) else { return Ok(None) };
        at = found + length + 2;
    }
}

/// Where the element ends whose start tag ends at `at`.
fn element_end(bytes: &[u8], mut at: usize) -> Result<Option<usize>, ScanError> {
    let mut depth = 1_usize;
    while depth > 0 {
        let Some(text) = memchr(b'<', &bytes[at..]) else { return Ok(None) };
        let Some(tag) = tag_at(bytes, at + text)? else { return Ok(None) };
        at = tag.end;
        match tag.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Empty => {}
            Kind::Declaration => return Err(ScanError::Forbidden),
        }
    }
    Ok(Some(at))
}

fn is_stream(tag: &[u8]) -> bool {
    tag.starts_with(b"<stream:stream")
}

fn shifted(found: Found, by: usize) -> Found {
    let shift = |range: Range<usize>| range.start + by..range.end + by;
    match found {
        Found::StreamStart(range) => Found::StreamStart(shift(range)),
        Found::Element(range) => Found::Element(shift(range)),
        Found::StreamEnd => Found::StreamEnd,
    }
}

fn whole_or_too_long(bytes: &[u8]) -> Result<Option<(Found, usize)>, ScanError> {
    if bytes.len() > ELEMENT_BYTES_MAX { Err(ScanError::TooLong) } else { Ok(None) }
}

const ELEMENT_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all pieces of `input`, and checks that each prefix without its last byte waits.
    fn check(input: &str, expected: &[&str]) {
        let (mut at, mut seen) = (0, Vec::new());
        while let Some((found, used)) = first(&input.as_bytes()[at..]).unwrap() {
            let piece = &input[at..at + used];
            assert_eq!(first(&piece.as_bytes()[..used - 1]), Ok(None), "{piece}");
            seen.push(match found {
                Found::StreamStart(range) => format!("start {}", &piece[range]),
                Found::Element(range) => piece[range].to_owned(),
                Found::StreamEnd => "end".to_owned(),
            });
            at += used;
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn streams_are_cut_into_elements() {
        check(
            "<?xml version='1.0'?><stream:stream id='>'><a/> <b x='/>'>t<c></c>&gt;</b>\n</stream:stream>",
            &["start <stream:stream id='>'>", "<a/>", "<b x='/>'>t<c></c>&gt;</b>", "end"],
        );
        check("<a><a><a/></a></a><open ", &["<a><a><a/></a></a>"]);
        check("  ", &[]);
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        assert_eq!(first(b"HTTP/1.1 400"), Err(ScanError::Text));
        assert_eq!(first(b"<!DOCTYPE x>"), Err(ScanError::Forbidden));
        assert_eq!(first(b"<a><!-- --></a>"), Err(ScanError::Forbidden));
        assert_eq!(first(&[b'<'; 2 * ELEMENT_BYTES_MAX]), Err(ScanError::TooLong));
    }
}
