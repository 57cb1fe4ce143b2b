//! What a media thread is told to do, by a bounded queue that wakes it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use sfu_core::ParticipantStatistics;
use tokio::sync::oneshot;

use super::sdp::Offer;
use super::{Answers, CallError, ParticipantName, RoomName, View};

/// Orders that wait for a thread.
const ORDERS_MAX: usize = 1024;

/// An order, and where its answer goes.
pub enum Order {
    /// See [`super::Handle::join`].
    Join(Box<Join>, oneshot::Sender<Result<Answers, CallError>>),
    /// See [`super::Handle::view`].
    View(RoomName, ParticipantName, View, oneshot::Sender<Result<(), CallError>>),
    /// See [`super::Handle::leave`].
    Leave(RoomName, ParticipantName),
    /// See [`super::Handle::clear`].
    Clear(RoomName),
    /// See [`super::Handle::statistics`].
    Statistics(RoomName, oneshot::Sender<Statistics>),
}

/// How the participants of a room fare.
pub type Statistics = Vec<(ParticipantName, ParticipantStatistics)>;

/// Offers, read.
pub struct Join {
    /// The room.
    pub room: RoomName,
    /// Who comes.
    pub participant: ParticipantName,
    /// What they want to send.
    pub publish: Option<Offer>,
    /// What they want to watch.
    pub subscribe: Option<Offer>,
}

/// The end that gives orders.
#[derive(Clone)]
pub struct Orders {
    sender: SyncSender<Order>,
    waker: Arc<UnixStream>,
}

/// The end that takes them. A thread that is started again takes what the one before left.
pub struct Ordered {
    receiver: Mutex<Receiver<Order>>,
    waker: Arc<UnixStream>,
    /// Becomes readable with each order.
    pub woken: UnixStream,
}

/// Both ends.
///
/// # Errors
/// When the system gives no sockets.
pub fn queue() -> std::io::Result<(Orders, Ordered)> {
    let (sender, receiver) = sync_channel(ORDERS_MAX);
    let (waker, woken) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let waker = Arc::new(waker);
    let orders = Orders { sender, waker: waker.clone() };
    Ok((orders, Ordered { receiver: Mutex::new(receiver), waker, woken }))
}

impl Orders {
    /// Gives an order.
    ///
    /// # Errors
    /// When too many wait.
    pub fn give(&self, order: Order) -> Result<(), CallError> {
        self.sender.try_send(order).map_err(|_| CallError::Busy)?;
        self.wake();
        Ok(())
    }

    /// Wakes the thread.
    pub fn wake(&self) {
        wake(&self.waker);
    }
}

fn wake(mut waker: &UnixStream) {
    // A full pipe wakes it too.
    let _ = waker.write(&[1]);
}

impl Ordered {
    /// The next one, if one waits.
    pub fn take(&self) -> Option<Order> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
    }

    /// Wakes the thread itself, for what is left.
    pub fn wake(&self) {
        wake(&self.waker);
    }

    /// Forgets that it was woken.
    pub fn rest(&self) {
        let mut woken = &self.woken;
        while matches!(woken.read(&mut [0; 64]), Ok(64)) {}
    }
}
