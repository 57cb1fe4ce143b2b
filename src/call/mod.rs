//! The call endpoint: WebRTC connections around the forwarding core `sfu-core`.
//!
//! A client offers, the endpoint answers: ICE-lite (RFC 8445), DTLS-SRTP (RFC 5764), everything bundled on
//! one UDP port. A participant has up to two connections: one that it publishes by, one that it watches by.
//! Which tracks a watched m-line shows changes by rewriting, never by another offer. A room is pinned to a
//! media thread ([`thread`]), which is told what to do by a [`Handle`] and tells what happens by [`Event`]s.

pub mod config;
mod connection;
mod demultiplex;
mod dtls;
mod handle;
mod ice;
mod membership;
mod metrics;
mod orders;
mod outbox;
mod peers;
mod present;
mod quality;
mod rooms;
pub mod sdp;
pub mod srtp;
pub mod stun;
mod telling;
mod thread;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::supervisor::{PartResult, Stop};
use crate::telemetry::metrics::Registry;

use config::CallConfig;
use dtls::{Certificate, CertificateError};
use metrics::CallMetrics;
use orders::{Ordered, Orders};
use present::Present;
use telling::Telling;
use thread::{MediaThread, Shared};
use udp::{BindError, Sockets};

pub use handle::Handle;
pub use orders::Statistics;
pub use quality::{Quality, QualityClass, QualityReason};
pub use sfu_core::{ParticipantStatistics, Source};

/// A room, by its caller's name.
pub type RoomName = u64;
/// A participant, by its caller's name; unique in its room.
pub type ParticipantName = u64;

/// Events that wait to be taken.
const EVENTS_MAX: usize = 1024;

/// SDP of a client. Of `publish` the first m-line with sound is the microphone, the first one with pictures
/// the camera, the second one the screen; encodings of one go from small to large. Of `subscribe` the n-th
/// m-line is slot n.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// What is sent to us.
    pub publish: Option<String>,
    /// What is watched.
    pub subscribe: Option<String>,
}

/// SDP for a client: an answer to each offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// What is sent to us.
    pub publish: Option<String>,
    /// What is watched.
    pub subscribe: Option<String>,
}

/// What a participant wants to see. Before any is given, those who spoke last are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Those that go before all others, in this order. Who does not publish it yet is shown as soon as they
    /// do.
    pub pinned: Vec<Wish>,
    /// Whether the other slots show screens, and those who spoke last.
    pub shows_others: bool,
    /// The largest picture of those others: 0 is the smallest encoding, `u8::MAX` any.
    pub others_encoding_max: u8,
}

/// A track that a participant wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whose.
    pub participant: ParticipantName,
    /// Which of theirs.
    pub source: Source,
    /// The largest picture: 0 is the smallest encoding, `u8::MAX` any.
    pub encoding_max: u8,
}

/// What a slot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose track.
    pub participant: ParticipantName,
    /// Which of theirs.
    pub source: Source,
}

/// What the endpoint tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What each slot of somebody shows now. Only the latest state is told.
    Slots {
        /// The room.
        room: RoomName,
        /// Whose slots.
        participant: ParticipantName,
        /// In the order of the m-lines.
        slots: Vec<Option<Shown>>,
    },
    /// Who speaks now. Only the latest state is told.
    Speakers {
        /// The room.
        room: RoomName,
        /// Nobody, or the loudest.
        speakers: Vec<ParticipantName>,
    },
    /// How somebody's connections fare: at most once a second, and only when it has changed.
    Quality {
        /// The room.
        room: RoomName,
        /// Whose connections.
        participant: ParticipantName,
        /// How they fare.
        quality: Quality,
    },
    /// Which encodings of a track anybody watches: the client may pause the others.
    Demand {
        /// The room.
        room: RoomName,
        /// Who publishes it.
        participant: ParticipantName,
        /// Which track of theirs.
        source: Source,
        /// A bit for each encoding, the lowest for the smallest picture.
        encodings: u8,
    },
    /// Somebody is no longer in the room, and not by [`Handle::leave`]. They may join again.
    Ended {
        /// The room.
        room: RoomName,
        /// Who.
        participant: ParticipantName,
        /// Why.
        reason: EndReason,
    },
}

/// Why somebody is no longer in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// They were not heard for 30 s (RFC 7675).
    ConsentLost,
    /// No connection came to be secured within 30 s.
    NotConnected,
    /// They have closed their last connection.
    Closed,
    /// The thread that carried the room failed: all are to join again.
    Restarted,
}

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// A join without offers.
    #[error("no offer")]
    NoOffer,
    /// An offer that is of no use.
    #[error("{side} offer: {source}")]
    Offer {
        /// Which.
        side: &'static str,
        /// What is wrong with it.
        source: sdp::SdpError,
    },
    /// More than the core takes.
    #[error(transparent)]
    Refused(#[from] sfu_core::Refused),
    /// They are not in the room.
    #[error("no such participant in this room")]
    NotHere,
    /// Too many orders wait, or the thread has just failed: to be tried again.
    #[error("the call endpoint is busy")]
    Busy,
}

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An address is not to be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The system gives no sockets.
    #[error("the queue of orders: {0}")]
    Queue(#[from] std::io::Error),
}

/// The endpoint. Its sockets live as long as it does; its thread is run, and run again, by [`Call::run`].
pub struct Call {
    shared: Arc<Shared>,
    present: Arc<Present>,
    orders: Orders,
    ordered: Arc<Ordered>,
    events: mpsc::Sender<Event>,
}

impl Call {
    /// Binds the sockets. Gives the endpoint, what commands it, and what it tells.
    ///
    /// # Errors
    /// When an address is not to be had.
    pub fn open(
        config: &CallConfig,
        registry: &Registry,
    ) -> Result<(Self, Handle, mpsc::Receiver<Event>), OpenError> {
        let sockets = Sockets::bind(config)?;
        let (certificate, metrics) = (Certificate::make()?, CallMetrics::new(registry));
        let shared = Arc::new(Shared { sockets, certificate, metrics });
        let (orders, ordered) = orders::queue()?;
        let (events, told) = mpsc::channel(EVENTS_MAX);
        let handle = Handle::new([orders.clone()].into());
        let (present, ordered) = (Arc::default(), Arc::new(ordered));
        Ok((Self { shared, present, orders, ordered, events }, handle, told))
    }

    /// Where clients are told to send.
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.shared.sockets.candidates
    }

    /// Carries calls until `stop`. When it is run again after a failure, those who were in a call are told
    /// to join again. Called on a thread of a runtime that may block.
    ///
    /// # Errors
    /// When a socket does not work.
    pub fn run(&self, stop: Stop) -> PartResult {
        let (orders, mut until) = (self.orders.clone(), stop.clone());
        let waking = tokio::spawn(async move {
            until.requested().await;
            orders.wake();
        });
        let telling = Telling::new(self.events.clone());
        let mut thread = MediaThread::new(self.shared.clone(), self.present.clone(), telling);
        let ran = thread.run(&self.ordered, || stop.is_requested());
        waking.abort();
        ran.map_err(Into::into)
    }
}
