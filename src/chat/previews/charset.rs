//! Which characters a page's bytes are: UTF-8, or what Windows and the first HTML had. Of other
//! encodings what is ASCII is read.

use std::borrow::Cow;

/// Bytes in which a page names its encoding (HTML, 4.2.5.4).
const NAMED_WITHIN_BYTES: usize = 1024;

/// Reads bytes as the answer's head says, or as they say themselves, or as they look.
pub(super) fn decode<'a>(bytes: &'a [u8], named: Option<&str>) -> Cow<'a, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_latin = match named {
        Some(named) => is_latin(named),
        None => names_latin(&bytes[..bytes.len().min(NAMED_WITHIN_BYTES)]),
    };
    match is_latin {
        true => Cow::Owned(bytes.iter().copied().map(windows_1252).collect()),
        false => String::from_utf8_lossy(bytes),
    }
}

fn is_latin(name: &str) -> bool {
    let name = name.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\''));
    LATIN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// `charset=…` in a `<meta>`, in either of its two forms.
fn names_latin(beginning: &[u8]) -> bool {
    let text = String::from_utf8_lossy(beginning).to_ascii_lowercase();
    let mut names = text.split("charset=").skip(1);
    let end = |c: char| matches!(c, '>' | ';' | '/') || c.is_ascii_whitespace();
    names.next().is_some_and(|name| {
        let name = name.trim_start_matches(['"', '\'']);
        is_latin(name.split(|c| end(c) || matches!(c, '"' | '\'')).next().unwrap_or_default())
    })
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// What the Encoding Standard reads as windows-1252.
const LATIN: [&str; 6] =
    ["windows-1252", "cp1252", "iso-8859-1", "iso8859-1", "latin1", "us-ascii"];
/// 0x80 to 0x9f, by the Encoding Standard's index.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_named_or_seen() {
        assert_eq!(decode(b"caf\xc3\xa9", None), "café");
        assert_eq!(decode(b"\xef\xbb\xbfa", None), "a");
        assert_eq!(decode(b"caf\xe9 \x93", Some("ISO-8859-1")), "café “");
        assert_eq!(decode(b"<meta charset='latin1'>\xe9", None), "<meta charset='latin1'>é");
        let http_equiv = b"<meta http-equiv=x content=\"text/html; charset=windows-1252\">\x80";
        assert!(decode(http_equiv, None).ends_with('€'));
        assert_eq!(decode(b"caf\xe9", Some("utf-8")), "caf\u{fffd}");
    }
}
