//! RFC 4585 6.2.1 Generic NACK, 6.3.1 PLI; RFC 5104 4.3.1 FIR.

use super::{PSFB, RTPFB, part};

/// Feedback message types.
pub(super) const NACK: u8 = 1;
pub(super) const TRANSPORT: u8 = 15;
pub(super) const PLI: u8 = 1;
pub(super) const FIR: u8 = 4;

/// What a NACK asks for.
#[derive(Clone, Copy, Debug)]
pub struct LostPackets<'a> {
    items: &'a [u8],
}

impl<'a> LostPackets<'a> {
    pub(super) fn new(items: &'a [u8]) -> Self {
        Self { items }
    }

    /// Sequence numbers, in the order in which they are asked for; each item stands for up to 17.
    pub fn iter(self) -> impl Iterator<Item = u16> + 'a {
        self.items.as_chunks::<4>().0.iter().flat_map(|&[p0, p1, m0, m1]| {
            let first = u16::from_be_bytes([p0, p1]);
            let mask = u16::from_be_bytes([m0, m1]);
            let behind = (0..16).filter(move |bit| mask >> bit & 1 == 1);
            std::iter::once(first).chain(behind.map(move |bit| first.wrapping_add(bit + 1)))
        })
    }
}

/// Appends a NACK for `lost`, which rises; nothing if it is empty.
pub fn write_nack(buffer: &mut Vec<u8>, sender: u32, media: u32, lost: &[u16]) {
    let mut rest = lost.iter().copied().peekable();
    if rest.peek().is_none() {
        return;
    }
    part(buffer, NACK, RTPFB, |buffer| {
        buffer.extend(sender.to_be_bytes());
        buffer.extend(media.to_be_bytes());
        while let Some(first) = rest.next() {
            let mut mask = 0u16;
            while let Some(next) = rest.next_if(|next| (1..=16).contains(&next.wrapping_sub(first)))
            {
                mask |= 1 << (next.wrapping_sub(first) - 1);
            }
            buffer.extend(first.to_be_bytes());
            buffer.extend(mask.to_be_bytes());
        }
    });
}

/// Appends a request for a key frame.
pub fn write_pli(buffer: &mut Vec<u8>, sender: u32, media: u32) {
    part(buffer, PLI, PSFB, |buffer| {
        buffer.extend(sender.to_be_bytes());
        buffer.extend(media.to_be_bytes());
    });
}

/// Appends a request for a key frame; a further one has another `number`.
pub fn write_fir(buffer: &mut Vec<u8>, sender: u32, media: u32, number: u8) {
    part(buffer, FIR, PSFB, |buffer| {
        buffer.extend(sender.to_be_bytes());
        buffer.extend([0; 4]);
        buffer.extend(media.to_be_bytes());
        buffer.extend([number, 0, 0, 0]);
    });
}
