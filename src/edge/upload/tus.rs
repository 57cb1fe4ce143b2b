//! tus 1.0 header fields of a request, read before anything else happens.
//!
//! Core protocol; extensions creation, creation-defer-length, creation-with-upload, checksum.

use http::header::{self, HeaderMap};

use super::checksum;
use super::metadata::Metadata;

/// The protocol version spoken.
pub const VERSION: &str = "1.0.0";
/// The extensions spoken.
pub const EXTENSIONS: &str =
    "creation,creation-defer-length,creation-with-upload,checksum,expiration,termination";

/// What `Upload-Length` or `Upload-Defer-Length` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(u64),
    /// It will be said later.
    Deferred,
}

/// The fields of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// `Upload-Offset`, in bytes.
    pub offset: Option<u64>,
    /// The upload's length.
    pub length: Option<Length>,
    /// `Upload-Metadata`.
    pub metadata: Metadata,
    /// `Upload-Checksum`.
    pub checksum: Option<checksum::Expected>,
    /// Is the content of the type that carries bytes of an upload?
    pub is_offset_stream: bool,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// 400 or 412.
    pub status: u16,
    /// What is wrong.
    pub reason: String,
}

impl Fields {
    /// Reads the fields.
    ///
    /// # Errors
    /// [`Refusal`]: 412 for another version, 400 for what is malformed.
    pub fn parse(headers: &HeaderMap) -> Result<Self, Refusal> {
        if one(headers, "tus-resumable")? != Some(VERSION.as_bytes()) {
            let reason = format!("Tus-Resumable is not {VERSION}");
            return Err(Refusal { status: 412, reason });
        }
        let metadata = one(headers, "upload-metadata")?.unwrap_or_default();
        let checksum = one(headers, "upload-checksum")?.map(checksum::Expected::parse);
        Ok(Self {
            offset: number(headers, "upload-offset")?,
            length: length(headers)?,
            metadata: Metadata::parse(metadata).map_err(bad)?,
            checksum: checksum.transpose().map_err(bad)?,
            is_offset_stream: is_offset_stream(headers),
        })
    }
}

fn length(headers: &HeaderMap) -> Result<Option<Length>, Refusal> {
    let known = number(headers, "upload-length")?.map(Length::Known);
    match (known, one(headers, "upload-defer-length")?) {
        (known, None) => Ok(known),
        (None, Some(b"1")) => Ok(Some(Length::Deferred)),
        (None, Some(_)) => Err(bad("Upload-Defer-Length is not 1")),
        (Some(_), Some(_)) => Err(bad("Upload-Length beside Upload-Defer-Length")),
    }
}

fn is_offset_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    content_type.is_some_and(|it| it.eq_ignore_ascii_case(b"application/offset+octet-stream"))
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, Refusal> {
    let Some(value) = one(headers, name)? else { return Ok(None) };
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    // The catalog's numbers are signed.
    let number = text.and_then(|text| text.parse::<i64>().ok()).and_then(|n| n.try_into().ok());
    number.map(Some).ok_or_else(|| bad(format!("{name} is not a number of bytes")))
}

fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.as_bytes().trim_ascii());
    match values.next() {
        None => Ok(first),
        Some(_) => Err(bad(format!("{name} is given twice"))),
    }
}

fn bad(reason: impl ToString) -> Refusal {
    Refusal { status: 400, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn check(
        fields: &[(&'static str, &'static str)],
        expected: Result<(Option<u64>, Option<Length>), u16>,
    ) {
        let mut headers = HeaderMap::new();
        headers.insert("tus-resumable", HeaderValue::from_static(VERSION));
        for (name, value) in fields {
            let value = HeaderValue::from_static(value);
            if *name == "tus-resumable" {
                headers.insert(HeaderName::from_static(name), value);
            } else {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        let got = Fields::parse(&headers).map(|it| (it.offset, it.length));
        assert_eq!(got.map_err(|refusal| refusal.status), expected, "{fields:?}");
    }

    #[test]
    fn offsets_and_lengths() {
        check(&[], Ok((None, None)));
        check(&[("upload-offset", "7")], Ok((Some(7), None)));
        check(&[("upload-length", "7")], Ok((None, Some(Length::Known(7)))));
        check(&[("upload-defer-length", "1")], Ok((None, Some(Length::Deferred))));
    }

    #[test]
    fn refused() {
        check(&[("tus-resumable", "0.2.2")], Err(412));
        for value in ["-1", "+1", "", "1 ", "0x1", "9223372036854775808"] {
            let expected = if value == "1 " { Ok((Some(1), None)) } else { Err(400) };
            check(&[("upload-offset", value)], expected);
        }
        check(&[("upload-offset", "1"), ("upload-offset", "1")], Err(400));
        check(&[("upload-length", "1"), ("upload-defer-length", "1")], Err(400));
        check(&[("upload-defer-length", "2")], Err(400));
        check(&[("upload-checksum", "md5 YQ==")], Err(400));
        check(&[("upload-metadata", "a b c")], Err(400));
    }
}
