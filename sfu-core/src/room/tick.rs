//! What is done by time: feedback for publishers, choices for subscribers, who is heard.

use super::Room;
use crate::arena::Key;
use crate::output::Event;
use crate::sfu::{Context, Side};

/// In ticks of 20 ms.
const SUBSCRIBERS_EVERY: u64 = 5;
const VOICES_EVERY: u64 = 5;
const DEMAND_EVERY: u64 = 10;

impl Room {
    /// To be called each 20 ms; `ticks` counts.
    pub(crate) fn tick(&mut self, context: &mut Context<'_>, ticks: u64) {
        for at in 0..self.publishers.len() {
            self.tell_publisher(context, self.publishers[at]);
        }
        if ticks.is_multiple_of(VOICES_EVERY) {
            for (_, track) in self.tracks.iter_mut().filter(|(_, it)| !it.source.is_video()) {
                track.loudness.tick(context.now);
            }
            self.hear(context);
        }
        self.tick_subscribers(context, ticks);
        if ticks.is_multiple_of(DEMAND_EVERY) {
            self.free_silent(context);
            self.tell_demand(context);
        }
    }

    fn tell_publisher(&mut self, context: &mut Context<'_>, key: Key) {
        let participant = self.participants.get_mut(key);
        let Some(publisher) = participant.and_then(|it| it.publisher.as_mut()) else { return };
        let mut bytes = Vec::new();
        publisher.tell(context.now, &mut self.tracks, &mut bytes);
        context.rtcp(key, Side::Publish, bytes);
    }

    /// A part of them with each tick.
    fn tick_subscribers(&mut self, context: &mut Context<'_>, ticks: u64) {
        let every = SUBSCRIBERS_EVERY as usize;
        let first = (ticks % SUBSCRIBERS_EVERY) as usize;
        for at in (first..self.participants.places()).step_by(every) {
            let Some(key) = self.participants.key_at(at) else { continue };
            let participant = self.participants.get_mut(key);
            let Some(subscriber) = participant.and_then(|it| it.subscriber.as_mut()) else {
                continue;
            };
            subscriber.tick(context.now, &mut self.tracks);
            if subscriber.has_work() {
                self.make_ready(key);
            }
        }
    }

    /// What is no longer sent leaves its slots to others.
    fn free_silent(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let fallen =
            self.tracks.iter_mut().filter_map(|(_, it)| it.falls_silent(now).then_some(()));
        if fallen.count() > 0 {
            self.assign_all(context);
        }
    }

    fn tell_demand(&mut self, context: &mut Context<'_>) {
        let Self { tracks, participants, .. } = self;
        // A silent one stays asked for, so that its publisher begins as soon as there is something.
        for (key, track) in tracks.iter_mut().filter(|(_, it)| !it.is_silent) {
            let mut demand = 0u8;
            for watcher in &track.watchers {
                let subscriber =
                    participants.get(watcher.participant).and_then(|it| it.subscriber.as_ref());
                let slot = subscriber.and_then(|it| it.slots.get(usize::from(watcher.slot)));
                demand |= slot.map_or(0, |slot| slot.needs().fold(0, |bits, at| bits | 1 << at));
            }
            if track.set_demand(context.now, demand) {
                let participant = context.participant(track.owner);
                let (track, encodings) = (context.track(key), track.demand);
                context.event(Event::DemandChanged { participant, track, encodings });
            }
        }
    }
}
