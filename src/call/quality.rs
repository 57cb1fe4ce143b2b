//! How a participant's connections fare, in words that people can be told.

use sfu_core::{DownStatistics, Limit, ParticipantStatistics, UpStatistics};

/// How somebody fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// How well.
    pub class: QualityClass,
    /// What is the matter, unless it is good.
    pub reason: Option<QualityReason>,
}

/// How well somebody fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QualityClass {
    /// Nothing is noticed.
    Good,
    /// Pictures are smaller than they could be, or voices are repaired.
    Fair,
    /// It is heard and seen.
    Poor,
}

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualityReason {
    /// Packets are lost between the participant and us.
    LossUp,
    /// Packets are lost between us and the participant.
    LossDown,
    /// Answers take long.
    RoundTrip,
    /// The participant's own link carries less than what they watch.
    Bandwidth,
}

const GOOD: Quality = Quality { class: QualityClass::Good, reason: None };

/// Lost packets, in 256ths, from which on it is fair, and poor: 3 and 10 per cent.
const LOSS: (u64, u64) = (8, 26);
/// Round trips in milliseconds, the same (ITU-T G.114 has 150 and 400 one way).
const ROUND_TRIP_MS: (u64, u64) = (300, 800);

/// What was told, and what was seen since.
#[derive(Clone, Copy, Debug)]
pub struct Assessment {
    /// As it was told last.
    pub told: Quality,
    seen: Quality,
}

impl Default for Assessment {
    fn default() -> Self {
        Self { told: GOOD, seen: GOOD }
    }
}

impl Assessment {
    /// Takes what was counted in the last second. Whether there is something to tell: what was seen twice
    /// and not told yet.
    pub fn take(&mut self, statistics: &ParticipantStatistics) -> bool {
        let seen = assess(statistics);
        let is_new = seen == std::mem::replace(&mut self.seen, seen) && seen != self.told;
        if is_new {
            self.told = seen;
        }
        is_new
    }
}

/// The worst of all that is the matter.
fn assess(statistics: &ParticipantStatistics) -> Quality {
    let up = statistics.up.iter().map(|up| (loss_up(up), QualityReason::LossUp));
    let down = statistics.down.iter().flat_map(|down| {
        [
            (class_of(u64::from(down.fraction_lost), LOSS), QualityReason::LossDown),
            (class_of(down.rtt_ms.unwrap_or(0), ROUND_TRIP_MS), QualityReason::RoundTrip),
            (bandwidth(down), QualityReason::Bandwidth),
        ]
    });
    let all = up.chain(down).map(|(class, reason)| Quality { class, reason: Some(reason) });
    all.fold(GOOD, |worst, it| if it.class > worst.class { it } else { worst })
}

fn loss_up(up: &UpStatistics) -> QualityClass {
    let sent = up.encodings.iter().filter(|encoding| encoding.bps > 0);
    class_of(sent.map(|encoding| u64::from(encoding.fraction_lost)).max().unwrap_or(0), LOSS)
}

fn bandwidth(down: &DownStatistics) -> QualityClass {
    let is_limited =
        |slot: &sfu_core::SlotStatistics| slot.limit == Limit::Link && slot.target.is_some();
    match down.slots.iter().any(is_limited) {
        true if down.is_over_used => QualityClass::Poor,
        true => QualityClass::Fair,
        false => QualityClass::Good,
    }
}

fn class_of(value: u64, (fair, poor): (u64, u64)) -> QualityClass {
    match value {
        _ if value >= poor => QualityClass::Poor,
        _ if value >= fair => QualityClass::Fair,
        _ => QualityClass::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(fraction_lost: u8, rtt_ms: u64) -> ParticipantStatistics {
        let down = DownStatistics {
            estimate_bps: None,
            acknowledged_bps: 0,
            used_bps: 0,
            is_over_used: false,
            rtt_ms: Some(rtt_ms),
            fraction_lost,
            packets: 0,
            octets: 0,
            repeats: 0,
            slots: Vec::new(),
        };
        ParticipantStatistics { up: None, down: Some(down), packets_refused: 0 }
    }

    #[test]
    fn what_lasts_is_told_once() {
        let mut assessment = Assessment::default();
        assert!(!assessment.take(&down(0, 40)));
        assert!(!assessment.take(&down(40, 40)), "one bad second is none");
        assert!(assessment.take(&down(40, 400)));
        let poor = Quality { class: QualityClass::Poor, reason: Some(QualityReason::LossDown) };
        assert_eq!(assessment.told, poor);
        assert!(!assessment.take(&down(40, 400)));
        assert!(!assessment.take(&down(0, 40)) && assessment.take(&down(0, 40)));
        assert_eq!(assessment.told, GOOD);
    }
}
