//! RFC 7741 RTP Payload Format for VP8 Video, 4.2 and 4.3.

use super::{PictureId, Place};

pub(super) fn read(payload: &[u8]) -> Option<Place> {
    let first = *payload.first()?;
    let is_start = first & 0x10 != 0 && first & 0x0f == 0;
    let mut place = Place { starts_frame: is_start, ends_frame: false, ..Place::OPAQUE };
    let mut at = 1;
    if first & 0x80 != 0 {
        let extended = *payload.get(at)?;
        at += 1;
        if extended & 0x80 != 0 {
            let (picture_id, behind) = PictureId::read(payload, at)?;
            (place.picture_id, at) = (Some(picture_id), behind);
        }
        if extended & 0x40 != 0 {
            place.tl0 = Some((*payload.get(at)?, at as u8));
            at += 1;
        }
        if extended & 0x30 != 0 {
            let octet = *payload.get(at)?;
            at += 1;
            if extended & 0x20 != 0 {
                place.temporal = octet >> 6;
                place.may_go_up = octet & 0x20 != 0;
            }
        }
    }
    // The inverse key frame flag is the frame's first bit, and clear even where the rest is not.
    place.starts_key = is_start && *payload.get(at)? & 1 == 0;
    Some(place)
}
