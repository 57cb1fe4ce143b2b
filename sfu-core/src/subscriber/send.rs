//! From a place in a queue to octets in the caller's buffer.

use super::Subscriber;
use crate::arena::Arena;
use crate::bandwidth::PROBE_NONE;
use crate::pacer::{Kind, Next, Queued};
use crate::ring::Info;
use crate::rtp::{Header, Outgoing, write_header};
use crate::time::Time;
use crate::track::Track;

/// What a subscriber has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// So many octets.
    Packet(usize),
    /// Something, but the link is to be spared for now.
    Later,
    /// Nothing.
    Nothing,
}

/// Pictures leave faster than the estimate, so that a frame is not spread over the time to the next.
const PACE: f64 = 1.5;
/// Without an estimate: voices alone are not paced, their repeats are.
const VOICES_BPS: u64 = 500_000;
/// The payload of a packet of padding: at most 255 octets can be told.
const PADDING_BYTES: u8 = 224;

impl Subscriber {
    /// Writes the next packet to the front of `buffer`.
    pub(crate) fn poll(&mut self, now: Time, tracks: &Arena<Track>, buffer: &mut [u8]) -> Polled {
        let probe = self.bandwidth.as_ref().and_then(|it| it.probe());
        let rate_bps = self.pace_bps(probe.map(|(_, bps)| bps));
        loop {
            let len = match self.pacer.next(now, rate_bps, probe.is_some()) {
                Next::Send(queued) => self.write(now, &queued, tracks, buffer),
                Next::Idle if probe.is_some() => {
                    let Some(len) = self.write_padding(now, buffer) else { return Polled::Nothing };
                    Some(len)
                }
                Next::Idle => return Polled::Nothing,
                Next::Later => return Polled::Later,
            };
            // What is not kept any more is passed over.
            if let Some(len) = len {
                self.pacer.spend(len);
                self.packets += 1;
                self.octets += len as u64;
                return Polled::Packet(len);
            }
        }
    }

    fn pace_bps(&self, probe_bps: Option<u64>) -> u64 {
        let Some(bandwidth) = &self.bandwidth else { return VOICES_BPS };
        probe_bps.unwrap_or_else(|| (bandwidth.estimate_bps() as f64 * PACE) as u64)
    }

    fn write(
        &mut self,
        now: Time,
        queued: &Queued,
        tracks: &Arena<Track>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let encoding = tracks.get(queued.track)?.encodings.get(usize::from(queued.encoding))?;
        let (info, dependency, payload) = encoding.ring.as_ref()?.get(queued.number)?;
        let slot = self.slots.get_mut(usize::from(queued.slot))?;
        let types = slot.payload_type(info.codec)?;
        let ends_picture = info.place.ends_frame && info.place.spatial == queued.spatial;
        let mut header = Header {
            marker: info.marker || ends_picture && info.codec.is_video(),
            payload_type: types.payload_type,
            sequence: queued.sequence,
            timestamp: info.timestamp.wrapping_add(queued.timestamp_offset),
            ssrc: slot.ssrc,
        };
        let repair = slot.rtx_ssrc.zip(types.rtx).filter(|_| queued.kind == Kind::Repeat);
        if let Some((ssrc, payload_type)) = repair {
            header = Header { ssrc, payload_type, sequence: slot.rtx_sequence, ..header };
            slot.rtx_sequence = slot.rtx_sequence.wrapping_add(1);
        }
        // A gap was kept for what is left out, and has been asked for.
        let place = &info.place;
        let is_within = place.spatial <= queued.spatial && place.temporal <= queued.temporal;
        let payload = if queued.kind == Kind::Fill || !is_within { &[] } else { payload };
        let frame = info.place.frame_number.unwrap_or(0).wrapping_add(queued.frame_offset);
        let outgoing = Outgoing {
            transport_sequence: self.next_transport_sequence(),
            audio_level: info.audio_level,
            orientation: info.orientation,
            dependency: (!dependency.is_empty()).then_some((dependency, frame)),
            ..Outgoing::default()
        };
        let mut len = write_header(buffer, &header, &self.extensions, &outgoing)?;
        if repair.is_some() {
            buffer.get_mut(len..len + 2)?.copy_from_slice(&queued.sequence.to_be_bytes());
            len += 2;
        }
        let copy = buffer.get_mut(len..len + payload.len())?;
        copy.copy_from_slice(payload);
        rewrite(info, queued, copy);
        len += payload.len();
        self.note_sent(now, len);
        Some(len)
    }

    /// Padding alone, for a probe, under the SSRC of retransmissions, where numbers do not matter.
    fn write_padding(&mut self, now: Time, buffer: &mut [u8]) -> Option<usize> {
        let transport_sequence = Some(self.next_transport_sequence()?);
        let slot = self.slots.iter_mut().find(|slot| slot.rtx_ssrc.is_some())?;
        let header = Header {
            marker: false,
            payload_type: slot.rtx_payload_type()?,
            sequence: slot.rtx_sequence,
            timestamp: 0,
            ssrc: slot.rtx_ssrc?,
        };
        slot.rtx_sequence = slot.rtx_sequence.wrapping_add(1);
        let outgoing = Outgoing { transport_sequence, ..Outgoing::default() };
        let head = write_header(buffer, &header, &self.extensions, &outgoing)?;
        let padding = buffer.get_mut(head..head + usize::from(PADDING_BYTES))?;
        padding.fill(0);
        *padding.last_mut()? = PADDING_BYTES;
        buffer[0] |= 0x20;
        let len = head + usize::from(PADDING_BYTES);
        self.note_sent(now, len);
        Some(len)
    }

    fn next_transport_sequence(&self) -> Option<u16> {
        let bandwidth = self.bandwidth.as_ref().filter(|_| self.is_transport_told)?;
        Some(bandwidth.next_number())
    }

    fn note_sent(&mut self, now: Time, len: usize) {
        if let Some(bandwidth) = self.bandwidth.as_mut().filter(|_| self.is_transport_told) {
            let probe = bandwidth.probe().map_or(PROBE_NONE, |(id, _)| id);
            bandwidth.send(now, len, probe);
        }
    }
}

/// Numbers in the payload descriptor continue those of what was sent before.
fn rewrite(info: &Info, queued: &Queued, payload: &mut [u8]) {
    if payload.is_empty() {
        return;
    }
    if let Some(id) = info.place.picture_id
        && queued.picture_offset != 0
    {
        id.write(payload, id.value.wrapping_add(queued.picture_offset));
    }
    if let Some((tl0, offset)) = info.place.tl0
        && let Some(place) = payload.get_mut(usize::from(offset))
    {
        *place = tl0.wrapping_add(queued.tl0_offset);
    }
}
