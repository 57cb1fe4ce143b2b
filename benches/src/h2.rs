//! The HTTP/2 client of the load: crate h2 over rustls (ALPN `h2`) on one tokio thread.
//!
//! Each stream slot of each connection is a small task that takes its next request from the one
//! schedule; in an open loop it sleeps until the arrival's own time.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use h2::client::SendRequest;
use http::{HeaderName, HeaderValue, Request, header};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;

use crate::error::BenchError;
use crate::load::ranges::{Ranges, parse_total};
use crate::load::{Fault, Interrupt, LoadReport, LoadSpec, Moment, Next, Schedule, Tally};
use crate::tls::{self, Alpn, Offer};

/// Runs a load over HTTP/2.
///
/// # Errors
/// No connection could be opened, the origin is not TLS, or the run was interrupted.
pub fn run(
    spec: &LoadSpec,
    streams: usize,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<LoadReport, BenchError> {
    refuse_unsupported(spec)?;
    let config = tls::client_config(Offer { alpn: Alpn::Http2, ..spec.tls })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("starting the runtime"))?;
    let connector = TlsConnector::from(config);
    LocalSet::new().block_on(&runtime, async {
        let connections = open_all(spec, &connector).await?;
        if !spec.warm_up.is_zero() {
            let warm = Rc::new(RefCell::new(Shared::new(spec, true)));
            drive(spec, &connections, streams, &warm, interrupt).await?;
        }
        let shared = Rc::new(RefCell::new(Shared::new(spec, false)));
        on_moment(Moment::Begin);
        drive(spec, &connections, streams, &shared, interrupt).await?;
        on_moment(Moment::End);
        let tally = std::mem::replace(&mut shared.borrow_mut().tally, Tally::new(0, 0));
        Ok(tally.report(Instant::now()))
    })
}

fn refuse_unsupported(spec: &LoadSpec) -> Result<(), BenchError> {
    let refuse =
        |option, detail: &str| Err(BenchError::Option { option, detail: detail.to_owned() });
    if !spec.origin.tls {
        return refuse("http2", "HTTP/2 is spoken over https only");
    }
    if spec.close {
        return refuse("close", "HTTP/2 keeps its connections");
    }
    if spec.read_rate.is_some() {
        return refuse("rate", "paced reading is for HTTP/1.1");
    }
    Ok(())
}

type Sender = SendRequest<Bytes>;

async fn open_all(spec: &LoadSpec, connector: &TlsConnector) -> Result<Vec<Sender>, BenchError> {
    let mut senders = Vec::with_capacity(spec.connections);
    for opened in 0..spec.connections {
        let sender = tokio::time::timeout(OPEN_MAX, open(spec, connector)).await;
        let sender = sender.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        senders.push(sender.map_err(|error| BenchError::Connections {
            opened,
            wanted: spec.connections,
            detail: error.to_string(),
        })?);
    }
    Ok(senders)
}

async fn open(spec: &LoadSpec, connector: &TlsConnector) -> io::Result<Sender> {
    let socket = TcpStream::connect(spec.origin.address).await?;
    socket.set_nodelay(true)?;
    let stream = connector.connect(spec.origin.server_name.clone(), socket).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the server did not agree on h2"));
    }
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    // When the connection breaks, each of its streams hears of it and is counted.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// What all stream tasks of a run share (they are on one thread).
struct Shared {
    schedule: Schedule,
    tally: Tally,
    ranges: Option<Ranges>,
    random: Rng,
}

impl Shared {
    fn new(spec: &LoadSpec, warm_up: bool) -> Self {
        let now = Instant::now();
        Self {
            schedule: Schedule::new(spec, now, warm_up),
            tally: Tally::new(spec.targets.len(), spec.status),
            ranges: spec.range_bytes.map(|bytes| Ranges::new(bytes, spec.targets.len())),
            random: Rng::with_seed(spec.seed),
        }
    }
}

async fn drive(
    spec: &LoadSpec,
    connections: &[Sender],
    streams: usize,
    shared: &Rc<RefCell<Shared>>,
    interrupt: &Interrupt,
) -> Result<(), BenchError> {
    let spec = Arc::new(spec.clone());
    let deadline = Instant::now() + spec.duration.max(spec.warm_up) + DRAIN_MAX;
    let mut tasks = JoinSet::new();
    for sender in connections {
        for _ in 0..streams.max(1) {
            let task = stream_slot(Arc::clone(&spec), sender.clone(), Rc::clone(shared));
            tasks.spawn_local(task);
        }
    }
    let mut ticks = tokio::time::interval(INTERRUPT_TICK);
    loop {
        tokio::select! {
            ended = tasks.join_next() => if ended.is_none() { return Ok(()) },
            _ = ticks.tick() => interrupt.check()?,
        }
        if Instant::now() >= deadline {
            for _ in 0..tasks.len() {
                shared.borrow_mut().tally.fault(Fault::Timeout);
            }
            return Ok(());
        }
    }
}

/// One request after the other on one stream slot.
async fn stream_slot(spec: Arc<LoadSpec>, mut sender: Sender, shared: Rc<RefCell<Shared>>) {
    let mut failures = 0;
    while failures < SLOT_FAILURES_MAX {
        let next = shared.borrow_mut().schedule.next(Instant::now());
        match next {
            Next::Finished => return,
            Next::At(due) => tokio::time::sleep_until(due.into()).await,
            Next::Now { intended } => {
                if exchange(&spec, &mut sender, &shared, intended).await.is_err() {
                    shared.borrow_mut().tally.fault(Fault::Connection);
                    failures += 1;
                }
            }
        }
    }
}

async fn exchange(
    spec: &LoadSpec,
    sender: &mut Sender,
    shared: &Rc<RefCell<Shared>>,
    intended: Instant,
) -> Result<(), h2::Error> {
    let (target, due_bytes, request) = request(spec, &mut shared.borrow_mut());
    futures_ready(sender).await?;
    let (response, _) = sender.send_request(request, true)?;
    let response = response.await?;
    let status = response.status().as_u16();
    let total = response.headers().get(header::CONTENT_RANGE);
    let total = total.and_then(|value| parse_total(value.as_bytes()));
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let bytes = chunk?.len();
        length += bytes as u64;
        shared.borrow_mut().tally.received(bytes);
        body.flow_control().release_capacity(bytes)?;
    }
    let mut shared = shared.borrow_mut();
    if let Some(ranges) = &mut shared.ranges {
        ranges.learn(target, total);
    }
    shared.tally.answer(target, status, length, due_bytes, intended.elapsed());
    Ok(())
}

async fn futures_ready(sender: &mut Sender) -> Result<(), h2::Error> {
    std::future::poll_fn(|context| sender.poll_ready(context)).await
}

fn request(spec: &LoadSpec, shared: &mut Shared) -> (usize, Option<u64>, Request<()>) {
    let target = spec.mix.draw(&mut shared.random);
    let uri = format!("https://{}{}", spec.origin.authority, spec.targets[target].path);
    let mut request = Request::new(());
    // The path was parsed as a part of an address; if it is refused now, the answer shows it.
    *request.uri_mut() = uri.parse().unwrap_or_default();
    for (name, value) in &spec.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            request.headers_mut().append(name, value);
        }
    }
    let mut due_bytes = None;
    if let Some(ranges) = &shared.ranges {
        let range = ranges.draw(target, &mut shared.random);
        let value = format!("bytes={}-{}", range.first, range.last);
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers_mut().insert(header::RANGE, value);
        }
        due_bytes = range.due_bytes;
    }
    (target, due_bytes, request)
}

const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024 * 1024;
const FRAME_BYTES_MAX: u32 = 16_384;
const SLOT_FAILURES_MAX: u32 = 100;
const OPEN_MAX: Duration = Duration::from_secs(10);
const DRAIN_MAX: Duration = Duration::from_secs(5);
const INTERRUPT_TICK: Duration = Duration::from_millis(100);
