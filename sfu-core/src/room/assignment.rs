//! Which track is shown in which slot: what was asked for, then screens, then those who spoke last;
//! of voices the loudest.

use std::cmp::Reverse;

use super::Room;
use crate::arena::Key;
use crate::sfu::Context;
use crate::subscriber::Subscriber;
use crate::track::{Track, Watcher};

impl Room {
    /// After something that concerns all.
    pub(super) fn assign_all(&mut self, context: &mut Context<'_>) {
        let order = self.video_order();
        for at in 0..self.participants.places() {
            if let Some(key) = self.participants.key_at(at) {
                self.assign_in_order(context, key, &order);
            }
        }
    }

    /// After something that concerns one.
    pub(super) fn assign(&mut self, context: &mut Context<'_>, key: Key) {
        let order = self.video_order();
        self.assign_in_order(context, key, &order);
    }

    /// The loudest have changed.
    pub(super) fn assign_voices(&mut self, context: &mut Context<'_>) {
        for at in 0..self.participants.places() {
            if let Some(key) = self.participants.key_at(at) {
                self.assign_kind(context, key, false, &[]);
            }
        }
    }

    fn assign_in_order(&mut self, context: &mut Context<'_>, key: Key, order: &[Key]) {
        self.assign_kind(context, key, false, &[]);
        self.assign_kind(context, key, true, order);
        let participant = self.participants.get_mut(key);
        let Some(subscriber) = participant.and_then(|it| it.subscriber.as_mut()) else { return };
        subscriber.choose_layers(context.now, &self.tracks);
        subscriber.want_keys(context.now, &mut self.tracks);
    }

    /// Pictures that anybody may be shown, those that go first in front.
    fn video_order(&self) -> Vec<Key> {
        let videos = self.tracks.iter();
        let videos = videos.filter(|(_, track)| track.source.is_video() && !track.is_silent);
        let mut videos: Vec<_> = videos
            .map(|(key, track)| {
                let is_screen = track.source == crate::config::Source::Screen;
                let spoke = self.last_spoke(track.owner);
                (Reverse(is_screen), Reverse(spoke), track.order, key)
            })
            .collect();
        videos.sort_unstable();
        videos.into_iter().map(|(.., key)| key).collect()
    }

    fn assign_kind(&mut self, context: &mut Context<'_>, key: Key, is_video: bool, order: &[Key]) {
        let Some(participant) = self.participants.get(key) else { return };
        let Some(subscriber) = participant.subscriber.as_deref() else { return };
        let slots = subscriber.slots.iter().enumerate().filter(|(_, it)| it.is_video == is_video);
        let slots: Vec<usize> = slots.map(|(at, _)| at).collect();
        if slots.is_empty() {
            return;
        }
        let mut wanted = if is_video {
            self.wanted_videos(key, subscriber, order)
        } else {
            self.wanted_voices(key, subscriber)
        };
        wanted.truncate(slots.len());
        // What is shown already stays where it is.
        let mut free = Vec::new();
        for slot in slots {
            match subscriber.slots[slot].source() {
                Some(track) if wanted.contains(&track) => wanted.retain(|it| *it != track),
                shown => free.push((slot, shown.is_some())),
            }
        }
        let mut wanted = wanted.into_iter();
        for (slot, shows) in free {
            let next = wanted.next();
            if shows || next.is_some() {
                self.show(context, key, slot, next);
            }
        }
    }

    fn wanted_videos(&self, key: Key, subscriber: &Subscriber, order: &[Key]) -> Vec<Key> {
        let pinned = subscriber.view.pinned.iter().map(|wish| wish.track.track);
        let others = order.iter().copied().filter(|_| subscriber.view.shows_others);
        let mut wanted = Vec::new();
        for track in pinned.chain(others) {
            if !wanted.contains(&track) && self.may_show(key, subscriber, track, true) {
                wanted.push(track);
            }
        }
        wanted
    }

    fn wanted_voices(&self, key: Key, subscriber: &Subscriber) -> Vec<Key> {
        let may_hear = |track: &Key| self.may_show(key, subscriber, *track, false);
        self.voices.loudest().iter().copied().filter(may_hear).collect()
    }

    fn may_show(&self, key: Key, subscriber: &Subscriber, track: Key, is_video: bool) -> bool {
        let takes = |track: &Track| {
            let codecs = track.codecs.iter().map(|it| it.codec);
            track.source.is_video() == is_video
                && !track.is_silent
                && subscriber.takes(codecs, is_video)
        };
        self.tracks.get(track).is_some_and(|track| track.owner != key && takes(track))
    }

    /// Shows a track in a slot, or nothing.
    pub(super) fn show(
        &mut self,
        context: &mut Context<'_>,
        key: Key,
        slot: usize,
        track: Option<Key>,
    ) {
        let Some(subscriber) = self.subscriber_mut(key) else { return };
        let Some(place) = subscriber.slots.get_mut(slot) else { return };
        let before = place.source();
        if before == track {
            return;
        }
        place.show(track);
        let watcher = Watcher { participant: key, slot: slot as u8 };
        if let Some(before) = before.and_then(|before| self.tracks.get_mut(before)) {
            before.watchers.retain(|it| *it != watcher);
        }
        if let Some(track) = track.and_then(|track| self.tracks.get_mut(track)) {
            track.watchers.push(watcher);
        }
        Self::note_slot(context, key, slot, track);
    }
}
