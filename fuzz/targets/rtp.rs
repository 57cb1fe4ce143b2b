//! RTP and RTCP as peers send them: nothing panics, parts lie inside, what is read is written and
//! read again as the same.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use sfu_core::codec::{Codec, Place, Structure};
use sfu_core::rtcp::{self, Part};
use sfu_core::rtp::{ExtensionKind, ExtensionMap, Outgoing, Packet, write_header};

fuzz_target!(|bytes: &[u8]| {
    read_rtp(bytes);
    read_rtcp(bytes);
});

fn read_rtp(bytes: &[u8]) {
    use ExtensionKind::{AudioLevel, DependencyDescriptor, Mid, VideoOrientation};
    let kinds = [Mid, AudioLevel, VideoOrientation, DependencyDescriptor];
    let map = ExtensionMap::new((1..).zip(kinds));
    let Ok(packet) = Packet::parse(bytes) else { return };
    let elements = packet.extensions.read(&map);
    let mut structure: Option<Box<Structure>> = None;
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Red] {
        let mut place = Place::read(codec, packet.payload);
        if let Some(id) = place.picture_id {
            let mut payload = packet.payload.to_vec();
            id.write(&mut payload, id.value);
            assert_eq!(payload, packet.payload, "a number written over itself");
        }
        if let Some(descriptor) = elements.dependency {
            place.take_dependency(descriptor, &mut structure);
        }
        assert!(place.spatial < 4 && place.temporal < 4);
    }
    let outgoing = Outgoing {
        mid: elements.mid,
        audio_level: elements.audio_level,
        orientation: elements.orientation,
        dependency: elements.dependency.map(|descriptor| (descriptor, 7)),
        transport_sequence: Some(1),
    };
    let mut buffer = [0; 1500];
    let Some(len) = write_header(&mut buffer, &packet.header, &map, &outgoing) else { return };
    let written = Packet::parse(&buffer[..len]).expect("we wrote it");
    let again = written.extensions.read(&map);
    assert_eq!(written.header, packet.header);
    assert_eq!(again.audio_level, elements.audio_level);
    assert_eq!(again.orientation, elements.orientation);
}

fn read_rtcp(bytes: &[u8]) {
    let mut parts = 0;
    for part in rtcp::parts(bytes) {
        parts += 1;
        match part {
            Ok(Part::Transport(feedback)) => {
                assert!(feedback.iter().count() <= rtcp::STATUSES_MAX);
            }
            Ok(Part::Nack { lost, .. }) => {
                let lost: Vec<u16> = lost.iter().collect::<BTreeSet<_>>().into_iter().collect();
                let mut written = Vec::new();
                rtcp::write_nack(&mut written, 1, 2, &lost);
                if let Some(Ok(Part::Nack { lost: again, .. })) = rtcp::parts(&written).next() {
                    assert_eq!(again.iter().collect::<Vec<_>>(), lost);
                }
            }
            Ok(Part::SenderReport { reports, .. } | Part::ReceiverReport { reports, .. }) => {
                assert!(reports.iter().count() <= 31);
            }
            _ => {}
        }
    }
    assert!(parts <= bytes.len() / 4 + 1);
}
