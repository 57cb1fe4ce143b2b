//! Which characters a page's bytes are (Encoding Standard): by its byte order mark, as the answer's
//! head says, or as the page says itself; else UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

/// Bytes in which a page names its encoding (HTML, 4.2.5.4).
const NAMED_WITHIN_BYTES: usize = 1024;

/// Reads bytes; `named` is what the answer's head says.
pub(super) fn decode<'a>(bytes: &'a [u8], named: Option<&str>) -> Cow<'a, str> {
    let beginning = &bytes[..bytes.len().min(NAMED_WITHIN_BYTES)];
    let encoding = named.and_then(of_label).or_else(|| named_in(beginning)).unwrap_or(UTF_8);
    encoding.decode(bytes).0
}

fn of_label(label: &str) -> Option<&'static Encoding> {
    let is_around = |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'');
    Encoding::for_label(label.trim_matches(is_around).as_bytes())
}

/// `charset=…` in a `<meta>`, in either of its two forms.
fn named_in(beginning: &[u8]) -> Option<&'static Encoding> {
    let text = String::from_utf8_lossy(beginning).to_ascii_lowercase();
    let (_, name) = text.split_once("charset=")?;
    let is_end = |c: char| matches!(c, '>' | ';' | '/' | '"' | '\'') || c.is_ascii_whitespace();
    let name = name.trim_start_matches(['"', '\'']).split(is_end).next()?;
    // Whoever could read this far does not have UTF-16 before them.
    of_label(name).map(Encoding::output_encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_named_or_seen() {
        assert_eq!(decode(b"caf\xc3\xa9", None), "café");
        assert_eq!(decode(b"\xef\xbb\xbfa", Some("latin1")), "a");
        assert_eq!(decode(b"caf\xe9 \x93", Some("ISO-8859-1")), "café “");
        assert_eq!(decode(b"\x93\xfa\x96\x7b", Some("\"Shift_JIS\"")), "日本");
        assert_eq!(decode(b"<meta charset='latin1'>\xe9", None), "<meta charset='latin1'>é");
        assert_eq!(decode(b"<meta charset=utf-16>\xc3\xa9", None), "<meta charset=utf-16>é");
        let http_equiv = b"<meta http-equiv=x content=\"text/html; charset=windows-1251\">\xc4\xe0";
        assert!(decode(http_equiv, None).ends_with("Да"));
        assert_eq!(decode(b"caf\xe9", Some("utf-8")), "caf\u{fffd}");
    }
}
