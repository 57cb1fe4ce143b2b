//! What peers send, and what they have received of it.

use std::collections::BTreeSet;

/// Behind VP8's descriptor and frame header, or at the front of a voice: tells tested payloads from others.
const MARK: &[u8] = b"whimbrel";

/// A stream that is sent.
pub struct Stream {
    pub ssrc: u32,
    pub payload_type: u8,
    pub mid: u8,
    pub rid: Option<u8>,
    pub encoding: u8,
    sequence: u16,
    timestamp: u32,
}

impl Stream {
    pub fn new(ssrc: u32, payload_type: u8, mid: u8, rid: Option<u8>, encoding: u8) -> Self {
        // Near its end, so that numbers begin anew meanwhile.
        Self { ssrc, payload_type, mid, rid, encoding, sequence: 65_520, timestamp: 1 }
    }

    /// The next packet: a voice, or a picture in one packet.
    pub fn next(&mut self, is_key: bool) -> Vec<u8> {
        let is_video = self.payload_type == 96;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(if is_video { 3000 } else { 960 });
        let mut packet = vec![0x90, 0x80 | self.payload_type];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&self.timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        let mut elements = vec![0x40, self.mid];
        match (is_video, self.rid) {
            (true, Some(rid)) => elements.extend_from_slice(&[0xa0, rid]),
            (true, None) => {}
            (false, _) => elements.extend_from_slice(&[0x10, 0x80 | 20]),
        }
        elements.resize(elements.len().next_multiple_of(4), 0);
        packet.extend_from_slice(&[0xbe, 0xde, 0, (elements.len() / 4) as u8]);
        packet.extend_from_slice(&elements);
        if is_video {
            // The first packet of a frame; and the frame's own header, whose last bit says "no key".
            packet.extend_from_slice(&[0x10, u8::from(!is_key)]);
        }
        packet.extend_from_slice(MARK);
        packet.push(self.encoding);
        packet.resize(packet.len() + if is_video { 300 } else { 60 }, 0);
        packet
    }
}

/// What came under one SSRC.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub payloads: usize,
    pub begins_with_key: bool,
    pub gaps: usize,
    pub foreign: usize,
    pub encodings: BTreeSet<u8>,
    last: Option<u16>,
}

impl Received {
    pub fn take(&mut self, packet: &[u8]) {
        let has_padding = packet[0] & 0x20 != 0;
        let mut at = 12 + 4 * usize::from(packet[0] & 0x0f);
        if packet[0] & 0x10 != 0 {
            at += 4 + 4 * usize::from(u16::from_be_bytes([packet[at + 2], packet[at + 3]]));
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        self.gaps += usize::from(self.last.is_some_and(|last| last.wrapping_add(1) != sequence));
        self.last = Some(sequence);
        if has_padding {
            return;
        }
        let is_video = packet[1] & 0x7f == 96;
        let payload = &packet[at..];
        let is_key = is_video && payload[1] & 1 == 0;
        let content = if is_video { &payload[2..] } else { payload };
        self.begins_with_key |= self.payloads == 0 && is_key;
        self.payloads += 1;
        match content.strip_prefix(MARK) {
            Some(rest) => drop(self.encodings.insert(rest[0])),
            None => self.foreign += 1,
        }
    }
}
