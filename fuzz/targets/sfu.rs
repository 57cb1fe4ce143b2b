//! The core of calls under participants who send whatever they like, come and go: nothing panics,
//! what comes out is RTP and RTCP that can be read, and it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sfu_core::codec::Codec;
use sfu_core::rtp::{ExtensionKind, ExtensionMap, Packet};
use sfu_core::time::Time;
use sfu_core::{
    BUFFER_BYTES_MIN, BitrateBounds, EncodingConfig, Input, Output, ParticipantId, PayloadType,
    PublishConfig, Sfu, Side, SlotConfig, Source, SubscribeConfig, TrackConfig, View, Wish, rtcp,
};

/// Outputs of one input: subscribers, times what a queue holds.
const OUTPUTS_MAX: usize = 20_000;

fuzz_target!(|bytes: &[u8]| {
    let mut now = Time::from_millis(1);
    let mut sfu = Sfu::new();
    let mut here: Vec<ParticipantId> = Vec::new();
    let mut tracks = Vec::new();
    let mut rest = bytes;
    while let [what, who, len, behind @ ..] = rest {
        let (packet, behind) = behind.split_at(usize::from(*len).min(behind.len()));
        rest = behind;
        let Some(id) = here.get(usize::from(*who) % here.len().max(1)).copied() else {
            here.extend(join(&mut sfu, now, &mut tracks));
            continue;
        };
        let at = usize::from(*who) % here.len();
        match what % 9 {
            0 if here.len() < 8 => here.extend(join(&mut sfu, now, &mut tracks)),
            1 => {
                sfu.leave(now, here.swap_remove(at));
                assert!(sfu.statistics(id).is_none());
            }
            2 | 3 => sfu.handle_input(now, Input::Rtp { from: id, packet }),
            4 => sfu.handle_input(now, Input::Rtcp { from: id, side: Side::Publish, packet }),
            5 => sfu.handle_input(now, Input::Rtcp { from: id, side: Side::Subscribe, packet }),
            6 => {
                now = now.plus_ms(u64::from(*len));
                sfu.handle_input(now, Input::Timeout);
            }
            7 => {
                let track = tracks.get(usize::from(*len) % tracks.len().max(1)).copied();
                let wish = |track| Wish { track, encoding_max: len % 4 };
                let pinned = track.map(wish).into_iter().collect();
                let view = View { pinned, shows_others: len % 2 == 0, others_encoding_max: 2 };
                sfu.view(now, id, view);
            }
            _ => {
                sfu.unpublish(now, id);
                sfu.unsubscribe(now, id);
            }
        }
        drain(&mut sfu);
        here.iter().for_each(|id| assert!(sfu.statistics(*id).is_some()));
    }
    here.into_iter().for_each(|id| sfu.leave(now, id));
    drain(&mut sfu);
    assert_eq!((sfu.rooms(), sfu.poll_timeout()), (0, None));
});

fn drain(sfu: &mut Sfu) {
    let mut buffer = [0; BUFFER_BYTES_MIN];
    let mut count = 0;
    while let Some(output) = sfu.poll_output(&mut buffer) {
        count += 1;
        assert!(count < OUTPUTS_MAX);
        match output {
            // What came in with 1,500 octets may leave with some more.
            Output::Rtp { len, .. } if len <= 1500 => {
                Packet::parse(&buffer[..len]).expect("we wrote it");
            }
            Output::Rtcp { len, .. } => {
                assert!(rtcp::parts(&buffer[..len]).all(|part| part.is_ok()));
            }
            Output::Rtp { .. } | Output::Event(_) => {}
        }
    }
}

fn extensions() -> ExtensionMap {
    use ExtensionKind::{
        AudioLevel, DependencyDescriptor, Mid, RepairedRid, Rid, TransportSequence,
        VideoOrientation,
    };
    ExtensionMap::new((1..).zip([
        AudioLevel,
        TransportSequence,
        Mid,
        Rid,
        RepairedRid,
        DependencyDescriptor,
        VideoOrientation,
    ]))
}

fn join(sfu: &mut Sfu, now: Time, tracks: &mut Vec<sfu_core::TrackId>) -> Option<ParticipantId> {
    let id = sfu.join(now, 1).ok()?;
    let codecs = |is_video| match is_video {
        true => [(Codec::Vp8, 96), (Codec::Vp9, 98), (Codec::H264, 100), (Codec::Av1, 102)]
            .map(|(codec, payload_type)| PayloadType {
                codec,
                payload_type,
                rtx: Some(payload_type + 1),
            })
            .to_vec(),
        false => [(Codec::Opus, 111), (Codec::Red, 63)]
            .map(|(codec, payload_type)| PayloadType { codec, payload_type, rtx: None })
            .to_vec(),
    };
    let track = |source: Source, mid: &[u8], encodings| TrackConfig {
        source,
        mid: mid.to_vec(),
        codecs: codecs(source.is_video()),
        encodings,
        has_nack: true,
    };
    let known = |ssrc| EncodingConfig { rid: None, ssrc: Some(ssrc), rtx_ssrc: Some(ssrc + 1) };
    let rid = |rid: &[u8]| EncodingConfig { rid: Some(rid.to_vec()), ..Default::default() };
    let config = PublishConfig {
        extensions: extensions(),
        tracks: vec![
            track(Source::Microphone, b"0", vec![known(1)]),
            track(Source::Camera, b"1", vec![rid(b"q"), rid(b"h")]),
            track(Source::Screen, b"2", vec![known(5)]),
        ],
    };
    tracks.extend(sfu.publish(now, id, config).expect("is within the limits"));
    let slot = |ssrc, is_video| SlotConfig {
        is_video,
        ssrc,
        rtx_ssrc: Some(ssrc + 100),
        codecs: codecs(is_video),
    };
    let slots = (1..=3).map(|ssrc| slot(ssrc, ssrc > 1)).collect();
    let bitrate = BitrateBounds::default();
    sfu.subscribe(now, id, SubscribeConfig { extensions: extensions(), slots, bitrate })
        .expect("is within the limits");
    Some(id)
}
