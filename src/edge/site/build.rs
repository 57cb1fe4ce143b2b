//! A resource made of what was found: header fields, variants, bytes.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::look::sibling;
use super::root::Entered;
use super::{BuildError, Found, FoundFile, Site, Stamp, listing, media_type};
use crate::edge::encoding::Encoding;
use crate::edge::loader::{FileSystems, RETRY_AFTER_S, SMALL_BYTES_MAX};
use crate::edge::resource::{Redirect, Resource, Source, Variant, last_modified, reason, text};

pub(super) fn build(
    site: &Site,
    found: &Found,
    systems: &FileSystems,
) -> Result<Resource, BuildError> {
    match found {
        Found::File(file) => files(site, file, systems),
        Found::Moved { status, location, keeps_query } => {
            let redirect = Redirect { location: location.clone(), keeps_query: *keeps_query };
            Ok(Resource { redirect: Some(redirect), ..plain(*status) })
        }
        Found::Listing(path) => {
            let html = listing::page(&site.root.enter()?, path)?;
            let fields = page_fields(site, &path.to_bytes(), html.as_bytes(), listing::CSP);
            Ok(memory(200, fields, html.into()))
        }
        Found::Error(status) => Ok(plain(*status)),
        Found::BuiltIn => {
            let fields = page_fields(site, b"/index.html", BUILT_IN.as_bytes(), BUILT_IN_CSP);
            Ok(memory(200, fields, Bytes::from_static(BUILT_IN.as_bytes())))
        }
    }
}

fn plain(status: u16) -> Resource {
    text(status, format!("{status} {}\n", reason(status)))
}

fn memory(status: u16, fields: HeaderMap, body: Bytes) -> Resource {
    let len = body.len() as u64;
    Resource::single(status, Variant::new(status, None, len, fields, Source::Memory(body)))
}

fn files(site: &Site, file: &FoundFile, systems: &FileSystems) -> Result<Resource, BuildError> {
    let root = site.root.enter()?;
    let mut fields = common_fields(site);
    fields.insert(header::CONTENT_TYPE, media_type::of_name(&file.path));
    if !file.siblings.is_empty() {
        fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if file.status != 200 {
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if file.status == 503 {
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    }
    apply_rules(site, file.path.as_os_str().as_encoded_bytes(), &mut fields);
    let make = |encoding: Option<Encoding>, path: &Path, stamp: &Stamp| {
        let mut fields = fields.clone();
        if file.status == 200 {
            fields.insert(header::ETAG, etag(stamp, encoding));
            fields.insert(header::LAST_MODIFIED, last_modified(stamp.modified_s()));
        }
        let source = open(&root, path, stamp, systems)?;
        Ok::<_, BuildError>(Variant::new(file.status, encoding, stamp.len, fields, source))
    };
    let mut variants = vec![make(None, &file.path, &file.stamp)?];
    for (encoding, stamp) in &file.siblings {
        variants.push(make(Some(*encoding), &sibling(&file.path, *encoding), stamp)?);
    }
    Ok(Resource { status: file.status, variants, redirect: None, until_s: None })
}

fn open(
    root: &Entered,
    path: &Path,
    expected: &Stamp,
    systems: &FileSystems,
) -> Result<Source, BuildError> {
    let (file, stat) = root.open_file(path).map_err(changed_if_gone)?;
    let is_same = |stat| Stamp { settled: expected.settled, ..Stamp::new(stat, SystemTime::now()) };
    if is_same(&stat) != *expected {
        return Err(BuildError::Changed);
    }
    if expected.len > SMALL_BYTES_MAX {
        return Ok(Source::File(systems.source(file, expected.dev)));
    }
    let mut bytes = vec![0; expected.len as usize];
    file.read_exact_at(&mut bytes, 0).map_err(changed_if_gone)?;
    // Another writer may have been in the middle of it.
    let after = rustix::fs::fstat(&file).map_err(io::Error::from)?;
    if is_same(&after) != *expected {
        return Err(BuildError::Changed);
    }
    Ok(Source::Memory(bytes.into()))
}

fn changed_if_gone(error: io::Error) -> BuildError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => BuildError::Changed,
        _ => BuildError::Io(error),
    }
}

/// A tag of what tells one state of a file from another. Hashed, for an inode's number is
/// nobody's business. Weak while a further change might not show (RFC 9110 8.8.1).
fn etag(stamp: &Stamp, encoding: Option<Encoding>) -> HeaderValue {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&stamp.modified_ns.to_le_bytes());
    hasher.update(&stamp.len.to_le_bytes());
    hasher.update(&stamp.ino.to_le_bytes());
    let hash = hasher.finalize().to_hex();
    let weak = if stamp.settled { "" } else { "W/" };
    let coding = encoding.map(|encoding| format!("-{}", encoding.name())).unwrap_or_default();
    tag(format!("{weak}\"{}{coding}\"", &hash[..ETAG_DIGITS]))
}

fn tag(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The fields of a page that this program writes itself.
fn page_fields(site: &Site, path: &[u8], body: &[u8], csp: &'static str) -> HeaderMap {
    let mut fields = common_fields(site);
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp));
    let hash = blake3::hash(body).to_hex();
    fields.insert(header::ETAG, tag(format!("\"{}\"", &hash[..ETAG_DIGITS])));
    apply_rules(site, path.strip_prefix(b"/").unwrap_or(path), &mut fields);
    fields
}

fn common_fields(site: &Site) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let referrer = HeaderValue::from_static("strict-origin-when-cross-origin");
    fields.insert(header::REFERRER_POLICY, referrer);
    if let Some(cache_control) = &site.rules.cache_control {
        fields.insert(header::CACHE_CONTROL, cache_control.clone());
    }
    fields
}

/// `path` is the served file's, without its first slash.
fn apply_rules(site: &Site, path: &[u8], fields: &mut HeaderMap) {
    if site.rules.headers.is_empty() {
        return;
    }
    let path = [b"/", path].concat();
    for rule in site.rules.headers.iter().filter(|rule| rule.path.matches(&path)) {
        for (name, value) in &rule.set {
            set(fields, name, value);
        }
    }
}

fn set(fields: &mut HeaderMap, name: &HeaderName, value: &HeaderValue) {
    match name {
        _ if value.is_empty() => drop(fields.remove(name)),
        // The variants' own Vary must stay.
        &header::VARY => drop(fields.append(name, value.clone())),
        _ => drop(fields.insert(name, value.clone())),
    }
}

/// Of a BLAKE3 in hex: 80 bits.
const ETAG_DIGITS: usize = 20;
/// The default site, for a start without its folder.
const BUILT_IN: &str = include_str!("../../../www/index.html");
/// The page is one file: its style, script and picture stand in it.
const BUILT_IN_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'";
