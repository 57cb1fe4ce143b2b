//! What of an offer is accepted, and how the forwarding core is told.

use sfu_core::codec::Codec as Kind;
use sfu_core::rtp::{ExtensionKind, ExtensionMap};
use sfu_core::{
    BitrateBounds, ENCODINGS_MAX, EncodingConfig, PayloadType, PublishConfig, SLOTS_MAX,
    SlotConfig, Source, SubscribeConfig, TRACKS_MAX, TrackConfig,
};

use super::SdpError;
use super::answer::{Answered, AnsweredMedia, Direction};
use super::offer::{Codec, Media, Offer};

/// A publish offer, accepted.
#[derive(Clone, Debug)]
pub struct Published {
    /// For the forwarding core.
    pub config: PublishConfig,
    /// For the answer.
    pub answered: Answered,
}

/// A subscribe offer, accepted.
#[derive(Clone, Debug)]
pub struct Subscribed {
    /// For the forwarding core.
    pub config: SubscribeConfig,
    /// For the answer.
    pub answered: Answered,
}

/// Header extensions that are accepted.
const EXTENSIONS: [(&str, ExtensionKind); 7] = [
    ("urn:ietf:params:rtp-hdrext:sdes:mid", ExtensionKind::Mid),
    ("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", ExtensionKind::Rid),
    ("urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", ExtensionKind::RepairedRid),
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", ExtensionKind::AudioLevel),
    (
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        ExtensionKind::TransportSequence,
    ),
    ("urn:3gpp:video-orientation", ExtensionKind::VideoOrientation),
    (
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        ExtensionKind::DependencyDescriptor,
    ),
];

/// Feedback that is accepted (RFC 4585, RFC 5104, and the transport-wide numbers' draft).
const FEEDBACK: [&str; 4] = ["nack", "nack pli", "ccm fir", "transport-cc"];

/// Accepts what is offered to be sent to us: of sound the microphone, of pictures the camera and then
/// the screen.
///
/// # Errors
/// When nothing of it is of use.
pub fn publish(offer: &Offer) -> Result<Published, SdpError> {
    let (mut tracks, mut media, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut sources = Sources::default();
    for line in &offer.media {
        let codecs = accepted_codecs(line);
        let source = (line.sends && !codecs.is_empty() && is_usable(line))
            .then(|| sources.next(line))
            .flatten()
            .filter(|_| tracks.len() < TRACKS_MAX);
        let Some(source) = source else {
            media.push(AnsweredMedia::refused(line));
            continue;
        };
        let extensions = accepted_extensions(line, |_| true);
        let feedback = accepted_feedback(line, &codecs);
        let has_nack = feedback.iter().any(|(_, kind)| *kind == "nack");
        ids.extend(extensions.iter().map(|(id, kind, _)| (*id, *kind)));
        let rids: Vec<String> = line.rids.iter().take(ENCODINGS_MAX).cloned().collect();
        tracks.push(TrackConfig {
            source,
            mid: line.mid.clone().into_bytes(),
            codecs: codecs.iter().map(|codec| codec.payload_type).collect(),
            encodings: encodings_of(line, &rids),
            has_nack,
        });
        let direction = Direction::Receives { rids };
        media.push(AnsweredMedia::accepted(line, direction, &codecs, &extensions, &feedback));
    }
    if tracks.is_empty() {
        return Err(SdpError::Nothing("a codec that is forwarded, to be sent"));
    }
    let config = PublishConfig { extensions: ExtensionMap::new(ids), tracks };
    Ok(Published { config, answered: Answered { media } })
}

/// Accepts what is offered to be sent by us: each m-line is a slot, under SSRCs that `next_ssrc` gives.
///
/// # Errors
/// When nothing of it is of use.
pub fn subscribe(
    offer: &Offer,
    mut next_ssrc: impl FnMut() -> u32,
) -> Result<Subscribed, SdpError> {
    let (mut slots, mut media, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for line in &offer.media {
        let codecs = accepted_codecs(line);
        if !line.receives || codecs.is_empty() || !is_usable(line) || slots.len() >= SLOTS_MAX {
            media.push(AnsweredMedia::refused(line));
            continue;
        }
        // Slots are known by their SSRCs; names would take room in each packet.
        let is_of_use = |kind| {
            !matches!(kind, ExtensionKind::Mid | ExtensionKind::Rid | ExtensionKind::RepairedRid)
        };
        let extensions = accepted_extensions(line, is_of_use);
        let has_rtx = codecs.iter().any(|codec| codec.payload_type.rtx.is_some());
        let mut feedback = accepted_feedback(line, &codecs);
        // What is sent again under its own number would be sealed twice with the same nonce.
        feedback.retain(|(_, kind)| *kind != "nack" || has_rtx);
        ids.extend(extensions.iter().map(|(id, kind, _)| (*id, *kind)));
        let (ssrc, rtx_ssrc) = (next_ssrc(), has_rtx.then(&mut next_ssrc));
        slots.push(SlotConfig {
            is_video: line.kind == "video",
            ssrc,
            rtx_ssrc,
            codecs: codecs.iter().map(|codec| codec.payload_type).collect(),
        });
        let direction = Direction::Sends { slot: slots.len() - 1, ssrc, rtx_ssrc };
        media.push(AnsweredMedia::accepted(line, direction, &codecs, &extensions, &feedback));
    }
    if slots.is_empty() {
        return Err(SdpError::Nothing("a codec that is forwarded, to be received"));
    }
    let extensions = ExtensionMap::new(ids);
    let config = SubscribeConfig { extensions, slots, bitrate: BitrateBounds::default() };
    Ok(Subscribed { config, answered: Answered { media } })
}

#[derive(Default)]
struct Sources {
    has_microphone: bool,
    has_camera: bool,
    has_screen: bool,
}

impl Sources {
    fn next(&mut self, line: &Media) -> Option<Source> {
        let (place, source) = match line.kind.as_str() {
            "audio" => (&mut self.has_microphone, Source::Microphone),
            "video" if !self.has_camera => (&mut self.has_camera, Source::Camera),
            "video" => (&mut self.has_screen, Source::Screen),
            _ => return None,
        };
        (!std::mem::replace(place, true)).then_some(source)
    }
}

/// A codec that is accepted: what the core is told, and what the answer repeats.
#[derive(Clone, Debug)]
pub(super) struct AcceptedCodec<'a> {
    pub payload_type: PayloadType,
    pub offered: &'a Codec,
    pub rtx: Option<&'a Codec>,
}

fn is_usable(line: &Media) -> bool {
    let is_secure = matches!(line.protocol.as_str(), "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP");
    !line.is_disabled && line.has_rtcp_mux && is_secure
}

/// One payload type for each codec, in the peer's order.
fn accepted_codecs(line: &Media) -> Vec<AcceptedCodec<'_>> {
    let mut accepted: Vec<AcceptedCodec<'_>> = Vec::new();
    for offered in &line.codecs {
        let Some(codec) = kind_of(line, offered) else { continue };
        if accepted.iter().any(|it| it.payload_type.codec == codec) {
            continue;
        }
        let repairs = |it: &&Codec| {
            let apt = it.parameter("apt").and_then(|apt| apt.parse().ok());
            it.name == "rtx" && apt == Some(offered.payload_type)
        };
        let rtx = line.codecs.iter().find(repairs);
        let payload_type = PayloadType {
            codec,
            payload_type: offered.payload_type,
            rtx: rtx.map(|rtx| rtx.payload_type),
        };
        accepted.push(AcceptedCodec { payload_type, offered, rtx });
    }
    accepted
}

/// H.264 and AV1 are left out: their packets cannot be cut from frames that are encrypted as a whole, and
/// who prefers them could not be seen in an encrypted call. RED is left out: it would be passed on as it is, and who has not negotiated it would hear nothing.
fn kind_of(line: &Media, codec: &Codec) -> Option<Kind> {
    match (line.kind.as_str(), codec.name.as_str(), codec.clock_hz) {
        ("audio", "opus", 48_000) => Some(Kind::Opus),
        ("video", "vp8", 90_000) => Some(Kind::Vp8),
        ("video", "vp9", 90_000) if codec.parameter("profile-id").unwrap_or("0") == "0" => {
            Some(Kind::Vp9)
        }
        _ => None,
    }
}

fn accepted_extensions(
    line: &Media,
    is_of_use: impl Fn(ExtensionKind) -> bool,
) -> Vec<(u8, ExtensionKind, &'static str)> {
    let mut accepted: Vec<(u8, ExtensionKind, &'static str)> = Vec::new();
    for (id, uri) in &line.extensions {
        let Some((uri, kind)) = EXTENSIONS.iter().find(|(known, _)| known == uri) else { continue };
        let is_known = accepted.iter().any(|(other, of, _)| other == id || of == kind);
        let is_id = (1..=sfu_core::rtp::EXTENSION_ID_MAX).contains(id) && *id != 15;
        if is_of_use(*kind) && is_id && !is_known {
            accepted.push((*id, *kind, uri));
        }
    }
    accepted
}

fn accepted_feedback(line: &Media, codecs: &[AcceptedCodec<'_>]) -> Vec<(u8, &'static str)> {
    let mut accepted = Vec::new();
    for codec in codecs {
        let payload_type = codec.payload_type.payload_type;
        for kind in FEEDBACK {
            let is_offered = line
                .feedback
                .iter()
                .any(|(of, offered)| offered == kind && of.is_none_or(|of| of == payload_type));
            if is_offered {
                accepted.push((payload_type, kind));
            }
        }
    }
    accepted
}

fn encodings_of(line: &Media, rids: &[String]) -> Vec<EncodingConfig> {
    if !rids.is_empty() {
        let named = |rid: &String| EncodingConfig {
            rid: Some(rid.clone().into_bytes()),
            ..EncodingConfig::default()
        };
        return rids.iter().map(named).collect();
    }
    let is_repair = |ssrc: &u32| line.repairs.iter().any(|(_, repair)| repair == ssrc);
    let ssrc = line.ssrcs.iter().copied().find(|ssrc| !is_repair(ssrc));
    let rtx_ssrc = ssrc.and_then(|ssrc| line.repairs.iter().find(|(of, _)| *of == ssrc));
    vec![EncodingConfig { rid: None, ssrc, rtx_ssrc: rtx_ssrc.map(|(_, repair)| *repair) }]
}
