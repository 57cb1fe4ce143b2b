//! GET and HEAD of media: `/media/<digest>`, and `/upload/<id>/<name>` of a finished upload
//! (XEP-0363 names that address before the bytes exist).
//!
//! An object's bytes are whatever somebody sent: nothing of them runs. RFC 6266 and RFC 8187
//! (Content-Disposition), CSP Level 3 (sandbox), the Fetch standard (CORS, CORP).

use std::io;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use media_store::{
    Digest, Object, ObjectSource, Store, StoreError, UnixSeconds, UploadId, UploadState,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::loader::{FileSystems, SMALL_BYTES_MAX};
use super::resource::{Resource, Source, Variant, last_modified, text};
use super::route::Route;

/// The store as an origin of resources. All methods block.
#[derive(Debug)]
pub struct Media {
    store: Store,
}

/// What a path stands for. Equal facts make equal resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    /// No object, no longer one, or not yet.
    Absent,
    /// An object.
    Object {
        /// Its name.
        digest: Digest,
        /// Its type: the object's, or that of the upload by whose address it was asked for.
        media_type: String,
        /// When its life ends.
        until: Option<UnixSeconds>,
        /// The name to save it under.
        name: Option<String>,
    },
}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The store's own.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading an object.
    #[error("object {digest}: {source}")]
    Read {
        /// The object.
        digest: Digest,
        /// What the system said.
        source: io::Error,
    },
}

impl MediaError {
    /// The system's error behind it.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Store(StoreError::Io { source, .. }) | Self::Read { source, .. } => Some(source),
            Self::Store(_) => None,
        }
    }
}

impl Media {
    /// Serves a store's objects.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// What a path of `route` stands for now.
    ///
    /// # Errors
    /// The store's. That there is no such object is no error.
    pub fn look(&self, route: Route, path: &str) -> Result<Facts, MediaError> {
        match route {
            Route::Upload => self.uploaded(path),
            _ => self.named(path),
        }
    }

    /// `/media/<digest>`.
    fn named(&self, path: &str) -> Result<Facts, MediaError> {
        let digest = path.strip_prefix("/media/").and_then(|name| name.parse::<Digest>().ok());
        let Some(object) = self.live(digest)? else { return Ok(Facts::Absent) };
        let Object { digest, media_type, until, .. } = object;
        Ok(Facts::Object { digest, media_type, until, name: None })
    }

    /// `/upload/<id>/<name>`.
    fn uploaded(&self, path: &str) -> Result<Facts, MediaError> {
        let Some((id, name)) = upload_path(path) else { return Ok(Facts::Absent) };
        let Some(UploadState::Finished(upload)) = self.store.upload(&id)? else {
            return Ok(Facts::Absent);
        };
        // A name that the uploader did not give would let others word what the link promises.
        if upload.name.as_ref().is_some_and(|given| *given != name) {
            return Ok(Facts::Absent);
        }
        let Some(object) = self.live(Some(upload.digest))? else { return Ok(Facts::Absent) };
        Ok(Facts::Object {
            digest: object.digest,
            media_type: upload.media_type,
            until: object.until,
            name: Some(name),
        })
    }

    fn live(&self, digest: Option<Digest>) -> Result<Option<Object>, MediaError> {
        let Some(digest) = digest else { return Ok(None) };
        let now = self.store.now();
        Ok(self.store.get(&digest)?.filter(|object| object.is_live(now)))
    }

    /// Makes the resource of what was found.
    ///
    /// # Errors
    /// The store's.
    pub fn build(&self, facts: &Facts, systems: &FileSystems) -> Result<Resource, MediaError> {
        let Facts::Object { digest, media_type, until, name } = facts else {
            return Ok(text(404, "404 Not Found\n"));
        };
        let Some(object) = self.store.get(digest)? else {
            return Ok(text(404, "404 Not Found\n"));
        };
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, content_type(media_type));
        fields.insert(header::ETAG, value(format!("\"{digest}\"")));
        fields.insert(header::LAST_MODIFIED, last_modified(object.created.0));
        let life = match until {
            // The decision writes what remains.
            Some(_) => "private",
            None => "public, immutable, max-age=31536000",
        };
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(life));
        guard(&mut fields);
        if media_store::is_active(media_type) {
            fields.insert(header::CONTENT_DISPOSITION, attachment(name.as_deref()));
        }
        let source = self.source(&object, systems)?;
        let variant = Variant::new(200, None, object.len, fields, source);
        let until_s = until.map(|until| until.0);
        Ok(Resource { until_s, ..Resource::single(200, variant) })
    }

    fn source(&self, object: &Object, systems: &FileSystems) -> Result<Source, MediaError> {
        use std::os::unix::fs::{FileExt, MetadataExt};
        let read = |source| MediaError::Read { digest: object.digest, source };
        match object.open()? {
            ObjectSource::File(file) if object.len <= SMALL_BYTES_MAX => {
                let mut bytes = vec![0; object.len as usize];
                file.read_exact_at(&mut bytes, 0).map_err(read)?;
                Ok(Source::Memory(bytes.into()))
            }
            ObjectSource::File(file) => {
                let dev = file.metadata().map_err(read)?.dev();
                Ok(Source::File(systems.source(file, dev)))
            }
            ObjectSource::Remote(remote) => Ok(Source::Remote(Arc::new(remote))),
        }
    }
}

/// `/upload/<id>/<name>` with the name decoded; one name, and not an empty one.
fn upload_path(path: &str) -> Option<(UploadId, String)> {
    let (id, name) = path.strip_prefix("/upload/")?.split_once('/')?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let is_name = !name.is_empty() && !name.contains(['/', '\0']);
    is_name.then(|| Some((id.parse().ok()?, name.into_owned())))?
}

/// What keeps a stranger's bytes from doing anything: no guessing of types, no script, no frame,
/// no request; a picture, film or sound opened by itself may still show and play.
fn guard(fields: &mut HeaderMap) {
    let set: [(_, &'static str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; \
             style-src 'unsafe-inline'",
        ),
        // The address is the right to read, and what is read is mostly ciphertext: any page that
        // knows it may embed it. No credentials go with it.
        (CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "accept-ranges, content-length, content-range, etag",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in set {
        fields.insert(name, HeaderValue::from_static(value));
    }
}

const CROSS_ORIGIN_RESOURCE_POLICY: header::HeaderName =
    header::HeaderName::from_static("cross-origin-resource-policy");

fn content_type(media_type: &str) -> HeaderValue {
    let lacks_charset = media_type.starts_with("text/") && !media_type.contains("charset=");
    let with_charset = match lacks_charset {
        true => HeaderValue::try_from(format!("{media_type}; charset=utf-8")),
        false => HeaderValue::from_str(media_type),
    };
    with_charset.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// RFC 6266: a plain name for those who know no other, and the real one in UTF-8.
fn attachment(name: Option<&str>) -> HeaderValue {
    let Some(name) = name else { return HeaderValue::from_static("attachment") };
    let plain: String = name
        .chars()
        .map(|letter| match letter {
            '"' | '\\' | '%' => '_',
            letter if letter.is_ascii_graphic() || letter == ' ' => letter,
            _ => '_',
        })
        .collect();
    let extended = utf8_percent_encode(name, ATTR_CHAR);
    value(format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"))
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// What RFC 8187 3.2.1 allows unencoded.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

#[cfg(test)]
mod tests;
