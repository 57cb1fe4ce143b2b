//! What a forwarded packet costs. To be run alone:
//! `cargo test --release -p sfu-core --test cost -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use sfu_core::codec::Codec;
use sfu_core::rtp::{ExtensionKind, ExtensionMap, Header, Outgoing, write_header};
use sfu_core::time::Time;
use sfu_core::{
    BUFFER_BYTES_MIN, BitrateBounds, EncodingConfig, Input, Output, PayloadType, PublishConfig,
    Sfu, SlotConfig, Source, SubscribeConfig, TrackConfig,
};

const FRAMES: u64 = 2_000;
const PACKET_BYTES: usize = 1150;

#[test]
#[ignore = "a measurement"]
fn nanoseconds_for_a_forwarded_packet() {
    for (subscribers, burst) in [(1, 4), (10, 4), (50, 4), (50, 15), (100, 4)] {
        let (took, packets) = run(Source::Camera, subscribers, burst, PACKET_BYTES);
        let each = took.as_nanos() as u64 / packets;
        println!("pictures, {subscribers} subscribers, bursts of {burst}: {each} ns ({packets})");
    }
    for subscribers in [100, 1_000, 3_000] {
        let (took, packets) = run(Source::Microphone, subscribers, 1, 120);
        let each = took.as_nanos() as u64 / packets;
        println!("a voice, {subscribers} subscribers: {each} ns ({packets})");
    }
}

/// Time within the core, everything included, and packets that it gave.
fn run(source: Source, subscribers: u32, burst: u16, bytes: usize) -> (Duration, u64) {
    let extensions = ExtensionMap::new([(1, ExtensionKind::TransportSequence)]);
    let codec = if source.is_video() { Codec::Vp8 } else { Codec::Opus };
    let codecs = vec![PayloadType { codec, payload_type: 96, rtx: Some(97) }];
    let (mut now, mut sfu) = (Time::from_millis(1), Sfu::new());
    let from = sfu.join(now, 1).unwrap();
    let encodings = vec![EncodingConfig { ssrc: Some(5), ..EncodingConfig::default() }];
    let track =
        TrackConfig { source, mid: vec![], codecs: codecs.clone(), encodings, has_nack: true };
    sfu.publish(now, from, PublishConfig { extensions, tracks: vec![track] }).unwrap();
    for _ in 0..subscribers {
        let id = sfu.join(now, 1).unwrap();
        let slot = SlotConfig {
            is_video: source.is_video(),
            ssrc: 9,
            rtx_ssrc: Some(10),
            codecs: codecs.clone(),
        };
        let bps = 1_000_000_000;
        let bitrate = BitrateBounds { start_bps: bps, min_bps: bps, max_bps: bps };
        sfu.subscribe(now, id, SubscribeConfig { extensions, slots: vec![slot], bitrate }).unwrap();
    }
    let mut packet = [0; 1500];
    let mut buffer = [0; BUFFER_BYTES_MIN];
    let (mut sequence, mut count) = (0u16, 0);
    let mut took = Duration::ZERO;
    for frame in 0..FRAMES {
        now = now.plus_ms(20);
        let begun = Instant::now();
        for index in 0..burst {
            sequence = sequence.wrapping_add(1);
            let header = Header {
                marker: index + 1 == burst,
                payload_type: 96,
                sequence,
                timestamp: frame as u32 * 1800,
                ssrc: 5,
            };
            let outgoing = Outgoing { transport_sequence: Some(sequence), ..Outgoing::default() };
            let head = write_header(&mut packet, &header, &extensions, &outgoing).unwrap();
            // The begin of a key frame, or of another.
            let descriptor = [0x90, 0x80, 0x80 | (frame >> 8 & 0x7f) as u8, frame as u8];
            packet[head..head + 4].copy_from_slice(&descriptor);
            packet[head] &= if index == 0 { 0xff } else { 0xef };
            packet[head + 4] = u8::from(!frame.is_multiple_of(100));
            sfu.handle_input(now, Input::Rtp { from, packet: &packet[..bytes] });
        }
        while let Some(output) = sfu.poll_output(&mut buffer) {
            count += u64::from(matches!(output, Output::Rtp { .. }));
        }
        if sfu.poll_timeout().is_some_and(|at| at <= now) {
            sfu.handle_input(now, Input::Timeout);
        }
        while let Some(output) = sfu.poll_output(&mut buffer) {
            count += u64::from(matches!(output, Output::Rtp { .. }));
        }
        took += begun.elapsed();
    }
    let all = FRAMES * u64::from(burst) * u64::from(subscribers);
    assert!(count * 100 > all * 98, "{count} of {all}");
    (took, count)
}

#[test]
#[ignore = "a measurement"]
fn bytes_for_a_participant() {
    let extensions = ExtensionMap::new([(1, ExtensionKind::TransportSequence)]);
    let codecs = vec![PayloadType { codec: Codec::Vp8, payload_type: 96, rtx: Some(97) }];
    let (now, mut sfu) = (Time::from_millis(1), Sfu::new());
    let before = resident_bytes();
    for room in 0..2_000 {
        for _ in 0..2 {
            let id = sfu.join(now, room).unwrap();
            let encodings = vec![EncodingConfig { ssrc: Some(5), ..EncodingConfig::default() }; 3];
            let track = TrackConfig {
                source: Source::Camera,
                mid: vec![b'0'],
                codecs: codecs.clone(),
                encodings,
                has_nack: true,
            };
            sfu.publish(now, id, PublishConfig { extensions, tracks: vec![track] }).unwrap();
            let slot = |ssrc| SlotConfig {
                is_video: ssrc < 9,
                ssrc,
                rtx_ssrc: Some(100 + ssrc),
                codecs: codecs.clone(),
            };
            let slots = (0..12).map(slot).collect();
            let bitrate = BitrateBounds::default();
            sfu.subscribe(now, id, SubscribeConfig { extensions, slots, bitrate }).unwrap();
        }
    }
    println!("an idle participant: {} bytes", (resident_bytes() - before) / 4_000);
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    4096 * pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
}
