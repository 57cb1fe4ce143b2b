//! What a subscriber says of what it gets: losses, arrivals, requests.

use super::{Subscriber, queued};
use crate::arena::Arena;
use crate::pacer::Kind;
use crate::rtcp::{LostPackets, Part, Report, SenderInfo, write_sdes, write_sender_report};
use crate::time::Time;
use crate::track::Track;

/// Packets of one NACK that are looked at.
const LOST_MAX: usize = 128;
/// Packets that were sent again lately, so that they are not again within a round trip.
const REPEATED_MAX: usize = 128;
/// Repeats take at most so much of the estimate, and may wait for so long.
const REPEAT_SHARE: f64 = 0.3;
const REPEAT_BPS_MIN: u64 = 64_000;
const REPEAT_BURST_MS: u64 = 500;
/// What one costs, before it is looked up.
const REPEAT_BYTES: u64 = 1000;
/// Reports that round trips are told by.
const REPORTS_MAX: usize = 64;
const CNAME: &[u8] = b"whimbrel";

impl Subscriber {
    /// Whether there is something to send now.
    pub(crate) fn take_part(
        &mut self,
        now: Time,
        part: &Part<'_>,
        tracks: &mut Arena<Track>,
    ) -> bool {
        match part {
            Part::Transport(feedback) => {
                if let Some(bandwidth) = self.bandwidth.as_mut().filter(|_| self.is_transport_told)
                {
                    bandwidth.take_feedback(now, feedback);
                }
            }
            Part::Nack { ssrc, lost } => return self.repeat(now, *ssrc, *lost),
            Part::Pli { ssrc } | Part::Fir { ssrc } => self.ask_key(now, *ssrc, tracks),
            Part::ReceiverReport { reports, .. } | Part::SenderReport { reports, .. } => {
                reports.iter().for_each(|report| self.take_report(now, &report));
            }
            Part::Sdes(_) | Part::Bye { .. } | Part::Other { .. } => {}
        }
        false
    }

    /// The budget of repeats grows with time.
    pub(super) fn fill_repeats(&mut self, passed_ms: u64) {
        let estimate_bps = self.bandwidth.as_ref().map_or(0, |it| it.estimate_bps());
        let bps = ((estimate_bps as f64 * REPEAT_SHARE) as u64).max(REPEAT_BPS_MIN);
        let most = (bps * REPEAT_BURST_MS / 8000).max(4 * REPEAT_BYTES);
        self.repeat_budget_bytes = (self.repeat_budget_bytes + bps * passed_ms / 8000).min(most);
    }

    fn repeat(&mut self, now: Time, ssrc: u32, lost: LostPackets<'_>) -> bool {
        let Some(index) = self.slots.iter().position(|slot| slot.ssrc == ssrc) else {
            return false;
        };
        let rtt_ms = self.rtt_ms.unwrap_or(50);
        let mut has_some = false;
        for sequence in lost.iter().take(LOST_MAX) {
            if self.repeat_budget_bytes < REPEAT_BYTES {
                break;
            }
            let is_recent = |(of, number, at): &(u32, u16, Time)| {
                *of == ssrc && *number == sequence && now.since_ms(*at) < rtt_ms
            };
            if self.repeated.iter().any(is_recent) {
                continue;
            }
            let Some((segment, number)) = self.slots[index].sent_as(sequence) else { continue };
            if self.repeated.len() == REPEATED_MAX {
                self.repeated.pop_front();
            }
            self.repeated.push_back((ssrc, sequence, now));
            self.repeat_budget_bytes -= REPEAT_BYTES;
            self.repeats += 1;
            let queued = queued(now, Kind::Repeat, index as u8, &segment, sequence, number);
            self.pacer.push_repeat(queued);
            has_some = true;
        }
        has_some
    }

    fn ask_key(&mut self, now: Time, ssrc: u32, tracks: &mut Arena<Track>) {
        let Some(slot) = self.slots.iter().find(|slot| slot.ssrc == ssrc) else { return };
        let (Some(track), Some(current)) = (slot.source(), slot.current()) else { return };
        if let Some(track) = tracks.get_mut(track)
            && let Some(encoding) = track.encodings.get_mut(usize::from(current.encoding))
            && self.key_requests.take(now)
        {
            encoding.key.want();
        }
    }

    fn take_report(&mut self, now: Time, report: &Report) {
        let Some(slot) = self.slots.iter().find(|slot| slot.ssrc == report.ssrc) else { return };
        let has_video = self.bandwidth.is_some();
        if slot.is_video == has_video {
            self.fraction_lost = report.fraction_lost;
        }
        let is_video = slot.is_video;
        let sent = self.reports.iter().find(|(middle, _)| *middle == report.last_report);
        if let Some((_, at)) = sent.filter(|_| report.last_report != 0) {
            let held_us = u64::from(report.since_last_report) * 1_000_000 / 65_536;
            let rtt_ms = now.since_us(*at).saturating_sub(held_us) / 1000;
            let rtt_ms = self.rtt_ms.map_or(rtt_ms, |before| (3 * before + rtt_ms) / 4);
            self.rtt_ms = Some(rtt_ms);
            if let Some(bandwidth) = &mut self.bandwidth {
                bandwidth.take_rtt(rtt_ms);
            }
        }
        if let Some(bandwidth) = self.bandwidth.as_mut().filter(|_| is_video) {
            bandwidth.take_report(now, report.fraction_lost);
        }
    }

    /// A publisher's report as it is told to this subscriber: the same wall clock, so that sound and
    /// pictures of one publisher stay together.
    pub(crate) fn report(
        &mut self,
        now: Time,
        index: u8,
        source: (crate::arena::Key, u8),
        info: &SenderInfo,
    ) -> Option<Vec<u8>> {
        let slot = self.slots.get(usize::from(index))?;
        let offset = slot.timestamp_offset(source.0, source.1)?;
        let told = SenderInfo {
            timestamp: info.timestamp.wrapping_add(offset),
            packets: slot.packets,
            octets: slot.octets,
            ..*info
        };
        let mut bytes = Vec::with_capacity(64);
        write_sender_report(&mut bytes, slot.ssrc, &told);
        write_sdes(&mut bytes, slot.ssrc, CNAME);
        if self.reports.len() == REPORTS_MAX {
            self.reports.pop_front();
        }
        self.reports.push_back((info.middle(), now));
        Some(bytes)
    }
}
