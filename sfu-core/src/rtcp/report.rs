//! RFC 3550 6.4 Sender and receiver reports, 6.5 SDES, 6.6 BYE.

use super::{BYE, RR, SDES, SR, part, word};

/// What a sender says of its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The sender's wall clock as an NTP timestamp: seconds above, their fraction below.
    pub ntp: u64,
    /// The same moment in the stream's timestamps.
    pub timestamp: u32,
    /// Packets since its begin, modulo 2^32.
    pub packets: u32,
    /// Octets of payload since its begin, modulo 2^32.
    pub octets: u32,
}

impl SenderInfo {
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (ntp, rest) = bytes.split_first_chunk()?;
        let (timestamp, rest) = word(rest)?;
        let (packets, rest) = word(rest)?;
        let (octets, rest) = word(rest)?;
        Some((Self { ntp: u64::from_be_bytes(*ntp), timestamp, packets, octets }, rest))
    }

    /// What a receiver's report names it by: the middle 32 bits of its clock.
    pub fn middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What a receiver says of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The stream.
    pub ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Lost since its begin; 24 bits, negative where packets came twice.
    pub lost: i32,
    /// The highest sequence number, above it how often that wrapped.
    pub highest: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's clock; 0 if there was none.
    pub last_report: u32,
    /// The time since that came, in 65536ths of a second.
    pub since_last_report: u32,
}

const REPORT_BYTES: usize = 24;

/// The reports of a part.
#[derive(Clone, Copy, Debug)]
pub struct Reports<'a> {
    bytes: &'a [u8],
}

impl<'a> Reports<'a> {
    pub(super) fn new(bytes: &'a [u8], count: usize) -> Option<Self> {
        Some(Self { bytes: bytes.get(..count * REPORT_BYTES)? })
    }

    /// In order; at most 31.
    pub fn iter(self) -> impl Iterator<Item = Report> + 'a {
        self.bytes.as_chunks::<REPORT_BYTES>().0.iter().map(|bytes| {
            let word = |at: usize| {
                u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
            };
            Report {
                ssrc: word(0),
                fraction_lost: bytes[4],
                // Sign-extends 24 bits.
                lost: (word(4) << 8) as i32 >> 8,
                highest: word(8),
                jitter: word(12),
                last_report: word(16),
                since_last_report: word(20),
            }
        })
    }
}

/// The first chunk's canonical name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cname<'a> {
    /// Whose.
    pub ssrc: u32,
    /// UTF-8, as the peer says.
    pub name: &'a [u8],
}

const CNAME: u8 = 1;

impl<'a> Cname<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (ssrc, mut items) = word(bytes)?;
        while let [kind, len, rest @ ..] = items
            && *kind != 0
        {
            let (name, behind) = rest.split_at_checked(usize::from(*len))?;
            if *kind == CNAME {
                return Some(Self { ssrc, name });
            }
            items = behind;
        }
        Some(Self { ssrc, name: &[] })
    }
}

/// Appends a sender report that says nothing of what was received.
pub fn write_sender_report(buffer: &mut Vec<u8>, ssrc: u32, info: &SenderInfo) {
    part(buffer, 0, SR, |buffer| {
        buffer.extend(ssrc.to_be_bytes());
        buffer.extend(info.ntp.to_be_bytes());
        for field in [info.timestamp, info.packets, info.octets] {
            buffer.extend(field.to_be_bytes());
        }
    });
}

/// Appends a receiver report; of `reports` the first 31.
pub fn write_receiver_report(buffer: &mut Vec<u8>, ssrc: u32, reports: &[Report]) {
    let reports = &reports[..reports.len().min(31)];
    part(buffer, reports.len() as u8, RR, |buffer| {
        buffer.extend(ssrc.to_be_bytes());
        for report in reports {
            let lost = report.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
            let loss = u32::from(report.fraction_lost) << 24 | lost;
            let Report { ssrc, highest, jitter, last_report, since_last_report, .. } = *report;
            for field in [ssrc, loss, highest, jitter, last_report, since_last_report] {
                buffer.extend(field.to_be_bytes());
            }
        }
    });
}

/// Appends a source description; of `name` the first 255 octets.
pub fn write_sdes(buffer: &mut Vec<u8>, ssrc: u32, name: &[u8]) {
    let name = &name[..name.len().min(255)];
    part(buffer, 1, SDES, |buffer| {
        buffer.extend(ssrc.to_be_bytes());
        buffer.extend([CNAME, name.len() as u8]);
        buffer.extend(name);
        // At least one null octet ends the chunk (RFC 3550 6.5).
        buffer.push(0);
    });
}

/// Appends the end of a stream.
pub fn write_bye(buffer: &mut Vec<u8>, ssrc: u32) {
    part(buffer, 1, BYE, |buffer| buffer.extend(ssrc.to_be_bytes()));
}
