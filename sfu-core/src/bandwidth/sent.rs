//! Packets that were sent and not told of yet, by their transport-wide numbers.

use std::collections::VecDeque;

use super::ProbeId;
use crate::time::Time;

/// More are not remembered: a second at 24 Mbit/s. What feedback says of older ones is passed over.
const SENT_MAX: usize = 2048;

#[derive(Debug, Default)]
pub(super) struct SentPackets {
    /// The number of the first one here.
    first: u64,
    packets: VecDeque<Option<SentPacket>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SentPacket {
    pub at: Time,
    pub bytes: u16,
    pub probe: ProbeId,
}

impl SentPackets {
    pub(super) fn push(&mut self, at: Time, bytes: usize, probe: ProbeId) -> u16 {
        let number = self.next_number();
        if self.packets.len() == SENT_MAX {
            self.packets.pop_front();
            self.first += 1;
        }
        self.packets.push_back(Some(SentPacket { at, bytes: bytes as u16, probe }));
        number
    }

    pub(super) fn next_number(&self) -> u16 {
        (self.first + self.packets.len() as u64) as u16
    }

    /// The packet of that number, unless it was taken.
    pub(super) fn take(&mut self, sequence: u16) -> Option<SentPacket> {
        let ahead = usize::from(sequence.wrapping_sub(self.first as u16));
        let packet = self.packets.get_mut(ahead)?.take();
        while let Some(None) = self.packets.front() {
            self.packets.pop_front();
            self.first += 1;
        }
        packet
    }

    /// When the first packet left that nothing was told of.
    pub(super) fn waiting_since(&self) -> Option<Time> {
        self.packets.front().copied().flatten().map(|packet| packet.at)
    }
}
