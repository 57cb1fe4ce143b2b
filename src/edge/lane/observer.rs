//! What a lane tells of the requests it answers: metrics, the access log, a span.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use crate::edge::access_log::{Entry, LogSink};
use crate::edge::metrics::LaneMetrics;
use crate::edge::request::{Request, Version};

/// One lane's eyes.
pub struct Observer {
    /// Counters.
    pub metrics: LaneMetrics,
    log: Option<LogSink>,
    lane: u16,
    requests: u64,
}

/// A request that is being answered.
pub struct Record {
    started: Instant,
    status: u16,
    bytes: u64,
    logged: Option<Box<Logged>>,
}

/// What the access log wants to know of a request; kept only while it is on.
struct Logged {
    time: SystemTime,
    peer: SocketAddr,
    tls: bool,
    request_id: u64,
    version: &'static str,
    method: Box<str>,
    target: Box<str>,
    host: Option<Box<str>>,
    referer: Option<Box<[u8]>>,
    user_agent: Option<Box<[u8]>>,
}

impl Observer {
    /// `lane` sets one lane's request ids apart from another's.
    pub fn new(metrics: LaneMetrics, log: Option<LogSink>, lane: u16) -> Self {
        Self { metrics, log, lane, requests: 0 }
    }

    /// Notes a request with what it is answered: status and bytes of the content.
    pub fn begin(
        &mut self,
        request: &Request<'_>,
        peer: SocketAddr,
        tls: bool,
        started: Instant,
        (status, bytes): (u16, u64),
    ) -> Record {
        self.requests += 1;
        let request_id = u64::from(self.lane) << 48 | self.requests;
        let method = request.method_name;
        let path = request.path;
        tracing::debug_span!("request", request_id, %peer, method, path)
            .in_scope(|| tracing::debug!(status, bytes, "answered"));
        let logged =
            self.log.is_some().then(|| Box::new(Logged::new(request, peer, tls, request_id)));
        Record { started, status, bytes, logged }
    }

    /// Counts and logs a request whose answer left. `unsent_bytes`: how much of the content did
    /// not, because the connection was cut.
    pub fn end(&mut self, record: Record, now: Instant, unsent_bytes: u64) {
        let took = now.saturating_duration_since(record.started);
        let sent_bytes = record.bytes.saturating_sub(unsent_bytes);
        self.metrics.request(record.status, sent_bytes, took);
        let (Some(log), Some(logged)) = (&self.log, &record.logged) else { return };
        log.record(&Entry {
            peer: logged.peer.ip(),
            time: logged.time,
            method: logged.method.as_bytes(),
            target: logged.target.as_bytes(),
            version: logged.version,
            status: record.status,
            sent_bytes,
            duration: took,
            referer: logged.referer.as_deref(),
            user_agent: logged.user_agent.as_deref(),
            host: logged.host.as_deref().map(str::as_bytes),
            tls: logged.tls,
            request_id: logged.request_id,
        });
    }
}

impl Logged {
    fn new(request: &Request<'_>, peer: SocketAddr, tls: bool, request_id: u64) -> Self {
        let target = match request.query {
            Some(query) => format!("{}?{query}", request.path).into(),
            None => request.path.into(),
        };
        let version = match request.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        };
        Self {
            time: SystemTime::now(),
            peer,
            tls,
            request_id,
            version,
            method: request.method_name.into(),
            target,
            host: request.host.map(Into::into),
            referer: request.referer.map(Into::into),
            user_agent: request.user_agent.map(Into::into),
        }
    }
}
