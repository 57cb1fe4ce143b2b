//! References and what a parser normalises (XML 1.0 2.11, 3.3.3, 4.1).

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::chars::is_xml_char;
use super::error::XmlError;

/// Checks every reference in `raw`, which stands at byte `base`.
pub(super) fn check_references(raw: &str, base: usize) -> Result<(), XmlError> {
    let mut at = 0;
    while let Some(found) = memchr(b'&', &raw.as_bytes()[at..]) {
        let start = at + found;
        let reference = Reference::parse(&raw[start..]);
        at = start + reference.ok_or_else(|| no_reference(raw, start, base))?.len;
    }
    Ok(())
}

fn no_reference(raw: &str, start: usize, base: usize) -> XmlError {
    let reference: String = raw[start..].chars().take(REFERENCE_BYTES_MAX).collect();
    let at = base + start;
    match numeric_code(&reference) {
        Some(code) => XmlError::Character { at, code },
        None => XmlError::Reference { at, reference: reference.into() },
    }
}

/// The code point that a well-formed character reference names, lawful or not.
fn numeric_code(text: &str) -> Option<u32> {
    let (name, _) = text.strip_prefix("&#")?.split_once(';')?;
    match name.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => name.parse().ok(),
    }
}

/// What a parser makes of text whose references are checked.
pub(super) fn unescape_text(raw: &str) -> Cow<'_, str> {
    if memchr2(b'&', b'\r', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(unescape(raw, |character| character))
}

/// What a parser makes of an attribute's value whose references are checked.
pub(crate) fn unescape_attr(raw: &str) -> Cow<'_, str> {
    if !raw.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
        return Cow::Borrowed(raw);
    }
    let to_space = |character| if character == '\t' || character == '\n' { ' ' } else { character };
    Cow::Owned(unescape(raw, to_space))
}

/// A CDATA section's content: only line ends change.
pub(super) fn normalise_line_ends(raw: &str) -> Cow<'_, str> {
    if memchr(b'\r', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
}

fn unescape(raw: &str, literal: fn(char) -> char) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(character) = rest.chars().next() {
        let mut len = character.len_utf8();
        match character {
            '&' => {
                let reference = Reference::parse(rest).expect("references are checked");
                text.push(reference.character);
                len = reference.len;
            }
            '\r' => {
                text.push(literal('\n'));
                len += usize::from(rest.as_bytes().get(1) == Some(&b'\n'));
            }
            _ => text.push(literal(character)),
        }
        rest = &rest[len..];
    }
    text
}

struct Reference {
    character: char,
    /// Bytes from `&` through `;`.
    len: usize,
}

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        let window = &text.as_bytes()[..text.len().min(REFERENCE_BYTES_MAX)];
        let end = memchr(b';', window)?;
        let character = Self::character(&text[1..end])?;
        is_xml_char(character).then_some(Self { character, len: end + 1 })
    }

    fn character(name: &str) -> Option<char> {
        match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => Self::numeric(name.strip_prefix('#')?),
        }
    }

    fn numeric(digits: &str) -> Option<char> {
        let (digits, radix) = match digits.strip_prefix('x') {
            Some(hex) => (hex, 16),
            None => (digits, 10),
        };
        // `from_str_radix` would take a sign.
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        char::from_u32(u32::from_str_radix(digits, radix).ok()?)
    }
}

/// Bytes of a reference; the longest useful one, `&#x10FFFF;`, has 10, and some pad with zeros.
const REFERENCE_BYTES_MAX: usize = 16;
