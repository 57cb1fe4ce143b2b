//! Offers as browsers write them, cut to what matters.

const HEAD: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
    a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n";

fn transport(ufrag: &str, fingerprint: &str) -> String {
    let octets: Vec<&str> = (0..32).map(|at| &fingerprint[2 * at..][..2]).collect();
    format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\n\
         a=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\n",
        octets.join(":").to_uppercase(),
    )
}

const AUDIO: &str = "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

const VIDEO: &str = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 nack\r\n\
    a=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
    a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n";

/// A microphone and a camera, the latter with these encodings.
pub fn publish_offer(ufrag: &str, fingerprint: &str, rids: &[&str]) -> String {
    let transport = transport(ufrag, fingerprint);
    let mut text = format!(
        "{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n{transport}a=mid:0\r\na=sendonly\r\n{AUDIO}\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n{transport}a=mid:1\r\na=sendonly\r\n{VIDEO}"
    );
    for rid in rids {
        text += &format!("a=rid:{rid} send\r\n");
    }
    if !rids.is_empty() {
        text += &format!("a=simulcast:send {}\r\n", rids.join(";"));
    }
    text
}

/// A slot for a voice, and one for a picture.
pub fn subscribe_offer(ufrag: &str, fingerprint: &str) -> String {
    let transport = transport(ufrag, fingerprint);
    format!(
        "{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n{transport}a=mid:0\r\na=recvonly\r\n{AUDIO}\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n{transport}a=mid:1\r\na=recvonly\r\n{VIDEO}"
    )
}
