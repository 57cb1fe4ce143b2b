//! Takes clients from the listeners, and spreads them evenly over the threads.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::addresses::Addresses;
use super::metrics::ChatMetrics;
use super::shard::{Inbox, Newcomer, Way};

/// Gives clients to the threads that carry them.
#[derive(Clone)]
pub struct Reception {
    shards: Vec<Arc<Inbox>>,
    addresses: Addresses,
    connections_max: usize,
    metrics: ChatMetrics,
}

impl Reception {
    /// Before these threads.
    pub fn new(
        shards: Vec<Arc<Inbox>>,
        addresses: Addresses,
        connections_max: usize,
        metrics: ChatMetrics,
    ) -> Self {
        Self { shards, addresses, connections_max, metrics }
    }

    /// Is there room for a further client?
    pub fn has_room(&self) -> bool {
        self.shards.iter().map(|shard| shard.connections()).sum::<usize>() < self.connections_max
    }

    /// Gives a client to the thread that has the fewest, unless its address has too many.
    pub fn admit(&self, stream: TcpStream, peer: SocketAddr, way: Way) {
        let Some(place) = self.addresses.admit(peer.ip()) else {
            self.metrics.refused.inc();
            return tracing::debug!(%peer, "refused: its address has too many connections");
        };
        self.metrics.accepted.inc();
        if let Some(shard) = self.shards.iter().min_by_key(|shard| shard.connections()) {
            shard.connect(Newcomer { stream, peer, way, place });
        }
    }

    /// Accepts on a listener until `ends` says so; what waits in its queue is left there.
    ///
    /// # Errors
    /// The listener cannot be waited for.
    pub async fn accept(
        self,
        listener: TcpListener,
        is_tls: bool,
        mut ends: watch::Receiver<bool>,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            if !self.has_room() {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => continue,
                    _ = ends.wait_for(|ends| *ends) => return Ok(()),
                }
            }
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = ends.wait_for(|ends| *ends) => return Ok(()),
            };
            // The thread that carries it registers it anew.
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok((stream, peer)) => {
                    let way = if is_tls { Way::DirectTls } else { Way::Plain };
                    self.admit(stream, peer, way);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error,
                        "cannot accept: raise the descriptor limit or lower [xmpp] connections_max");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Pause while there is no room, or no descriptor.
const PAUSE: Duration = Duration::from_millis(100);
