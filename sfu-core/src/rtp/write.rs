//! RFC 3550 5.1, RFC 8285: a header as it is sent, written into the caller's buffer.

use super::{AudioLevel, ExtensionKind, ExtensionMap, HEADER_BYTES, Header};

/// What the header extension of a sent packet holds. What its connection did not negotiate stays out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// The number over all streams of the connection.
    pub transport_sequence: Option<u16>,
    /// The m-line, as long as the receiver may not know it by the SSRC.
    pub mid: Option<&'a [u8]>,
    /// How loud.
    pub audio_level: Option<AudioLevel>,
    /// Camera, flip and rotation in one octet.
    pub orientation: Option<u8>,
    /// The frame's place in the layers, and the frame number that it gets.
    pub dependency: Option<(&'a [u8], u16)>,
}

/// Writes header and extension to the front of `buffer`; their length, or `None` if it is too small.
pub fn write_header(
    buffer: &mut [u8],
    header: &Header,
    map: &ExtensionMap,
    outgoing: &Outgoing<'_>,
) -> Option<usize> {
    let (fixed, rest) = buffer.split_first_chunk_mut::<HEADER_BYTES>()?;
    fixed[0] = 0x80;
    fixed[1] = u8::from(header.marker) << 7 | header.payload_type & 0x7f;
    fixed[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    fixed[8..].copy_from_slice(&header.ssrc.to_be_bytes());
    let mut elements = ElementWriter::new(rest, map, outgoing);
    if let Some(sequence) = outgoing.transport_sequence {
        elements.put(ExtensionKind::TransportSequence, &sequence.to_be_bytes())?;
    }
    if let Some(mid) = outgoing.mid {
        elements.put(ExtensionKind::Mid, mid)?;
    }
    if let Some(level) = outgoing.audio_level {
        elements.put(ExtensionKind::AudioLevel, &[level.octet()])?;
    }
    if let Some(orientation) = outgoing.orientation {
        elements.put(ExtensionKind::VideoOrientation, &[orientation])?;
    }
    if let Some((descriptor, frame_number)) = outgoing.dependency
        && let Some(value) = elements.put(ExtensionKind::DependencyDescriptor, descriptor)?
        && let Some(number) = value.get_mut(1..3)
    {
        number.copy_from_slice(&frame_number.to_be_bytes());
    }
    let extension_len = elements.finish()?;
    if extension_len > 0 {
        fixed[0] |= 0x10;
    }
    Some(HEADER_BYTES + extension_len)
}

struct ElementWriter<'b, 'm> {
    buffer: &'b mut [u8],
    map: &'m ExtensionMap,
    is_two_byte: bool,
    at: usize,
}

/// The profile and length before the elements.
const PREFIX_BYTES: usize = 4;

impl<'b, 'm> ElementWriter<'b, 'm> {
    fn new(buffer: &'b mut [u8], map: &'m ExtensionMap, outgoing: &Outgoing<'_>) -> Self {
        // The one-byte form takes 16 octets and ids up to 14.
        let id_of = |kind| map.id_of(kind).unwrap_or(0);
        let is_two_byte = outgoing
            .dependency
            .is_some_and(|(it, _)| it.len() > 16 && id_of(ExtensionKind::DependencyDescriptor) > 0)
            || map.id_max() > 14;
        Self { buffer, map, is_two_byte, at: PREFIX_BYTES }
    }

    /// The written value, `Some(None)` if the kind was not negotiated, `None` if there is no room.
    #[allow(clippy::option_option)]
    fn put(&mut self, kind: ExtensionKind, value: &[u8]) -> Option<Option<&mut [u8]>> {
        let Some(id) = self.map.id_of(kind) else { return Some(None) };
        if value.is_empty() || value.len() > if self.is_two_byte { 255 } else { 16 } {
            return Some(None);
        }
        if self.is_two_byte {
            self.octet(id)?;
            self.octet(value.len() as u8)?;
        } else {
            self.octet(id << 4 | (value.len() as u8 - 1))?;
        }
        let place = self.buffer.get_mut(self.at..self.at + value.len())?;
        place.copy_from_slice(value);
        self.at += value.len();
        Some(Some(place))
    }

    fn octet(&mut self, octet: u8) -> Option<()> {
        *self.buffer.get_mut(self.at)? = octet;
        self.at += 1;
        Some(())
    }

    /// Fills up to a multiple of four and writes the prefix: the length of it all.
    fn finish(mut self) -> Option<usize> {
        if self.at == PREFIX_BYTES {
            return Some(0);
        }
        while !self.at.is_multiple_of(4) {
            self.octet(0)?;
        }
        let profile: u16 = if self.is_two_byte { 0x1000 } else { 0xbede };
        let words = ((self.at - PREFIX_BYTES) / 4) as u16;
        self.buffer[..2].copy_from_slice(&profile.to_be_bytes());
        self.buffer[2..4].copy_from_slice(&words.to_be_bytes());
        Some(self.at)
    }
}
