//! Uploads: tus 1.0 at `/upload`, and a plain PUT to a slot of XEP-0363. See
//! `docs/protocol/uploads.md`.

#![expect(clippy::result_large_err, reason = "a refusal is an answer, and rare")]

mod answers;
pub mod checksum;
pub mod metadata;
mod receive;
mod slot;
pub mod token;
pub mod tus;

use http::header::{self, HeaderMap};
use hyper::body::Incoming;
use media_store::{Digest, Receiving, Store, StoreError, UploadId, UploadSpec, UploadState};
use percent_encoding::percent_decode_str;

use self::answers::{
    empty, not_allowed, store_error, with, with_location, with_media, with_progress,
};
use self::receive::{Interrupted, ReceiveError, Received, receive, store_work};
use self::token::{Permit, Purpose, TokenError, UploadTokens};
use self::tus::{Fields, Length};
use super::answer::{self, Answer};
use super::full::InFlight;
use super::request::{Framing, Method, Request};

/// Takes uploads into a store, as tokens allow.
#[derive(Clone, Debug)]
pub struct Uploads {
    store: Store,
    tokens: UploadTokens,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// `/upload`: new uploads.
    Creation,
    /// `/upload/<id>`: an upload.
    Upload(UploadId),
    /// `/upload/<id>/<name>`: a slot.
    Slot(UploadId, String),
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        let below = path.strip_prefix("/upload")?;
        if matches!(below, "" | "/") {
            return Some(Self::Creation);
        }
        match below.strip_prefix('/')?.split_once('/') {
            None => Some(Self::Upload(below[1..].parse().ok()?)),
            Some((id, name)) => {
                let name = percent_decode_str(name).decode_utf8().ok()?;
                Some(Self::Slot(id.parse().ok()?, name.into_owned()))
            }
        }
    }
}

/// Does a request for a path under `/upload` ask for a finished file?
pub(crate) fn is_download(request: &Request<'_>) -> bool {
    let reads = matches!(request.method, Method::Get | Method::Head);
    reads && matches!(Target::parse(request.path), Some(Target::Slot(..)))
}

impl Uploads {
    /// Uploads into `store`.
    pub fn new(store: Store, tokens: UploadTokens) -> Self {
        Self { store, tokens }
    }

    /// What makes tokens.
    pub fn tokens(&self) -> &UploadTokens {
        &self.tokens
    }

    /// Answers a request for a path under `/upload`.
    pub(crate) async fn answer(
        &self,
        facts: &Request<'_>,
        headers: &HeaderMap,
        content: Incoming,
        request: &InFlight,
    ) -> Answer {
        let answer = match self.dispatch(facts, headers, content, request).await {
            Ok(answer) | Err(answer) => answer,
        };
        answers::finish(answer).without_content_for(facts)
    }

    /// A refusal is as good an answer as any; `Err` only ends early.
    async fn dispatch(
        &self,
        facts: &Request<'_>,
        headers: &HeaderMap,
        content: Incoming,
        request: &InFlight,
    ) -> Result<Answer, Answer> {
        let method = overridden(facts.method, headers);
        let target = Target::parse(facts.path);
        if method == Method::Options {
            return Ok(answers::options(self.store.config().object_bytes_max));
        }
        match (target, method) {
            (None, _) => Err(answer::error(404, "")),
            (Some(Target::Creation), Method::Post) => {
                self.create(facts, headers, content, request).await
            }
            (Some(Target::Upload(id)), Method::Head) => self.head(id, headers).await,
            (Some(Target::Upload(id)), Method::Patch) => {
                self.patch(id, facts, headers, content, request).await
            }
            (Some(Target::Upload(id)), Method::Delete) => self.terminate(id, headers).await,
            (Some(Target::Slot(id, name)), Method::Put) => {
                self.put((id, name), facts, headers, content, request).await
            }
            (Some(Target::Creation), _) => Err(not_allowed("OPTIONS, POST")),
            (Some(Target::Upload(_)), _) => Err(not_allowed("OPTIONS, HEAD, PATCH, DELETE")),
            (Some(Target::Slot(..)), _) => Err(not_allowed("OPTIONS, GET, HEAD, PUT")),
        }
    }

    /// tus creation, with creation-defer-length and creation-with-upload.
    async fn create(
        &self,
        facts: &Request<'_>,
        headers: &HeaderMap,
        content: Incoming,
        request: &InFlight,
    ) -> Result<Answer, Answer> {
        let fields = tus_fields(headers)?;
        let permit = self.permit(bearer(headers))?;
        if permit.grant.purpose != Purpose::Tus {
            return Err(answer::error(403, "the token is for a slot"));
        }
        let length = fields.length.ok_or_else(|| answer::error(400, "Upload-Length is missing"))?;
        let len = match length {
            Length::Known(len) => Some(len),
            Length::Deferred => None,
        };
        let has_content = facts.framing != Framing::None;
        if has_content && !fields.is_offset_stream {
            return Err(answer::error(415, "the content is not application/offset+octet-stream"));
        }
        if let (Framing::Length(content_len), Some(len)) = (facts.framing, len) {
            fits(content_len, len)?;
        }
        let spec = spec(&permit, &fields, len)?;
        let store = self.store.clone();
        let begun = request.working(store_work(move || store.begin(spec))).await;
        let receiving = begun.map_err(|error| store_error(&error))?;
        let (id, expires) = (receiving.id(), receiving.expires());
        if !has_content && len != Some(0) {
            return Ok(with_location(with_progress(empty(201), 0, Some(expires)), &id));
        }
        let checking = fields.checksum.map(checksum::Expected::begin);
        let received = receive(receiving, content, checking, Interrupted::Stays, request).await;
        Ok(with_location(told(received, 201)?, &id))
    }

    async fn head(&self, id: UploadId, headers: &HeaderMap) -> Result<Answer, Answer> {
        tus_fields(headers)?;
        let (answer, len, metadata) = match self.state(id).await? {
            UploadState::Receiving(it) => {
                let answer = with_progress(empty(200), it.offset, Some(it.expires));
                (answer, it.len, it.metadata)
            }
            UploadState::Finished(it) => {
                let answer = with_progress(empty(200), it.len, None);
                (with_media(answer, &it.digest), Some(it.len), it.metadata)
            }
        };
        let answer = match len {
            Some(len) => with(answer, "upload-length", len),
            None => with(answer, "upload-defer-length", 1),
        };
        Ok(match metadata {
            Some(metadata) => with(answer, "upload-metadata", metadata),
            None => answer,
        })
    }

    async fn patch(
        &self,
        id: UploadId,
        facts: &Request<'_>,
        headers: &HeaderMap,
        content: Incoming,
        request: &InFlight,
    ) -> Result<Answer, Answer> {
        let fields = tus_fields(headers)?;
        if !fields.is_offset_stream {
            return Err(answer::error(415, "the content is not application/offset+octet-stream"));
        }
        let offset = fields.offset.ok_or_else(|| answer::error(400, "Upload-Offset is missing"))?;
        let store = self.store.clone();
        let resumed = request.working(store_work(move || store.resume(&id))).await;
        let receiving = match resumed {
            Ok(receiving) => receiving,
            Err(StoreError::AlreadyFinished { digest, .. }) => {
                return self.patch_finished(id, digest, offset, facts).await;
            }
            Err(error) => return Err(store_error(&error)),
        };
        if receiving.offset() != offset {
            let found = receiving.offset();
            let refusal = answer::error(409, &format!("the offset is {found}, not {offset}"));
            return Err(with_progress(refusal, found, Some(receiving.expires())));
        }
        let receiving = match fields.length {
            Some(Length::Known(len)) => announce(receiving, len, request).await?,
            Some(Length::Deferred) | None => receiving,
        };
        if let Framing::Length(content_len) = facts.framing {
            fits(content_len, receiving.room())?;
        }
        let checking = fields.checksum.map(checksum::Expected::begin);
        told(receive(receiving, content, checking, Interrupted::Stays, request).await, 204)
    }

    /// The answer to the last PATCH was lost, and the client asks once more.
    async fn patch_finished(
        &self,
        id: UploadId,
        digest: Digest,
        offset: u64,
        facts: &Request<'_>,
    ) -> Result<Answer, Answer> {
        let UploadState::Finished(finished) = self.state(id).await? else {
            return Err(answer::error(409, "the upload has just changed"));
        };
        if finished.len != offset || facts.framing != Framing::None {
            let refusal = answer::error(409, "the upload is finished");
            return Err(with_media(with_progress(refusal, finished.len, None), &digest));
        }
        Ok(with_media(with_progress(empty(204), offset, None), &digest))
    }

    /// tus termination.
    async fn terminate(&self, id: UploadId, headers: &HeaderMap) -> Result<Answer, Answer> {
        tus_fields(headers)?;
        let store = self.store.clone();
        let abandoned = store_work(move || store.abandon(&id)).await;
        abandoned.map(|()| empty(204)).map_err(|error| store_error(&error))
    }

    async fn state(&self, id: UploadId) -> Result<UploadState, Answer> {
        let store = self.store.clone();
        let state = store_work(move || store.upload(&id)).await;
        let state = state.map_err(|error| store_error(&error))?;
        state.ok_or_else(|| store_error(&StoreError::UnknownUpload(id)))
    }

    fn permit(&self, token: Option<&str>) -> Result<Permit, Answer> {
        let unauthorized = |reason: &str, challenge| {
            with(answer::error(401, reason), "www-authenticate", challenge)
        };
        let token = token.ok_or_else(|| unauthorized("a token is needed", "Bearer"))?;
        self.tokens.verify(token, self.store.now()).map_err(|error| match error {
            TokenError::Invalid | TokenError::Expired => {
                unauthorized(&error.to_string(), "Bearer error=\"invalid_token\"")
            }
        })
    }
}

/// Says the length of an upload that was created without.
async fn announce(
    mut receiving: Receiving,
    len: u64,
    request: &InFlight,
) -> Result<Receiving, Answer> {
    match receiving.len() {
        Some(known) if known == len => Ok(receiving),
        Some(known) => Err(answer::error(400, &format!("Upload-Length is {known} already"))),
        None => {
            let announced = store_work(move || receiving.announce(len).map(|()| receiving));
            request.working(announced).await.map_err(|error| store_error(&error))
        }
    }
}

fn told(received: Result<Received, ReceiveError>, status: u16) -> Result<Answer, Answer> {
    match received {
        Ok(Received::Finished(object)) => {
            Ok(with_media(with_progress(empty(status), object.len, None), &object.digest))
        }
        Ok(Received::Partial { offset, expires }) => {
            Ok(with_progress(empty(status), offset, Some(expires)))
        }
        Err(ReceiveError::Store(error)) => Err(store_error(&error)),
        Err(error @ ReceiveError::Checksum) => Err(answer::error(460, &error.to_string())),
        Err(error @ ReceiveError::Cut) => Err(answer::error(400, &error.to_string())),
    }
}

fn spec(permit: &Permit, fields: &Fields, len: Option<u64>) -> Result<UploadSpec, Answer> {
    let (granted, metadata) = (&permit.grant, &fields.metadata);
    if let (Some(granted), Some(told)) = (granted.expected, metadata.expected)
        && granted != told
    {
        let reason = format!("the token is for {granted}, Upload-Metadata has {told}");
        return Err(answer::error(403, &reason));
    }
    Ok(UploadSpec {
        len,
        media_type: metadata.media_type.clone(),
        name: metadata.name.clone(),
        metadata: metadata.text.clone(),
        expected: granted.expected.or(metadata.expected),
        reference_until: granted.reference_until,
        allowance: Some(permit.allowance()),
        resumable: true,
        ..UploadSpec::by(granted.owner.clone())
    })
}

/// Refuses content that is too long before it is sent.
fn fits(content_len: u64, room: u64) -> Result<(), Answer> {
    if content_len <= room {
        return Ok(());
    }
    Err(answer::error(413, &format!("{content_len} bytes come, {room} have room")))
}

fn tus_fields(headers: &HeaderMap) -> Result<Fields, Answer> {
    Fields::parse(headers).map_err(|refusal| {
        let answer = answer::error(refusal.status, &refusal.reason);
        if refusal.status == 412 { with(answer, "tus-version", tus::VERSION) } else { answer }
    })
}

/// RFC 6750 2.1.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `X-HTTP-Method-Override`, for clients in surroundings that know GET and POST only.
fn overridden(method: Method, headers: &HeaderMap) -> Method {
    let name = headers.get("x-http-method-override").filter(|_| method == Method::Post);
    name.and_then(|name| name.to_str().ok()).map_or(method, Method::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let id: UploadId = "abcdefghijklmnopqrstuvwxyz".parse().unwrap();
        let check = |path: &str, expected| assert_eq!(Target::parse(path), expected, "{path}");
        check("/upload", Some(Target::Creation));
        check("/upload/", Some(Target::Creation));
        check(&format!("/upload/{id}"), Some(Target::Upload(id)));
        check(&format!("/upload/{id}/a%20b"), Some(Target::Slot(id, "a b".into())));
        check("/upload/../x", None);
        check("/upload/short", None);
        check(&format!("/upload/{id}/%ff"), None);
    }
}
