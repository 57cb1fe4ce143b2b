//! A media thread: datagrams, orders and time go into the forwarding core; what comes out is sealed and
//! sent in batches. No runtime is in between.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use sfu_core::time::Time;
use sfu_core::{BUFFER_BYTES_MIN, Event as CoreEvent, Input, Output, ParticipantId, Sfu, Side};

use super::connection::{Connection, Handled, Over};
use super::demultiplex::Kind;
use super::dtls::Certificate;
use super::ice::{Check, Path, Ufrag};
use super::metrics::CallMetrics;
use super::orders::Ordered;
use super::outbox::{DATAGRAM_BYTES_MAX, Outbox};
use super::peers::{ConnectionId, Peers};
use super::present::Present;
use super::rooms::{Participant, Rooms};
use super::srtp::OVERHEAD_BYTES_MAX;
use super::stun::BindingRequest;
use super::telling::{Change, Telling};
use super::udp::{BATCH_MAX, Inbox, Sender, Sockets};
use super::{EndReason, Event};

/// Batches that are read from one socket before others have their turn.
const BATCHES_MAX: usize = 4;
/// Orders that are taken at once.
const ORDERS_AT_ONCE_MAX: usize = 64;
/// How often handshakes are looked after.
const HANDSHAKES_EVERY: Duration = Duration::from_millis(50);
/// How often it is looked who has gone, and how everybody fares.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long a thread sleeps that has nothing to do.
const SLEEP_MAX: Duration = Duration::from_secs(1);

const _: () = assert!(BUFFER_BYTES_MIN + OVERHEAD_BYTES_MAX <= DATAGRAM_BYTES_MAX);

/// What threads share.
pub struct Shared {
    /// The sockets.
    pub sockets: Sockets,
    /// Who we are in DTLS.
    pub certificate: Certificate,
    /// What is counted.
    pub metrics: CallMetrics,
}

/// What a thread works with.
pub struct MediaThread {
    pub(super) shared: Arc<Shared>,
    pub(super) sfu: Sfu,
    pub(super) peers: Peers,
    pub(super) rooms: Rooms,
    pub(super) telling: Telling,
    pub(super) present: Arc<Present>,
    pub(super) outbox: Outbox,
    sender: Sender,
    handshakes: Vec<ConnectionId>,
    begun: Instant,
    handshakes_due: Instant,
    sweep_due: Instant,
}

impl MediaThread {
    /// Without rooms. Who was in one when the thread before it failed is told to join again.
    pub fn new(shared: Arc<Shared>, present: Arc<Present>, mut telling: Telling) -> Self {
        for (room, participant) in present.take() {
            telling.event(Event::Ended { room, participant, reason: EndReason::Restarted });
        }
        let begun = Instant::now();
        Self {
            shared,
            sfu: Sfu::new(),
            peers: Peers::default(),
            rooms: Rooms::default(),
            telling,
            present,
            outbox: Outbox::new(),
            sender: Sender::default(),
            handshakes: Vec::new(),
            begun,
            handshakes_due: begun,
            sweep_due: begun,
        }
    }

    /// Carries calls until `is_stopped`.
    ///
    /// # Errors
    /// When a socket does not work.
    pub fn run(&mut self, ordered: &Ordered, is_stopped: impl Fn() -> bool) -> std::io::Result<()> {
        let shared = self.shared.clone();
        let mut inbox = Inbox::new();
        let mut readable = Vec::new();
        // A thread that failed may have left some.
        ordered.wake();
        while !is_stopped() {
            if self.wait(ordered, &mut readable)? {
                ordered.rest();
                self.take_orders(ordered);
            }
            for at in readable.drain(..) {
                self.receive(at, &shared.sockets.sockets[at], &mut inbox)?;
            }
            self.take_timeouts(Instant::now());
            self.drain();
            self.telling.tell(&self.rooms);
        }
        self.close_all();
        Ok(())
    }

    fn take_orders(&mut self, ordered: &Ordered) {
        let now = Instant::now();
        for _ in 0..ORDERS_AT_ONCE_MAX {
            let Some(order) = ordered.take() else { return };
            self.take_order(now, order);
        }
        // There may be more: they have their turn once packets had theirs.
        ordered.wake();
    }

    /// Waits until there is something to do. Says whether there are orders, and which sockets have
    /// something to read.
    fn wait(&self, ordered: &Ordered, readable: &mut Vec<usize>) -> std::io::Result<bool> {
        let left = self.left();
        let timeout = rustix::event::Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let sockets = &self.shared.sockets.sockets;
        let mut watched = vec![PollFd::new(&ordered.woken, PollFlags::IN)];
        watched.extend(sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |it: &PollFd<'_>| !it.revents().is_empty();
        let ready = watched[1..].iter().enumerate().filter(|(_, it)| is_ready(it));
        readable.extend(ready.map(|(at, _)| at));
        Ok(is_ready(&watched[0]))
    }

    /// How long there is nothing to do.
    fn left(&self) -> Duration {
        let now = Instant::now();
        let sfu_due = self.sfu.poll_timeout();
        let sfu_due = sfu_due.map(|due| self.begun + Duration::from_micros(due.as_micros()));
        let handshakes_due = (!self.handshakes.is_empty()).then_some(self.handshakes_due);
        let sweep_due = (self.peers.len() > 0).then_some(self.sweep_due);
        let untold_due = self.telling.is_waiting().then_some(now + HANDSHAKES_EVERY);
        let due = [sfu_due, handshakes_due, sweep_due, untold_due].into_iter().flatten().min();
        due.map_or(SLEEP_MAX, |due| due.saturating_duration_since(now)).min(SLEEP_MAX)
    }

    pub(super) fn time_of(&self, now: Instant) -> Time {
        Time::from_micros(now.duration_since(self.begun).as_micros() as u64)
    }

    fn receive(
        &mut self,
        socket: usize,
        from: &UdpSocket,
        inbox: &mut Inbox,
    ) -> std::io::Result<()> {
        for _ in 0..BATCHES_MAX {
            let count = inbox.receive(from)?;
            let now = Instant::now();
            for at in 0..count {
                let Some((remote, datagram)) = inbox.datagram(at) else {
                    self.shared.metrics.refused.other.inc();
                    continue;
                };
                self.shared.metrics.bytes_in.add(datagram.len() as u64);
                self.handle_datagram(now, Path { socket, remote }, datagram);
            }
            self.shared.metrics.packets_in.add(count as u64);
            self.drain();
            if count < BATCH_MAX {
                break;
            }
        }
        Ok(())
    }

    fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8]) {
        match Kind::of(datagram) {
            Kind::Stun => self.handle_check(now, path, datagram),
            Kind::Dtls => self.handle_dtls(now, path, datagram),
            Kind::Rtp => self.handle_media(now, path, false, datagram),
            Kind::Rtcp => self.handle_media(now, path, true, datagram),
            Kind::Other => self.shared.metrics.refused.other.inc(),
        }
    }

    fn handle_check(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        let refused = &self.shared.metrics.refused;
        let Ok(request) = BindingRequest::parse(datagram) else { return refused.stun.inc() };
        let id = Ufrag::of(&request).and_then(|ufrag| self.peers.by_ufrag(ufrag));
        let Some((id, connection)) = id.and_then(|id| Some((id, self.peers.get_mut(id)?))) else {
            return refused.ufrag.inc();
        };
        let mut response = Vec::with_capacity(super::stun::RESPONSE_BYTES_MAX);
        let Ok(check) = connection.ice.handle_check(now, path, &request, &mut response) else {
            return refused.stun.inc();
        };
        self.peers.note_path(id, path);
        self.make_room();
        self.outbox.push(path, &response);
        // Where we begin DTLS, we can from now on.
        if check == Check::Moved && self.handshakes.contains(&id) {
            self.handshakes_due = now;
        }
    }

    fn handle_dtls(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.make_room();
        let Some((id, connection)) = find(&mut self.peers, path) else {
            return self.shared.metrics.refused.address.inc();
        };
        match connection.handle_dtls(now, path, datagram, &mut self.outbox) {
            Ok(handled) => self.note_handled(now, id, handled),
            Err(error) => self.fail(now, id, &error),
        }
    }

    fn handle_media(&mut self, now: Instant, path: Path, is_rtcp: bool, datagram: &mut [u8]) {
        let time = self.time_of(now);
        let refused = &self.shared.metrics.refused;
        let Some((_, connection)) = find(&mut self.peers, path) else {
            return refused.address.inc();
        };
        let (from, side) = (connection.owner, connection.side);
        let Some(secured) = connection.secured() else { return refused.srtp.inc() };
        let opened = match is_rtcp {
            true => secured.opener.open_rtcp(datagram),
            false => secured.opener.open_rtp(datagram),
        };
        let Ok(len) = opened else { return refused.srtp.inc() };
        let packet = &datagram[..len];
        match (is_rtcp, side) {
            (true, _) => self.sfu.handle_input(time, Input::Rtcp { from, side, packet }),
            (false, Side::Publish) => self.sfu.handle_input(time, Input::Rtp { from, packet }),
            (false, Side::Subscribe) => refused.other.inc(),
        }
    }

    fn note_handled(&mut self, now: Instant, id: ConnectionId, handled: Handled) {
        match handled {
            Handled::Nothing => {}
            Handled::Refused => self.shared.metrics.refused.dtls.inc(),
            Handled::Secured => self.begin_media(now, id),
            Handled::Closed => self.end_connection(now, id, Over::Closed),
        }
    }

    fn fail(&mut self, now: Instant, id: ConnectionId, error: &super::dtls::DtlsError) {
        self.shared.metrics.refused.dtls.inc();
        tracing::debug!(%error, "a call's connection failed");
        self.end_connection(now, id, Over::NotConnected);
    }

    /// A new connection, whose handshake is looked after from now on.
    pub(super) fn begin_connection(&mut self, connection: Connection) -> ConnectionId {
        let id = self.peers.insert(connection);
        self.handshakes.push(id);
        self.shared.metrics.connections.inc();
        id
    }

    /// Forgets a connection, which nobody hears of. Gives whose it was.
    pub(super) fn forget_connection(
        &mut self,
        now: Instant,
        id: ConnectionId,
    ) -> Option<ParticipantId> {
        self.make_room();
        let mut connection = self.peers.remove(id)?;
        connection.close(&mut self.outbox);
        self.handshakes.retain(|it| *it != id);
        self.shared.metrics.connections.dec();
        let (owner, side, time) = (connection.owner, connection.side, self.time_of(now));
        match side {
            Side::Publish => {
                self.sfu.unpublish(time, owner);
                self.rooms.unpublish(owner);
            }
            Side::Subscribe => self.sfu.unsubscribe(time, owner),
        }
        if let Some(participant) = self.rooms.get_mut(owner) {
            *participant.connection_mut(side) = None;
        }
        Some(owner)
    }

    /// A connection is over; with the last one its participant has gone.
    fn end_connection(&mut self, now: Instant, id: ConnectionId, over: Over) {
        let ended = &self.shared.metrics.ended;
        let (counter, reason) = match over {
            Over::Closed => (&ended.closed, EndReason::Closed),
            Over::ConsentLost => (&ended.consent_lost, EndReason::ConsentLost),
            Over::NotConnected => (&ended.not_connected, EndReason::NotConnected),
        };
        counter.inc();
        let Some(owner) = self.forget_connection(now, id) else { return };
        let has_gone = self.rooms.get(owner).is_some_and(Participant::is_unconnected);
        if has_gone && let Some((room, participant)) = self.remove_participant(now, owner) {
            self.telling.event(Event::Ended { room, participant, reason });
        }
    }

    fn take_timeouts(&mut self, now: Instant) {
        let time = self.time_of(now);
        if self.sfu.poll_timeout().is_some_and(|due| due <= time) {
            self.sfu.handle_input(time, Input::Timeout);
        }
        if self.handshakes_due <= now {
            self.handshakes_due = now + HANDSHAKES_EVERY;
            self.look_after_handshakes(now);
        }
        if self.sweep_due <= now {
            self.sweep_due = now + SWEEP_EVERY;
            self.sweep(now);
        }
    }

    fn look_after_handshakes(&mut self, now: Instant) {
        for id in self.handshakes.clone() {
            self.make_room();
            let Some(connection) = self.peers.get_mut(id) else { continue };
            match connection.handle_timeout(now, &mut self.outbox) {
                Ok(handled) => self.note_handled(now, id, handled),
                Err(error) => self.fail(now, id, &error),
            }
        }
        let peers = &mut self.peers;
        self.handshakes.retain(|id| peers.get_mut(*id).is_some_and(|it| !it.is_secured()));
    }

    fn sweep(&mut self, now: Instant) {
        for id in self.peers.ids() {
            let over = self.peers.get_mut(id).and_then(|connection| connection.is_over(now));
            if let Some(over) = over {
                self.end_connection(now, id, over);
            }
        }
        for id in self.rooms.ids() {
            let Some(statistics) = self.sfu.statistics(id) else { continue };
            let participant = self.rooms.get_mut(id);
            if participant.is_some_and(|it| it.quality.take(&statistics)) {
                self.telling.note(Change::Quality(id));
            }
        }
        let (rooms, participants) = self.rooms.count();
        self.shared.metrics.rooms.set(rooms as i64);
        self.shared.metrics.participants.set(participants as i64);
    }

    /// Sends all that the core has to send, and takes what it tells.
    fn drain(&mut self) {
        loop {
            self.make_room();
            match self.sfu.poll_output(self.outbox.space()) {
                Some(Output::Rtp { to, len }) => self.send(to, Side::Subscribe, false, len),
                Some(Output::Rtcp { to, side, len }) => self.send(to, side, true, len),
                Some(Output::Event(event)) => self.take_event(event),
                None => break,
            }
        }
        self.flush();
    }

    fn send(&mut self, to: ParticipantId, side: Side, is_rtcp: bool, len: usize) {
        let id = self.rooms.get(to).and_then(|participant| participant.connection(side));
        let Some(connection) = id.and_then(|id| self.peers.get_mut(id)) else { return };
        // What may not be sealed is none of ours: a repeat under a number that has gone out.
        if connection.send(is_rtcp, len, &mut self.outbox).is_err() {
            self.shared.metrics.dropped.inc();
        }
    }

    fn take_event(&mut self, event: CoreEvent) {
        match event {
            CoreEvent::SlotChanged { participant, slot, track } => {
                let shown = track.and_then(|track| self.rooms.shown(track));
                let Some(it) = self.rooms.get_mut(participant) else { return };
                if it.slots.len() <= slot {
                    it.slots.resize(slot + 1, None);
                }
                it.slots[slot] = shown;
                self.telling.note(Change::Slots(participant));
            }
            CoreEvent::SpeakerChanged { room: name, participant } => {
                let speaker = participant.and_then(|id| self.rooms.get(id)).map(|it| it.name);
                let Some(room) = self.rooms.room_mut(name) else { return };
                room.speakers = speaker.into_iter().collect();
                self.telling.note(Change::Speakers(name));
            }
            CoreEvent::DemandChanged { participant, track, encodings } => {
                let Some(it) = self.rooms.get_mut(participant) else { return };
                let place = it.tracks.iter().position(|(of, ..)| *of == track);
                let Some(place) = place else { return };
                it.tracks[place].2 = encodings;
                self.telling.note(Change::Demand(participant, place));
            }
            // Who asks for these tells it by signalling.
            CoreEvent::MuteRequested { .. } | CoreEvent::Removed { .. } => {}
        }
    }

    fn make_room(&mut self) {
        if self.outbox.is_full() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (datagrams, bytes) = self.outbox.datagrams();
        if datagrams.is_empty() {
            return;
        }
        self.shared.metrics.packets_out.add(datagrams.len() as u64);
        self.shared.metrics.bytes_out.add(bytes.len() as u64);
        let sent = self.sender.send(&self.shared.sockets.sockets, &self.outbox);
        self.shared.metrics.dropped.add(sent.dropped);
        self.outbox.clear();
    }

    /// Tells all peers that it is over.
    fn close_all(&mut self) {
        for id in self.peers.ids() {
            self.make_room();
            if let Some(connection) = self.peers.get_mut(id) {
                connection.close(&mut self.outbox);
            }
        }
        self.flush();
    }
}

fn find(peers: &mut Peers, path: Path) -> Option<(ConnectionId, &mut Connection)> {
    let id = peers.by_path(path)?;
    Some((id, peers.get_mut(id)?))
}
