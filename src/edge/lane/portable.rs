//! The lane where io_uring is not to be had: tokio accepts connections, and the full lane serves
//! them.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::observer::Observer;
use super::{HandedOver, Life, Listener};
use crate::supervisor::Stop;
use crate::tls::Session;

/// Pause after an accept failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a portable lane is made of.
pub struct Setup {
    /// Listeners, shared with the other lanes.
    pub listeners: Vec<Listener>,
    /// Where connections go.
    pub full: mpsc::Sender<HandedOver>,
    /// Metrics of this lane.
    pub observer: Observer,
    /// Most connections that it has accepted and that are still open.
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
        let mut ends = std::pin::pin!(life.wait_for(|life| *life != Life::Serving));
        loop {
            let place = tokio::select! {
                place = self.room.clone().acquire_owned() => place,
                _ = &mut ends => return,
            };
            let Ok(place) = place else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = &mut ends => return,
            };
            let handed_over =
                accepted.and_then(|(stream, peer)| handed_over(stream, peer, tls.as_ref(), place));
            match handed_over {
                Ok(handed_over) => {
                    self.count();
                    if self.full.send(handed_over).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error,
                        "cannot accept: raise the descriptor limit or lower [http] connections_max");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn count(&self) {
        let metrics = &mut self.observer.borrow_mut().metrics;
        metrics.accepted.inc();
        metrics.handed_over.inc();
    }
}

fn handed_over(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<&Arc<ServerConfig>>,
    place: OwnedSemaphorePermit,
) -> io::Result<HandedOver> {
    let session = |config: &Arc<ServerConfig>| Session::new(config.clone()).map(Box::new);
    let tls = tls.map(session).transpose().map_err(io::Error::other)?;
    Ok(HandedOver { stream: stream.into_std()?, peer, tls, read: Vec::new(), place: Some(place) })
}
