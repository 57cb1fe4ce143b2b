//! RFC 3711 The Secure Real-time Transport Protocol, RFC 7714 AES-GCM in it: packets are opened and
//! sealed in place.

mod cipher;
mod index;
mod keys;

pub use keys::{KeyError, Master, Profile};

use cipher::Cipher;
use index::Streams;

/// Bytes that sealing adds at most: a tag, and an RTCP packet's index.
pub const OVERHEAD_BYTES_MAX: usize = 20;

const RTP_HEADER_BYTES: usize = 12;
const RTCP_HEADER_BYTES: usize = 8;
const RTCP_INDEX_BYTES: usize = 4;
const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Why a packet is not opened or sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends before its own header does.
    #[error("{bytes} bytes are too few")]
    Short {
        /// What there is.
        bytes: usize,
    },
    /// It is not what its sender sealed.
    #[error("not authentic")]
    Authentic,
    /// It came before, or so late that nobody can tell.
    #[error("index {index} was there before")]
    Repeated {
        /// The packet's index, its stream's rollovers counted.
        index: u64,
    },
    /// More streams than are kept.
    #[error("more than {} streams", index::STREAMS_MAX)]
    Streams,
}

/// What a peer sends.
pub struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams,
    rtcp_streams: Streams,
}

impl Opener {
    /// By the peer's half of the material.
    ///
    /// # Errors
    /// When it does not fit the profile.
    pub fn new(profile: Profile, master: &Master) -> Result<Self, KeyError> {
        Ok(Self {
            rtp: Cipher::new(profile, master, 0)?,
            rtcp: Cipher::new(profile, master, keys::RTCP_OFFSET)?,
            rtp_streams: Streams::default(),
            rtcp_streams: Streams::default(),
        })
    }

    /// Opens an RTP packet in place. Gives its length.
    ///
    /// # Errors
    /// When it is broken, forged or a repeat.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        let header = rtp_header_bytes(packet)?;
        let (ssrc, sequence) = (u32_at(packet, 8), u16_at(packet, 2));
        let index = self.rtp_streams.guess(ssrc, sequence);
        self.rtp_streams.check(ssrc, index)?;
        let len = self.rtp.open_rtp(packet, header, ssrc, index)?;
        self.rtp_streams.note(ssrc, index)?;
        Ok(len)
    }

    /// Opens an RTCP packet in place. Gives its length.
    ///
    /// # Errors
    /// As [`Self::open_rtp`]; one that is not encrypted counts as forged.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        let short = Fault::Short { bytes: packet.len() };
        let least = RTCP_HEADER_BYTES + RTCP_INDEX_BYTES + self.rtcp.tag_bytes();
        let at = packet.len().checked_sub(least).ok_or(short)? + RTCP_HEADER_BYTES;
        // AEAD puts the index behind the tag, AES-CM before it.
        let at = if self.rtcp.is_aead() { packet.len() - RTCP_INDEX_BYTES } else { at };
        let word = u32_at(packet, at);
        let ssrc = u32_at(packet, 4);
        let index = u64::from(word & !RTCP_ENCRYPTED);
        if word & RTCP_ENCRYPTED == 0 {
            return Err(Fault::Authentic);
        }
        self.rtcp_streams.check(ssrc, index)?;
        let len = self.rtcp.open_rtcp(packet, ssrc, word)?;
        self.rtcp_streams.note(ssrc, index)?;
        Ok(len)
    }
}

/// What we send.
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams,
    rtcp_index: u32,
}

impl Sealer {
    /// By our half of the material.
    ///
    /// # Errors
    /// When it does not fit the profile.
    pub fn new(profile: Profile, master: &Master) -> Result<Self, KeyError> {
        Ok(Self {
            rtp: Cipher::new(profile, master, 0)?,
            rtcp: Cipher::new(profile, master, keys::RTCP_OFFSET)?,
            rtp_streams: Streams::default(),
            rtcp_index: 0,
        })
    }

    /// Seals the RTP packet of `len` bytes at the buffer's front, which has room for
    /// [`OVERHEAD_BYTES_MAX`] more. Gives the length then.
    ///
    /// # Errors
    /// Under one number a stream has one packet: a second one would tell the key stream.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Fault> {
        let header = rtp_header_bytes(&buffer[..len])?;
        let (ssrc, sequence) = (u32_at(buffer, 8), u16_at(buffer, 2));
        let index = self.rtp_streams.guess(ssrc, sequence);
        self.rtp_streams.check(ssrc, index)?;
        self.rtp_streams.note(ssrc, index)?;
        self.rtp.seal_rtp(buffer, header, len, ssrc, index)
    }

    /// Seals an RTCP packet, as [`Self::seal_rtp`] does.
    ///
    /// # Errors
    /// When it is shorter than a header.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Fault> {
        if len < RTCP_HEADER_BYTES {
            return Err(Fault::Short { bytes: len });
        }
        // 2^31 packets of RTCP take years; the index must not come again then (RFC 3711 9.2).
        let index = self.rtcp_index;
        self.rtcp_index = index
            .checked_add(1)
            .filter(|next| *next < RTCP_ENCRYPTED)
            .ok_or(Fault::Repeated { index: u64::from(index) })?;
        let ssrc = u32_at(buffer, 4);
        self.rtcp.seal_rtcp(buffer, len, ssrc, index | RTCP_ENCRYPTED)
    }
}

/// Bytes of an RTP header with its CSRCs and its extension, which stay readable.
fn rtp_header_bytes(packet: &[u8]) -> Result<usize, Fault> {
    let short = Fault::Short { bytes: packet.len() };
    if packet.len() < RTP_HEADER_BYTES {
        return Err(short);
    }
    let mut header = RTP_HEADER_BYTES + 4 * usize::from(packet[0] & 0x0f);
    if packet[0] & 0x10 != 0 {
        if packet.len() < header + 4 {
            return Err(short);
        }
        header += 4 + 4 * usize::from(u16_at(packet, header + 2));
    }
    if packet.len() < header { Err(short) } else { Ok(header) }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests;
