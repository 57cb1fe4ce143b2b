//! What is needed of an element, searched for in its bytes.
//!
//! Enough for what servers send to this client's own questions; no parser of XML.

use memchr::memchr;
use memchr::memmem;

/// The element's name with its prefix.
pub fn name(element: &[u8]) -> &[u8] {
    let rest = element.strip_prefix(b"<").unwrap_or(element);
    let is_end = |byte: &u8| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace();
    &rest[..rest.iter().position(is_end).unwrap_or(rest.len())]
}

/// The value of an attribute of the element's own start tag; entities stand as they came.
pub fn attribute<'a>(element: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = &element[name(element).len() + 1..];
    loop {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        rest = &rest[start..];
        if matches!(rest[0], b'>' | b'/') {
            return None;
        }
        let equals = memchr(b'=', rest)?;
        let attribute_name = rest[..equals].trim_ascii_end();
        rest = rest[equals + 1..].trim_ascii_start();
        let quote = *rest.first()?;
        let length = memchr(quote, &rest[1..])?;
        if attribute_name == wanted.as_bytes() {
            return Some(&rest[1..=length]);
        }
        rest = &rest[length + 2..];
    }
}

/// The first element of that name below, from its `<` on; what follows it is still behind it.
pub fn descendant<'a>(element: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    descendants(element, wanted).next()
}

/// All elements of that name below, in document order.
pub fn descendants<'a, 'b>(
    element: &'a [u8],
    wanted: &'b str,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
    let below = element.get(1..).unwrap_or_default();
    memmem::find_iter(below, wanted)
        .filter(|at| *at > 0 && below[at - 1] == b'<')
        .map(|at| &below[at - 1..])
        .filter(move |found| name(found) == wanted.as_bytes())
}

/// The text between the element's start tag and its next tag, without white space around it.
pub fn text(element: &[u8]) -> &[u8] {
    let Some(end) = start_tag_end(element) else { return &[] };
    if element[end - 2] == b'/' {
        return &[];
    }
    let rest = &element[end..];
    rest[..memchr(b'<', rest).unwrap_or(rest.len())].trim_ascii()
}

/// Whether these bytes stand somewhere in it: namespaces are told by their name alone.
pub fn holds(element: &[u8], wanted: &str) -> bool {
    memmem::find(element, wanted.as_bytes()).is_some()
}

fn start_tag_end(element: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr::memchr3(b'>', b'"', b'\'', &element[at..])?;
        if element[found] == b'>' {
            return Some(found + 1);
        }
        at = found + memchr(element[found], &element[found + 1..])? + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_attribute(element: &str, wanted: &str, value: Option<&str>) {
        assert_eq!(attribute(element.as_bytes(), wanted), value.map(str::as_bytes), "{element}");
    }

    #[test]
    fn attributes() {
        check_attribute("<a h='1' xmlns=\"urn:x\"/>", "h", Some("1"));
        check_attribute("<a h='1' xmlns=\"urn:x\"/>", "xmlns", Some("urn:x"));
        check_attribute("<a x='h=2' h = '3'>", "h", Some("3"));
        check_attribute("<a><b h='1'/></a>", "h", None);
        check_attribute("<a", "h", None);
        check_attribute("<a h='1", "h", None);
    }

    #[test]
    fn descendants_and_their_text() {
        let element = b"<m><bodyguard/><body a='>'> hi </body><body/></m>";
        assert_eq!(name(element), b"m");
        assert_eq!(descendant(element, "body").map(text), Some(b"hi".as_slice()));
        assert_eq!(descendants(element, "body").count(), 2);
        assert_eq!(descendant(element, "m"), None);
        assert_eq!(text(b"<x/>"), b"");
        assert!(holds(element, "guard"));
    }
}
