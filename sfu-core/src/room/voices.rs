//! The loudest voices of a room, and who speaks.

use super::Room;
use crate::arena::Key;
use crate::output::Event;
use crate::sfu::Context;
use crate::time::Time;

/// Voices that are forwarded, and one more: a speaker does not hear itself.
const LOUDEST: usize = 3 + 1;
/// Another must be the loudest for so many ticks before it speaks.
const SPEAKER_TICKS: u8 = 3;

#[derive(Debug, Default)]
pub(super) struct Voices {
    loudest: Vec<Key>,
    /// The track of who speaks.
    speaker: Option<Key>,
    challenger: Option<(Key, u8)>,
}

impl Voices {
    /// From the loudest on.
    pub(super) fn loudest(&self) -> &[Key] {
        &self.loudest
    }

    pub(super) fn forget(&mut self, track: Key) {
        self.loudest.retain(|it| *it != track);
        self.speaker = self.speaker.filter(|it| *it != track);
        self.challenger = self.challenger.filter(|(it, _)| *it != track);
    }

    /// Whether `track`, which is the loudest, speaks from now on.
    fn challenge(&mut self, track: Key) -> bool {
        if self.speaker == Some(track) {
            self.challenger = None;
            return false;
        }
        let times = match self.challenger {
            Some((challenger, times)) if challenger == track => times + 1,
            _ => 1,
        };
        self.challenger = Some((track, times));
        if times < SPEAKER_TICKS {
            return false;
        }
        (self.speaker, self.challenger) = (Some(track), None);
        true
    }
}

impl Room {
    /// When somebody was last the one who speaks.
    pub(super) fn last_spoke(&self, participant: Key) -> Option<Time> {
        let publisher = self.participants.get(participant)?.publisher.as_ref()?;
        let tracks = publisher.tracks.iter().filter_map(|it| self.tracks.get(it.key));
        tracks.filter_map(|track| track.loudness.spoke).max()
    }

    /// Finds the loudest anew. Order among them does not matter to who is forwarded.
    pub(super) fn hear(&mut self, context: &mut Context<'_>) {
        let before = self.voices.loudest.clone();
        let sounds = self.tracks.iter().filter(|(_, track)| !track.source.is_video());
        let mut ranks: Vec<(f32, u64, Key)> = sounds
            .map(|(key, track)| (track.loudness.rank(before.contains(&key)), track.order, key))
            .collect();
        ranks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let loudest: Vec<Key> = ranks.iter().take(LOUDEST).map(|(.., key)| *key).collect();
        let has_changed =
            loudest.len() != before.len() || loudest.iter().any(|key| !before.contains(key));
        // Who stays keeps its place: a change of order alone would exchange slots for nothing.
        if has_changed {
            self.voices.loudest = loudest.clone();
            self.assign_voices(context);
        }
        if let Some(first) = loudest.first().copied() {
            self.hear_speaker(context, first);
        }
    }

    fn hear_speaker(&mut self, context: &mut Context<'_>, first: Key) {
        let Some(track) = self.tracks.get_mut(first) else { return };
        if !track.loudness.is_voice() {
            return;
        }
        let owner = track.owner;
        if self.voices.speaker == Some(first) {
            track.loudness.spoke = Some(context.now);
        }
        if self.voices.challenge(first) {
            track.loudness.spoke = Some(context.now);
            let participant = Some(context.participant(owner));
            context.event(Event::SpeakerChanged { room: self.name, participant });
            self.assign_all(context);
        }
    }
}
