//! Characters that cannot stand as they are (XML 1.0 2.4).

use super::chars::is_xml_char;

/// Appends text so that a parser reads it back as it is.
///
/// Characters that XML cannot carry (most controls) become U+FFFD.
pub fn escape_text(text: &str, out: &mut Vec<u8>) {
    escape(text, out, |byte| match byte {
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'&' => Some(b"&amp;"),
        // A literal one would be read as a line feed (XML 1.0 2.11).
        b'\r' => Some(b"&#13;"),
        _ => None,
    });
}

/// Appends an attribute's value, fit for either kind of quote.
///
/// Characters that XML cannot carry (most controls) become U+FFFD.
pub fn escape_attr(value: &str, out: &mut Vec<u8>) {
    escape(value, out, |byte| match byte {
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'&' => Some(b"&amp;"),
        b'\'' => Some(b"&apos;"),
        b'"' => Some(b"&quot;"),
        // Literal ones would be read as spaces (XML 1.0 3.3.3).
        b'\t' => Some(b"&#9;"),
        b'\n' => Some(b"&#10;"),
        b'\r' => Some(b"&#13;"),
        _ => None,
    });
}

fn escape(text: &str, out: &mut Vec<u8>, reference: fn(u8) -> Option<&'static [u8]>) {
    if !text.chars().all(is_xml_char) {
        return escape(&replace_forbidden(text), out, reference);
    }
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if let Some(reference) = reference(byte) {
            out.extend_from_slice(&bytes[copied..at]);
            out.extend_from_slice(reference);
            copied = at + 1;
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

fn replace_forbidden(text: &str) -> String {
    text.chars().map(|c| if is_xml_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}
