//! The XML declaration before a stream header (XML 1.0 2.8, RFC 6120 11.5).

use super::chars::{is_space, name_len};
use super::error::{Refused, XmlError};

/// Checks a declaration, from `<?` through `?>`.
pub(super) fn check(bytes: &[u8]) -> Result<(), XmlError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| XmlError::NotUtf8 { at: error.valid_up_to() })?;
    let inside = text.strip_prefix("<?xml").and_then(|rest| rest.strip_suffix("?>"));
    let Some(inside) = inside.filter(|inside| inside.bytes().next().is_some_and(is_space)) else {
        return Err(XmlError::Restricted { at: 0, refused: Refused::ProcessingInstruction });
    };
    let mut rest = inside;
    let mut version = None;
    while let Some((name, value, after)) = pseudo_attribute(rest) {
        match name {
            "version" => version = Some(value),
            "encoding" if !value.eq_ignore_ascii_case("utf-8") => {
                return Err(XmlError::Encoding { declared: value.into() });
            }
            _ => {}
        }
        rest = after;
    }
    let is_whole = rest.bytes().all(is_space);
    if is_whole && version.is_some_and(|version| version.starts_with("1.")) {
        return Ok(());
    }
    Err(XmlError::Syntax { at: 0, expected: "an XML declaration of version 1" })
}

/// The first `name="value"` of `text`, and what follows it.
fn pseudo_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim_ascii_start();
    let (name, rest) = text.split_at(name_len(text));
    let rest = rest.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, after) = rest[1..].split_once(quote)?;
    Some((name, value, after))
}
