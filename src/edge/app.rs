//! The web app: files that are part of the program, at the domain's own paths.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::encoding::Encoding;
use super::resource::{Resource, Source, Variant, text};
use super::site::media_type_of;

/// `[web]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Whether the app answers the domain's paths.
    pub enabled: bool,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// A file of the app.
#[derive(Clone, Copy, Debug)]
pub struct AppFile {
    /// Its path, with its first slash: `/index.html`.
    pub path: &'static str,
    /// Its bytes.
    pub identity: &'static [u8],
    /// The same in Brotli (RFC 7932).
    pub brotli: Option<&'static [u8]>,
    /// The same in gzip (RFC 1952).
    pub gzip: Option<&'static [u8]>,
}

/// The app's files, ready to be served.
#[derive(Debug)]
pub struct App {
    /// The host that it answers.
    pub host: String,
    files: HashMap<&'static str, Arc<Resource>>,
    /// What answers each path that is no file's: the app reads the path itself.
    page: Arc<Resource>,
    nowhere: Arc<Resource>,
}

impl App {
    /// Makes resources of files, one of which is `/index.html`; `None` where that is missing.
    pub fn new(host: &str, files: &[AppFile]) -> Option<Self> {
        let files: HashMap<_, _> =
            files.iter().map(|file| (file.path, Arc::new(resource(file)))).collect();
        let page = files.get(PAGE)?.clone();
        let host = host.to_owned();
        Some(Self { host, files, page, nowhere: Arc::new(text(404, "404 Not Found\n")) })
    }

    /// What a path (as sent, without query) stands for.
    pub fn get(&self, path: &str) -> Arc<Resource> {
        let is_file = || path.rsplit('/').next().is_some_and(|name| name.contains('.'));
        match self.files.get(path) {
            Some(file) => file.clone(),
            None if is_file() => self.nowhere.clone(),
            None => self.page.clone(),
        }
    }
}

fn resource(file: &AppFile) -> Resource {
    let coded = [(Encoding::Brotli, file.brotli), (Encoding::Gzip, file.gzip)];
    let coded = coded.into_iter().filter_map(|(encoding, bytes)| Some((Some(encoding), bytes?)));
    let variants = [(None, file.identity)].into_iter().chain(coded);
    let variants = variants.map(|(encoding, bytes)| variant(file, encoding, bytes)).collect();
    Resource { status: 200, variants, redirect: None, until_s: None }
}

fn variant(file: &AppFile, encoding: Option<Encoding>, bytes: &'static [u8]) -> Variant {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, media_type_of(Path::new(file.path)));
    fields.insert(header::ETAG, etag(file.identity, encoding));
    if file.brotli.is_some() || file.gzip.is_some() {
        fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let cache_control = match file.path.starts_with(NAMED_BY_CONTENT) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    for (name, value) in FIELDS {
        fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let source = Source::Memory(Bytes::from_static(bytes));
    Variant::new(200, encoding, bytes.len() as u64, fields, source)
}

fn etag(identity: &[u8], encoding: Option<Encoding>) -> HeaderValue {
    let hash = blake3::hash(identity).to_hex();
    let coding = encoding.map(|encoding| format!("-{}", encoding.name())).unwrap_or_default();
    let tag = format!("\"{}{coding}\"", &hash[..ETAG_DIGITS]);
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The page, as a file.
pub const PAGE: &str = "/index.html";
/// Vite puts a digest of their content into the names of these.
const NAMED_BY_CONTENT: &str = "/assets/";
/// Of a BLAKE3 in hex: 80 bits.
const ETAG_DIGITS: usize = 20;

/// What the app may do: run its own scripts, speak with its own server, and be framed by nobody.
/// Styles may stand in the page, for pickers bring theirs with them; scripts may not.
pub const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; media-src 'self' blob:; \
    font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const FIELDS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(self), microphone=(self), geolocation=(self), display-capture=(self)",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [AppFile; 2] = [
        AppFile { path: "/index.html", identity: b"page", brotli: Some(b"p"), gzip: None },
        AppFile { path: "/assets/a-1.js", identity: b"script", brotli: None, gzip: None },
    ];

    fn check(path: &str, status: u16, content: &str, cache_control: &str) {
        let app = App::new("localhost", &FILES).unwrap();
        let resource = app.get(path);
        let Source::Memory(bytes) = &resource.variants[0].source else { panic!("not in memory") };
        let field = resource.variants[0].fields.get(header::CACHE_CONTROL);
        let field = field.map_or("", |value| value.to_str().unwrap());
        assert_eq!((resource.status, &bytes[..]), (status, content.as_bytes()), "{path}");
        assert!(field.starts_with(cache_control), "{path}: {field}");
    }

    #[test]
    fn files_and_the_page_for_all_other_paths() {
        check("/", 200, "page", "no-cache");
        check("/chats/k7qm2xw4p9ab", 200, "page", "no-cache");
        check("/assets/a-1.js", 200, "script", "public, max-age=31536000, immutable");
        check("/assets/a-2.js", 404, "404 Not Found\n", "");
    }

    #[test]
    fn without_its_page_there_is_no_app() {
        assert!(App::new("localhost", &FILES[1..]).is_none());
    }
}
