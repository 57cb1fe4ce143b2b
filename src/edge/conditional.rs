//! Preconditions (RFC 9110 13): entity tags, dates, and the order in which they are evaluated.

use std::time::{Duration, SystemTime};

use super::request::{Method, Request};

/// The validators of a selected representation.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// Entity tag with its quotes, and `W/` if weak.
    pub etag: Option<&'a [u8]>,
    /// `Last-Modified`, in seconds since 1970.
    pub last_modified_s: Option<u64>,
}

/// What the preconditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on with the method.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the preconditions in the order of RFC 9110 13.2.2, up to (without) `If-Range`.
pub fn evaluate(request: &Request<'_>, validators: Validators<'_>) -> Verdict {
    if let Some(list) = &request.if_match {
        if !matches_any(list, validators.etag, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let Some(date) = request.if_unmodified_since.and_then(parse_date_s)
        && validators.last_modified_s.is_some_and(|modified| modified > date)
    {
        return Verdict::Failed;
    }
    let reads = matches!(request.method, Method::Get | Method::Head);
    if let Some(list) = &request.if_none_match {
        return match matches_any(list, validators.etag, Comparison::Weak) {
            false => Verdict::Proceed,
            true if reads => Verdict::NotModified,
            true => Verdict::Failed,
        };
    }
    if let Some(date) = request.if_modified_since.and_then(parse_date_s)
        && reads
        && validators.last_modified_s.is_some_and(|modified| modified <= date)
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Does `If-Range` allow the range (RFC 9110 13.1.5)? Only a strong validator does: a tag
/// without `W/`, or a date that equals `Last-Modified` and lies a second before `now_s`.
pub fn if_range_holds(header: &[u8], validators: Validators<'_>, now_s: u64) -> bool {
    let header = header.trim_ascii();
    if header.starts_with(b"\"") || header.starts_with(b"W/") {
        return validators.etag.is_some_and(|etag| same_tag(header, etag, Comparison::Strong));
    }
    let Some(modified) = validators.last_modified_s else { return false };
    parse_date_s(header) == Some(modified) && modified < now_s
}

/// An HTTP date in any of its three formats (RFC 9110 5.6.7), in seconds since 1970.
pub fn parse_date_s(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// The preferred format of RFC 9110 5.6.7: 29 bytes.
pub fn format_date(seconds: u64) -> String {
    // httpdate ends with the year 9999.
    const LATEST_S: u64 = 253_402_300_799;
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LATEST_S)))
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

fn matches_any(list: &[u8], etag: Option<&[u8]>, comparison: Comparison) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    etag.is_some_and(|etag| tags(list).any(|tag| same_tag(tag, etag, comparison)))
}

/// RFC 9110 8.8.3.2.
fn same_tag(one: &[u8], other: &[u8], comparison: Comparison) -> bool {
    match comparison {
        Comparison::Strong => !one.starts_with(b"W/") && one == other,
        Comparison::Weak => opaque(one) == opaque(other),
    }
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tags of a list; commas inside quotes belong to a tag. Stops at what is no tag.
fn tags(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while let [b',' | b' ' | b'\t', tail @ ..] = rest {
            rest = tail;
        }
        let quote = if rest.starts_with(b"W/") { 2 } else { 0 };
        if rest.get(quote) != Some(&b'"') {
            return None;
        }
        let close = rest[quote + 1..].iter().position(|byte| *byte == b'"')?;
        let (tag, tail) = rest.split_at(quote + close + 2);
        rest = tail;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::super::request::Version;
    use super::*;

    const MODIFIED_S: u64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT

    fn check(fields: &[(&str, &str)], expected: Verdict) {
        let mut request = Request::new("GET", "/", Version::Http10).unwrap();
        for (name, value) in fields {
            request.field(name, value.as_bytes()).unwrap();
        }
        let validators = Validators { etag: Some(b"\"a,b\""), last_modified_s: Some(MODIFIED_S) };
        assert_eq!(evaluate(&request.finish().unwrap(), validators), expected, "{fields:?}");
    }

    #[test]
    fn if_none_match() {
        check(&[("If-None-Match", "\"a,b\"")], Verdict::NotModified);
        check(&[("If-None-Match", "W/\"a,b\"")], Verdict::NotModified);
        check(&[("If-None-Match", "\"x\" , \"a,b\"")], Verdict::NotModified);
        check(&[("If-None-Match", "\"x\""), ("If-None-Match", "\"a,b\"")], Verdict::NotModified);
        check(&[("If-None-Match", "*")], Verdict::NotModified);
        check(&[("If-None-Match", "\"a\", \"b\"")], Verdict::Proceed);
        check(&[("If-None-Match", "a,b")], Verdict::Proceed);
    }

    #[test]
    fn if_none_match_outranks_if_modified_since() {
        let later = ("If-Modified-Since", "Sun, 06 Nov 2033 08:49:37 GMT");
        check(&[later], Verdict::NotModified);
        check(&[later, ("If-None-Match", "\"x\"")], Verdict::Proceed);
    }

    #[test]
    fn three_date_formats() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            check(&[("If-Modified-Since", date)], Verdict::NotModified);
            assert_eq!(parse_date_s(date.as_bytes()), Some(MODIFIED_S));
        }
        check(&[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")], Verdict::Proceed);
        check(&[("If-Modified-Since", "yesterday")], Verdict::Proceed);
        assert_eq!(format_date(MODIFIED_S), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn if_match_and_if_unmodified_since() {
        check(&[("If-Match", "\"a,b\"")], Verdict::Proceed);
        check(&[("If-Match", "*")], Verdict::Proceed);
        check(&[("If-Match", "W/\"a,b\"")], Verdict::Failed);
        check(&[("If-Match", "\"x\"")], Verdict::Failed);
        check(&[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")], Verdict::Failed);
        check(&[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")], Verdict::Proceed);
        let early = ("If-Unmodified-Since", "Sun, 06 Nov 1993 08:49:37 GMT");
        check(&[("If-Match", "\"a,b\""), early], Verdict::Proceed);
    }

    #[test]
    fn if_range() {
        let strong = Validators { etag: Some(b"\"a\""), last_modified_s: Some(MODIFIED_S) };
        let weak = Validators { etag: Some(b"W/\"a\""), last_modified_s: Some(MODIFIED_S) };
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(if_range_holds(b"\"a\"", strong, u64::MAX));
        assert!(!if_range_holds(b"W/\"a\"", weak, u64::MAX));
        assert!(if_range_holds(date, strong, MODIFIED_S + 1));
        assert!(!if_range_holds(date, strong, MODIFIED_S));
        assert!(!if_range_holds(b"Sun, 06 Nov 1994 08:49:38 GMT", strong, u64::MAX));
    }
}
