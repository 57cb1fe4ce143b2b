//! Answers to uploads: statuses of tus 1.0 and of the store's errors, and CORS for browsers.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use media_store::{Digest, StoreError, UnixSeconds, UploadId};

use super::tus;
use crate::edge::answer::{self, Answer, Content, Fields};
use crate::edge::conditional::format_date;

/// An answer without content.
pub fn empty(status: u16) -> Answer {
    Answer { status, fields: Fields::Own(HeaderMap::new()), content: Content::None }
}

/// Fields by name; a value that is none (it never is) becomes empty.
pub fn with(answer: Answer, name: &'static str, text: impl ToString) -> Answer {
    let value = HeaderValue::try_from(text.to_string()).unwrap_or(HeaderValue::from_static(""));
    answer.with_field(HeaderName::from_static(name), value)
}

/// `Upload-Offset` and, where the upload is not finished, `Upload-Expires`.
pub fn with_progress(answer: Answer, offset: u64, expires: Option<UnixSeconds>) -> Answer {
    let answer = with(answer, "upload-offset", offset);
    match expires {
        Some(expires) => with(answer, "upload-expires", format_date(expires.0)),
        None => answer,
    }
}

/// `Content-Location` of a finished upload.
pub fn with_media(answer: Answer, digest: &Digest) -> Answer {
    with(answer, "content-location", format!("/media/{digest}"))
}

/// `Location` of a new upload; relative, so that it holds behind a proxy too.
pub fn with_location(answer: Answer, id: &UploadId) -> Answer {
    with(answer, "location", format!("/upload/{id}"))
}

/// A store's error as an answer.
pub fn store_error(error: &StoreError) -> Answer {
    let status = match error {
        StoreError::TooLarge { .. } => 413,
        StoreError::QuotaExceeded { .. } | StoreError::NoSpace => 507,
        StoreError::AllowanceSpent { .. } | StoreError::AllowanceEnded { .. } => 403,
        StoreError::DigestMismatch { .. } => 422,
        StoreError::Incomplete { .. } => 400,
        StoreError::Busy(_) => 423,
        StoreError::UnknownUpload(_) => 404,
        StoreError::AlreadyFinished { .. } => 409,
        StoreError::UploadDamaged { .. } => 410,
        _ => {
            tracing::error!(%error, "an upload failed");
            // Paths and the catalog's words are nobody's business.
            return answer::error(500, "the store failed");
        }
    };
    let told = match error {
        // The allowance's name and the account's are not the client's to know.
        StoreError::AllowanceSpent { bytes_max, .. } => {
            format!("the token is used up (it was for {bytes_max} bytes)")
        }
        StoreError::AllowanceEnded { .. } => "the token has expired".to_owned(),
        StoreError::QuotaExceeded { used, asked, bytes_max, .. } => {
            format!("the account uses {used} of {bytes_max} bytes and asks for {asked} more")
        }
        other => other.to_string(),
    };
    answer::error(status, &told)
}

/// What every answer under `/upload` carries.
pub fn finish(answer: Answer) -> Answer {
    answer.with_fields(|fields| {
        let mut set = |name, value| {
            drop(fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value)))
        };
        set("tus-resumable", tus::VERSION);
        set("cache-control", "no-store");
        set("x-content-type-options", "nosniff");
        // A token is given by the caller's script, never by the browser: any page may ask.
        set("access-control-allow-origin", "*");
        set("access-control-expose-headers", EXPOSED);
    })
}

/// The answer to OPTIONS: what tus extensions there are, and a browser's preflight.
pub fn options(bytes_max: u64) -> Answer {
    let answer = with(empty(204), "tus-version", tus::VERSION);
    let answer = with(answer, "tus-extension", tus::EXTENSIONS);
    let answer = with(answer, "tus-checksum-algorithm", super::checksum::ALGORITHMS);
    let answer = with(answer, "tus-max-size", bytes_max);
    let answer = with(answer, "access-control-allow-methods", METHODS);
    let answer = with(answer, "access-control-allow-headers", ALLOWED);
    let answer = with(answer, "access-control-max-age", PREFLIGHT_S);
    with(answer, "allow", METHODS)
}

/// 405 with the methods of an address.
pub fn not_allowed(methods: &'static str) -> Answer {
    answer::error(405, "").with_field(header::ALLOW, HeaderValue::from_static(methods))
}

const METHODS: &str = "OPTIONS, POST, HEAD, PATCH, DELETE, PUT, GET";
const ALLOWED: &str = "authorization, content-type, tus-resumable, upload-length, \
    upload-defer-length, upload-offset, upload-metadata, upload-checksum, \
    x-http-method-override, x-requested-with, x-request-id";
const EXPOSED: &str = "location, content-location, tus-version, tus-resumable, tus-max-size, \
    tus-extension, tus-checksum-algorithm, upload-offset, upload-length, upload-defer-length, \
    upload-metadata, upload-expires";
const PREFLIGHT_S: u32 = 86_400;
