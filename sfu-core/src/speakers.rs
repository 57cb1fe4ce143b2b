//! Who is loud: the voices that are forwarded, and the one who speaks. After RFC 6464's levels,
//! smoothed, with an advantage for those who are heard already.

use crate::rtp::AudioLevel;
use crate::time::Time;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loudness {
    /// 0 (silence) to 127.
    score: f32,
    last_packet: Option<Time>,
    /// When it was last the loudest voice.
    pub spoke: Option<Time>,
}

/// Weight of a packet of 20 ms: the score follows within 150 ms.
const WEIGHT: f32 = 0.15;
/// What counts for a packet without a level.
const UNTOLD: f32 = 80.0;
/// Louder than -50 dBov is a voice.
const VOICE: f32 = 77.0;
/// So much louder must another be, in dB.
const ADVANTAGE: f32 = 6.0;
/// Without packets (DTX) a voice is silent after so long, and falls by so much per tick.
const SILENT_MS: u64 = 200;
const FALL: f32 = 0.7;

impl Loudness {
    pub(crate) fn take(&mut self, now: Time, level: Option<AudioLevel>) {
        let loudness = level.map_or(UNTOLD, |it| 127.0 - f32::from(it.level));
        self.score += WEIGHT * (loudness - self.score);
        self.last_packet = Some(now);
    }

    pub(crate) fn tick(&mut self, now: Time) {
        if self.last_packet.is_none_or(|at| now.since_ms(at) > SILENT_MS) {
            self.score *= FALL;
        }
    }

    pub(crate) fn is_voice(&self) -> bool {
        self.score > VOICE
    }

    /// For the order of voices.
    pub(crate) fn rank(&self, is_heard: bool) -> f32 {
        self.score + if is_heard { ADVANTAGE } else { 0.0 }
    }
}
