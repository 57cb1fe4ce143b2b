//! One connection of the full lane, from hand-over to its end.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::gate::Gate;
use super::respond::respond;
use super::shard::{Connection, Open, Shard};
use super::socket::Socket;
use super::streams::Streams;
use super::turn::gather;
use super::vitals::{Phase, Vitals, Watched};
use crate::edge::http1::{FIELDS_MAX, HEAD_BYTES_MAX};
use crate::edge::lane::HandedOver;
use crate::edge::websocket::WebSocketClient;
use crate::tls::{Alpn, Session, TlsStream};

/// Serves a connection to its end. Its panics end here.
pub async fn serve(shard: Rc<Shard>, handed: HandedOver) {
    let _open = Open::new(&shard);
    let vitals = shard.watch.begin(Phase::Head);
    let connection = Box::pin(run(Rc::clone(&shard), handed, Rc::clone(&vitals)));
    let mut watched = pin!(AssertUnwindSafe(Watched::new(connection, vitals)).catch_unwind());
    let outcome = watched.as_mut().await;
    let mut observer = shard.observer.borrow_mut();
    match outcome {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::debug!(%error, "a connection ended"),
        Ok(Err(cut)) if cut.phase == Phase::Idle => {}
        Ok(Err(_)) => observer.metrics.timed_out.inc(),
        Err(_) => observer.metrics.panics.inc(),
    }
    // The socket closes behind this: who sees that sees it counted.
    drop(observer);
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

async fn run(shard: Rc<Shard>, handed: HandedOver, vitals: Rc<Vitals>) -> Result<(), Failure> {
    let HandedOver { stream, peer, tls, read, place: _place } = handed;
    let Some(session) = tls else {
        let gate = Gate::new(Socket::new(stream, Rc::clone(&vitals))?, read);
        let connection = Connection::new(shard, peer, false, false, vitals);
        return http1(gate, &connection, leave_plain).await;
    };
    let socket = Socket::new(stream, Rc::clone(&vitals))?;
    let mut stream = TlsStream::resume(*session, socket, &mut [], read);
    stream.handshake().await?;
    let is_http2 = stream.alpn() == Alpn::Http2;
    let connection = Connection::new(shard, peer, true, is_http2, vitals);
    if is_http2 {
        http2(stream, connection).await
    } else {
        http1(Gate::new(stream, Vec::new()), &connection, leave_tls).await
    }
}

/// Serves HTTP/1 until the connection ends or becomes a WebSocket; `leave` takes it apart then.
async fn http1<S: AsyncRead + AsyncWrite + Unpin>(
    gate: Gate<S>,
    connection: &Rc<Connection>,
    leave: impl FnOnce(S) -> io::Result<Left>,
) -> Result<(), Failure> {
    let service = service_fn(|request: http::Request<_>| {
        respond(connection.begin_request(), request.into_parts())
    });
    let mut server = http1::Builder::new()
        // `vitals` keeps the deadlines.
        .header_read_timeout(None)
        .half_close(true)
        .max_headers(FIELDS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(gate), service);
    (&mut server).await?;
    let gate = server.into_parts().io.into_inner();
    let Some(place) = connection.leaves_to.take() else {
        return Ok(gate.end(connection).await?);
    };
    if connection.is_blocked() {
        // hyper gives up with its connection what it had still to write.
        return Err(Failure::Socket(io::ErrorKind::WouldBlock.into()));
    }
    let (stream, mut read) = gate.into_parts();
    let Left { stream, tls, opened } = leave(stream)?;
    read.extend_from_slice(&opened);
    place.send(WebSocketClient { stream, peer: connection.peer, tls, read });
    Ok(())
}

/// A connection that leaves the edge.
struct Left {
    stream: std::net::TcpStream,
    tls: Option<Box<Session>>,
    /// Plaintext that nobody has read.
    opened: Vec<u8>,
}

fn leave_plain(socket: Socket) -> io::Result<Left> {
    Ok(Left { stream: socket.into_std()?, tls: None, opened: Vec::new() })
}

fn leave_tls(stream: TlsStream<Socket>) -> io::Result<Left> {
    let (socket, session, opened) = stream.into_parts();
    Ok(Left { stream: socket.into_std()?, tls: Some(Box::new(session)), opened })
}

async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    connection: Rc<Connection>,
) -> Result<(), Failure> {
    let shard = Rc::clone(&connection.shard);
    let streams = Streams::new(Rc::clone(&connection));
    let (stream, turn) = gather(stream);
    let service = service_fn(move |request: http::Request<_>| {
        respond(connection.begin_request(), request.into_parts())
    });
    let mut server = pin!(
        http2::Builder::new(streams.clone())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
            .max_local_error_reset_streams(RESETS_OURS_MAX)
            .max_frame_size(FRAME_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut told = false;
    poll_fn(|context| {
        if shard.drains() && !std::mem::replace(&mut told, true) {
            server.as_mut().graceful_shutdown();
        }
        let mut ended = server.as_mut().poll(context);
        while ended.is_pending() && streams.begin() {
            // Writes what they say.
            ended = server.as_mut().poll(context);
        }
        match turn.poll_end(context) {
            Poll::Ready(Err(error)) if ended.is_pending() => Poll::Ready(Err(error.into())),
            _ => ended.map_err(Failure::from),
        }
    })
    .await
}

/// A peer that answers no ping is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// RFC 9113 6.5.2 recommends at least 100.
const STREAMS_MAX: u32 = 128;
/// Rapid reset (CVE-2023-44487): streams that the peer reset before they were accepted.
const RESETS_PENDING_MAX: usize = 32;
/// Streams that we reset for the peer's errors (RUSTSEC-2024-0003).
const RESETS_OURS_MAX: usize = 256;
/// Largest frame that we take.
const FRAME_BYTES: u32 = 64 * 1024;
/// What a stream may have waiting to be sent.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// What a client may send ahead of us: uploads over a long way need it.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
