//! Calls, from the offer to the picture: peers on sockets of their own, with an ICE and a DTLS that are not
//! the endpoint's, join rooms and see one another.

mod call {
    pub mod media;
    pub mod offer;
    pub mod peer;
}

use std::time::{Duration, Instant};

use call::media::Received;
use call::offer::{publish_offer, subscribe_offer};
use call::peer::{Endpoint, Peer};
use whimbrel::call::{CallError, EndReason, Event, Offers, Shown, Source, View, Wish};

const ROOM: u64 = 7;
const ADA: u64 = 1;
const BEN: u64 = 2;
const CEM: u64 = 3;

#[test]
fn who_joins_midway_sees_and_hears_from_a_key_frame_on() {
    let mut endpoint = Endpoint::start();
    let mut ada = endpoint.publish(ROOM, ADA);
    let mut ben = endpoint.subscribe(ROOM, BEN);
    // What is sent at first may come before somebody watches.
    endpoint.run(Duration::from_millis(600), &mut [&mut ada, &mut ben], |ada| ada.send_media());
    let (voice, picture) = (ben.received(0), ben.received(1));
    assert!(voice.payloads > 5, "{voice:?}");
    assert!(picture.payloads > 5 && picture.begins_with_key, "{picture:?}");

    let mut cem = endpoint.subscribe(ROOM, CEM);
    let keys_before = ada.keys_asked();
    endpoint.run(Duration::from_millis(600), &mut [&mut ada, &mut ben, &mut cem], |ada| {
        ada.send_media();
    });
    let midway = cem.received(1);
    assert!(midway.payloads > 5 && midway.begins_with_key, "{midway:?}");
    assert!(ada.keys_asked() > keys_before, "nobody asked for a key frame");
    for received in [ben.received(0), ben.received(1), cem.received(0), midway] {
        let Received { gaps, foreign, .. } = received;
        assert_eq!((gaps, foreign), (0, 0), "numbers without a gap, payloads as they were sent");
    }
    let camera = Shown { participant: ADA, source: Source::Camera };
    let shows = |event: &Event| matches!(event, Event::Slots { participant: CEM, slots, .. } if slots[1] == Some(camera));
    assert!(endpoint.events().iter().any(shows));
}

#[test]
fn a_new_ufrag_restarts_ice_and_media_go_on_elsewhere() {
    let mut endpoint = Endpoint::start();
    let mut ada = endpoint.publish(ROOM, ADA);
    let mut ben = endpoint.subscribe(ROOM, BEN);
    endpoint.run(Duration::from_millis(400), &mut [&mut ada, &mut ben], |ada| ada.send_media());
    let before = ben.received(1).payloads;
    assert!(before > 3);

    // Another network: another socket. The keys stay.
    ben.move_elsewhere();
    let offers = Offers { publish: None, subscribe: Some(ben.offer()) };
    let answers = endpoint.join(ROOM, BEN, offers).unwrap();
    ben.take_restart(&answers.subscribe.unwrap());
    endpoint.run(Duration::from_millis(400), &mut [&mut ada, &mut ben], |ada| ada.send_media());
    let after = ben.received(1);
    assert!(after.payloads > before + 3, "{before} before, {after:?} after");
    assert_eq!(after.foreign, 0);
}

#[test]
fn of_simulcast_the_encoding_that_is_wanted_is_shown() {
    let mut endpoint = Endpoint::start();
    let mut ada = endpoint.publish_simulcast(ROOM, ADA);
    let mut ben = endpoint.subscribe(ROOM, BEN);
    let small = Wish { participant: ADA, source: Source::Camera, encoding_max: 0 };
    let view = View { pinned: vec![small], ..View::default() };
    endpoint.view(ROOM, BEN, view).unwrap();
    endpoint.run(Duration::from_millis(600), &mut [&mut ada, &mut ben], |ada| ada.send_media());
    let picture = ben.received(1);
    assert!(picture.payloads > 5 && picture.begins_with_key, "{picture:?}");
    assert_eq!(picture.encodings, [0].into(), "only the smallest");
}

#[test]
fn hostile_datagrams_are_refused_and_counted() {
    let mut endpoint = Endpoint::start();
    let mut ada = endpoint.publish(ROOM, ADA);
    let mut ben = endpoint.subscribe(ROOM, BEN);
    endpoint.run(Duration::from_millis(300), &mut [&mut ada, &mut ben], |ada| ada.send_media());
    let stranger = Peer::socket();
    let mut sent = 0;
    let mut numbers = 1_u64;
    for first in 0..=255_u8 {
        for len in [1_usize, 2, 12, 20, 60, 1200] {
            let mut datagram = vec![first; len];
            for byte in datagram.iter_mut().skip(1) {
                numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (numbers >> 33) as u8;
            }
            stranger.send_to(&datagram, endpoint.address()).unwrap();
            ada.send_raw(&datagram);
            sent += 2;
            if sent % 64 == 0 {
                endpoint.settle();
            }
        }
    }
    endpoint.settle();
    let refused = endpoint.counted("whimbrel_call_refused_total");
    assert!(refused > sent / 2, "{refused} of {sent} refused");
    // Nothing of it has an end for those who are in the call.
    let before = ben.received(1).payloads;
    endpoint.run(Duration::from_millis(400), &mut [&mut ada, &mut ben], |ada| ada.send_media());
    assert!(ben.received(1).payloads > before + 3);
    let mut buffer = [0; 2048];
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.recv_from(&mut buffer).is_err(), "a stranger was answered");
}

#[test]
fn offers_that_are_of_no_use_are_refused_with_the_reason() {
    let mut endpoint = Endpoint::start();
    let mut check = |publish: Option<String>, expected: &str| {
        let error = endpoint.join(ROOM, ADA, Offers { publish, subscribe: None }).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let whole = publish_offer("abcd", &"0".repeat(64), &[]);
    check(None, "no offer");
    check(Some("hello".to_owned()), "publish offer: line 1: a letter and = expected");
    check(Some(whole.replace("a=ice-ufrag", "a=x")), "publish offer: no a=ice-ufrag");
    check(
        Some(whole.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0")),
        "publish offer: m-line 1 is not in the BUNDLE group",
    );
    check(
        Some(whole.replace("VP8", "H263").replace("opus", "PCMU")),
        "publish offer: no m-line with a codec that is forwarded, to be sent",
    );
    let many = whole + &"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(80);
    check(Some(many), "publish offer: 65 m-lines, at most 64 are read");
    let subscribe = subscribe_offer("abcd", &"0".repeat(64));
    assert!(endpoint.view(ROOM, ADA, View::default()) == Err(CallError::NotHere));
    assert!(endpoint.join(ROOM, ADA, Offers { publish: None, subscribe: Some(subscribe) }).is_ok());
}

#[test]
fn who_closes_has_left_and_who_leaves_is_not_told_of() {
    let mut endpoint = Endpoint::start();
    let mut ada = endpoint.publish(ROOM, ADA);
    let mut ben = endpoint.subscribe(ROOM, BEN);
    endpoint.run(Duration::from_millis(200), &mut [&mut ada, &mut ben], |ada| ada.send_media());
    ada.close();
    endpoint.run(Duration::from_millis(200), &mut [&mut ada, &mut ben], |_| {});
    let ended = Event::Ended { room: ROOM, participant: ADA, reason: EndReason::Closed };
    let events = endpoint.events();
    assert!(events.contains(&ended), "{events:?}");
    let emptied = |event: &Event| matches!(event, Event::Slots { participant: BEN, slots, .. } if slots.iter().all(Option::is_none));
    assert!(events.iter().any(emptied), "{events:?}");
    endpoint.leave(ROOM, BEN);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !endpoint.statistics(ROOM).is_empty() {
        assert!(Instant::now() < deadline, "the room is not empty");
    }
    assert!(
        !endpoint.events().iter().any(|it| matches!(it, Event::Ended { participant: BEN, .. }))
    );
}
