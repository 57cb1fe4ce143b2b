//! The one decision: a request's head and a resource's facts give an [`Answer`]. Pure, so that
//! HTTP's meaning is written once and tested without a socket; a lane only moves the bytes.
//!
//! RFC 9110: 8.8 validators, 9 methods, 13 conditional requests, 14 ranges, 15 status codes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::conditional::{Verdict, evaluate, if_range_holds};
use super::range::{ByteRange, Ranges};
use super::request::{Malformed, Method, Request, Version};
use super::resource::{Resource, Source, Variant, reason, text, write_head};

/// What is sent: a head and then content, moved by a lane.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields, without `date` and `connection`.
    pub fields: Fields,
    /// What follows the head.
    pub content: Content,
}

/// The answer's header fields.
#[derive(Debug)]
pub enum Fields {
    /// As prepared in the variant at this index of the resource.
    Prepared(Arc<Resource>, usize),
    /// Made for this answer.
    Own(HeaderMap),
}

/// What follows an answer's head.
#[derive(Debug)]
pub enum Content {
    /// Nothing: a HEAD, a 304, a 204.
    None,
    /// A part of a source, from `start`, `len` bytes long (never 0).
    Part(Source, ByteRange),
    /// `multipart/byteranges` (RFC 9110 14.6): pieces one after the other.
    Pieces(Vec<Piece>),
    /// Made while it is sent, and of unknown length; by the full lane alone. An error cuts it.
    Streamed {
        /// Its beginning.
        first: Bytes,
        /// What follows.
        more: mpsc::Receiver<io::Result<Bytes>>,
    },
}

/// A piece of a multipart answer.
#[derive(Debug)]
pub enum Piece {
    /// Boundary and part header.
    Text(Bytes),
    /// A part of the source.
    Part(Source, ByteRange),
}

/// Decides the answer to a request for a resource. `now_s`: seconds since 1970.
pub fn decide(request: &Request<'_>, resource: &Arc<Resource>, now_s: u64) -> Answer {
    match request.method {
        Method::Get | Method::Head => {}
        Method::Options => return allow(204),
        _ => return allow(405),
    }
    if resource.until_s.is_some_and(|until| until <= now_s) {
        return error(404, "").without_content_for(request);
    }
    if let Some(answer) = redirect(request, resource) {
        return answer.without_content_for(request);
    }
    let index = resource.select(request);
    let variant = &resource.variants[index];
    let whole = || whole(resource, index, now_s);
    if resource.status != 200 {
        return whole().without_content_for(request);
    }
    match evaluate(request, variant.validators()) {
        Verdict::NotModified => not_modified(resource, variant, now_s),
        Verdict::Failed => error(412, "a precondition failed").without_content_for(request),
        Verdict::Proceed => match ranges(request, variant, now_s) {
            Ranges::Whole => whole().without_content_for(request),
            Ranges::One(range) => part(resource, variant, range, now_s),
            Ranges::Many(ranges) => multipart(resource, variant, &ranges, now_s),
            Ranges::Unsatisfiable => unsatisfiable(variant),
        },
    }
}

/// The answer to a head that cannot be served; the connection closes behind it.
pub fn malformed(error_found: Malformed) -> Answer {
    error(error_found.status, error_found.reason)
}

/// An answer with a line of plain text: `status reason` and, where given, what is wrong.
pub fn error(status: u16, detail: &str) -> Answer {
    let line = match detail {
        "" => format!("{status} {}\n", reason(status)),
        _ => format!("{status} {}: {detail}\n", reason(status)),
    };
    whole(&Arc::new(text(status, line)), 0, 0)
}

/// 405 or the answer to OPTIONS: the methods of something that is only read.
fn allow(status: u16) -> Answer {
    let answer = if status == 405 { error(405, "") } else { empty(status) };
    answer.with_field(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"))
}

fn empty(status: u16) -> Answer {
    Answer { status, fields: Fields::Own(HeaderMap::new()), content: Content::None }
}

fn redirect(request: &Request<'_>, resource: &Resource) -> Option<Answer> {
    let redirect = resource.redirect.as_ref()?;
    let location = match request.query.filter(|_| redirect.keeps_query) {
        Some(query) => format!("{}?{query}", redirect.location),
        None => redirect.location.clone(),
    };
    let location = HeaderValue::from_str(&location).ok()?;
    Some(error(resource.status, "").with_field(header::LOCATION, location))
}

fn whole(resource: &Arc<Resource>, index: usize, now_s: u64) -> Answer {
    let variant = &resource.variants[index];
    let content = match variant.len {
        0 => Content::None,
        len => Content::Part(variant.source.clone(), ByteRange { start: 0, len }),
    };
    let fields = Fields::Prepared(resource.clone(), index);
    let answer = Answer { status: resource.status, fields, content };
    match resource.until_s {
        None => answer,
        Some(_) => answer.with_fields(|fields| remaining_life(resource, fields, now_s)),
    }
}

fn ranges(request: &Request<'_>, variant: &Variant, now_s: u64) -> Ranges {
    let Some(range) = request.range.filter(|_| request.method == Method::Get) else {
        return Ranges::Whole;
    };
    let holds = |header| if_range_holds(header, variant.validators(), now_s);
    match request.if_range.is_none_or(holds) {
        true => Ranges::parse(range, variant.len),
        false => Ranges::Whole,
    }
}

/// RFC 9110 15.4.5: what a 200 would have said of validators and caching, and nothing else.
fn not_modified(resource: &Resource, variant: &Variant, now_s: u64) -> Answer {
    const ABOUT_CONTENT: [HeaderName; 5] = [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_DISPOSITION,
        header::ACCEPT_RANGES,
    ];
    let mut fields = variant.fields.clone();
    for name in ABOUT_CONTENT {
        fields.remove(name);
    }
    remaining_life(resource, &mut fields, now_s);
    Answer { status: 304, fields: Fields::Own(fields), content: Content::None }
}

fn part(resource: &Resource, variant: &Variant, range: ByteRange, now_s: u64) -> Answer {
    let mut fields = variant.fields.clone();
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(range.len));
    fields.insert(header::CONTENT_RANGE, value(range.content_range(variant.len)));
    remaining_life(resource, &mut fields, now_s);
    let content = Content::Part(variant.source.clone(), range);
    Answer { status: 206, fields: Fields::Own(fields), content }
}

fn multipart(resource: &Resource, variant: &Variant, ranges: &[ByteRange], now_s: u64) -> Answer {
    let boundary = boundary(variant, ranges, now_s);
    let content_type = variant.fields.get(header::CONTENT_TYPE);
    let mut pieces = Vec::with_capacity(2 * ranges.len() + 1);
    for range in ranges {
        let mut preamble = format!("\r\n--{boundary}\r\n").into_bytes();
        if let Some(content_type) = content_type {
            preamble.extend_from_slice(b"Content-Type: ");
            preamble.extend_from_slice(content_type.as_bytes());
            preamble.extend_from_slice(b"\r\n");
        }
        let content_range = range.content_range(variant.len);
        preamble.extend_from_slice(format!("Content-Range: {content_range}\r\n\r\n").as_bytes());
        pieces.push(Piece::Text(preamble.into()));
        pieces.push(Piece::Part(variant.source.clone(), *range));
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    let mut fields = variant.fields.clone();
    let len: u64 = pieces.iter().map(Piece::len).sum();
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    let byteranges = format!("multipart/byteranges; boundary={boundary}");
    fields.insert(header::CONTENT_TYPE, value(byteranges));
    remaining_life(resource, &mut fields, now_s);
    Answer { status: 206, fields: Fields::Own(fields), content: Content::Pieces(pieces) }
}

/// A boundary that the content's author could not have foreseen.
fn boundary(variant: &Variant, ranges: &[ByteRange], now_s: u64) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&variant.head);
    hasher.update(&now_s.to_le_bytes());
    for range in ranges {
        hasher.update(&range.start.to_le_bytes());
    }
    format!("whimbrel-{}", &hasher.finalize().to_hex()[..32])
}

fn unsatisfiable(variant: &Variant) -> Answer {
    let range = value(format!("bytes */{}", variant.len));
    error(416, "no range lies inside").with_field(header::CONTENT_RANGE, range)
}

fn remaining_life(resource: &Resource, fields: &mut HeaderMap, now_s: u64) {
    if let Some(until) = resource.until_s {
        let max_age = until.saturating_sub(now_s);
        fields.insert(header::CACHE_CONTROL, value(format!("private, max-age={max_age}")));
    }
}

/// A value made of our own numbers and words.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

impl Piece {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Part(_, range) => range.len,
        }
    }

    /// Is there nothing to send?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Content {
    /// Bytes that follow the head, as far as is known.
    pub fn len(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Streamed { first, .. } => first.len() as u64,
            Self::Part(_, range) => range.len,
            Self::Pieces(pieces) => pieces.iter().map(Piece::len).sum(),
        }
    }

    /// Does nothing follow the head?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// May the fast lane move it without a risk of waiting for a disk?
    pub fn suits_fast_lane(&self) -> bool {
        match self {
            Self::None => true,
            Self::Streamed { .. } => false,
            Self::Part(source, _) => source.suits_fast_lane(),
            Self::Pieces(pieces) => pieces.iter().all(|piece| match piece {
                Piece::Text(_) => true,
                Piece::Part(source, _) => source.suits_fast_lane(),
            }),
        }
    }
}

impl Answer {
    /// Drops the content where the request asked for the head alone.
    pub fn without_content_for(mut self, request: &Request<'_>) -> Self {
        if request.method == Method::Head {
            self.content = Content::None;
        }
        self
    }

    /// The header fields.
    pub fn fields(&self) -> &HeaderMap {
        match &self.fields {
            Fields::Prepared(resource, index) => &resource.variants[*index].fields,
            Fields::Own(fields) => fields,
        }
    }

    /// Changes the header fields for this answer alone.
    pub fn with_fields(mut self, change: impl FnOnce(&mut HeaderMap)) -> Self {
        let mut fields = match self.fields {
            Fields::Own(fields) => fields,
            Fields::Prepared(resource, index) => resource.variants[index].fields.clone(),
        };
        change(&mut fields);
        self.fields = Fields::Own(fields);
        self
    }

    /// Sets one header field for this answer alone.
    pub fn with_field(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with_fields(|fields| drop(fields.insert(name, value)))
    }

    /// Writes the head as HTTP/1.1. `date` is the preferred format of RFC 9110 5.6.7; `extra`
    /// holds whole lines that each answer on this connection carries.
    pub fn write_http1_head(&self, stays: Stays, date: &[u8], extra: &[u8], out: &mut Vec<u8>) {
        match &self.fields {
            Fields::Prepared(resource, index) => {
                out.extend_from_slice(&resource.variants[*index].head);
            }
            Fields::Own(fields) => write_head(self.status, fields, out),
        }
        out.extend_from_slice(extra);
        out.extend_from_slice(match stays {
            Stays::Implied => b"date: ",
            Stays::Said => b"connection: keep-alive\r\ndate: ".as_slice(),
            Stays::Closes => b"connection: close\r\ndate: ",
        });
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// What an HTTP/1 answer says of the connection's future (RFC 9112 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// It stays, as HTTP/1.1 implies.
    Implied,
    /// It stays, and an HTTP/1.0 client must be told.
    Said,
    /// It closes behind this answer.
    Closes,
}

impl Stays {
    /// What to say to a request when the server is willing to go on (`willing`).
    pub fn decide(request: &Request<'_>, willing: bool) -> Self {
        match (willing && request.keep_alive, request.version) {
            (false, _) => Self::Closes,
            (true, Version::Http10) => Self::Said,
            (true, _) => Self::Implied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::resource::last_modified;
    use super::*;

    const MODIFIED_S: u64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT

    fn resource(body: &'static str) -> Arc<Resource> {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        fields.insert(header::ETAG, HeaderValue::from_static("\"e\""));
        fields.insert(header::LAST_MODIFIED, last_modified(MODIFIED_S));
        let source = Source::Memory(Bytes::from_static(body.as_bytes()));
        Arc::new(Resource::single(200, Variant::new(200, None, body.len() as u64, fields, source)))
    }

    /// Sends a request line and fields, and shows `status|fields that matter|content`.
    fn check(line: &str, fields: &[(&str, &str)], expected: &str) {
        let (method, target) = line.split_once(' ').unwrap();
        let mut request = Request::new(method, target, Version::Http11).unwrap();
        request.field("host", b"x").unwrap();
        for (name, value) in fields {
            request.field(name, value.as_bytes()).unwrap();
        }
        let answer = decide(&request.finish().unwrap(), &resource("0123456789"), u64::MAX >> 8);
        let shown = ["content-range", "content-length", "allow"]
            .iter()
            .filter_map(|name| answer.fields().get(*name))
            .map(|value| value.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(";");
        assert_eq!(
            format!("{}|{shown}|{}", answer.status, body(&answer)),
            expected,
            "{line} {fields:?}"
        );
    }

    fn body(answer: &Answer) -> String {
        let slice = |source: &Source, range: &ByteRange| match source {
            Source::Memory(bytes) => {
                let slice = &bytes[range.start as usize..range.end() as usize];
                String::from_utf8_lossy(slice).into_owned()
            }
            Source::File(_) | Source::Remote(_) => panic!("the tests' sources are in memory"),
        };
        match &answer.content {
            Content::None | Content::Streamed { .. } => String::new(),
            Content::Part(source, range) => slice(source, range),
            Content::Pieces(pieces) => pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Part(source, range) => Some(slice(source, range)),
                    Piece::Text(_) => None,
                })
                .collect::<Vec<_>>()
                .join("+"),
        }
    }

    #[test]
    fn methods() {
        check("GET /", &[], "200|10|0123456789");
        check("HEAD /", &[], "200|10|");
        check("OPTIONS /", &[], "204|GET, HEAD, OPTIONS|");
        check("POST /", &[], "405|23;GET, HEAD, OPTIONS|405 Method Not Allowed\n");
    }

    #[test]
    fn ranges() {
        check("GET /", &[("Range", "bytes=2-4")], "206|bytes 2-4/10;3|234");
        check("HEAD /", &[("Range", "bytes=2-4")], "200|10|");
        check(
            "GET /",
            &[("Range", "bytes=50-")],
            "416|bytes */10;48|416 Range Not Satisfiable: no range lies inside\n",
        );
        check("GET /", &[("Range", "bytes=2-4"), ("If-Range", "\"e\"")], "206|bytes 2-4/10;3|234");
        check("GET /", &[("Range", "bytes=2-4"), ("If-Range", "\"f\"")], "200|10|0123456789");
        check("GET /", &[("Range", "bytes=2-4"), ("Range", "bytes=5-6")], "200|10|0123456789");
    }

    #[test]
    fn preconditions_come_before_ranges() {
        let range = ("Range", "bytes=2-4");
        check("GET /", &[range, ("If-None-Match", "\"e\"")], "304||");
        check(
            "GET /",
            &[range, ("If-Match", "\"f\"")],
            "412|47|412 Precondition Failed: a precondition failed\n",
        );
    }

    #[test]
    fn multipart_length_is_that_of_its_pieces() {
        let mut request = Request::new("GET", "/", Version::Http10).unwrap();
        request.field("range", b"bytes=0-1,8-9").unwrap();
        let answer = decide(&request.finish().unwrap(), &resource("0123456789"), 1);
        let length = answer.fields()[header::CONTENT_LENGTH].to_str().unwrap().parse::<u64>();
        assert_eq!((answer.status, length), (206, Ok(answer.content.len())));
        assert_eq!(body(&answer), "01+89");
    }
}
