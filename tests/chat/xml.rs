//! The XML that a well-behaved server sends, read without namespaces. Whatever else comes is a
//! fault of the server, and a panic here.

#![allow(dead_code, reason = "each test uses a part")]

/// An element; names lose their prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
}

/// A piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Header,
    Element(Element),
    End,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Children's children, by their names.
    pub fn descend(&self, names: &[&str]) -> Option<&Element> {
        names.iter().try_fold(self, |element, name| element.child(name))
    }
}

/// Takes the next whole piece away from what was read.
pub fn take_piece(read: &mut Vec<u8>) -> Option<Piece> {
    let start = read.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let (piece, end) = piece_at(read, start)?;
    read.drain(..end);
    match piece {
        Some(piece) => Some(piece),
        None => take_piece(read),
    }
}

/// The piece that begins here, `None` for the XML declaration, and where it ends.
fn piece_at(bytes: &[u8], start: usize) -> Option<(Option<Piece>, usize)> {
    assert_eq!(bytes[start], b'<', "text between stanzas: {}", show(bytes));
    let end = tag_end(bytes, start)?;
    let tag = &bytes[start + 1..end - 1];
    match tag {
        [b'?', ..] => Some((None, end)),
        [b'/', ..] => Some((Some(Piece::End), end)),
        _ if tag.starts_with(b"stream:stream") => Some((Some(Piece::Header), end)),
        _ => element_at(bytes, start).map(|(element, end)| (Some(Piece::Element(element)), end)),
    }
}

fn element_at(bytes: &[u8], start: usize) -> Option<(Element, usize)> {
    let mut at = tag_end(bytes, start)?;
    let tag = &bytes[start + 1..at - 1];
    let (tag, is_empty) = match tag {
        [tag @ .., b'/'] => (tag, true),
        tag => (tag, false),
    };
    let mut element = opened(tag);
    if is_empty {
        return Some((element, at));
    }
    loop {
        let next = at + bytes[at..].iter().position(|byte| *byte == b'<')?;
        element.text.push_str(&unescape(&bytes[at..next]));
        if bytes.get(next + 1)? == &b'/' {
            return Some((element, tag_end(bytes, next)?));
        }
        let (child, end) = element_at(bytes, next)?;
        element.children.push(child);
        at = end;
    }
}

fn opened(tag: &[u8]) -> Element {
    let tag = String::from_utf8_lossy(tag).into_owned();
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((&tag, ""));
    let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
    let mut element = Element { name: local.to_owned(), ..Element::default() };
    while let Some((name, value)) = rest.trim_start().split_once('=') {
        let quote = value.chars().next().unwrap();
        let (value, more) = value[1..].split_once(quote).unwrap();
        element.attributes.push((name.trim().to_owned(), unescape(value.as_bytes())));
        rest = more;
    }
    element
}

/// Behind the `>` of the tag that begins here.
fn tag_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

fn unescape(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.into_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "<?xml version='1.0'?><stream:stream id=\"a>b\" xmlns='jabber:client'>\
        <stream:features><mechanisms xmlns='m'><mechanism>PLAIN</mechanism></mechanisms>\
        </stream:features> <message from='a@b/c' id='1'><body>ä &lt;&amp;lt;</body><x/></message>\n\
        <a xmlns='urn:xmpp:sm:3' h='4'/></stream:stream>";

    fn all(mut bytes: Vec<u8>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some(piece) = take_piece(&mut bytes) {
            pieces.push(piece);
        }
        assert_eq!(bytes, b"");
        pieces
    }

    #[test]
    fn a_stream_is_read() {
        let pieces = all(STREAM.into());
        assert_eq!((&pieces[0], &pieces[4], pieces.len()), (&Piece::Header, &Piece::End, 5));
        let Piece::Element(features) = &pieces[1] else { panic!("{pieces:?}") };
        let mechanism = features.descend(&["mechanisms", "mechanism"]).unwrap();
        assert_eq!((&*features.name, &*mechanism.text), ("features", "PLAIN"));
        let Piece::Element(message) = &pieces[2] else { panic!("{pieces:?}") };
        assert_eq!(message.attribute("from"), Some("a@b/c"));
        assert_eq!(message.child("body").unwrap().text, "ä <&lt;");
        let Piece::Element(a) = &pieces[3] else { panic!("{pieces:?}") };
        assert_eq!(a.attribute("h"), Some("4"));
    }

    #[test]
    fn pieces_wait_until_they_are_whole() {
        let whole = all(STREAM.into());
        let (mut read, mut pieces) = (Vec::new(), Vec::new());
        for byte in STREAM.bytes() {
            read.push(byte);
            pieces.extend(take_piece(&mut read));
        }
        assert_eq!(pieces, whole);
    }
}
