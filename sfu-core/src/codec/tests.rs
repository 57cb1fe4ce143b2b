//! Descriptors that are read, and those that end too early.

use super::*;

#[test]
fn vp8_tells_key_frames_by_one_clear_octet() {
    // X; I, L, T; 15-bit picture id; TL0PICIDX; TID 2, Y; a key frame's first octet.
    let mut payload = [0x90, 0xe0, 0x81, 0x02, 9, 0xa0, 0x10, 0xff];
    let place = Place::read(Codec::Vp8, &payload);
    let id = place.picture_id.unwrap();
    assert_eq!((id.value, id.is_wide, place.tl0), (0x102, true, Some((9, 4))));
    assert_eq!((place.temporal, place.may_go_up, place.starts_key), (2, true, true));
    id.write(&mut payload, 0x8203);
    assert_eq!(Place::read(Codec::Vp8, &payload).picture_id.unwrap().value, 0x203);
    payload[6] |= 1;
    assert!(!Place::read(Codec::Vp8, &payload).starts_key, "an inter frame");
    payload[6] &= !1;
    payload[0] = 0x80;
    assert!(!Place::read(Codec::Vp8, &payload).starts_key, "within a frame");
    for end in 0..6 {
        assert_eq!(Place::read(Codec::Vp8, &payload[..end]), Place::OPAQUE, "{end}");
    }
}

#[test]
fn vp9_tells_layers() {
    let check = |first: u8, layer: u8, spatial, temporal, starts_key| {
        let place = Place::read(Codec::Vp9, &[first, 0x05, layer, 77, 0]);
        let read = (place.spatial, place.temporal, place.starts_key);
        assert_eq!(read, (spatial, temporal, starts_key), "{first:x} {layer:x}");
        assert_eq!(place.tl0, Some((77, 3)));
        assert_eq!(place.picture_id.unwrap().value, 5);
    };
    // I, L, B; then P, and E.
    check(0b1010_1000, 0b0000_0000, 0, 0, true);
    check(0b1110_1000, 0b0000_0000, 0, 0, false);
    check(0b1010_0000, 0b0000_0000, 0, 0, false);
    check(0b1010_1100, 0b0101_0010, 1, 2, false);
}

#[test]
fn h264_key_frames_are_found_alone_aggregated_and_fragmented() {
    let check = |payload: &[u8], is_key| {
        assert_eq!(Place::read(Codec::H264, payload).starts_key, is_key, "{payload:x?}");
    };
    check(&[0x65, 1], true);
    check(&[0x67, 1], true);
    check(&[0x41, 1], false);
    check(&[0x78, 0, 1, 0x06, 0, 2, 0x67, 0], true);
    check(&[0x78, 0, 1, 0x06, 0, 2, 0x41, 0], false);
    check(&[0x78, 0xff, 0xff, 0x67], false);
    check(&[0x7c, 0x85], true);
    check(&[0x7c, 0x05], false);
}

#[test]
fn the_dependency_descriptor_tells_layers_by_templates() {
    // Start, end, template 0, frame 5; a structure of offset 0 and two targets; templates S0T0,
    // S0T1; indications switch and switch, not present and switch.
    let bits = "1 1 000000 0000000000000101 1 0 0 0 0 000000 00001 01 11 10 10 00 10";
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
    let octet = |bits: &[u8]| bits.iter().fold(0, |octet, bit| octet << 1 | bit);
    let octets: Vec<u8> = bits.chunks(8).map(|bits| octet(bits) << (8 - bits.len())).collect();
    let mut structure = None;
    let mut place = Place::OPAQUE;
    place.take_dependency(&octets, &mut structure);
    assert!(place.starts_key && place.starts_frame && structure.is_some());
    assert_eq!(place.frame_number, Some(5));
    place.take_dependency(&[0x41, 0, 6], &mut structure);
    assert_eq!((place.temporal, place.may_go_up, place.starts_key), (1, true, false));
    assert_eq!((place.starts_frame, place.ends_frame), (false, true));
    let before = place;
    place.take_dependency(&[0x42, 0, 7], &mut structure);
    assert_eq!(place, before, "a template that was not told of");
    for end in 0..octets.len() {
        place.take_dependency(&octets[..end], &mut None);
    }
}
