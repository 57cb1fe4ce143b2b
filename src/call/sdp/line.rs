//! Lines, and the attributes in them.

use super::{LINE_BYTES_MAX, OFFER_BYTES_MAX, SdpError};

/// A line: its letter and its value, and its number for who says what is wrong with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub number: usize,
    pub letter: u8,
    pub value: &'a str,
}

/// The lines of a description, whatever ends them.
pub(super) fn lines(text: &str) -> Result<Vec<Line<'_>>, SdpError> {
    let too_many = |what, count, most| Err(SdpError::TooMany { what, count, most });
    if text.len() > OFFER_BYTES_MAX {
        return too_many("bytes", text.len(), OFFER_BYTES_MAX);
    }
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        if line.len() > LINE_BYTES_MAX {
            return too_many("bytes in a line", line.len(), LINE_BYTES_MAX);
        }
        let number = at + 1;
        let fault = SdpError::Line { number, what: "a letter and = expected" };
        let [letter, b'=', ..] = line.as_bytes() else { return Err(fault) };
        if line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(SdpError::Line { number, what: "a control character" });
        }
        lines.push(Line { number, letter: *letter, value: &line[2..] });
    }
    Ok(lines)
}

impl<'a> Line<'a> {
    /// An attribute's name and value; the latter is empty where there is none.
    pub(super) fn attribute(self) -> Option<(&'a str, &'a str)> {
        (self.letter == b'a').then(|| self.value.split_once(':').unwrap_or((self.value, "")))
    }

    pub(super) fn fault(self, what: &'static str) -> SdpError {
        SdpError::Line { number: self.number, what }
    }
}

/// Characters that stand in names which go back into an answer (RFC 8866 9, token).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte))
}
