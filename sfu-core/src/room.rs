//! A room: who is there, what they publish, and who watches it.

mod assignment;
mod tick;
mod voices;

use std::collections::VecDeque;

use crate::arena::{Arena, Key};
use crate::config::{ENCODINGS_MAX, PublishConfig, Refused, SubscribeConfig, View};
use crate::output::Event;
use crate::publisher::Publisher;
use crate::rtcp::{self, Part, SenderInfo};
use crate::rtp::Packet;
use crate::sfu::{Context, ParticipantId, Side};
use crate::statistics::{self, ParticipantStatistics};
use crate::subscriber::{Polled, Subscriber};
use crate::time::Time;
use crate::track::{Clock, Track};

use voices::Voices;

#[derive(Debug)]
pub(crate) struct Room {
    name: u64,
    participants: Arena<Participant>,
    tracks: Arena<Track>,
    publishers: Vec<Key>,
    voices: Voices,
    ready: VecDeque<Key>,
    waiting: Vec<Key>,
    tracks_published: u64,
    /// Is in the list of rooms that have something to send.
    pub is_ready: bool,
    /// Is in the list of rooms that wait for budget.
    pub is_waiting: bool,
}

#[derive(Debug, Default)]
struct Participant {
    publisher: Option<Box<Publisher>>,
    subscriber: Option<Box<Subscriber>>,
    /// Packets that could not be read or belong to no track.
    refused: u64,
}

impl Room {
    pub(crate) fn new(name: u64) -> Self {
        Self {
            name,
            participants: Arena::default(),
            tracks: Arena::default(),
            publishers: Vec::new(),
            voices: Voices::default(),
            ready: VecDeque::new(),
            waiting: Vec::new(),
            tracks_published: 0,
            is_ready: false,
            is_waiting: false,
        }
    }

    pub(crate) fn name(&self) -> u64 {
        self.name
    }

    pub(crate) fn participants(&self) -> usize {
        self.participants.len()
    }

    pub(crate) fn has(&self, participant: Key) -> bool {
        self.participants.get(participant).is_some()
    }

    pub(crate) fn owner_of(&self, track: Key) -> Option<Key> {
        self.tracks.get(track).map(|track| track.owner)
    }

    pub(crate) fn join(&mut self) -> Key {
        self.participants.insert(Participant::default())
    }

    pub(crate) fn publish(
        &mut self,
        context: &mut Context<'_>,
        key: Key,
        config: PublishConfig,
    ) -> Result<Vec<Key>, Refused> {
        let participant = self.participants.get_mut(key).ok_or(Refused::Gone)?;
        if participant.publisher.is_some() {
            return Err(Refused::Again);
        }
        let mut publisher = Publisher::new(config.extensions, context.now);
        let mut keys = Vec::new();
        for track in config.tracks {
            self.tracks_published += 1;
            let ssrcs: Vec<_> = track.encodings.iter().map(|it| (it.ssrc, it.rtx_ssrc)).collect();
            let mid = track.mid.clone();
            let track = Track::new(track, key, self.tracks_published, context.now);
            let track = self.tracks.insert(track);
            publisher.add(mid, track, &ssrcs);
            keys.push(track);
        }
        participant.publisher = Some(Box::new(publisher));
        self.publishers.push(key);
        self.hear(context);
        self.assign_all(context);
        Ok(keys)
    }

    pub(crate) fn unpublish(&mut self, context: &mut Context<'_>, key: Key) {
        let publisher = self.participants.get_mut(key).and_then(|it| it.publisher.take());
        let Some(publisher) = publisher else { return };
        self.publishers.retain(|it| *it != key);
        for published in &publisher.tracks {
            let Some(track) = self.tracks.remove(published.key) else { continue };
            self.voices.forget(published.key);
            for watcher in track.watchers {
                self.show(context, watcher.participant, usize::from(watcher.slot), None);
            }
        }
        self.hear(context);
        self.assign_all(context);
    }

    pub(crate) fn subscribe(
        &mut self,
        context: &mut Context<'_>,
        key: Key,
        config: SubscribeConfig,
    ) -> Result<(), Refused> {
        let participant = self.participants.get_mut(key).ok_or(Refused::Gone)?;
        if participant.subscriber.is_some() {
            return Err(Refused::Again);
        }
        participant.subscriber = Some(Box::new(Subscriber::new(config, context.now)));
        self.assign(context, key);
        Ok(())
    }

    pub(crate) fn unsubscribe(&mut self, context: &mut Context<'_>, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let slots = participant.subscriber.as_ref().map_or(0, |it| it.slots.len());
        for slot in 0..slots {
            self.show(context, key, slot, None);
        }
        if let Some(participant) = self.participants.get_mut(key) {
            participant.subscriber = None;
        }
        self.ready.retain(|it| *it != key);
        self.waiting.retain(|it| *it != key);
    }

    pub(crate) fn view(&mut self, context: &mut Context<'_>, key: Key, mut view: View) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(subscriber) = &mut participant.subscriber else { return };
        view.pinned.truncate(subscriber.slots.len());
        subscriber.view = view;
        self.assign(context, key);
    }

    pub(crate) fn leave(&mut self, context: &mut Context<'_>, key: Key) {
        self.unsubscribe(context, key);
        self.unpublish(context, key);
        self.participants.remove(key);
    }

    pub(crate) fn take_rtp(&mut self, context: &mut Context<'_>, from: Key, bytes: &[u8]) {
        let now = context.now;
        let Some(participant) = self.participants.get_mut(from) else { return };
        let Some(publisher) = &mut participant.publisher else { return };
        let Ok(packet) = Packet::parse(bytes) else {
            participant.refused += 1;
            return;
        };
        publisher.packets += 1;
        let elements = packet.extensions.read(&publisher.extensions);
        if let Some(sequence) = elements.transport_sequence {
            publisher.arrivals.take(now, sequence);
        }
        let Some(routed) = publisher.route(now, &mut self.tracks, packet, &elements) else {
            participant.refused += 1;
            return;
        };
        let Some(track) = self.tracks.get_mut(routed.track) else { return };
        if !routed.codec.is_video() {
            track.loudness.take(now, elements.audio_level);
        }
        let encoding = &mut track.encodings[routed.encoding];
        let Some(info) = encoding.take(now, routed.codec, &routed.packet, &elements) else {
            return;
        };
        if track.wake(&info) {
            self.assign_all(context);
        }
        let Some(track) = self.tracks.get(routed.track) else { return };
        // Clocks matter between encodings of one track only.
        let mut clocks = [None::<Clock>; ENCODINGS_MAX];
        if track.encodings.len() > 1 {
            for (clock, encoding) in clocks.iter_mut().zip(&track.encodings) {
                *clock = encoding.clock;
            }
        }
        for watcher in &track.watchers {
            let Some(participant) = self.participants.get_mut(watcher.participant) else {
                continue;
            };
            let Some(subscriber) = &mut participant.subscriber else { continue };
            let encoding = routed.encoding as u8;
            if subscriber.forward(now, watcher.slot, encoding, &info, &clocks)
                && !subscriber.is_ready
            {
                subscriber.is_ready = true;
                self.ready.push_back(watcher.participant);
            }
        }
    }

    pub(crate) fn take_rtcp(
        &mut self,
        context: &mut Context<'_>,
        from: Key,
        side: Side,
        bytes: &[u8],
    ) {
        // What is broken says nothing; the parts beside it count.
        for part in rtcp::parts(bytes).filter_map(Result::ok) {
            match side {
                Side::Publish => self.take_publisher_part(context, from, &part),
                Side::Subscribe => {
                    let Some(participant) = self.participants.get_mut(from) else { return };
                    let Some(subscriber) = &mut participant.subscriber else { return };
                    if subscriber.take_part(context.now, &part, &mut self.tracks) {
                        self.make_ready(from);
                    }
                }
            }
        }
    }

    fn take_publisher_part(&mut self, context: &mut Context<'_>, from: Key, part: &Part<'_>) {
        let Part::SenderReport { ssrc, info, .. } = part else { return };
        let publisher = self.participants.get(from).and_then(|it| it.publisher.as_ref());
        let Some((key, index)) = publisher.and_then(|it| it.encoding_of(*ssrc)) else { return };
        let Some(track) = self.tracks.get_mut(key) else { return };
        let encoding = &mut track.encodings[index];
        // A publisher that reports all the time would have us do so for all who watch it.
        let is_early =
            encoding.reported.is_some_and(|(_, at)| context.now.since_ms(at) < REPORT_MS_MIN);
        if is_early {
            return;
        }
        encoding.take_report(context.now, info);
        self.report_on(context, key, index as u8, info);
    }

    /// Tells all who watch an encoding what its publisher said of it.
    fn report_on(&mut self, context: &mut Context<'_>, track: Key, index: u8, info: &SenderInfo) {
        let Some(watchers) = self.tracks.get(track).map(|track| &track.watchers) else { return };
        for watcher in watchers {
            let Some(participant) = self.participants.get_mut(watcher.participant) else {
                continue;
            };
            let Some(subscriber) = &mut participant.subscriber else { continue };
            let report = subscriber.report(context.now, watcher.slot, (track, index), info);
            if let Some(bytes) = report {
                context.rtcp(watcher.participant, Side::Subscribe, bytes);
            }
        }
    }

    /// The next packet, and for whom.
    pub(crate) fn poll(&mut self, now: Time, buffer: &mut [u8]) -> Option<(Key, usize)> {
        while let Some(key) = self.ready.front().copied() {
            let participant = self.participants.get_mut(key);
            if let Some(subscriber) = participant.and_then(|it| it.subscriber.as_mut()) {
                match subscriber.poll(now, &self.tracks, buffer) {
                    Polled::Packet(len) => return Some((key, len)),
                    Polled::Later if !subscriber.is_waiting => {
                        subscriber.is_waiting = true;
                        self.waiting.push(key);
                    }
                    Polled::Later | Polled::Nothing => {}
                }
                subscriber.is_ready = false;
            }
            self.ready.pop_front();
        }
        None
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Those who waited for budget may have some.
    pub(crate) fn wake_waiting(&mut self) {
        for key in std::mem::take(&mut self.waiting) {
            if let Some(subscriber) = self.subscriber_mut(key) {
                subscriber.is_waiting = false;
            }
            self.make_ready(key);
        }
    }

    pub(crate) fn statistics(&self, now: Time, id: ParticipantId) -> Option<ParticipantStatistics> {
        let participant = self.participants.get(id.participant)?;
        let publisher = participant.publisher.as_deref();
        let up = publisher.map(|it| statistics::of_publisher(it, &self.tracks, id.room));
        let subscriber = participant.subscriber.as_deref();
        let down = subscriber.map(|it| statistics::of_subscriber(now, it, &self.tracks, id.room));
        Some(ParticipantStatistics { up, down, packets_refused: participant.refused })
    }

    fn subscriber_mut(&mut self, key: Key) -> Option<&mut Subscriber> {
        self.participants.get_mut(key)?.subscriber.as_deref_mut()
    }

    fn make_ready(&mut self, key: Key) {
        if let Some(subscriber) = self.subscriber_mut(key)
            && !subscriber.is_ready
        {
            subscriber.is_ready = true;
            self.ready.push_back(key);
        }
    }

    fn note_slot(context: &mut Context<'_>, participant: Key, slot: usize, track: Option<Key>) {
        let participant = context.participant(participant);
        let track = track.map(|track| context.track(track));
        context.event(Event::SlotChanged { participant, slot, track });
    }
}

/// Between two reports on one encoding that are passed on.
const REPORT_MS_MIN: u64 = 200;
