//! `/api/`: requests that another part answers.
//!
//! The edge reads such a request whole and passes it on as a message; whoever holds the other end
//! of [`ApiDoor::requests`] answers it. Neither knows the other.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};

use super::answer::{self, Answer, Content, Fields};
use super::full::InFlight;
use super::range::ByteRange;
use super::request::{Framing, Request};
use super::resource::Source;

/// Bytes of a request's content.
pub const CONTENT_BYTES_MAX: usize = 64 * 1024;

/// A request, read whole. Its values are the sender's, untrusted.
#[derive(Debug)]
pub struct ApiRequest {
    /// The method, as it was sent.
    pub method: http::Method,
    /// The path, still percent-encoded; begins with `/api/`.
    pub path: String,
    /// The query, without its `?`.
    pub query: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The content, at most [`CONTENT_BYTES_MAX`] bytes.
    pub content: Bytes,
    /// The client's address.
    pub peer: SocketAddr,
    /// Did it come over TLS?
    pub is_tls: bool,
    /// Takes the answer; dropped, it is a 500.
    pub reply: oneshot::Sender<ApiAnswer>,
}

/// What is answered. The edge adds `content-length` and what every answer of `/api/` carries.
#[derive(Debug)]
pub struct ApiAnswer {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub fields: HeaderMap,
    /// The content, or its beginning.
    pub content: Bytes,
    /// What follows on the beginning. An error cuts the answer.
    pub more: Option<mpsc::Receiver<io::Result<Bytes>>>,
}

/// Where requests go.
#[derive(Clone)]
pub struct ApiDoor {
    /// Takes requests; while it is full, clients are answered 503.
    pub requests: mpsc::Sender<ApiRequest>,
}

impl ApiDoor {
    /// Answers a request for a path under `/api/`.
    pub(crate) async fn answer(
        &self,
        facts: &Request<'_>,
        parts: &Parts,
        content: Incoming,
        request: &InFlight,
    ) -> Answer {
        let answer = match self.pass_on(facts, parts, content, request).await {
            Ok(answer) => whole(answer),
            Err(refusal) => refusal.answer(),
        };
        finish(answer).without_content_for(facts)
    }

    async fn pass_on(
        &self,
        facts: &Request<'_>,
        parts: &Parts,
        content: Incoming,
        request: &InFlight,
    ) -> Result<ApiAnswer, Refusal> {
        let content = read(facts, content, request).await?;
        let (reply, replied) = oneshot::channel();
        let connection = &request.connection;
        let passed = ApiRequest {
            method: parts.method.clone(),
            path: facts.path.to_owned(),
            query: facts.query.map(str::to_owned),
            headers: parts.headers.clone(),
            content,
            peer: connection.peer,
            is_tls: connection.tls,
            reply,
        };
        self.requests.try_send(passed).map_err(|_| Refusal::Busy)?;
        let replied = request.working(tokio::time::timeout(REPLY_TIMEOUT, replied));
        replied.await.map_err(|_| Refusal::Late)?.map_err(|_| Refusal::Failed)
    }
}

async fn read(
    facts: &Request<'_>,
    mut content: Incoming,
    request: &InFlight,
) -> Result<Bytes, Refusal> {
    if let Framing::Length(len) = facts.framing
        && len > CONTENT_BYTES_MAX as u64
    {
        return Err(Refusal::TooLarge);
    }
    let mut read = BytesMut::new();
    while let Some(frame) = content.frame().await {
        let frame = frame.map_err(|_| Refusal::Cut)?;
        let Ok(data) = frame.into_data() else { continue };
        if request.connection.http2 {
            request.vitals.received(data.len());
        }
        if read.len() + data.len() > CONTENT_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// Why a request was not passed on, or not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Cut,
    TooLarge,
    Busy,
    Late,
    Failed,
}

impl Refusal {
    fn answer(self) -> Answer {
        match self {
            Self::Cut => answer::error(400, "the content ended too early"),
            Self::TooLarge => {
                answer::error(413, &format!("more than {CONTENT_BYTES_MAX} bytes of content"))
            }
            Self::Busy => answer::error(503, "")
                .with_field(header::RETRY_AFTER, HeaderValue::from(BUSY_RETRY_AFTER_S)),
            Self::Late => answer::error(504, ""),
            Self::Failed => answer::error(500, ""),
        }
    }
}

fn whole(answer: ApiAnswer) -> Answer {
    let ApiAnswer { status, mut fields, content, more } = answer;
    if let Some(more) = more {
        let content = Content::Streamed { first: content, more };
        return Answer { status, fields: Fields::Own(fields), content };
    }
    if status != 204 {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
    }
    let len = content.len() as u64;
    let content = match len {
        0 => Content::None,
        len => Content::Part(Source::Memory(content), ByteRange { start: 0, len }),
    };
    Answer { status, fields: Fields::Own(fields), content }
}

/// Answers are for who asked, now, and are never a page.
fn finish(answer: Answer) -> Answer {
    answer
        .with_field(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with_field(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

/// A request is answered within this time: a slow hash, a commit.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
const BUSY_RETRY_AFTER_S: u32 = 1;
