//! RFC 3550 6 RTCP, RFC 4585 feedback: compound packets read in place and written.
//!
//! Own code, since each subscriber's transport feedback comes this way several times a second: the
//! `rtc-rtcp` crate boxes each part, marshals its header anew and refuses a whole compound for one
//! broken part.

mod feedback;
mod report;
mod transport;

pub use feedback::{LostPackets, write_fir, write_nack, write_pli};
pub use report::{
    Cname, Report, Reports, SenderInfo, write_bye, write_receiver_report, write_sdes,
    write_sender_report,
};
pub use transport::{
    Arrival, STATUSES_MAX, TransportFeedback, Untellable, write_transport_feedback,
};

use feedback::{FIR, NACK, PLI, TRANSPORT};

/// Packet types (RFC 3550 12.1, RFC 4585 6.1).
const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;

const HEADER_BYTES: usize = 4;

/// One part of a compound packet.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// What a sender has sent, and received.
    SenderReport {
        /// Of whom it tells.
        ssrc: u32,
        /// What was sent.
        info: SenderInfo,
        /// What was received.
        reports: Reports<'a>,
    },
    /// What was received.
    ReceiverReport {
        /// Who tells.
        ssrc: u32,
        /// What was received.
        reports: Reports<'a>,
    },
    /// Packets that are missing (RFC 4585 6.2.1).
    Nack {
        /// The stream that has gaps.
        ssrc: u32,
        /// What is missing.
        lost: LostPackets<'a>,
    },
    /// The picture is lost (RFC 4585 6.3.1).
    Pli {
        /// The stream that is asked for a key frame.
        ssrc: u32,
    },
    /// A key frame is asked for (RFC 5104 4.3.1), of the first stream that is named.
    Fir {
        /// The stream that is asked for a key frame.
        ssrc: u32,
    },
    /// When packets arrived.
    Transport(TransportFeedback<'a>),
    /// Names of streams' owners.
    Sdes(Cname<'a>),
    /// The first stream that ends.
    Bye {
        /// Which.
        ssrc: u32,
    },
    /// Whatever has no meaning here, REMB among it.
    Other {
        /// Its packet type.
        packet_type: u8,
    },
}

/// What is wrong with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends before its parts do: nothing behind it can be read.
    #[error("RTCP ends after {bytes} bytes, its header asks for {needed}")]
    Short {
        /// What there is.
        bytes: usize,
        /// What it asks for.
        needed: usize,
    },
    /// Not version 2: nothing behind it can be read.
    #[error("RTCP version {0}")]
    Version(u8),
    /// The part's content does not fit its length; what is behind it can be read.
    #[error("RTCP packet type {packet_type} with {bytes} bytes of content")]
    Content {
        /// Its packet type.
        packet_type: u8,
        /// Octets behind the header.
        bytes: usize,
    },
}

/// The parts of a compound packet, or of a lone one (RFC 5506), in order. A part whose content is
/// broken is an `Err`, and the next one follows.
pub fn parts(compound: &[u8]) -> impl Iterator<Item = Result<Part<'_>, Fault>> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, behind) = match split(rest) {
            Ok((part, behind)) => (part.read(), behind),
            Err(fault) => (Err(fault), &[][..]),
        };
        rest = behind;
        Some(part)
    })
}

struct Raw<'a> {
    /// Reception count or feedback message type.
    count: u8,
    packet_type: u8,
    content: &'a [u8],
}

fn split(bytes: &[u8]) -> Result<(Raw<'_>, &[u8]), Fault> {
    let short = |needed| Fault::Short { bytes: bytes.len(), needed };
    let &[first, packet_type, l0, l1] = bytes.first_chunk().ok_or(short(HEADER_BYTES))?;
    if first >> 6 != 2 {
        return Err(Fault::Version(first >> 6));
    }
    let end = HEADER_BYTES + 4 * usize::from(u16::from_be_bytes([l0, l1]));
    let (part, behind) = bytes.split_at_checked(end).ok_or(short(end))?;
    let mut content = &part[HEADER_BYTES..];
    if first & 0x20 != 0 {
        let padding = usize::from(content.last().copied().unwrap_or(0));
        content = &content[..content.len().saturating_sub(padding)];
    }
    Ok((Raw { count: first & 0x1f, packet_type, content }, behind))
}

impl<'a> Raw<'a> {
    fn read(&self) -> Result<Part<'a>, Fault> {
        let Self { packet_type, content, .. } = *self;
        self.read_content().ok_or(Fault::Content { packet_type, bytes: content.len() })
    }

    fn read_content(&self) -> Option<Part<'a>> {
        let content = self.content;
        let count = usize::from(self.count);
        Some(match (self.packet_type, self.count) {
            (SR, _) => {
                let (ssrc, rest) = word(content)?;
                let (info, rest) = SenderInfo::read(rest)?;
                Part::SenderReport { ssrc, info, reports: Reports::new(rest, count)? }
            }
            (RR, _) => {
                let (ssrc, rest) = word(content)?;
                Part::ReceiverReport { ssrc, reports: Reports::new(rest, count)? }
            }
            (SDES, 1..) => Part::Sdes(Cname::read(content)?),
            (BYE, 1..) => Part::Bye { ssrc: word(content)?.0 },
            (RTPFB, NACK) => {
                let (ssrc, rest) = media_of(content)?;
                Part::Nack { ssrc, lost: LostPackets::new(rest) }
            }
            (RTPFB, TRANSPORT) => Part::Transport(TransportFeedback::read(media_of(content)?.1)?),
            (PSFB, PLI) => Part::Pli { ssrc: media_of(content)?.0 },
            // FIR names its stream in its entries, not in the header (RFC 5104 4.3.1.2).
            (PSFB, FIR) => Part::Fir { ssrc: word(media_of(content)?.1)?.0 },
            _ => Part::Other { packet_type: self.packet_type },
        })
    }
}

/// What follows the senders of a feedback message, and the stream that it is about.
fn media_of(content: &[u8]) -> Option<(u32, &[u8])> {
    let (_, rest) = word(content)?;
    word(rest)
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*word), rest))
}

/// Appends a part: `content` writes behind the header, whose length is then put right.
fn part(buffer: &mut Vec<u8>, count: u8, packet_type: u8, content: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend([0x80 | count & 0x1f, packet_type, 0, 0]);
    content(buffer);
    while !(buffer.len() - start).is_multiple_of(4) {
        buffer.push(0);
    }
    let words = ((buffer.len() - start) / 4 - 1) as u16;
    buffer[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests;
