//! Offers as they come, and what becomes of them.

use super::*;
use sfu_core::codec::Codec;

const TRANSPORT: &str = "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=setup:actpass\n";
const FINGERPRINT: &str = "a=fingerprint:SHA-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
    00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff\n";

fn offer(media: &str) -> Result<Offer, SdpError> {
    Offer::parse(&format!(
        "v=0\no=- 7 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n{TRANSPORT}{FINGERPRINT}{media}"
    ))
}

fn answer(answered: &Answered, setup: Setup) -> String {
    let candidates = ["192.0.2.1:3478".parse().unwrap(), "[2001:db8::1]:3478".parse().unwrap()];
    let transport = Transport {
        session: (5, 1),
        ufrag: "ours",
        password: "9876543210987654321098",
        fingerprint: Fingerprint([0xab; 32]),
        setup,
        candidates: &candidates,
    };
    write(answered, transport)
}

#[test]
fn of_a_camera_each_codec_is_taken_once_with_its_repeats() {
    let text = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 102\na=mid:v\na=sendrecv\na=rtcp-mux\n\
        a=rtpmap:96 VP9/90000\na=fmtp:96 profile-id=2\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n\
        a=rtpmap:98 VP9/90000\na=fmtp:98 profile-id=0\na=rtpmap:99 rtx/90000\na=fmtp:99 apt=98\n\
        a=rtpmap:100 H264/90000\na=fmtp:100 packetization-mode=1;profile-level-id=42e01f\n\
        a=rtpmap:101 H264/90000\na=fmtp:101 packetization-mode=0;profile-level-id=42e01f\n\
        a=rtpmap:102 VP8/90000\na=rtcp-fb:* nack pli\na=rtcp-fb:98 nack\n\
        a=extmap:3/sendonly urn:3gpp:video-orientation\na=extmap:15 urn:ietf:params:rtp-hdrext:sdes:mid\n\
        a=ssrc:11 cname:x\na=ssrc:12 cname:x\na=ssrc-group:FID 11 12\n";
    let published = publish(&offer(text).unwrap()).unwrap();
    let track = &published.config.tracks[0];
    let codecs: Vec<_> =
        track.codecs.iter().map(|it| (it.codec, it.payload_type, it.rtx)).collect();
    let expected = [(Codec::Vp9, 98, Some(99)), (Codec::Vp8, 102, None)];
    assert_eq!(codecs, expected);
    assert!(track.has_nack);
    assert_eq!((track.encodings[0].ssrc, track.encodings[0].rtx_ssrc), (Some(11), Some(12)));
    let answer = answer(&published.answered, Setup::ActPass);
    let lines: Vec<&str> = answer.split("\r\n").collect();
    for expected in [
        "m=video 9 UDP/TLS/RTP/SAVPF 98 99 102",
        "a=group:BUNDLE v",
        "a=recvonly",
        "a=setup:passive",
        "a=fmtp:99 apt=98",
        "a=rtcp-fb:98 nack",
        "a=rtcp-fb:102 nack pli",
        "a=extmap:3 urn:3gpp:video-orientation",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 3478 typ host",
    ] {
        assert!(lines.contains(&expected), "{expected} in {answer}");
    }
    assert!(!answer.contains("extmap:15") && !answer.contains("rtpmap:96"));
}

#[test]
fn simulcast_is_answered_with_the_same_names_in_the_same_order() {
    let text = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:0\na=sendonly\na=rtcp-mux\na=rtpmap:96 VP8/90000\n\
        a=rid:q send\na=rid:h send\na=rid:f send\na=simulcast:send q;~h,x;f\n";
    let published = publish(&offer(text).unwrap()).unwrap();
    let rids: Vec<_> =
        published.config.tracks[0].encodings.iter().map(|it| it.rid.clone()).collect();
    assert_eq!(rids, ["q", "h", "f"].map(|rid| Some(rid.as_bytes().to_vec())));
    assert!(answer(&published.answered, Setup::Active).contains("a=simulcast:recv q;h;f\r\n"));
}

#[test]
fn what_is_not_carried_is_refused_in_its_place() {
    let text = "a=group:BUNDLE 0 1 2\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:0\na=sctp-port:5000\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:1\na=recvonly\na=rtcp-mux\na=rtpmap:111 opus/48000/2\n\
        a=rtcp-fb:111 nack\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:2\na=recvonly\na=rtcp-mux\na=rtpmap:0 PCMU/8000\n";
    let mut next = 40;
    let subscribed = subscribe(&offer(text).unwrap(), || {
        next += 1;
        next
    })
    .unwrap();
    assert_eq!(subscribed.config.slots.len(), 1);
    let answer = answer(&subscribed.answered, Setup::Passive);
    let heads: Vec<&str> = answer.split("\r\n").filter(|line| line.starts_with("m=")).collect();
    let expected = [
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=audio 0 UDP/TLS/RTP/SAVPF 0",
    ];
    assert_eq!(heads, expected);
    assert!(
        answer.contains("a=group:BUNDLE 1\r\n") && answer.contains("a=ssrc:41 cname:slot0\r\n")
    );
    assert!(answer.contains("a=setup:active\r\n"));
    assert!(!answer.contains("nack"), "without numbers of their own nothing is repeated");
}

#[test]
fn what_is_no_offer_is_refused_with_the_line() {
    let check = |media: &str, expected: &str| {
        let error = offer(media).and_then(|offer| publish(&offer)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check("a=ice-lite\n", "the peer is ICE-lite too");
    check("m=video 9 UDP/TLS/RTP/SAVPF\n", "line 9: media, port, protocol and formats expected");
    check("a=x\rb\n", "line 9: a control character");
    check(
        "m=video 9 x 96\na=rtpmap:200 VP8/90000\n",
        "line 10: a payload type, a codec and its clock expected",
    );
    check(
        "m=video 9 x 96\na=mid:seventeen bytes!!\n",
        "line 10: a name of at most 16 bytes expected",
    );
    let feedback = "a=rtcp-fb:96 nack\n".repeat(ATTRIBUTES_MAX + 1);
    check(&format!("m=video 9 x 96\n{feedback}"), "129 kinds of feedback, at most 128 are read");
    check(&"x".repeat(LINE_BYTES_MAX + 1), "4097 bytes in a line, at most 4096 are read");
}
