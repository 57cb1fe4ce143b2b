//! RFC 9628 RTP Payload Format for VP9 Video, 4.2.

use super::{PictureId, Place};

pub(super) fn read(payload: &[u8]) -> Option<Place> {
    let first = *payload.first()?;
    let has = |bit: u8| first & bit != 0;
    let (picture_id, is_predicted, layers, is_flexible) =
        (has(0x80), has(0x40), has(0x20), has(0x10));
    let mut place = Place { starts_frame: has(0x08), ends_frame: has(0x04), ..Place::OPAQUE };
    let mut at = 1;
    if picture_id {
        let (picture_id, behind) = PictureId::read(payload, at)?;
        (place.picture_id, at) = (Some(picture_id), behind);
    }
    if layers {
        let octet = *payload.get(at)?;
        at += 1;
        place.temporal = (octet >> 5).min(3);
        place.may_go_up = octet & 0x10 != 0;
        place.spatial = (octet >> 1 & 0x07).min(3);
        if !is_flexible {
            place.tl0 = Some((*payload.get(at)?, at as u8));
        }
    }
    place.starts_key = place.starts_frame && !is_predicted && place.spatial == 0;
    Some(place)
}
