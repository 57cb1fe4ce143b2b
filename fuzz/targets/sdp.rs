//! Offers (RFC 8866) from strangers: nothing panics, limits hold, and an answer has an m-line for each that
//! was offered and no line that was not ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::call::sdp::{self, Answered, Fingerprint, MEDIA_MAX, Offer, Transport};

fuzz_target!(|text: &str| {
    let Ok(offer) = Offer::parse(text) else { return };
    assert!(offer.media() <= MEDIA_MAX);
    if let Ok(published) = sdp::publish(&offer) {
        assert!(published.config.tracks.iter().all(|track| !track.encodings.is_empty()));
        check(&offer, &published.answered);
    }
    let mut ssrc = 0;
    let next = || {
        ssrc += 1;
        ssrc
    };
    if let Ok(subscribed) = sdp::subscribe(&offer, next) {
        check(&offer, &subscribed.answered);
    }
});

fn check(offer: &Offer, answered: &Answered) {
    let transport = Transport {
        session: (1, 1),
        ufrag: "ours",
        password: "0123456789012345678901",
        fingerprint: Fingerprint([7; 32]),
        setup: offer.setup,
        candidates: &[([192, 0, 2, 1], 3478).into()],
    };
    let answer = sdp::write(answered, transport);
    let lines = |letter: &str| answer.split("\r\n").filter(|line| line.starts_with(letter)).count();
    assert_eq!(lines("m="), offer.media());
    assert_eq!(lines("a=ice-ufrag:ours"), lines("a=end-of-candidates"));
    let mut lines = answer.split("\r\n");
    assert!(lines.all(|line| line.is_empty() || (line.as_bytes()[1] == b'=' && !line.contains(['\r', '\n']))));
}
