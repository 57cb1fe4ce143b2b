//! What was received holds at least what was expected.

use chat_core::xml::Element;

/// Compares names, the attributes that are named (`*` is any value), text, and children in order.
pub fn matches(expected: &Element, got: &Element) -> Result<(), String> {
    if !got.is(expected.name(), expected.ns()) {
        return Err(format!("<{}> of {} is there", got.name(), got.ns()));
    }
    for attribute in expected.attrs() {
        let found = got.attr(attribute.name());
        let is_right = match attribute.value() {
            "*" => found.is_some(),
            value => found == Some(value),
        };
        if !is_right {
            return Err(format!("{} of <{}> is {found:?}", attribute.name(), got.name()));
        }
    }
    if expected.children().next().is_none() && !expected.text().is_empty() {
        let (wanted, text) = (expected.text(), got.text());
        if wanted != text {
            return Err(format!("<{}> says {text:?}", got.name()));
        }
    }
    let mut rest = got.children();
    for child in expected.children() {
        if !rest.any(|candidate| matches(child, candidate).is_ok()) {
            return Err(format!("<{}> lacks <{}> of {}", got.name(), child.name(), child.ns()));
        }
    }
    Ok(())
}
