//! Preparation of the parts (RFC 7622 3; for what lies beyond ASCII, the profiles of RFC 6122).
//!
//! `None`: forbidden. What is returned prepares to itself.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use stringprep::{nameprep, nodeprep, resourceprep};

/// RFC 7622 3.3, RFC 6122 A (Nodeprep).
pub(super) fn local(text: &str) -> Option<Cow<'_, str>> {
    if text.bytes().all(is_plain_local) {
        return Some(Cow::Borrowed(text));
    }
    let prepared = stable(text, |text| nodeprep(text).ok())?;
    let is_lawful = |c: char| u8::try_from(c).map_or(true, |b| b >= 0x80 || is_local(b));
    prepared.chars().all(is_lawful).then_some(prepared)
}

fn is_plain_local(byte: u8) -> bool {
    is_local(byte) && !byte.is_ascii_uppercase()
}

/// ASCII in a local part, before it is lowered.
fn is_local(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@')
}

/// RFC 7622 3.2, RFC 6122 2.2 (Nameprep): a name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn domain(text: &str) -> Option<Cow<'_, str>> {
    if let Some(inside) = text.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(Cow::Owned(format!("[{address}]")));
    }
    let prepared = if text.bytes().all(is_plain_domain) {
        Cow::Borrowed(text)
    } else {
        stable(text, prepare_name)?
    };
    let name = without_root(prepared);
    let is_lawful = |c: char| u8::try_from(c).map_or(true, |b| b >= 0x80 || is_plain_domain(b));
    let labels_ok = name.is_empty() || name.split('.').all(|label| !label.is_empty());
    (labels_ok && name.chars().all(is_lawful)).then_some(name)
}

fn prepare_name(text: &str) -> Option<Cow<'_, str>> {
    let prepared = nameprep(text).ok()?;
    // The other full stops of IDNA (RFC 3490 3.1); Nameprep folds the rest of them into these.
    let is_stop = |c| matches!(c, '\u{3002}' | '\u{ff61}');
    if prepared.contains(is_stop) {
        return Some(Cow::Owned(prepared.replace(is_stop, ".")));
    }
    Some(prepared)
}

/// Without the final dot, as RFC 7622 3.2 wants.
fn without_root(mut name: Cow<'_, str>) -> Cow<'_, str> {
    match &mut name {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_suffix('.').unwrap_or(text)),
        Cow::Owned(text) => {
            if text.ends_with('.') {
                text.pop();
            }
            name
        }
    }
}

fn is_plain_domain(byte: u8) -> bool {
    // The underscore is no hostname's, yet names of containers have it.
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_')
}

/// RFC 7622 3.4, RFC 6122 B (Resourceprep).
pub(super) fn resource(text: &str) -> Option<Cow<'_, str>> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(Cow::Borrowed(text));
    }
    stable(text, |text| resourceprep(text).ok()).or_else(|| newer_resource(text))
}

/// RFC 6122 knows Unicode 3.2 only: without this a nickname could hold no emoji. RFC 7622 allows
/// them; what it forbids is forbidden here, and the text stays as it is.
fn newer_resource(text: &str) -> Option<Cow<'_, str>> {
    let is_forbidden = |c: char| c.is_control() || is_unfit(c);
    (!text.contains(is_forbidden)).then_some(Cow::Borrowed(text))
}

/// Noncharacters, private use, marks of direction, line and paragraph separators, tags and what
/// else is invisible or stands for nothing.
fn is_unfit(character: char) -> bool {
    let code = u32::from(character);
    code & 0xfffe == 0xfffe
        || matches!(character,
            '\u{fdd0}'..='\u{fdef}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..
            | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffd}' | '\u{feff}' | '\u{ad}')
}

/// What a profile makes of a text, if it makes the same of that again. Unicode has grown since
/// the profiles were written, and in corners their result is no fixed point.
fn stable<'a>(
    text: &'a str,
    prepare: impl Fn(&str) -> Option<Cow<'_, str>>,
) -> Option<Cow<'a, str>> {
    let once = prepare(text)?.into_owned();
    let twice = prepare(&once)?;
    (twice == once).then_some(Cow::Owned(once))
}
