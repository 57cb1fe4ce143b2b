//! Packets that are read, refused, written and read again.

use super::*;

fn map() -> ExtensionMap {
    ExtensionMap::new([
        (1, ExtensionKind::AudioLevel),
        (3, ExtensionKind::TransportSequence),
        (4, ExtensionKind::Mid),
        (10, ExtensionKind::Rid),
        (12, ExtensionKind::DependencyDescriptor),
    ])
}

#[test]
fn one_byte_and_two_byte_elements_say_the_same() {
    let one = [
        0x90, 0x6f, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5, 0xbe, 0xde, 0, 3, 0x10, 0xa5, 0x31, 1, 2, 0,
        0x40, b'0', 0xa0, b'h', 0, 0, 0xde, 0xad,
    ];
    let two = [
        0x90, 0x6f, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5, 0x10, 0x00, 0, 4, 1, 1, 0xa5, 3, 2, 1, 2, 4, 1,
        b'0', 10, 1, b'h', 0, 0, 0, 0xde, 0xad,
    ];
    for bytes in [&one[..], &two[..]] {
        let packet = Packet::parse(bytes).unwrap();
        let elements = packet.extensions.read(&map());
        assert_eq!((packet.header.sequence, packet.header.payload_type), (7, 111));
        assert_eq!(elements.audio_level, Some(AudioLevel { is_voice: true, level: 37 }));
        assert_eq!(elements.transport_sequence, Some(0x0102));
        assert_eq!((elements.mid, elements.rid), (Some(&b"0"[..]), Some(&b"h"[..])));
        assert_eq!(packet.payload, [0xde, 0xad]);
    }
}

#[test]
fn what_lies_about_its_length_is_refused() {
    let whole = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2];
    let check = |first: u8, bytes: usize, fault: Option<Fault>| {
        let mut packet = whole;
        packet[0] = first;
        assert_eq!(Packet::parse(&packet[..bytes]).err(), fault, "{first:x} {bytes}");
    };
    check(0x80, 14, None);
    check(0x80, 11, Some(Fault::Short { bytes: 11, needed: 12 }));
    check(0x40, 14, Some(Fault::Version(1)));
    check(0x8f, 14, Some(Fault::Short { bytes: 14, needed: 72 }));
    check(0x90, 14, Some(Fault::Short { bytes: 14, needed: 16 }));
    check(0xa0, 14, None);
    check(0xa0, 13, None);
    check(0xa0, 12, Some(Fault::Padding { padding: 0, bytes: 0 }));
    let mut padded = whole;
    (padded[0], padded[13]) = (0xa0, 3);
    assert_eq!(Packet::parse(&padded).err(), Some(Fault::Padding { padding: 3, bytes: 2 }));
}

#[test]
fn what_is_written_is_read_again() {
    let header = Header { marker: true, payload_type: 96, sequence: 9, timestamp: 77, ssrc: 5 };
    let descriptors =
        [&[0xc1, 0, 1][..], &[0xc1, 0, 1, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9][..]];
    for descriptor in descriptors {
        let outgoing = Outgoing {
            transport_sequence: Some(0xabcd),
            mid: Some(b"17"),
            audio_level: Some(AudioLevel { is_voice: false, level: 12 }),
            orientation: Some(1),
            dependency: Some((descriptor, 0x0203)),
        };
        let mut buffer = [0xff; 64];
        let len = write_header(&mut buffer, &header, &map(), &outgoing).unwrap();
        let packet = Packet::parse(&buffer[..len]).unwrap();
        let elements = packet.extensions.read(&map());
        assert_eq!(packet.header, header);
        assert!(packet.payload.is_empty());
        assert_eq!((elements.transport_sequence, elements.mid), (Some(0xabcd), Some(&b"17"[..])));
        assert_eq!(elements.orientation, None, "was not negotiated");
        let written = elements.dependency.unwrap();
        assert_eq!((&written[1..3], &written[3..]), (&[2, 3][..], &descriptor[3..]));
        assert!(write_header(&mut buffer[..len - 1], &header, &map(), &outgoing).is_none());
    }
}

#[test]
fn numbers_are_unwrapped_by_the_shortest_way() {
    let mut unwrapper = Unwrapper::default();
    let first = unwrapper.unwrap(65_534);
    for (value, ahead) in [(65_535, 1), (1, 3), (0, 2), (65_533, -1), (30_000, 30_002)] {
        assert_eq!(unwrapper.unwrap(value), first.saturating_add_signed(ahead), "{value}");
    }
}
