//! RFC 8285 A General Mechanism for RTP Header Extensions, and the elements that matter here.

/// What an element is: the meanings that an SDP `extmap` gives to ids. Others are passed over;
/// `abs-send-time` among them, as the transport-wide number tells more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExtensionKind {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143).
    Mid = 1,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852).
    Rid,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852).
    RepairedRid,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
    AudioLevel,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    TransportSequence,
    /// `urn:3gpp:video-orientation` (3GPP TS 26.114 7.4.5).
    VideoOrientation,
    /// AV1 RTP payload format, appendix A.
    DependencyDescriptor,
}

/// The highest id that may be negotiated; an element of a higher one is passed over.
pub const EXTENSION_ID_MAX: u8 = 31;

const KINDS: usize = ExtensionKind::DependencyDescriptor as usize + 1;

/// Which id stands for what on one connection, as negotiated.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExtensionMap {
    kinds: [Option<ExtensionKind>; EXTENSION_ID_MAX as usize + 1],
    ids: [u8; KINDS],
    id_max: u8,
}

impl ExtensionMap {
    /// From ids and what they stand for. Ids outside of 1 to [`EXTENSION_ID_MAX`], and 15, which the
    /// one-byte form reserves, are left out.
    pub fn new(ids: impl IntoIterator<Item = (u8, ExtensionKind)>) -> Self {
        let mut map = Self::default();
        for (id, kind) in ids {
            if (1..=EXTENSION_ID_MAX).contains(&id) && id != 15 {
                map.kinds[usize::from(id)] = Some(kind);
                map.ids[kind as usize] = id;
                map.id_max = map.id_max.max(id);
            }
        }
        map
    }

    /// The id that stands for `kind`, if that was negotiated.
    pub fn id_of(&self, kind: ExtensionKind) -> Option<u8> {
        Some(self.ids[kind as usize]).filter(|id| *id != 0)
    }

    /// The highest id that was negotiated; 0 if none was.
    pub(super) fn id_max(&self) -> u8 {
        self.id_max
    }

    fn kind_of(&self, id: u8) -> Option<ExtensionKind> {
        self.kinds.get(usize::from(id)).copied().flatten()
    }
}

/// The elements of a packet's header extension, not yet read.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    form: Form,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Extensions<'a> {
    pub(super) const NONE: Self = Self { form: Form::OneByte, bytes: &[] };

    pub(super) fn new(profile: u16, bytes: &'a [u8]) -> Self {
        match profile {
            0xbede => Self { form: Form::OneByte, bytes },
            // The low four bits are for applications (RFC 8285 4.3).
            profile if profile & 0xfff0 == 0x1000 => Self { form: Form::TwoByte, bytes },
            _ => Self::NONE,
        }
    }

    /// What the elements say under the ids of `map`. One that is broken ends the reading: what stood
    /// before it counts (RFC 8285 4.1 asks to ignore what cannot be read).
    pub fn read(self, map: &ExtensionMap) -> Elements<'a> {
        let mut elements = Elements::default();
        for (id, value) in self.iter() {
            if let Some(kind) = map.kind_of(id) {
                elements.take(kind, value);
            }
        }
        elements
    }

    /// Ids and values, in order.
    pub fn iter(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            while let [0, after @ ..] = rest {
                rest = after;
            }
            let (id, len, after) = match (self.form, rest) {
                (Form::OneByte, [head, after @ ..]) if head >> 4 != 15 => {
                    (head >> 4, usize::from(head & 0x0f) + 1, after)
                }
                (Form::TwoByte, [id, len, after @ ..]) => (*id, usize::from(*len), after),
                _ => return None,
            };
            let (value, after) = after.split_at_checked(len)?;
            rest = after;
            Some((id, value))
        })
    }
}

/// RFC 6464: how loud a packet of audio is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender holds it for voice.
    pub is_voice: bool,
    /// 0 (loudest) to 127 (silence), in -dBov.
    pub level: u8,
}

impl AudioLevel {
    pub(crate) fn octet(self) -> u8 {
        u8::from(self.is_voice) << 7 | self.level
    }
}

/// The elements that matter here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elements<'a> {
    /// Which m-line it belongs to.
    pub mid: Option<&'a [u8]>,
    /// Which encoding of the m-line it is.
    pub rid: Option<&'a [u8]>,
    /// Which encoding is repaired by it.
    pub repaired_rid: Option<&'a [u8]>,
    /// How loud.
    pub audio_level: Option<AudioLevel>,
    /// The number over all streams of the connection.
    pub transport_sequence: Option<u16>,
    /// Camera, flip and rotation in one octet.
    pub orientation: Option<u8>,
    /// The frame's place in the layers.
    pub dependency: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    fn take(&mut self, kind: ExtensionKind, value: &'a [u8]) {
        match (kind, value) {
            (ExtensionKind::Mid, _) => self.mid = Some(value),
            (ExtensionKind::Rid, _) => self.rid = Some(value),
            (ExtensionKind::RepairedRid, _) => self.repaired_rid = Some(value),
            (ExtensionKind::AudioLevel, [octet, ..]) => {
                let (is_voice, level) = (octet & 0x80 != 0, octet & 0x7f);
                self.audio_level = Some(AudioLevel { is_voice, level });
            }
            (ExtensionKind::TransportSequence, [high, low, ..]) => {
                self.transport_sequence = Some(u16::from_be_bytes([*high, *low]));
            }
            (ExtensionKind::VideoOrientation, [octet, ..]) => self.orientation = Some(*octet),
            (ExtensionKind::DependencyDescriptor, _) => self.dependency = Some(value),
            _ => {}
        }
    }
}
