//! Who is seen and heard in a room, and what it costs that many come and go.

mod world;

use sfu_core::codec::Codec;
use sfu_core::rtcp;
use sfu_core::time::Time;
use sfu_core::{Event, Input, Limit, Sfu, Side, View, Wish};
use world::World;
use world::link::Road;
use world::sender::Sender;
use world::viewer;

fn only(world: &World, sender: usize) -> View {
    let wish = Wish { track: world.senders[sender].tracks[1], encoding_max: u8::MAX };
    View { pinned: vec![wish], shows_others: false, others_encoding_max: 0 }
}

#[test]
fn one_slot_goes_from_vp8_to_vp9_and_back_without_a_seam() {
    let mut world = World::new(11);
    world.publish(Codec::Vp8, Road::default());
    world.publish(Codec::Vp9, Road::default());
    let watching = world.watch(&viewer::config(1, 3), Road::default());
    for turn in 0..6 {
        let view = only(&world, turn % 2);
        let id = world.viewers[watching].id;
        world.sfu.view(world.now, id, view);
        world.run_ms(4_000);
        let shown = world.viewers[watching].viewer.shown[&0];
        let highest = if turn % 2 == 0 { (1, 2, 0) } else { (2, 0, 2) };
        assert_eq!(shown, highest, "turn {turn}");
    }
    world.assert_sound();
    let viewing = &world.viewers[watching];
    assert_eq!((viewing.gaps(), viewing.viewer.frozen), (0, 0));
    assert!(viewing.viewer.tally.frames > 24 * 30 * 95 / 100, "{:?}", viewing.viewer.tally);
}

#[test]
fn vp9_layers_follow_each_link() {
    let mut world = World::new(12);
    world.publish(Codec::Vp9, Road::default());
    for bps in [300_000, 1_200_000, 10_000_000] {
        world.watch(&viewer::config(1, 3), Road { bps, ..Road::default() });
    }
    world.run_ms(20_000);
    world.assert_sound();
    let shown: Vec<u8> = world.viewers.iter().map(|it| it.viewer.shown[&0].2).collect();
    assert_eq!(shown, [0, 1, 2]);
    // The link gets worse: the picture gets smaller, and goes on.
    let strong = &mut world.viewers[2];
    strong.down.road.bps = 500_000;
    strong.viewer.tally = Default::default();
    world.run_ms(10_000);
    world.assert_sound();
    let strong = &world.viewers[2];
    assert_eq!(strong.viewer.shown[&0].2, 0);
    assert!(strong.viewer.tally.frames > 8 * 30, "{:?}", strong.viewer.tally);
    let statistics = world.sfu.statistics(strong.id).unwrap().down.unwrap();
    assert_eq!(statistics.slots[0].limit, Limit::Link, "{statistics:?}");
}

#[test]
fn the_three_loudest_are_heard_and_the_last_speakers_seen() {
    let mut world = World::new(13);
    for at in 0..8 {
        world.publish(Codec::Vp8, Road::default());
        world.senders[at].sender.level = 90;
    }
    let watching = world.watch(&viewer::config(2, 3), Road::default());
    let loud = [5, 6, 7];
    loud.iter().for_each(|at| world.senders[*at].sender.level = 30);
    world.senders[7].sender.level = 20;
    world.run_ms(2_000);
    let viewer = &mut world.viewers[watching].viewer;
    viewer.voices.clear();
    world.run_ms(2_000);
    let viewer = &world.viewers[watching].viewer;
    let mut heard: Vec<u8> = viewer.voices.keys().copied().collect();
    heard.sort_unstable();
    // Four are forwarded in a room, since nobody hears themselves; a listener has room for three.
    assert!(heard.contains(&8) && heard.len() == 3, "{heard:?}");
    assert!(heard.iter().all(|tag| loud.contains(&usize::from(tag - 1))), "{heard:?}");
    let speaker = Some(world.senders[7].id);
    let changed = Event::SpeakerChanged { room: 7, participant: speaker };
    assert!(world.events.contains(&changed), "{:?}", world.events);
    assert!(viewer.shown.values().any(|shown| shown.0 == 8), "{:?}", viewer.shown);
    world.assert_sound();
}

#[test]
fn what_nobody_watches_is_paused_and_comes_back() {
    let mut world = World::new(14);
    world.publish(Codec::Vp8, Road::default());
    let watching = world.watch(&viewer::config(1, 3), Road::default());
    world.run_ms(5_000);
    assert_eq!(world.senders[0].sender.active, 0b100);
    let id = world.viewers[watching].id;
    let nothing = View::default();
    world.sfu.view(world.now, id, nothing);
    world.run_ms(4_000);
    assert_eq!(world.senders[0].sender.active, 0);
    let frames = world.viewers[watching].viewer.tally.frames;
    world.run_ms(2_000);
    assert_eq!(world.viewers[watching].viewer.tally.frames, frames);
    let view = only(&world, 0);
    world.sfu.view(world.now, id, view);
    world.run_ms(1_000);
    world.assert_sound();
    let seen = world.viewers[watching].viewer.tally.frames - frames;
    assert!(seen > 15, "{seen} frames within a second");
}

#[test]
fn who_asks_for_too_much_gets_a_part_and_spoils_nothing() {
    let mut world = World::new(15);
    world.publish(Codec::Vp8, Road::default());
    world.watch(&viewer::config(1, 3), Road::default());
    let rude = world.watch(&viewer::config(1, 3), Road::default());
    world.run_ms(5_000);
    let (requests, id) = (world.senders[0].sender.requests, world.viewers[rude].id);
    let before = world.sfu.statistics(id).unwrap().down.unwrap();
    let all: Vec<u16> = (0..2000).map(|at| at as u16).collect();
    for _ in 0..1_000 {
        let mut bytes = Vec::new();
        rtcp::write_pli(&mut bytes, 1, 100);
        rtcp::write_fir(&mut bytes, 1, 100, 1);
        all.chunks(300).for_each(|lost| rtcp::write_nack(&mut bytes, 1, 100, lost));
        let input = Input::Rtcp { from: id, side: Side::Subscribe, packet: &bytes };
        world.sfu.handle_input(world.now, input);
        world.run_ms(10);
    }
    let asked = world.senders[0].sender.requests - requests;
    assert!(asked <= 3 + 5 + 1, "{asked} key frames asked for in 10 s");
    let after = world.sfu.statistics(id).unwrap().down.unwrap();
    let repeats = after.repeats - before.repeats;
    assert!((10..6_000).contains(&repeats), "{repeats} repeats in 10 s");
    let polite = &world.viewers[0];
    assert!(polite.viewer.tally.frames > 15 * 30 * 9 / 10);
    world.assert_sound();
}

#[test]
fn a_thousand_who_come_and_go_leave_nothing_behind() {
    let mut now = Time::from_millis(1);
    let mut sfu = Sfu::new();
    let stays = sfu.join(now, 1).unwrap();
    let config = viewer::config(9, 3);
    sfu.subscribe(now, stays, config.clone()).unwrap();
    let mut sizes = Vec::new();
    let mut buffer = [0; sfu_core::BUFFER_BYTES_MIN];
    for round in 0..1_000u64 {
        let mut sender = Sender::new(1, Codec::Vp8, now);
        let id = sfu.join(now, 1).unwrap();
        sfu.publish(now, id, sender.config()).unwrap();
        sfu.subscribe(now, id, config.clone()).unwrap();
        for _ in 0..50 {
            now = now.plus_ms(1);
            let mut packets = Vec::new();
            sender.send(now, &mut packets);
            for packet in &packets {
                sfu.handle_input(now, Input::Rtp { from: id, packet });
            }
            if sfu.poll_timeout().is_some_and(|at| at <= now) {
                sfu.handle_input(now, Input::Timeout);
            }
            while sfu.poll_output(&mut buffer).is_some() {}
        }
        sfu.leave(now, id);
        assert!(sfu.statistics(id).is_none());
        now = now.plus_ms(1_000);
        sfu.handle_input(now, Input::Timeout);
        while sfu.poll_output(&mut buffer).is_some() {}
        // All of its state, written out; what is remembered of packets has reached its limit.
        if round % 300 == 99 && round > 300 {
            sizes.push(format!("{sfu:?}").len());
        }
    }
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    assert!(last < first + first / 10, "{sizes:?}");
    sfu.leave(now, stays);
    assert_eq!((sfu.rooms(), sfu.poll_timeout()), (0, None));
}

#[test]
fn redundant_voices_and_silence_are_passed_on() {
    let mut world = World::new(16);
    world.publish(Codec::Vp8, Road::default());
    world.watch(&viewer::config(0, 3), Road::default());
    let sender = &mut world.senders[0].sender;
    (sender.has_red, sender.sends_pictures) = (true, false);
    world.run_ms(2_000);
    world.senders[0].sender.has_dtx = true;
    world.run_ms(4_000);
    world.senders[0].sender.has_dtx = false;
    world.run_ms(2_000);
    world.assert_sound();
    let voices = world.viewers[0].viewer.tally.voices;
    assert!((2 * 100 + 24..=2 * 100 + 26).contains(&voices), "{voices} packets");
    assert_eq!(world.viewers[0].gaps(), 0);
}

#[test]
fn moderators_ask_and_remove() {
    let mut world = World::new(17);
    let loud = world.publish(Codec::Vp8, Road::default());
    let watching = world.watch(&viewer::config(1, 1), Road::default());
    world.run_ms(1_000);
    let (id, track) = (world.senders[loud].id, world.senders[loud].tracks[0]);
    world.sfu.request_mute(world.now, track);
    world.run_ms(10);
    assert!(world.events.contains(&Event::MuteRequested { participant: id, track }));
    world.events.clear();
    world.sfu.remove(world.now, id);
    world.run_ms(10);
    let participant = world.viewers[watching].id;
    let empty = |slot| Event::SlotChanged { participant, slot, track: None };
    for event in [Event::Removed { participant: id }, empty(0), empty(1)] {
        assert!(world.events.contains(&event), "{event:?} in {:?}", world.events);
    }
    world.sfu.request_mute(world.now, track);
    world.run_ms(1_000);
    assert!(world.sfu.statistics(id).is_none());
}

#[test]
fn who_shows_nothing_takes_no_slot_until_they_do() {
    let mut world = World::new(17);
    for _ in 0..2 {
        world.publish(Codec::Vp8, Road::default());
    }
    // The second one speaks, and would go first.
    (world.senders[0].sender.level, world.senders[1].sender.level) = (90, 20);
    world.senders[1].sender.sends_pictures = false;
    let watching = world.watch(&viewer::config(1, 3), Road::default());
    for (sends_pictures, lasts_ms, shown) in
        [(false, 3_000, 1), (true, 2_000, 2), (false, 6_000, 1)]
    {
        world.senders[1].sender.sends_pictures = sends_pictures;
        world.run_ms(lasts_ms);
        let viewer = &world.viewers[watching].viewer;
        assert_eq!(viewer.shown[&0].0, shown, "{sends_pictures} {:?}", world.events);
    }
    world.assert_sound();
}
