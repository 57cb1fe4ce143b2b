//! hyper's request head as the edge's facts, by the same rules as the fast lane's.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, header};

use crate::edge::http1::{self, FIELDS_MAX};
use crate::edge::request::{Malformed, Request, Version};

/// The part of a target that routing reads, whole; kept by the caller while the facts live.
pub fn target(parts: &Parts) -> Cow<'_, str> {
    let uri = &parts.uri;
    match uri.path_and_query() {
        Some(target) if parts.version == http::Version::HTTP_2 => target.as_str().into(),
        Some(target) if uri.scheme().is_none() && uri.authority().is_none() => {
            target.as_str().into()
        }
        _ => uri.to_string().into(),
    }
}

/// Reads the facts of a head.
///
/// # Errors
/// As the fast lane's: 400, 414, 417, 431, 501.
pub fn read<'a>(parts: &'a Parts, target: &'a str) -> Result<Request<'a>, Malformed> {
    let method = parts.method.as_str();
    http1::check_line(method, target)?;
    if parts.headers.len() > FIELDS_MAX {
        return Err(Malformed { status: 431, reason: "too many header fields" });
    }
    let version = match parts.version {
        http::Version::HTTP_10 => Version::Http10,
        http::Version::HTTP_2 => Version::Http2,
        _ => Version::Http11,
    };
    let mut request = Request::new(method, target, version)?;
    let authority = parts.uri.authority().filter(|_| version == Version::Http2);
    if let Some(authority) = authority {
        check_same_host(authority.as_str(), &parts.headers)?;
        request.field("host", authority.as_str().as_bytes())?;
    }
    for (name, value) in &parts.headers {
        if authority.is_some() && name == header::HOST {
            continue;
        }
        request.field(name.as_str(), value.as_bytes().trim_ascii())?;
    }
    request.finish()
}

/// RFC 9113 8.3.1: a `host` beside `:authority` must not say otherwise.
fn check_same_host(authority: &str, headers: &HeaderMap) -> Result<(), Malformed> {
    let same =
        |host: &http::HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
    match headers.get_all(header::HOST).iter().all(same) {
        true => Ok(()),
        false => Err(Malformed::bad("host differs from :authority")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        version: http::Version,
        uri: &str,
        fields: &[(&str, &str)],
        expected: Result<(Option<&str>, &str), u16>,
    ) {
        let mut builder = http::Request::builder().version(version).uri(uri);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let target = target(&parts);
        let got = read(&parts, &target).map(|request| (request.host, request.path));
        assert_eq!(got.map_err(|error| error.status), expected, "{uri} {fields:?}");
    }

    #[test]
    fn http2_names_its_host_by_authority() {
        let check =
            |uri, fields: &[_], expected| check(http::Version::HTTP_2, uri, fields, expected);
        check("https://a.example:1/x?y", &[], Ok((Some("a.example"), "/x")));
        check("https://a.example/", &[("host", "A.example")], Ok((Some("a.example"), "/")));
        check("https://a.example/", &[("host", "b.example")], Err(400));
        check("/x", &[("host", "b.example")], Ok((Some("b.example"), "/x")));
    }

    #[test]
    fn http1_has_the_fast_lanes_rules() {
        let check =
            |uri, fields: &[_], expected| check(http::Version::HTTP_11, uri, fields, expected);
        check("/x", &[("host", "a")], Ok((Some("a"), "/x")));
        check("http://b/x", &[("host", "a")], Ok((Some("b"), "/x")));
        check("http://b", &[("host", "a")], Ok((Some("b"), "/")));
        check("/x", &[], Err(400));
        check("/x", &[("host", "a"), ("host", "a")], Err(400));
        let framing = [("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")];
        check("/x", &framing, Err(400));
        check(&format!("/{}", "x".repeat(9000)), &[("host", "a")], Err(414));
    }
}
