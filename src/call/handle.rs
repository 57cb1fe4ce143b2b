//! The endpoint as the rest of the server sees it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::orders::{Join, Order, Orders, Statistics};
use super::sdp::{Offer, SdpError};
use super::{Answers, CallError, Offers, ParticipantName, RoomName, View};

/// Gives orders to the endpoint. Clones are the same.
#[derive(Clone)]
pub struct Handle {
    threads: Arc<[Orders]>,
}

impl Handle {
    pub(super) fn new(threads: Arc<[Orders]>) -> Self {
        Self { threads }
    }

    /// Lets a participant in. One who is in already gets the connection that is missing; an offer of a
    /// connection that is there, with another ufrag, restarts its ICE; any other offer replaces the
    /// connection.
    ///
    /// # Errors
    /// When an offer is of no use, the room is full, or the endpoint is busy.
    pub async fn join(
        &self,
        room: RoomName,
        participant: ParticipantName,
        offers: Offers,
    ) -> Result<Answers, CallError> {
        let read = |side, offer: Option<String>| {
            let wrong = |source: SdpError| CallError::Offer { side, source };
            offer.map(|offer| Offer::parse(&offer)).transpose().map_err(wrong)
        };
        let publish = read("publish", offers.publish)?;
        let subscribe = read("subscribe", offers.subscribe)?;
        if publish.is_none() && subscribe.is_none() {
            return Err(CallError::NoOffer);
        }
        let join = Box::new(Join { room, participant, publish, subscribe });
        self.ask(room, |reply| Order::Join(join, reply)).await?
    }

    /// What a participant wants to see from now on. Who publishes later is shown then.
    ///
    /// # Errors
    /// When they are not in the room, or the endpoint is busy.
    pub async fn view(
        &self,
        room: RoomName,
        participant: ParticipantName,
        view: View,
    ) -> Result<(), CallError> {
        self.ask(room, |reply| Order::View(room, participant, view, reply)).await?
    }

    /// They have left, or were removed. Without effect for who is not there.
    ///
    /// # Errors
    /// When the endpoint is busy: then they are there still.
    pub async fn leave(
        &self,
        room: RoomName,
        participant: ParticipantName,
    ) -> Result<(), CallError> {
        self.thread(room).give(Order::Leave(room, participant))
    }

    /// All have left a room: a new call begins in it. Goes before what is asked behind it.
    ///
    /// # Errors
    /// When the endpoint is busy.
    pub async fn clear(&self, room: RoomName) -> Result<(), CallError> {
        self.thread(room).give(Order::Clear(room))
    }

    /// How the participants of a room fare; empty for a room that is not there.
    ///
    /// # Errors
    /// When the endpoint is busy.
    pub async fn statistics(&self, room: RoomName) -> Result<Statistics, CallError> {
        self.ask(room, |reply| Order::Statistics(room, reply)).await
    }

    async fn ask<T>(
        &self,
        room: RoomName,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        self.thread(room).give(order(reply))?;
        // A thread that fails drops what it was asked.
        answer.await.map_err(|_| CallError::Busy)
    }

    /// A room is pinned to a thread.
    fn thread(&self, room: RoomName) -> &Orders {
        &self.threads[(room % self.threads.len() as u64) as usize]
    }
}
