//! What stays readable of media that are encrypted end to end: the payload descriptors in front of
//! them, a few clear octets, and the dependency descriptor.

mod dependency;
mod h264;
mod vp8;
mod vp9;

pub use dependency::{DEPENDENCY_BYTES_MAX, Structure};

/// A codec as far as forwarding differs by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 2198, Opus inside. It is passed on as it is: what it holds may be encrypted, so its
    /// inner payload types must be the same on all connections.
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184; readable where it is not encrypted end to end.
    H264,
    /// AV1 RTP payload format; layers by the dependency descriptor only.
    Av1,
}

impl Codec {
    /// Whether it carries pictures.
    pub fn is_video(self) -> bool {
        !matches!(self, Self::Opus | Self::Red)
    }

    /// Timestamp units in a second.
    pub fn clock_hz(self) -> u32 {
        if self.is_video() { 90_000 } else { 48_000 }
    }
}

/// Spatial layers of one encoding, and temporal ones of each.
pub const SPATIAL_MAX: usize = 4;
/// Temporal layers of one encoding.
pub const TEMPORAL_MAX: usize = 4;

/// A packet's place in its stream, as its descriptor tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first packet of a key frame: decoding can begin with it, in all layers.
    pub starts_key: bool,
    /// The first packet of a frame (with SVC: of one layer's frame), where the codec tells.
    pub starts_frame: bool,
    /// The last packet of a frame, likewise.
    pub ends_frame: bool,
    /// Spatial layer, 0 to 3.
    pub spatial: u8,
    /// Temporal layer, 0 to 3.
    pub temporal: u8,
    /// From this frame on, decoding may go up to its temporal layer.
    pub may_go_up: bool,
    /// The picture's number, and where in the payload it stands.
    pub picture_id: Option<PictureId>,
    /// The base layer's number (TL0PICIDX), and where in the payload it stands.
    pub tl0: Option<(u8, u8)>,
    /// The dependency descriptor's frame number.
    pub frame_number: Option<u16>,
}

/// A picture's number (RFC 7741 4.2, RFC 9628 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// 7 or 15 bits.
    pub value: u16,
    /// 15 bits in two octets, else 7 in one.
    pub is_wide: bool,
    /// Of its first octet in the payload.
    pub offset: u8,
}

impl Place {
    /// Of a packet that tells nothing: audio, for one.
    pub const OPAQUE: Self = Self {
        starts_key: false,
        starts_frame: true,
        ends_frame: true,
        spatial: 0,
        temporal: 0,
        may_go_up: true,
        picture_id: None,
        tl0: None,
        frame_number: None,
    };

    /// Reads the descriptor in front of `payload`. One that cannot be read gives [`Place::OPAQUE`]:
    /// its packet is passed on, and starts nothing.
    pub fn read(codec: Codec, payload: &[u8]) -> Self {
        let place = match codec {
            Codec::Vp8 => vp8::read(payload),
            Codec::Vp9 => vp9::read(payload),
            Codec::H264 => h264::read(payload),
            // N: the first packet of a coded video sequence (4.4 of the AV1 RTP payload format).
            Codec::Av1 => payload
                .first()
                .map(|aggregation| Self { starts_key: aggregation & 0x08 != 0, ..Self::OPAQUE }),
            Codec::Opus | Codec::Red => None,
        };
        place.unwrap_or(Self::OPAQUE)
    }

    /// Puts in what the dependency descriptor tells, which goes before what the payload does.
    pub fn take_dependency(&mut self, descriptor: &[u8], structure: &mut Option<Box<Structure>>) {
        if let Some(told) = dependency::read(descriptor, structure) {
            let (picture_id, tl0) = (self.picture_id, self.tl0);
            *self = Self { picture_id, tl0, ..told };
        }
    }
}

impl PictureId {
    pub(super) fn read(payload: &[u8], at: usize) -> Option<(Self, usize)> {
        let offset = at as u8;
        let first = *payload.get(at)?;
        if first & 0x80 == 0 {
            return Some((Self { value: u16::from(first), is_wide: false, offset }, at + 1));
        }
        let value = u16::from_be_bytes([first & 0x7f, *payload.get(at + 1)?]);
        Some((Self { value, is_wide: true, offset }, at + 2))
    }

    /// The number's bits.
    pub fn mask(self) -> u16 {
        if self.is_wide { 0x7fff } else { 0x7f }
    }

    /// Writes another number over it, in a copy of the payload that it was read from.
    pub fn write(self, payload: &mut [u8], value: u16) {
        let at = usize::from(self.offset);
        if self.is_wide
            && let Some(place) = payload.get_mut(at..at + 2)
        {
            place.copy_from_slice(&(value & 0x7fff | 0x8000).to_be_bytes());
        } else if !self.is_wide
            && let Some(place) = payload.get_mut(at)
        {
            *place = (value & 0x7f) as u8;
        }
    }
}

#[cfg(test)]
mod tests;
