//! AV1 RTP payload format, appendix A: the dependency descriptor, as far as choosing layers needs it.

use super::{Place, SPATIAL_MAX, TEMPORAL_MAX};

const TEMPLATES_MAX: usize = 64;
const TARGETS_MAX: usize = 32;

/// The longest descriptor that is kept and passed on, in octets.
pub const DEPENDENCY_BYTES_MAX: usize = 255;

/// Octets that every descriptor has.
const MANDATORY_BYTES: usize = 3;

/// The templates that a stream's descriptors refer to, told with its key frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    id_offset: u8,
    templates: Vec<Template>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    /// Some decode target may be switched to at such a frame.
    is_switch: bool,
}

/// Decode target indications: how a frame serves one.
const SWITCH: u32 = 2;

/// What `descriptor` says of its packet. A new structure takes the place of the old one; a
/// descriptor of an unknown template says nothing.
pub(super) fn read(descriptor: &[u8], structure: &mut Option<Box<Structure>>) -> Option<Place> {
    if descriptor.len() > DEPENDENCY_BYTES_MAX {
        return None;
    }
    let mut bits = Bits { bytes: descriptor, at: 0 };
    let starts_frame = bits.flag()?;
    let ends_frame = bits.flag()?;
    let template_id = bits.take(6)? as u8;
    let frame_number = bits.take(16)? as u16;
    let mut is_key = false;
    if descriptor.len() > MANDATORY_BYTES {
        let has_structure = bits.flag()?;
        // Active targets, own indications, frame differences, chains: of no use here.
        bits.take(4)?;
        if has_structure {
            *structure = Some(Box::new(Structure::read(&mut bits)?));
            is_key = true;
        }
    }
    let structure = structure.as_ref()?;
    let index = (template_id + TEMPLATES_MAX as u8 - structure.id_offset) % TEMPLATES_MAX as u8;
    let template = structure.templates.get(usize::from(index))?;
    Some(Place {
        starts_key: is_key && starts_frame && template.spatial == 0,
        starts_frame,
        ends_frame,
        spatial: template.spatial,
        temporal: template.temporal,
        may_go_up: template.is_switch,
        frame_number: Some(frame_number),
        ..Place::OPAQUE
    })
}

impl Structure {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let id_offset = bits.take(6)? as u8;
        let targets = bits.take(5)? as usize + 1;
        debug_assert!(targets <= TARGETS_MAX);
        let mut templates = Vec::new();
        let mut template = Template::default();
        loop {
            if templates.len() == TEMPLATES_MAX {
                return None;
            }
            templates.push(template);
            match bits.take(2)? {
                0 => {}
                1 => template.temporal += 1,
                2 => (template.temporal, template.spatial) = (0, template.spatial + 1),
                _ => break,
            }
            let (spatial, temporal) = (template.spatial.into(), template.temporal.into());
            if SPATIAL_MAX <= spatial || TEMPORAL_MAX <= temporal {
                return None;
            }
        }
        for template in &mut templates {
            for _ in 0..targets {
                template.is_switch |= bits.take(2)? == SWITCH;
            }
        }
        // What follows (frame differences, chains, resolutions) does not bear on the choice.
        Some(Self { id_offset, templates })
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            let octet = self.bytes.get(at / 8)?;
            value = value << 1 | u32::from(octet >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }
}
