//! Who comes, goes and watches what: orders, carried out by the media thread.

use std::time::Instant;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use sfu_core::{ParticipantId, Side};

use super::connection::{Again, Connection, Pending};
use super::orders::{Join, Order, Statistics};
use super::peers::ConnectionId;
use super::rooms::Participant;
use super::sdp::{self, Offer, SdpError};
use super::thread::MediaThread;
use super::{Answers, CallError, ParticipantName, RoomName, View};

impl MediaThread {
    /// Carries an order out. Who asked and has gone meanwhile misses nothing but the answer.
    pub(super) fn take_order(&mut self, now: Instant, order: Order) {
        match order {
            Order::Join(join, reply) => drop(reply.send(self.join(now, &join))),
            Order::View(room, participant, view, reply) => {
                let viewed = match self.rooms.id_of(room, participant) {
                    Some(id) => {
                        self.view(now, id, view);
                        Ok(())
                    }
                    None => Err(CallError::NotHere),
                };
                drop(reply.send(viewed));
            }
            Order::Leave(room, participant) => {
                if let Some(id) = self.rooms.id_of(room, participant) {
                    self.remove_participant(now, id);
                }
            }
            Order::Clear(room) => {
                let participants = self.rooms.room(room).map(|room| &room.participants);
                let ids: Vec<_> =
                    participants.into_iter().flat_map(|it| it.values()).copied().collect();
                for id in ids {
                    self.remove_participant(now, id);
                }
            }
            Order::Statistics(room, reply) => drop(reply.send(self.statistics(room))),
        }
    }

    fn join(&mut self, now: Instant, join: &Join) -> Result<Answers, CallError> {
        let id = match self.rooms.id_of(join.room, join.participant) {
            Some(id) => id,
            None => {
                let id = self.sfu.join(self.time_of(now), join.room)?;
                self.rooms.insert(join.room, join.participant, id);
                self.present.insert(join.room, join.participant);
                id
            }
        };
        let answers = self.answer_all(now, id, join);
        // Who has no connection would stay for ever.
        if answers.is_err() && self.rooms.get(id).is_some_and(Participant::is_unconnected) {
            self.remove_participant(now, id);
        }
        answers
    }

    fn answer_all(
        &mut self,
        now: Instant,
        id: ParticipantId,
        join: &Join,
    ) -> Result<Answers, CallError> {
        let mut answer = |side, name, offer: &Option<Offer>| {
            let wrong = |source| match source {
                Refusal::Sdp(source) => CallError::Offer { side: name, source },
                Refusal::Random => CallError::Busy,
            };
            let answered = offer.as_ref().map(|offer| self.answer(now, id, side, offer));
            answered.transpose().map_err(wrong)
        };
        Ok(Answers {
            publish: answer(Side::Publish, "publish", &join.publish)?,
            subscribe: answer(Side::Subscribe, "subscribe", &join.subscribe)?,
        })
    }

    fn answer(
        &mut self,
        now: Instant,
        id: ParticipantId,
        side: Side,
        offer: &Offer,
    ) -> Result<String, Refusal> {
        let existing = self.rooms.get(id).and_then(|participant| participant.connection(side));
        let existing = match existing {
            Some(connection) => self.again(now, connection, offer)?,
            None => None,
        };
        let connection = match existing {
            Some(connection) => connection,
            None => self.connect(now, id, side, offer)?,
        };
        let shared = self.shared.clone();
        let connection = self.peers.get_mut(connection).ok_or(Refusal::Random)?;
        Ok(connection.answer(&shared.certificate, &shared.sockets.candidates))
    }

    /// Keeps the connection that `offer` is of, its ICE restarted if it asks for that; ends another one.
    fn again(
        &mut self,
        now: Instant,
        id: ConnectionId,
        offer: &Offer,
    ) -> Result<Option<ConnectionId>, Refusal> {
        let Some(connection) = self.peers.get_mut(id) else { return Ok(None) };
        match connection.compare(offer)? {
            Again::Same => Ok(Some(id)),
            Again::Restart => {
                let restarted = self.peers.change(id, |it| it.restart_ice(now, offer));
                restarted.transpose().map_err(|_| Refusal::Random)?;
                Ok(Some(id))
            }
            Again::Another => {
                self.forget_connection(now, id);
                Ok(None)
            }
        }
    }

    fn connect(
        &mut self,
        now: Instant,
        id: ParticipantId,
        side: Side,
        offer: &Offer,
    ) -> Result<ConnectionId, Refusal> {
        let (pending, answered) = match side {
            Side::Publish => {
                let published = sdp::publish(offer)?;
                (Pending::Publish(published.config), published.answered)
            }
            Side::Subscribe => {
                let subscribed = sdp::subscribe(offer, random_ssrc)?;
                (Pending::Subscribe(subscribed.config), subscribed.answered)
            }
        };
        let certificate = &self.shared.certificate;
        let connection = Connection::new(now, id, offer, (pending, answered), certificate)
            .map_err(|_| Refusal::Random)?;
        let connection = self.begin_connection(connection);
        if let Some(participant) = self.rooms.get_mut(id) {
            *participant.connection_mut(side) = Some(connection);
        }
        Ok(connection)
    }

    /// A connection has keys: the core hears of it.
    pub(super) fn begin_media(&mut self, now: Instant, connection: ConnectionId) {
        self.shared.metrics.secured.inc();
        let time = self.time_of(now);
        let Some(connection) = self.peers.get_mut(connection) else { return };
        let id = connection.owner;
        let begun = match connection.pending.take() {
            Some(Pending::Publish(config)) => {
                let sources: Vec<_> = config.tracks.iter().map(|track| track.source).collect();
                self.sfu.publish(time, id, config).map(|tracks| {
                    let tracks: Vec<_> = tracks.into_iter().zip(sources).collect();
                    self.rooms.publish(id, &tracks);
                    self.show_pinned(now, id);
                })
            }
            Some(Pending::Subscribe(config)) => {
                let slots = config.slots.len();
                if let Some(participant) = self.rooms.get_mut(id) {
                    participant.slots = vec![None; slots];
                }
                self.sfu.subscribe(time, id, config)
            }
            None => Ok(()),
        };
        // Limits were kept when the offer was answered.
        if let Err(error) = begun {
            tracing::warn!(%error, "a call's connection was refused by the core");
        }
        self.view_again(now, id);
    }

    fn view(&mut self, now: Instant, id: ParticipantId, view: View) {
        if let Some(participant) = self.rooms.get_mut(id) {
            participant.view = Some(view);
        }
        self.view_again(now, id);
    }

    /// Has the core show what somebody wants, as far as it is published.
    fn view_again(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.rooms.get(id) else { return };
        let Some(view) = &participant.view else { return };
        let wish = |wish: &super::Wish| {
            let track = self.rooms.track(participant.room, wish.participant, wish.source)?;
            Some(sfu_core::Wish { track, encoding_max: wish.encoding_max })
        };
        let view = sfu_core::View {
            pinned: view.pinned.iter().filter_map(wish).collect(),
            shows_others: view.shows_others,
            others_encoding_max: view.others_encoding_max,
        };
        let time = self.time_of(now);
        self.sfu.view(time, id, view);
    }

    /// Who waits for somebody's tracks gets them.
    fn show_pinned(&mut self, now: Instant, publisher: ParticipantId) {
        let Some(published) = self.rooms.get(publisher) else { return };
        let Some(room) = self.rooms.room(published.room) else { return };
        let waits = |id: &ParticipantId| {
            let view = self.rooms.get(*id).and_then(|it| it.view.as_ref());
            view.is_some_and(|it| it.pinned.iter().any(|it| it.participant == published.name))
        };
        let waiting: Vec<_> = room.participants.values().copied().filter(waits).collect();
        for id in waiting {
            self.view_again(now, id);
        }
    }

    /// Somebody has left, with all connections. Gives their names.
    pub(super) fn remove_participant(
        &mut self,
        now: Instant,
        id: ParticipantId,
    ) -> Option<(RoomName, ParticipantName)> {
        let connections = self.rooms.get(id).map(|it| [it.publish, it.subscribe]);
        for connection in connections.into_iter().flatten().flatten() {
            self.forget_connection(now, connection);
        }
        let time = self.time_of(now);
        self.sfu.leave(time, id);
        let participant = self.rooms.remove(id)?;
        self.present.remove(participant.room, participant.name);
        Some((participant.room, participant.name))
    }

    fn statistics(&self, room: RoomName) -> Statistics {
        let Some(room) = self.rooms.room(room) else { return Vec::new() };
        let of = |(name, id): (&ParticipantName, &ParticipantId)| {
            Some((*name, self.sfu.statistics(*id)?))
        };
        room.participants.iter().filter_map(of).collect()
    }
}

enum Refusal {
    Sdp(SdpError),
    Random,
}

impl From<SdpError> for Refusal {
    fn from(error: SdpError) -> Self {
        Self::Sdp(error)
    }
}

/// RFC 3550 8.1: chosen at random. Without random bytes there are no connections either.
fn random_ssrc() -> u32 {
    let mut bytes = [0; 4];
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_be_bytes(bytes).max(1)
}
