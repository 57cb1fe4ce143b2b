//! draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1: when each packet of a connection arrived.

use super::feedback::TRANSPORT;
use super::{RTPFB, part};

/// The most packets that one message may speak of. The format lets 20 octets speak of 65,535.
pub const STATUSES_MAX: usize = 4096;

/// Microseconds in a unit of arrival times, and in one of the reference time.
const DELTA_US: i64 = 250;
const REFERENCE_US: i64 = 64_000;

/// A message, its packets not yet walked through.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    base: u16,
    count: u16,
    reference: i32,
    /// Counts the messages, modulo 256.
    pub number: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// What it says of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The packet's transport-wide number.
    pub sequence: u16,
    /// By the receiver's clock, in microseconds modulo 2^24 units of 64 ms; `None` if it has not
    /// arrived.
    pub at_us: Option<i64>,
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn read(content: &'a [u8]) -> Option<Self> {
        let (&[b0, b1, c0, c1, r0, r1, r2, number], rest) = content.split_first_chunk()?;
        let count = u16::from_be_bytes([c0, c1]);
        if usize::from(count) > STATUSES_MAX {
            return None;
        }
        let mut told = 0;
        let mut chunks_len = 0;
        while told < usize::from(count) {
            let chunk = Chunk::read(rest.get(chunks_len..)?)?;
            told += chunk.len();
            chunks_len += 2;
        }
        let (chunks, deltas) = rest.split_at(chunks_len);
        // Sign-extends 24 bits.
        let reference = i32::from_be_bytes([r0, r1, r2, 0]) >> 8;
        Some(Self { base: u16::from_be_bytes([b0, b1]), count, reference, number, chunks, deltas })
    }

    /// The packets in the order of their numbers. Where arrival times are missing, the rest counts
    /// as not told of: the walk ends.
    pub fn iter(self) -> impl Iterator<Item = Arrival> + 'a {
        let chunks = self.chunks.as_chunks::<2>().0.iter();
        let statuses = chunks.flat_map(|chunk| {
            let chunk = Chunk::from_word(u16::from_be_bytes(*chunk));
            (0..chunk.len()).map(move |at| chunk.status(at))
        });
        let mut deltas = self.deltas;
        let mut at_us = i64::from(self.reference) * REFERENCE_US;
        statuses.take(usize::from(self.count)).enumerate().map_while(move |(ahead, status)| {
            let sequence = self.base.wrapping_add(ahead as u16);
            let delta = match status {
                SMALL => {
                    let (delta, rest) = deltas.split_first()?;
                    deltas = rest;
                    i64::from(*delta)
                }
                LARGE => {
                    let (delta, rest) = deltas.split_first_chunk()?;
                    deltas = rest;
                    i64::from(i16::from_be_bytes(*delta))
                }
                _ => return Some(Arrival { sequence, at_us: None }),
            };
            at_us += delta * DELTA_US;
            Some(Arrival { sequence, at_us: Some(at_us) })
        })
    }
}

const SMALL: u16 = 1;
const LARGE: u16 = 2;

#[derive(Clone, Copy)]
enum Chunk {
    Run { status: u16, len: usize },
    OneBit(u16),
    TwoBit(u16),
}

impl Chunk {
    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_word(u16::from_be_bytes(*bytes.first_chunk()?)))
    }

    fn from_word(word: u16) -> Self {
        match word >> 14 {
            0b10 => Self::OneBit(word),
            0b11 => Self::TwoBit(word),
            _ => Self::Run { status: word >> 13, len: usize::from(word & 0x1fff) },
        }
    }

    fn len(self) -> usize {
        match self {
            // A run of none would never end the walk: it counts as one not received.
            Self::Run { len, .. } => len.max(1),
            Self::OneBit(_) => 14,
            Self::TwoBit(_) => 7,
        }
    }

    fn status(self, at: usize) -> u16 {
        match self {
            Self::Run { len: 0, .. } => 0,
            Self::Run { status, .. } => status,
            Self::OneBit(word) => word >> (13 - at) & 1,
            Self::TwoBit(word) => word >> (12 - 2 * at) & 3,
        }
    }
}

/// Why arrivals were not told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untellable {
    /// None of them has arrived.
    None,
    /// Two that follow one another lie further apart than the format can say (8.19 s).
    Apart,
}

/// Appends a message on the packets from number `base` on, given as microseconds of arrival. Of more
/// than [`STATUSES_MAX`] the first are told of.
pub fn write_transport_feedback(
    buffer: &mut Vec<u8>,
    (sender, media): (u32, u32),
    number: u8,
    base: u16,
    arrivals: &[Option<u64>],
) -> Result<(), Untellable> {
    let arrivals = &arrivals[..arrivals.len().min(STATUSES_MAX)];
    let first_us = arrivals.iter().flatten().next().ok_or(Untellable::None)?;
    let reference = *first_us as i64 / REFERENCE_US;
    let mut last = reference * REFERENCE_US / DELTA_US;
    let mut deltas = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let Some(at_us) = arrival else {
            deltas.push(None);
            continue;
        };
        let at = *at_us as i64 / DELTA_US;
        deltas.push(Some(i16::try_from(at - last).map_err(|_| Untellable::Apart)?));
        last = at;
    }
    part(buffer, TRANSPORT, RTPFB, |buffer| {
        buffer.extend(sender.to_be_bytes());
        buffer.extend(media.to_be_bytes());
        buffer.extend(base.to_be_bytes());
        buffer.extend((arrivals.len() as u16).to_be_bytes());
        buffer.extend(&(reference as u32).to_be_bytes()[1..]);
        buffer.push(number);
        write_chunks(buffer, &deltas);
        for delta in deltas.iter().flatten() {
            match u8::try_from(*delta) {
                Ok(small) => buffer.push(small),
                Err(_) => buffer.extend(delta.to_be_bytes()),
            }
        }
    });
    Ok(())
}

fn status_of(delta: &Option<i16>) -> u16 {
    match delta {
        None => 0,
        Some(0..=255) => SMALL,
        Some(_) => LARGE,
    }
}

/// Runs where they are at least as short as a vector of seven, else vectors.
fn write_chunks(buffer: &mut Vec<u8>, deltas: &[Option<i16>]) {
    let mut rest = deltas;
    while let Some(first) = rest.first() {
        let status = status_of(first);
        let run = rest.iter().take_while(|delta| status_of(delta) == status).count();
        let taken = if run >= 7 || run == rest.len() {
            let run = run.min(0x1fff);
            buffer.extend((status << 13 | run as u16).to_be_bytes());
            run
        } else {
            let symbols = &rest[..rest.len().min(7)];
            let word = symbols
                .iter()
                .enumerate()
                .fold(0b11 << 14, |word, (at, delta)| word | status_of(delta) << (12 - 2 * at));
            buffer.extend(word.to_be_bytes());
            symbols.len()
        };
        rest = &rest[taken..];
    }
}
