//! Packets of pictures as encoders send them; each says in clear what it is, so that a receiver can
//! tell whether it could be decoded.

use sfu_core::codec::Codec;

/// What stands behind the payload descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub track: u8,
    pub encoding: u8,
    pub spatial: u8,
    pub frame: u32,
    /// The frame of the same layer that it needs; 0: none.
    pub refers: u32,
    pub index: u16,
    pub count: u16,
}

const STAMP_BYTES: usize = 16;

impl Stamp {
    fn write(&self, payload: &mut Vec<u8>) {
        payload.extend([self.track, self.encoding, self.spatial, 0]);
        payload.extend(self.frame.to_be_bytes());
        payload.extend(self.refers.to_be_bytes());
        payload.extend(self.index.to_be_bytes());
        payload.extend(self.count.to_be_bytes());
    }

    /// Reads what stands at the end of a packet's head.
    pub fn read(codec: Codec, payload: &[u8]) -> Self {
        let at = head_bytes(codec);
        let bytes: [u8; STAMP_BYTES] = payload[at..at + STAMP_BYTES].try_into().unwrap();
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let half = |at: usize| u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap());
        Self {
            track: bytes[0],
            encoding: bytes[1],
            spatial: bytes[2],
            frame: word(4),
            refers: word(8),
            index: half(12),
            count: half(14),
        }
    }
}

fn head_bytes(codec: Codec) -> usize {
    match codec {
        Codec::Vp8 => 7,
        _ => 5,
    }
}

pub struct Picture {
    pub codec: Codec,
    pub stamp: Stamp,
    pub picture_id: u16,
    pub tl0: u8,
    pub temporal: u8,
    pub bytes: usize,
}

/// Octets of payload at most.
const PAYLOAD_BYTES: usize = 1100;

impl Picture {
    /// Payloads, in order.
    pub fn packets(&self) -> Vec<Vec<u8>> {
        let count = self.bytes.div_ceil(PAYLOAD_BYTES).max(1);
        (0..count)
            .map(|index| {
                let len = (self.bytes / count).max(head_bytes(self.codec) + STAMP_BYTES);
                let mut payload = Vec::with_capacity(len);
                self.write_head(&mut payload, index == 0, index + 1 == count);
                let stamp = Stamp { index: index as u16, count: count as u16, ..self.stamp };
                stamp.write(&mut payload);
                payload.resize(len, 0);
                payload
            })
            .collect()
    }

    fn write_head(&self, payload: &mut Vec<u8>, is_first: bool, is_last: bool) {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let is_key = self.stamp.refers == 0;
        if self.codec == Codec::Vp8 {
            let layer = self.temporal << 6 | u8::from(self.temporal > 0) << 5;
            let first = 0x80 | u8::from(is_first) << 4;
            payload.extend([first, 0xe0, high, low, self.tl0, layer, u8::from(!is_key)]);
        } else {
            let flags =
                [(0x80, true), (0x40, !is_key), (0x20, true), (0x08, is_first), (0x04, is_last)];
            let first = flags.iter().filter(|(_, is)| *is).fold(0, |octet, (bit, _)| octet | bit);
            let layer = self.temporal << 5 | self.stamp.spatial << 1;
            payload.extend([first, high, low, layer, self.tl0]);
        }
    }
}
