//! RFC 6184 RTP Payload Format for H.264 Video, 5.2 to 5.8: key frames only.

use super::Place;

const IDR: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

pub(super) fn read(payload: &[u8]) -> Option<Place> {
    let kind = *payload.first()? & 0x1f;
    let starts_key = match kind {
        STAP_A => holds_key(&payload[1..]),
        // The start bit, and the type of what is fragmented.
        FU_A => payload.get(1).is_some_and(|head| head & 0x80 != 0 && head & 0x1f == IDR),
        kind => is_key(kind),
    };
    Some(Place { starts_key, ..Place::OPAQUE })
}

fn holds_key(mut units: &[u8]) -> bool {
    while let [l0, l1, rest @ ..] = units {
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        let Some((unit, behind)) = rest.split_at_checked(len) else { return false };
        if unit.first().is_some_and(|head| is_key(head & 0x1f)) {
            return true;
        }
        units = behind;
    }
    false
}

fn is_key(kind: u8) -> bool {
    matches!(kind, IDR | SEQUENCE_PARAMETERS)
}
