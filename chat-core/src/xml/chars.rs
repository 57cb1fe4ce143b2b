//! Which characters XML 1.0 (fifth edition) allows where.

use memchr::memchr_iter;

use super::error::XmlError;

/// The bytes as text, if they are UTF-8 and only hold characters of XML (2.2).
pub(super) fn checked_text(bytes: &[u8]) -> Result<&str, XmlError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| XmlError::NotUtf8 { at: error.valid_up_to() })?;
    // Without a branch per byte, so that the compiler makes vectors of it.
    let controls = bytes.iter().fold(false, |found, &byte| found | is_forbidden_control(byte));
    if controls || has_noncharacter(bytes) {
        return Err(first_forbidden(text));
    }
    Ok(text)
}

fn is_forbidden_control(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')
}

/// U+FFFE and U+FFFF; surrogates cannot occur in UTF-8.
fn has_noncharacter(bytes: &[u8]) -> bool {
    memchr_iter(0xef, bytes)
        .any(|at| bytes[at + 1] == 0xbf && (bytes[at + 2] == 0xbe || bytes[at + 2] == 0xbf))
}

fn first_forbidden(text: &str) -> XmlError {
    let (at, character) = text
        .char_indices()
        .find(|&(_, character)| !is_xml_char(character))
        .expect("a forbidden character was seen");
    XmlError::Character { at, code: u32::from(character) }
}

/// XML 1.0 2.2, `Char`.
pub(super) fn is_xml_char(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

/// XML 1.0 2.3, `S`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The length of the name at the start of `text`: `NCName`s joined by colons. 0 if none starts
/// here. Where colons stand is for the caller to judge.
pub(super) fn name_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut len = 0;
    while len < bytes.len() {
        let step = match bytes[len] {
            byte if byte < 0x80 => usize::from(ASCII[usize::from(byte)] & NAME != 0),
            _ => wide_name_char_len(&text[len..]),
        };
        if step == 0 {
            break;
        }
        len += step;
    }
    len
}

fn wide_name_char_len(text: &str) -> usize {
    text.chars().next().filter(|&c| is_wide_name_char(c)).map_or(0, char::len_utf8)
}

/// If `name` (of name characters and colons) may be an `NCName`: not empty, no colon, and a
/// first character that starts names.
pub(super) fn is_ncname(name: &str) -> bool {
    name.chars().next().is_some_and(is_name_start) && !name.as_bytes().contains(&b':')
}

/// Like [`is_ncname`], for any text.
pub(super) fn is_whole_ncname(text: &str) -> bool {
    name_len(text) == text.len() && is_ncname(text)
}

fn is_name_start(character: char) -> bool {
    match u8::try_from(character) {
        Ok(byte) if byte < 0x80 => ASCII[usize::from(byte)] & START != 0,
        _ => is_wide_name_start(character),
    }
}

/// XML 1.0 2.3, `NameStartChar` beyond ASCII.
fn is_wide_name_start(character: char) -> bool {
    matches!(character,
        '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}'
        | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// XML 1.0 2.3, `NameChar` beyond ASCII.
fn is_wide_name_char(character: char) -> bool {
    is_wide_name_start(character)
        || matches!(character, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

const START: u8 = 1;
const NAME: u8 = 2;

/// What each ASCII character may do in a name; the colon is a name character here.
const ASCII: [u8; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => START | NAME,
            b'0'..=b'9' | b'-' | b'.' | b':' => NAME,
            _ => 0,
        };
        byte += 1;
    }
    classes
};
