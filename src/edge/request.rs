//! A request's head as facts: what routing and the decision need, whichever lane read it.
//!
//! RFC 9110 (semantics), RFC 9112 (HTTP/1.1 syntax). Both lanes fill a [`Request`] through
//! [`Request::field`], so a header means the same over HTTP/1 and HTTP/2.

use std::borrow::Cow;

/// Methods that the edge tells apart; [`Method::Other`] is known to no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 9110 9.3.1.
    Get,
    /// RFC 9110 9.3.2.
    Head,
    /// RFC 9110 9.3.7.
    Options,
    /// RFC 9110 9.3.4.
    Put,
    /// RFC 9110 9.3.3.
    Post,
    /// RFC 5789.
    Patch,
    /// RFC 9110 9.3.5.
    Delete,
    /// Anything else.
    Other,
}

impl Method {
    /// Methods are case-sensitive (RFC 9110 9.1).
    pub fn parse(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// Protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes unless keep-alive is asked for.
    Http10,
    /// HTTP/1.1: stays unless close is asked for.
    Http11,
    /// HTTP/2.
    Http2,
}

/// How a request's content is delimited (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No content follows.
    None,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The value of a list header that may stand on several lines.
pub type Field<'a> = Option<Cow<'a, [u8]>>;

/// What is known of a request once its head is read. Values are the sender's bytes, untrusted.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: Method,
    /// The method as it was sent, for logs.
    pub method_name: &'a str,
    /// Protocol version.
    pub version: Version,
    /// Path of the target, still percent-encoded, begins with `/` (`*` for `OPTIONS *`).
    pub path: &'a str,
    /// Query without its `?`.
    pub query: Option<&'a str>,
    /// Host without port; valid by [`valid_host`], or empty where the client named nobody
    /// (RFC 9112 3.2). Absent only in HTTP/1.0.
    pub host: Option<&'a str>,
    /// `Connection` and the version together: may another request follow?
    pub keep_alive: bool,
    /// `Connection: upgrade` with an `Upgrade` header.
    pub upgrade: bool,
    /// `Expect: 100-continue` (RFC 9110 10.1.1).
    pub expect_continue: bool,
    /// How the content is delimited.
    pub framing: Framing,
    /// `Range` (RFC 9110 14.2).
    pub range: Option<&'a [u8]>,
    /// `If-Range` (RFC 9110 13.1.5).
    pub if_range: Option<&'a [u8]>,
    /// `If-Match` (RFC 9110 13.1.1).
    pub if_match: Field<'a>,
    /// `If-None-Match` (RFC 9110 13.1.2).
    pub if_none_match: Field<'a>,
    /// `If-Modified-Since` (RFC 9110 13.1.3).
    pub if_modified_since: Option<&'a [u8]>,
    /// `If-Unmodified-Since` (RFC 9110 13.1.4).
    pub if_unmodified_since: Option<&'a [u8]>,
    /// `Accept-Encoding` (RFC 9110 12.5.3).
    pub accept_encoding: Field<'a>,
    /// `User-Agent`, for logs.
    pub user_agent: Option<&'a [u8]>,
    /// `Referer`, for logs.
    pub referer: Option<&'a [u8]>,
    host_lines: u8,
    length_lines: u8,
    chunked: bool,
    range_lines: u8,
    upgrade_field: bool,
    connection_upgrade: bool,
    connection_close: bool,
    connection_keep_alive: bool,
}

/// Why a request's head cannot be served. `status` is what it is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}")]
pub struct Malformed {
    /// 400, 414, 417, 431, 501 or 505.
    pub status: u16,
    /// One line for the answer's body and the log.
    pub reason: &'static str,
}

impl Malformed {
    /// A 400.
    pub const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

impl<'a> Request<'a> {
    /// Begins a request from its request line. `target` may be in origin, absolute or asterisk
    /// form (RFC 9112 3.2).
    pub fn new(method_name: &'a str, target: &'a str, version: Version) -> Result<Self, Malformed> {
        let method = Method::parse(method_name);
        let (host, path_and_query) = split_target(method, target)?;
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        Ok(Self {
            method,
            method_name,
            version,
            path,
            query,
            host,
            keep_alive: version != Version::Http10,
            upgrade: false,
            expect_continue: false,
            framing: Framing::None,
            range: None,
            if_range: None,
            if_match: None,
            if_none_match: None,
            if_modified_since: None,
            if_unmodified_since: None,
            accept_encoding: None,
            user_agent: None,
            referer: None,
            host_lines: 0,
            length_lines: 0,
            chunked: false,
            range_lines: 0,
            upgrade_field: false,
            connection_upgrade: false,
            connection_close: false,
            connection_keep_alive: false,
        })
    }

    /// Takes one header line. Names are matched without regard to case.
    pub fn field(&mut self, name: &str, value: &'a [u8]) -> Result<(), Malformed> {
        // The length first: most names of other headers fall out without a comparison.
        match name.len() {
            2 if is(name, "te") => {}
            4 if is(name, "host") => return self.host_field(value),
            5 if is(name, "range") => {
                self.range_lines = self.range_lines.saturating_add(1);
                self.range = Some(value);
            }
            6 if is(name, "expect") => return self.expect_field(value),
            7 if is(name, "upgrade") => self.upgrade_field = true,
            7 if is(name, "referer") => self.referer = Some(value),
            8 if is(name, "if-match") => append(&mut self.if_match, value),
            8 if is(name, "if-range") => self.if_range = Some(value),
            10 if is(name, "connection") => self.connection_field(value),
            10 if is(name, "user-agent") => self.user_agent = Some(value),
            13 if is(name, "if-none-match") => append(&mut self.if_none_match, value),
            14 if is(name, "content-length") => return self.length_field(value),
            15 if is(name, "accept-encoding") => append(&mut self.accept_encoding, value),
            17 if is(name, "transfer-encoding") => return self.transfer_field(value),
            17 if is(name, "if-modified-since") => self.if_modified_since = Some(value),
            19 if is(name, "if-unmodified-since") => self.if_unmodified_since = Some(value),
            _ => {}
        }
        Ok(())
    }

    /// The rules that concern the head as a whole, once each line was taken.
    pub fn finish(mut self) -> Result<Self, Malformed> {
        if self.host_lines > 1 {
            return Err(Malformed::bad("more than one Host"));
        }
        if self.version == Version::Http11 && self.host_lines == 0 {
            return Err(Malformed::bad("Host is missing"));
        }
        if self.chunked {
            if self.version == Version::Http10 {
                return Err(Malformed::bad("Transfer-Encoding in HTTP/1.0"));
            }
            if self.length_lines > 0 {
                return Err(Malformed::bad("Content-Length beside Transfer-Encoding"));
            }
            self.framing = Framing::Chunked;
        }
        // A range on two lines is no range (RFC 9110 5.3); ignoring it still serves the file.
        if self.range_lines > 1 {
            self.range = None;
        }
        self.upgrade = self.upgrade_field && self.connection_upgrade;
        self.keep_alive = match self.version {
            Version::Http10 => self.connection_keep_alive && !self.connection_close,
            Version::Http11 => !self.connection_close,
            Version::Http2 => true,
        };
        Ok(self)
    }

    fn host_field(&mut self, value: &'a [u8]) -> Result<(), Malformed> {
        self.host_lines = self.host_lines.saturating_add(1);
        let host = std::str::from_utf8(value).map_err(|_| Malformed::bad("Host is malformed"))?;
        // RFC 9112 3.2.2: the host of an absolute target outranks the header, which must be
        // well-formed all the same. An empty one is allowed by 3.2 and names nobody.
        let parsed = if host.is_empty() { Some("") } else { valid_host(host) };
        let parsed = parsed.ok_or(Malformed::bad("Host is malformed"))?;
        self.host = self.host.or(Some(parsed));
        Ok(())
    }

    fn length_field(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.length_lines = self.length_lines.saturating_add(1);
        if self.length_lines > 1 {
            return Err(Malformed::bad("more than one Content-Length"));
        }
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length =
            std::str::from_utf8(value).ok().filter(|_| digits).and_then(|v| v.parse().ok());
        let length = length.ok_or(Malformed::bad("Content-Length is not a length"))?;
        self.framing = if length == 0 { Framing::None } else { Framing::Length(length) };
        Ok(())
    }

    fn transfer_field(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            // RFC 9112 6.1: a coding that is not understood is answered with 501.
            return Err(Malformed { status: 501, reason: "Transfer-Encoding other than chunked" });
        }
        self.chunked = true;
        Ok(())
    }

    fn expect_field(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Malformed { status: 417, reason: "Expect other than 100-continue" });
        }
        self.expect_continue = self.version != Version::Http10;
        Ok(())
    }

    fn connection_field(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.connection_close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.connection_keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.connection_upgrade = true;
            }
        }
    }
}

/// Checks `host[:port]` (RFC 3986 3.2.2 without user information) and returns the host alone.
pub fn valid_host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            rest[..end].parse::<std::net::Ipv6Addr>().ok()?;
            (&authority[..end + 2], &rest[end + 1..])
        }
        None => match authority.find(':') {
            Some(colon) => authority.split_at(colon),
            None => (authority, ""),
        },
    };
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty() || digits.parse::<u16>().is_ok() && !digits.starts_with('+')
        }
        None => port.is_empty(),
    };
    let name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    let host_is_valid = !host.is_empty()
        && (host.starts_with('[') || host.bytes().all(|byte| name_byte(byte) || byte >= 0x80));
    (host_is_valid && port_is_valid).then_some(host)
}

fn split_target(method: Method, target: &str) -> Result<(Option<&str>, &str), Malformed> {
    if target.starts_with('/') {
        return Ok((None, target));
    }
    if target == "*" && method == Method::Options {
        return Ok((None, target));
    }
    let (scheme, rest) =
        target.split_once("://").ok_or(Malformed::bad("the target is not a path"))?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Malformed::bad("the target's scheme is not http"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = valid_host(&rest[..end]).ok_or(Malformed::bad("the target's host is malformed"))?;
    match &rest[end..] {
        "" => Ok((Some(host), "/")),
        path if path.starts_with('/') => Ok((Some(host), path)),
        _ => Err(Malformed::bad("the target has no path")),
    }
}

fn is(name: &str, expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected)
}

/// RFC 9110 5.3: lines of one list header are one list.
fn append<'a>(field: &mut Field<'a>, value: &'a [u8]) {
    match field {
        None => *field = Some(Cow::Borrowed(value)),
        Some(list) => {
            let list = list.to_mut();
            list.extend_from_slice(b", ");
            list.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, fields: &[(&str, &str)], expected: Result<(Option<&str>, &str), u16>) {
        let head = || {
            let mut request = Request::new("GET", target, Version::Http11)?;
            for (name, value) in fields {
                request.field(name, value.as_bytes())?;
            }
            request.finish()
        };
        let got = head().map(|request| (request.host, request.path)).map_err(|error| error.status);
        assert_eq!(got, expected, "{target} {fields:?}");
    }

    #[test]
    fn host_rules() {
        check("/", &[("Host", "a.example:80")], Ok((Some("a.example"), "/")));
        check("/", &[("Host", "[::1]:80")], Ok((Some("[::1]"), "/")));
        check("/", &[("Host", "")], Ok((Some(""), "/")));
        check("/", &[], Err(400));
        check("/", &[("Host", "a"), ("Host", "a")], Err(400));
        for host in ["a b", "a@b", "a/b", "[::1", "[zz]", "a:b", "a:99999", "a:+8", ":80"] {
            check("/", &[("Host", host)], Err(400));
        }
    }

    #[test]
    fn absolute_form_outranks_host() {
        check("http://b.example/x?y", &[("Host", "a")], Ok((Some("b.example"), "/x")));
        check("http://b.example", &[("Host", "a")], Ok((Some("b.example"), "/")));
        check("ftp://b.example/", &[("Host", "a")], Err(400));
        check("b.example:443", &[("Host", "a")], Err(400));
        check("*", &[("Host", "a")], Err(400));
    }

    #[test]
    fn framing_that_could_smuggle_is_refused() {
        let host = ("Host", "a");
        check("/", &[host, ("Content-Length", "3"), ("Transfer-Encoding", "chunked")], Err(400));
        check("/", &[host, ("Transfer-Encoding", "chunked"), ("Content-Length", "3")], Err(400));
        check("/", &[host, ("Content-Length", "3"), ("Content-Length", "3")], Err(400));
        for length in ["+3", "-1", "3,3", "0x3", "", "99999999999999999999"] {
            check("/", &[host, ("Content-Length", length)], Err(400));
        }
        check("/", &[host, ("Transfer-Encoding", "gzip, chunked")], Err(501));
        check("/", &[host, ("Transfer-Encoding", "xchunked")], Err(501));
    }
}
