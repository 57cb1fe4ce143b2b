//! The admin listener: `/metrics` for Prometheus, `/healthz` for whoever watches.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::supervisor::{PartResult, Stop};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{self, Registry};

/// Scrapers and probes at once.
const CONNECTIONS_MAX: usize = 64;
/// A head that is not whole by then is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection lives no longer than this.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// After a failed accept (descriptors used up) there is a pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the listener shows.
#[derive(Clone)]
pub struct Showcase {
    /// The metrics.
    pub registry: Registry,
    /// The parts' states.
    pub health: Health,
}

/// Accepts on all `listeners` until `stop`.
pub async fn serve(
    listeners: Arc<Vec<TcpListener>>,
    showcase: Showcase,
    mut stop: Stop,
) -> PartResult {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut loops = JoinSet::new();
    for listener in listeners.iter() {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
        loops.spawn(accept_all(listener, places.clone(), showcase.clone(), stop.clone()));
    }
    // They end only by panic; dropping the set ends them all.
    tokio::select! {
        () = stop.requested() => Ok(()),
        Some(ended) = loops.join_next() => Ok(ended?),
    }
}

async fn accept_all(
    listener: tokio::net::TcpListener,
    places: Arc<Semaphore>,
    showcase: Showcase,
    stop: Stop,
) {
    loop {
        match accept(&listener, &places).await {
            Some((stream, place)) => {
                let life = converse(stream, showcase.clone(), stop.clone());
                tokio::spawn(async move {
                    let _place = place;
                    life.await;
                });
            }
            None => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn converse(stream: tokio::net::TcpStream, showcase: Showcase, mut stop: Stop) {
    let service = service_fn(move |request| {
        let answer = answer(&showcase, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // What went wrong with a scraper's connection is the scraper's to tell.
    tokio::select! {
        _ = connection => {}
        () = tokio::time::sleep(CONNECTION_LIFE) => {}
        () = stop.requested() => {}
    }
}

async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "the admin listener cannot accept");
            None
        }
    }
}

fn answer(showcase: &Showcase, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, metrics::CONTENT_TYPE, showcase.registry.render())
        }
        (&Method::GET | &Method::HEAD, "/healthz") => {
            let (status, body) = showcase.health.answer();
            (StatusCode::from_u16(status).unwrap_or_default(), TEXT, body)
        }
        (_, "/metrics" | "/healthz") => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET and HEAD only\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, TEXT, "/metrics or /healthz\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
