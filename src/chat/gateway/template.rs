//! Texts with `{placeholders}`, whose values are escaped for where they stand.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A text with places to fill. Braces around anything but a name of lower-case letters are
/// themselves, so that JSON needs no escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(&'static str),
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As they are.
    None,
    /// For a JSON string, whose quotes stand in the template (RFC 8259 7).
    Json,
    /// For a URL or `application/x-www-form-urlencoded`.
    Percent,
}

/// A place that nothing fills.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{{{name}}} is no placeholder here; there are {known}")]
pub struct UnknownPlace {
    /// What stands in the braces.
    pub name: String,
    /// What may stand there.
    pub known: String,
}

impl Template {
    /// Reads a text that may name each of `places`.
    ///
    /// # Errors
    /// [`UnknownPlace`].
    pub fn parse(text: &str, places: &[&'static str]) -> Result<Self, UnknownPlace> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find('{') {
            let (before, behind) = rest.split_at(at);
            literal.push_str(before);
            let name =
                behind[1..].split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
            let Some(name) = name else {
                literal.push('{');
                rest = &behind[1..];
                continue;
            };
            let place =
                places.iter().find(|place| **place == name).ok_or_else(|| UnknownPlace {
                    name: name.to_owned(),
                    known: places
                        .iter()
                        .map(|place| format!("{{{place}}}"))
                        .collect::<Vec<_>>()
                        .join(", "),
                })?;
            parts.push(Part::Literal(std::mem::take(&mut literal)));
            parts.push(Part::Place(place));
            rest = &behind[name.len() + 2..];
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        Ok(Self(parts))
    }

    /// Whether it has a place of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Place(place) if *place == name))
    }

    /// Fills each place by its value; one without a value stays empty.
    pub fn fill(&self, values: &[(&str, &str)], escape: Escape) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Place(name) => {
                    let value = values.iter().find(|(of, _)| of == name).map(|(_, value)| *value);
                    filled.push_str(&escape.apply(value.unwrap_or_default()));
                }
            }
        }
        filled
    }
}

impl Escape {
    fn apply(self, value: &str) -> String {
        match self {
            Self::None => value.to_owned(),
            Self::Percent => utf8_percent_encode(value, ENCODED).to_string(),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// RFC 3986 2.3: all but the unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, escape: Escape, expected: &str) {
        let template = Template::parse(text, &["number", "text"]).unwrap();
        let values = [("number", "+15550100123"), ("text", "a \"b\"\n{number}&c")];
        assert_eq!(template.fill(&values, escape), expected);
    }

    #[test]
    fn values_are_escaped_for_their_place() {
        check(
            r#"{"to":"{number}","body":"{text}"}"#,
            Escape::Json,
            r#"{"to":"+15550100123","body":"a \"b\"\n{number}&c"}"#,
        );
        check(
            "To={number}&Body={text}",
            Escape::Percent,
            "To=%2B15550100123&Body=a%20%22b%22%0A%7Bnumber%7D%26c",
        );
        check("{number}: {text}", Escape::None, "+15550100123: a \"b\"\n{number}&c");
    }

    #[test]
    fn other_braces_are_themselves() {
        check("{} { {Number} {1} }{", Escape::None, "{} { {Number} {1} }{");
        check("", Escape::None, "");
    }

    #[test]
    fn a_typing_error_is_named() {
        let error = Template::parse("{nunber}", &["number", "code"]).unwrap_err();
        let expected = "{nunber} is no placeholder here; there are {number}, {code}";
        assert_eq!(error.to_string(), expected);
    }
}
