//! What a path stands for, ready to be served: its representations, their facts, their bytes.
//!
//! A [`Resource`] is made once by the loader, shared by all lanes, and never changed.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;

use super::conditional::{Validators, format_date, parse_date_s};
use super::encoding::{Encoding, negotiate};
use super::request::Request;

/// What a path stands for.
#[derive(Debug)]
pub struct Resource {
    /// Status of an answer without preconditions: 200 for a file, 404 and so on for an error
    /// page, 3xx with `redirect`.
    pub status: u16,
    /// Identity first; each further one has its own coding.
    pub variants: Vec<Variant>,
    /// Set where the answer is a redirect.
    pub redirect: Option<Redirect>,
    /// End of the resource's life in seconds since 1970: from then on it is gone, and
    /// `Cache-Control: max-age` is what remains.
    pub until_s: Option<u64>,
}

/// A redirect, relative to this server.
#[derive(Debug)]
pub struct Redirect {
    /// `Location` without query; begins with one `/` unless configured as an absolute URL.
    pub location: String,
    /// Is the request's query appended?
    pub keeps_query: bool,
}

/// One representation of a resource.
#[derive(Debug)]
pub struct Variant {
    /// `None`: identity.
    pub encoding: Option<Encoding>,
    /// Length in bytes.
    pub len: u64,
    /// Header fields of a complete answer, `content-length` and validators included, but
    /// neither `date` nor `connection`.
    pub fields: HeaderMap,
    /// Status line and `fields` as HTTP/1.1 bytes: what most answers begin with.
    pub head: Bytes,
    /// Where the bytes come from.
    pub source: Source,
    last_modified_s: Option<u64>,
}

/// Where a representation's bytes come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// In memory, whole.
    Memory(Bytes),
    /// In an open file.
    File(Arc<FileSource>),
    /// In a remote store, read by ranges; only the full lane may wait for it.
    Remote(Arc<media_store::RemoteObject>),
}

/// An open file of a site or of the store.
#[derive(Debug)]
pub struct FileSource {
    /// Open for reading. A site's file may shrink while it is served.
    pub file: File,
    /// Does the file system tell cached pages from others (`RWF_NOWAIT`)? Where it does not
    /// (FUSE, some NAS), a read may hang, and only the full lane serves the file.
    pub tells_cached: bool,
    /// Where it does not: a permit per thread that reads files of this file system, so that one
    /// that hangs leaves threads to the others.
    pub readers: Option<Arc<Semaphore>>,
}

impl Source {
    /// May the fast lane move these bytes without a risk of waiting for a disk?
    pub fn suits_fast_lane(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::File(source) => source.tells_cached,
            Self::Remote(_) => false,
        }
    }
}

impl Variant {
    /// Completes `fields` by `content-length`, `content-encoding` and `accept-ranges`, and
    /// builds the HTTP/1.1 head. `fields` may hold `etag`, `last-modified`, `content-type`, …
    pub fn new(
        status: u16,
        encoding: Option<Encoding>,
        len: u64,
        mut fields: HeaderMap,
        source: Source,
    ) -> Self {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        if let Some(encoding) = encoding {
            let name = HeaderValue::from_static(encoding.name());
            fields.insert(header::CONTENT_ENCODING, name);
        }
        if status == 200 {
            fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        let mut head = Vec::with_capacity(256);
        write_head(status, &fields, &mut head);
        let last_modified = fields.get(header::LAST_MODIFIED);
        let last_modified_s = last_modified.and_then(|value| parse_date_s(value.as_bytes()));
        Self { encoding, len, fields, head: head.into(), source, last_modified_s }
    }

    /// The validators of this representation.
    pub fn validators(&self) -> Validators<'_> {
        let etag = self.fields.get(header::ETAG).map(HeaderValue::as_bytes);
        Validators { etag, last_modified_s: self.last_modified_s }
    }
}

impl Resource {
    /// A resource with one representation.
    pub fn single(status: u16, variant: Variant) -> Self {
        Self { status, variants: vec![variant], redirect: None, until_s: None }
    }

    /// Chooses the representation for a request; the index into `variants`.
    pub fn select(&self, request: &Request<'_>) -> usize {
        if self.variants.len() == 1 {
            return 0;
        }
        let available = self.variants.iter().filter_map(|variant| variant.encoding);
        let chosen = negotiate(request.accept_encoding.as_deref(), available);
        self.variants.iter().position(|variant| variant.encoding == chosen).unwrap_or(0)
    }
}

/// `last-modified` of a time in seconds since 1970.
pub fn last_modified(seconds: u64) -> HeaderValue {
    HeaderValue::from_str(&format_date(seconds)).unwrap_or(HeaderValue::from_static(""))
}

/// A plain-text resource, as answers that no file backs have it.
pub fn text(status: u16, body: impl Into<Bytes>) -> Resource {
    let body = body.into();
    let mut fields = HeaderMap::new();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    fields.insert(header::CONTENT_TYPE, text);
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let len = body.len() as u64;
    Resource::single(status, Variant::new(status, None, len, fields, Source::Memory(body)))
}

/// The answer to a client that the rate limit holds back for `retry_after_s` seconds.
pub fn too_many_requests(retry_after_s: u32) -> Resource {
    retry_later(429, "429 Too Many Requests\n", retry_after_s)
}

/// The answer while too much is waited for.
pub fn busy() -> Resource {
    retry_later(503, "503 Service Unavailable\n", 1)
}

fn retry_later(status: u16, line: &'static str, retry_after_s: u32) -> Resource {
    let mut fields = HeaderMap::new();
    fields.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
    let body = Bytes::from_static(line.as_bytes());
    let len = body.len() as u64;
    Resource::single(status, Variant::new(status, None, len, fields, Source::Memory(body)))
}

/// Writes status line and fields as HTTP/1.1, without the empty line.
pub fn write_head(status: u16, fields: &HeaderMap, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[
        b'0' + (status / 100) as u8,
        b'0' + (status / 10 % 10) as u8,
        b'0' + (status % 10) as u8,
        b' ',
    ]);
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        write_field(name, value, out);
    }
}

fn write_field(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The reason phrase of a status.
pub fn reason(status: u16) -> &'static str {
    match http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
        Some(reason) => reason,
        // tus 1.0, not HTTP, names it.
        None if status == 460 => "Checksum Mismatch",
        None => "Unknown",
    }
}
