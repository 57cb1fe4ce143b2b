//! One request of the full lane: facts, rate limit, route, answer.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;

use super::body::Outgoing;
use super::facts;
use super::shard::InFlight;
use crate::edge::answer::{self, Answer, Fields};
use crate::edge::origin::Origin;
use crate::edge::request::{Framing, Request};
use crate::edge::resource::text;
use crate::edge::route::Route;
use crate::edge::upload::is_download;

/// Answers a request. Never fails: what goes wrong has a status.
pub async fn respond(
    request: InFlight,
    (parts, content): (Parts, Incoming),
) -> Result<Response<Outgoing>, Infallible> {
    let started = Instant::now();
    let connection = Rc::clone(&request.connection);
    let origin = connection.shard.origin();
    let target = facts::target(&parts);
    let facts = match facts::read(&parts, &target) {
        Ok(facts) => facts,
        Err(malformed) => {
            let answer = answer::malformed(malformed);
            let (status, len) = (answer.status, answer.content.len());
            let mut observer = connection.shard.observer.borrow_mut();
            observer.metrics.request(status, len, started.elapsed());
            drop(observer);
            return Ok(response(answer, Closes::Yes, &origin, request, None));
        }
    };
    let answer = route(&origin, &request, &facts, &parts, content, started).await;
    let sent = (answer.status, answer.content.len());
    let closes = closes(&facts);
    let record = connection.shard.observer.borrow_mut().begin(
        &without_token(facts),
        connection.peer,
        connection.tls,
        started,
        sent,
    );
    Ok(response(answer, closes, &origin, request, Some(record)))
}

async fn route(
    origin: &Origin,
    request: &InFlight,
    facts: &Request<'_>,
    parts: &Parts,
    content: Incoming,
    now: Instant,
) -> Answer {
    let shard = &request.connection.shard;
    if let Err(held_back) = origin.limiter.check(request.connection.peer.ip(), now) {
        shard.observer.borrow_mut().metrics.limited.inc();
        let retry_after = HeaderValue::from(held_back.retry_after_s);
        return answer::error(429, "").with_field(header::RETRY_AFTER, retry_after);
    }
    match (origin.router.route(facts), &origin.uploads) {
        (Route::Upload, None) => answer::error(404, "").without_content_for(facts),
        (Route::Upload, Some(uploads)) if !is_download(facts) => {
            uploads.answer(facts, &parts.headers, content, request).await
        }
        (route @ (Route::Media | Route::Site(_) | Route::Upload), _) => {
            let resource = shard.load(origin, route, facts.path, now).await;
            answer::decide(facts, &resource, unix_s())
        }
        (Route::Health, _) => health(origin, facts),
        (Route::AcmeChallenge, _) => challenge(origin, facts),
        (Route::Reserved | Route::Nowhere, _) => answer::error(404, "").without_content_for(facts),
    }
}

/// A slot's address carries its token in the query: no log may have it.
fn without_token(mut facts: Request<'_>) -> Request<'_> {
    if facts.path.starts_with("/upload") {
        facts.query = None;
    }
    facts
}

fn health(origin: &Origin, facts: &Request<'_>) -> Answer {
    let (status, line) = origin.health.answer();
    answer::decide(facts, &text(status, line).into(), 0)
        .with_field(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// RFC 8555 8.3.
fn challenge(origin: &Origin, facts: &Request<'_>) -> Answer {
    let token = facts.path.rsplit('/').next().unwrap_or_default();
    match origin.challenges.get(token) {
        Some(body) => answer::decide(facts, &text(200, body).into(), 0),
        None => answer::error(404, "").without_content_for(facts),
    }
}

/// Does the connection end behind an answer?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closes {
    Yes,
    No,
}

/// hyper drops a `Content-Length` that stands beside `Transfer-Encoding`, so whether a chunked
/// request was smuggled cannot be seen here. RFC 9112 6.3 has such a connection close.
fn closes(facts: &Request<'_>) -> Closes {
    if facts.framing == Framing::Chunked || !facts.keep_alive { Closes::Yes } else { Closes::No }
}

fn response(
    answer: Answer,
    closes: Closes,
    origin: &Origin,
    request: InFlight,
    record: Option<crate::edge::lane::observer::Record>,
) -> Response<Outgoing> {
    let connection = &request.connection;
    let mut fields = header_map(answer.fields);
    for (name, value) in origin.extra.of(connection.tls) {
        fields.insert(name.clone(), value.clone());
    }
    if closes == Closes::Yes && !connection.http2 {
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response::new(Outgoing::new(answer.content, record, request));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = fields;
    response
}

fn header_map(fields: Fields) -> HeaderMap {
    match fields {
        Fields::Own(fields) => fields,
        Fields::Prepared(resource, index) => resource.variants[index].fields.clone(),
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
