//! One request of the full lane: facts, rate limit, route, answer.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::time::{Instant, SystemTime};

use futures_util::future::Either;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use super::body::Outgoing;
use super::facts;
use super::shard::{Connection, InFlight};
use crate::edge::answer::{self, Answer, Fields};
use crate::edge::lane::observer::Record;
use crate::edge::origin::Origin;
use crate::edge::request::{Framing, Request};
use crate::edge::resource::{reason, text};
use crate::edge::route::Route;
use crate::edge::upload::is_download;
use crate::edge::websocket::{self, XmppDoor};

/// An answer to come. hyper moves such a future from place to place: it is small, because what
/// may take time is boxed.
pub type Responding = Either<Ready<Outcome>, Pin<Box<dyn Future<Output = Outcome>>>>;

type Outcome = Result<Response<Outgoing>, Infallible>;

/// Answers a request: at once where its resource is remembered. Never fails: what goes wrong has
/// a status.
pub fn respond(request: InFlight, (parts, content): (Parts, Incoming)) -> Responding {
    let started = Instant::now();
    let origin = request.connection.shard.origin();
    match recall(&origin, &request, &parts, started) {
        Some(decided) => Either::Left(ready(Ok(response(decided, &origin, request)))),
        None => Either::Right(Box::pin(async move {
            let decided = decide(&origin, &request, &parts, content, started).await;
            Ok(response(decided, &origin, request))
        })),
    }
}

/// An answer, and what becomes of the connection and the books.
struct Decided {
    answer: Answer,
    closes: Closes,
    record: Option<Record>,
}

/// The answer to a request for a remembered resource.
fn recall(origin: &Origin, request: &InFlight, parts: &Parts, started: Instant) -> Option<Decided> {
    let target = facts::target(parts);
    let facts = facts::read(parts, &target).ok()?;
    let route = origin.router.route(&facts);
    let reads_resource = match route {
        Route::Media | Route::App | Route::Site(_) => true,
        Route::Upload => is_download(&facts),
        _ => false,
    };
    if !reads_resource {
        return None;
    }
    let resource = request.connection.shard.recall(origin, route, facts.path, started)?;
    origin.limiter.check(request.connection.peer.ip(), started).ok()?;
    let answer = answer::decide(&facts, &resource, unix_s());
    Some(decided(answer, facts, request, started))
}

async fn decide(
    origin: &Origin,
    request: &InFlight,
    parts: &Parts,
    content: Incoming,
    started: Instant,
) -> Decided {
    let target = facts::target(parts);
    match facts::read(parts, &target) {
        Ok(facts) => {
            let answer = route(origin, request, &facts, parts, content, started).await;
            decided(answer, facts, request, started)
        }
        Err(malformed) => {
            let answer = answer::malformed(malformed);
            let (status, len) = (answer.status, answer.content.len());
            let mut observer = request.connection.shard.observer.borrow_mut();
            observer.metrics.request(status, len, started.elapsed());
            Decided { answer, closes: Closes::Yes, record: None }
        }
    }
}

fn decided(answer: Answer, facts: Request<'_>, request: &InFlight, started: Instant) -> Decided {
    let connection = &request.connection;
    let closes = closes(&facts, connection);
    let sent = (answer.status, answer.content.len());
    let mut observer = connection.shard.observer.borrow_mut();
    let facts = without_token(facts);
    let record = observer.begin(&facts, connection.peer, connection.tls, started, sent);
    Decided { answer, closes, record: Some(record) }
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
        (Route::Api, _) => match &origin.api {
            Some(door) => door.answer(facts, parts, content, request).await,
            None => answer::error(404, "").without_content_for(facts),
        },
        (route @ (Route::XmppWebSocket | Route::HostMeta | Route::HostMetaJson), _) => {
            match &origin.xmpp {
                Some(door) => xmpp(door, route, request, facts, parts),
                None => answer::error(404, "").without_content_for(facts),
            }
        }
        (Route::Upload, None) => answer::error(404, "").without_content_for(facts),
        (Route::Upload, Some(_)) if !is_download(facts) && !shard.takes_uploads() => {
            answer::error(503, "").with_field(header::RETRY_AFTER, HeaderValue::from_static("1"))
        }
        (Route::Upload, Some(uploads)) if !is_download(facts) => {
            uploads.answer(facts, &parts.headers, content, request).await
        }
        (route @ (Route::Media | Route::App | Route::Site(_) | Route::Upload), _) => {
            let resource = shard.load(origin, route, facts.path).await;
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

fn xmpp(
    door: &XmppDoor,
    route: Route,
    request: &InFlight,
    facts: &Request<'_>,
    parts: &Parts,
) -> Answer {
    match route {
        Route::HostMeta => answer::decide(facts, &door.host_meta.xml, 0),
        Route::HostMetaJson => answer::decide(facts, &door.host_meta.json, 0),
        _ => open_websocket(door, request, facts, &parts.headers),
    }
}

/// Answers a handshake; the place of the one that goes is kept until hyper lets it go.
fn open_websocket(
    door: &XmppDoor,
    request: &InFlight,
    facts: &Request<'_>,
    headers: &HeaderMap,
) -> Answer {
    let answer = websocket::handshake(facts, headers, &door.origins);
    if answer.status != SWITCHING_PROTOCOLS {
        return answer;
    }
    let connection = &request.connection;
    match door.clients.clone().try_reserve_owned() {
        Ok(place) if !connection.shard.drains() => {
            connection.leaves_to.set(Some(place));
            answer
        }
        _ => answer::error(503, "").with_field(header::RETRY_AFTER, HeaderValue::from(1)),
    }
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

/// The gate lets chunks pass unread and would not find the next head behind them. And a server that
/// ends says so with each answer, where an end without a word could cross a request on its way. Once
/// it takes no uploads, another process does.
fn closes(facts: &Request<'_>, connection: &Connection) -> Closes {
    let is_last = facts.framing == Framing::Chunked || !facts.keep_alive;
    let shard = &connection.shard;
    if is_last || shard.drains() || !shard.takes_uploads() { Closes::Yes } else { Closes::No }
}

fn response(decided: Decided, origin: &Origin, request: InFlight) -> Response<Outgoing> {
    let Decided { answer, closes, record } = decided;
    let connection = &request.connection;
    let mut fields = header_map(answer.fields);
    for (name, value) in origin.extra.of(connection.tls) {
        fields.insert(name.clone(), value.clone());
    }
    let switches = answer.status == SWITCHING_PROTOCOLS;
    if closes == Closes::Yes && !connection.http2 && !switches {
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response::new(Outgoing::new(answer.content, record, request));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = fields;
    if response.status().canonical_reason().is_none() {
        let reason = ReasonPhrase::from_static(reason(answer.status).as_bytes());
        response.extensions_mut().insert(reason);
    }
    response
}

fn header_map(fields: Fields) -> HeaderMap {
    match fields {
        Fields::Own(fields) => fields,
        Fields::Prepared(resource, index) => resource.variants[index].fields.clone(),
    }
}

const SWITCHING_PROTOCOLS: u16 = 101;

/// Seconds since 1970.
pub fn unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
