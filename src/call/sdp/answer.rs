//! Answers (RFC 3264, RFC 8829 5.3): what was accepted, and how we are reached.

use std::fmt::Write;
use std::net::SocketAddr;

use sfu_core::rtp::ExtensionKind;

use super::negotiate::AcceptedCodec;
use super::offer::{Fingerprint, Media, Setup};

/// What an answer says of its m-lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub(super) media: Vec<AnsweredMedia>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AnsweredMedia {
    /// `m=` but for the port; of one that was accepted with its payload types.
    head: (String, String),
    mid: String,
    accepted: Option<Accepted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Accepted {
    direction: Direction,
    /// `a=` lines of codecs, feedback and extensions.
    lines: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Receives { rids: Vec<String> },
    Sends { slot: usize, ssrc: u32, rtx_ssrc: Option<u32> },
}

impl Answered {
    /// How many m-lines there are.
    pub fn media(&self) -> usize {
        self.media.len()
    }
}

/// How we are reached.
#[derive(Clone, Copy, Debug)]
pub struct Transport<'a> {
    /// A number for the session, and how often it was described before.
    pub session: (u64, u32),
    /// Our ufrag.
    pub ufrag: &'a str,
    /// Our password.
    pub password: &'a str,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// What the peer has offered.
    pub setup: Setup,
    /// Where we listen.
    pub candidates: &'a [SocketAddr],
}

impl AnsweredMedia {
    pub(super) fn refused(line: &Media) -> Self {
        let head = (line.kind.clone(), format!("{} {}", line.protocol, line.formats));
        Self { head, mid: line.mid.clone(), accepted: None }
    }

    pub(super) fn accepted(
        line: &Media,
        direction: Direction,
        codecs: &[AcceptedCodec<'_>],
        extensions: &[(u8, ExtensionKind, &'static str)],
        feedback: &[(u8, &'static str)],
    ) -> Self {
        let (mut formats, mut lines) = (String::new(), Vec::new());
        // RFC 5506 5: only where it is offered.
        lines.extend(line.has_rtcp_rsize.then(|| "rtcp-rsize".to_owned()));
        for codec in codecs {
            for offered in std::iter::once(codec.offered).chain(codec.rtx) {
                let payload_type = offered.payload_type;
                let _ = write!(formats, " {payload_type}");
                lines.push(rtpmap(offered));
                if let Some(parameters) = parameters_of(offered) {
                    lines.push(format!("fmtp:{payload_type} {parameters}"));
                }
                let kinds = feedback.iter().filter(|(of, _)| *of == payload_type);
                lines.extend(kinds.map(|(of, kind)| format!("rtcp-fb:{of} {kind}")));
            }
        }
        lines.extend(extensions.iter().map(|(id, _, uri)| format!("extmap:{id} {uri}")));
        let head = (line.kind.clone(), format!("{}{formats}", line.protocol));
        let accepted = Some(Accepted { direction, lines });
        Self { head, mid: line.mid.clone(), accepted }
    }
}

/// Writes an answer.
pub fn write(answered: &Answered, transport: Transport<'_>) -> String {
    let mut out = String::new();
    let mids = answered.media.iter().filter(|line| line.accepted.is_some());
    let mids: Vec<&str> = mids.map(|line| line.mid.as_str()).collect();
    let (session, version) = transport.session;
    line(&mut out, format_args!("v=0"));
    line(&mut out, format_args!("o=- {session} {version} IN IP4 127.0.0.1"));
    line(&mut out, format_args!("s=-"));
    line(&mut out, format_args!("t=0 0"));
    line(&mut out, format_args!("a=ice-lite"));
    line(&mut out, format_args!("a=group:BUNDLE {}", mids.join(" ")));
    line(&mut out, format_args!("a=msid-semantic: WMS *"));
    for media in &answered.media {
        write_media(&mut out, media, transport);
    }
    out
}

fn write_media(out: &mut String, media: &AnsweredMedia, transport: Transport<'_>) {
    let (kind, rest) = &media.head;
    let port = if media.accepted.is_some() { 9 } else { 0 };
    line(out, format_args!("m={kind} {port} {rest}"));
    line(out, format_args!("c=IN IP4 0.0.0.0"));
    if !media.mid.is_empty() {
        line(out, format_args!("a=mid:{}", media.mid));
    }
    let Some(accepted) = &media.accepted else {
        return line(out, format_args!("a=inactive"));
    };
    line(out, format_args!("a=ice-ufrag:{}", transport.ufrag));
    line(out, format_args!("a=ice-pwd:{}", transport.password));
    line(out, format_args!("a=fingerprint:sha-256 {}", transport.fingerprint));
    let setup = if transport.setup == Setup::Passive { "active" } else { "passive" };
    line(out, format_args!("a=setup:{setup}"));
    line(out, format_args!("a=rtcp-mux"));
    accepted.lines.iter().for_each(|attribute| line(out, format_args!("a={attribute}")));
    write_direction(out, &accepted.direction);
    for (at, candidate) in transport.candidates.iter().enumerate() {
        // RFC 8445 5.1.2.1: type preference 126; those named first go before.
        let priority = (126 << 24) | ((65_535 - at as u32) << 8) | 255;
        let (ip, port) = (candidate.ip(), candidate.port());
        line(out, format_args!("a=candidate:{} 1 udp {priority} {ip} {port} typ host", at + 1));
    }
    line(out, format_args!("a=end-of-candidates"));
}

fn write_direction(out: &mut String, direction: &Direction) {
    match direction {
        Direction::Receives { rids } => {
            line(out, format_args!("a=recvonly"));
            rids.iter().for_each(|rid| line(out, format_args!("a=rid:{rid} recv")));
            if !rids.is_empty() {
                line(out, format_args!("a=simulcast:recv {}", rids.join(";")));
            }
        }
        Direction::Sends { slot, ssrc, rtx_ssrc } => {
            line(out, format_args!("a=sendonly"));
            // A stream of its own for each slot: what it shows is not played in time with others.
            line(out, format_args!("a=msid:slot{slot} slot{slot}"));
            if let Some(rtx) = rtx_ssrc {
                line(out, format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
            }
            for ssrc in std::iter::once(ssrc).chain(rtx_ssrc) {
                line(out, format_args!("a=ssrc:{ssrc} cname:slot{slot}"));
            }
        }
    }
}

fn rtpmap(codec: &super::offer::Codec) -> String {
    let name = match codec.name.as_str() {
        "rtx" | "opus" => codec.name.clone(),
        _ => codec.name.to_ascii_uppercase(),
    };
    let channels = if name == "opus" { "/2" } else { "" };
    format!("rtpmap:{} {name}/{}{channels}", codec.payload_type, codec.clock_hz)
}

/// Opus' say what we would like to get (RFC 7587 7.1): repairs, and silence that is not sent.
fn parameters_of(codec: &super::offer::Codec) -> Option<String> {
    match codec.name.as_str() {
        "opus" => Some("minptime=10;useinbandfec=1;usedtx=1".to_owned()),
        _ => Some(codec.parameters.clone()).filter(|it| !it.is_empty()),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
    out.push_str("\r\n");
}
