//! The lane where io_uring is not to be had: tokio reads the first head of each connection by
//! the same rules as the fast lane, and the full lane serves what is well-formed.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::observer::Observer;
use super::step::{self, Step};
use super::{HandedOver, Life, Listener};
use crate::edge::answer::{self, Content, Stays};
use crate::edge::conditional::format_date;
use crate::edge::http1::HEAD_BYTES_MAX;
use crate::edge::origin::Origin;
use crate::edge::request::{Malformed, Request, Version};
use crate::edge::resource::Source;
use crate::edge::tls::{Alpn, Session};
use crate::supervisor::Stop;

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// How long a client may take to end its side behind a refusal.
const LINGER: Duration = Duration::from_secs(2);
/// Pause after an accept failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a portable lane is made of.
pub struct Setup {
    /// What both lanes ask.
    pub origin: Arc<Origin>,
    /// Listeners, shared with the other lanes.
    pub listeners: Vec<Listener>,
    /// Where connections go.
    pub full: mpsc::Sender<HandedOver>,
    /// Metrics and access log of this lane.
    pub observer: Observer,
    /// Most connections whose first head is being read.
    pub connections_max: usize,
}

/// Runs a lane on this thread until it is told to stop.
///
/// # Errors
/// The runtime cannot be set up.
pub fn run(setup: Setup, life: watch::Receiver<Life>, mut stop: Stop) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let lane = Rc::new(Lane {
            origin: setup.origin,
            full: setup.full,
            observer: RefCell::new(setup.observer),
            room: Arc::new(Semaphore::new(setup.connections_max)),
        });
        for listener in setup.listeners {
            let socket = listener.socket.try_clone()?;
            tokio::task::spawn_local(lane.clone().accept(socket, listener.tls, life.clone()));
        }
        stop.requested().await;
        Ok(())
    })
}

struct Lane {
    origin: Arc<Origin>,
    full: mpsc::Sender<HandedOver>,
    observer: RefCell<Observer>,
    room: Arc<Semaphore>,
}

impl Lane {
    async fn accept(
        self: Rc<Self>,
        socket: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        mut life: watch::Receiver<Life>,
    ) {
        let listener =
            socket.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(socket));
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "cannot listen"),
        };
        loop {
            let Ok(permit) = self.room.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = life.wait_for(|life| *life != Life::Serving) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let lane = self.clone();
                    let tls = tls.clone();
                    tokio::task::spawn_local(async move {
                        lane.admit(stream, peer, tls).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error,
                        "cannot accept: raise the descriptor limit or lower [http] connections_max");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn admit(&self, stream: TcpStream, peer: SocketAddr, tls: Option<Arc<ServerConfig>>) {
        self.observer.borrow_mut().metrics.accepted.inc();
        let head_timeout = Duration::from_secs(self.origin.http.head_timeout_s.into());
        match timeout(head_timeout, self.first_head(stream, peer, tls)).await {
            Err(_) => self.observer.borrow_mut().metrics.timed_out.inc(),
            Ok(Err(error)) => tracing::debug!(%error, "connection cut"),
            Ok(Ok(())) => {}
        }
    }

    async fn first_head(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut tls = match tls {
            Some(config) => Some(Box::new(Session::new(config).map_err(io::Error::other)?)),
            None => None,
        };
        let mut read = Vec::new();
        loop {
            if !receive(&mut stream, tls.as_deref_mut(), &mut read).await? {
                return Ok(());
            }
            if let Some(session) = &tls {
                if session.is_handshaking() {
                    continue;
                }
                if session.alpn() == Alpn::Http2 {
                    return self.hand_over(stream, peer, tls, read).await;
                }
            }
            match step::next(&read, &self.origin.router) {
                Step::More => {}
                Step::Refuse(malformed) => return self.refuse(stream, peer, tls, malformed).await,
                Step::Serve { .. } | Step::HandOver => {
                    return self.hand_over(stream, peer, tls, read).await;
                }
            }
            assert!(read.len() <= HEAD_BYTES_MAX + READ_BYTES, "the parser bounds a head");
        }
    }

    async fn hand_over(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<Box<Session>>,
        read: Vec<u8>,
    ) -> io::Result<()> {
        self.observer.borrow_mut().metrics.handed_over.inc();
        let handed_over = HandedOver { stream: stream.into_std()?, peer, tls, read };
        self.full.send(handed_over).await.map_err(io::Error::other)
    }

    async fn refuse(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
        mut tls: Option<Box<Session>>,
        malformed: Malformed,
    ) -> io::Result<()> {
        let answer = answer::malformed(malformed);
        let mut bytes = Vec::new();
        let unix_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let date = format_date(unix_s.as_secs());
        let extra = self.origin.extra.lines(tls.is_some());
        answer.write_http1_head(Stays::Closes, date.as_bytes(), &extra, &mut bytes);
        if let Content::Part(Source::Memory(content), _) = &answer.content {
            bytes.extend_from_slice(content);
        }
        if let Some(session) = tls.as_mut() {
            let mut sealed = Vec::new();
            session.seal(&bytes, &mut sealed).map_err(io::Error::other)?;
            session.close(&mut sealed);
            bytes = sealed;
        }
        stream.write_all(&bytes).await?;
        if let Ok(request) = Request::new("-", "/", Version::Http10) {
            let mut observer = self.observer.borrow_mut();
            let facts = (answer.status, answer.content.len());
            let record = observer.begin(&request, peer, tls.is_some(), Instant::now(), facts);
            observer.end(record, Instant::now(), 0);
        }
        stream.shutdown().await?;
        // What the client still sends must not reset what it was told (RFC 9112 9.6).
        let mut discarded = [0; 1024];
        let drain = async { while stream.read(&mut discarded).await.is_ok_and(|len| len > 0) {} };
        let _ = timeout(LINGER, drain).await;
        Ok(())
    }
}

/// Reads once, opens what is sealed, and says what TLS has to say. `false`: the client ended.
async fn receive(
    stream: &mut TcpStream,
    tls: Option<&mut Session>,
    read: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut bytes = vec![0; READ_BYTES];
    let len = stream.read(&mut bytes).await?;
    bytes.truncate(len);
    let Some(session) = tls else {
        read.extend_from_slice(&bytes);
        return Ok(len > 0);
    };
    let mut reply = Vec::new();
    let opened =
        session.receive(&mut bytes, &mut reply, |plaintext| read.extend_from_slice(plaintext));
    stream.write_all(&reply).await?;
    opened.map_err(io::Error::other)?;
    Ok(len > 0)
}
