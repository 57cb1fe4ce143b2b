//! RFC 3550 RTP: A Transport Protocol for Real-Time Applications. Packets as they are read.

mod extension;
mod sequence;
mod write;

pub use extension::{
    AudioLevel, EXTENSION_ID_MAX, Elements, ExtensionKind, ExtensionMap, Extensions,
};
pub use sequence::Unwrapper;
pub use write::{Outgoing, write_header};

/// Octets of the fixed header.
pub const HEADER_BYTES: usize = 12;

/// The largest packet that is taken, in octets: more does not fit a datagram on the usual path.
pub const PACKET_BYTES_MAX: usize = 1500;

/// The fixed header's fields, but for those that say where others are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// With video: the last packet of a picture. With audio: the first one after silence.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Rises by one with each packet, modulo 2^16.
    pub sequence: u16,
    /// In units of the codec's clock.
    pub timestamp: u32,
    /// Which stream it belongs to.
    pub ssrc: u32,
}

/// A packet, its parts found.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// The header extension's elements; empty if there is none.
    pub extensions: Extensions<'a>,
    /// Without padding.
    pub payload: &'a [u8],
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends before its parts do.
    #[error("{bytes} bytes where {needed} are needed")]
    Short {
        /// What there is.
        bytes: usize,
        /// What its own fields ask for.
        needed: usize,
    },
    /// More than [`PACKET_BYTES_MAX`].
    #[error("{bytes} bytes, at most {PACKET_BYTES_MAX} are taken")]
    Long {
        /// What there is.
        bytes: usize,
    },
    /// Not version 2.
    #[error("RTP version {0}")]
    Version(u8),
    /// It says that it has padding of no octets, or of more than there are.
    #[error("padding of {padding} bytes in {bytes}")]
    Padding {
        /// What it says.
        padding: usize,
        /// Octets behind the header.
        bytes: usize,
    },
}

impl<'a> Packet<'a> {
    /// Finds the parts of `bytes`, a whole decrypted packet (RFC 3550 5.1).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() > PACKET_BYTES_MAX {
            return Err(Fault::Long { bytes: bytes.len() });
        }
        let short = |needed| Fault::Short { bytes: bytes.len(), needed };
        let fixed: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(short(HEADER_BYTES))?;
        if fixed[0] >> 6 != 2 {
            return Err(Fault::Version(fixed[0] >> 6));
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        let mut at = HEADER_BYTES + 4 * usize::from(fixed[0] & 0x0f);
        let mut extensions = Extensions::NONE;
        if fixed[0] & 0x10 != 0 {
            let Some(&[p0, p1, l0, l1]) = bytes.get(at..).and_then(|rest| rest.first_chunk())
            else {
                return Err(short(at + 4));
            };
            let end = at + 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
            let elements = bytes.get(at + 4..end).ok_or(short(end))?;
            extensions = Extensions::new(u16::from_be_bytes([p0, p1]), elements);
            at = end;
        }
        let mut payload = bytes.get(at..).ok_or(short(at))?;
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(payload.last().copied().unwrap_or(0));
            if padding == 0 || padding > payload.len() {
                return Err(Fault::Padding { padding, bytes: payload.len() });
            }
            payload = &payload[..payload.len() - padding];
        }
        Ok(Self { header, extensions, payload })
    }
}

/// Whether a datagram of RTP and RTCP on one port is RTCP (RFC 5761 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

#[cfg(test)]
mod tests;
