//! What an offer says, as far as it matters here.

use sfu_core::NAME_BYTES_MAX;

use super::line::{Line, is_token, lines};
use super::{ATTRIBUTES_MAX, MEDIA_MAX, SdpError};

/// A description that somebody offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who made it, and for which session: the same through all its versions (`o=`).
    pub session: String,
    /// `a=ice-ufrag`.
    pub ufrag: String,
    /// `a=ice-pwd`.
    pub password: String,
    /// What the certificate of its DTLS must be.
    pub fingerprint: Fingerprint,
    /// Who begins DTLS.
    pub setup: Setup,
    /// Its m-lines, in order.
    pub(super) media: Vec<Media>,
}

/// SHA-256 of a certificate (RFC 8122 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// RFC 4145 4, as RFC 5763 5 uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The peer begins.
    Active,
    /// We begin.
    Passive,
    /// We choose.
    ActPass,
}

/// An m-line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Media {
    /// `audio`, `video`, `application`.
    pub kind: String,
    pub protocol: String,
    pub formats: String,
    /// Port 0 without `bundle-only`: the peer has given it up (RFC 8866 5.14, RFC 9143 6).
    pub is_disabled: bool,
    pub mid: String,
    pub sends: bool,
    pub receives: bool,
    pub has_rtcp_mux: bool,
    pub has_rtcp_rsize: bool,
    pub codecs: Vec<Codec>,
    pub feedback: Vec<(Option<u8>, String)>,
    pub extensions: Vec<(u8, String)>,
    /// Names of encodings that it sends, in the order of `a=simulcast`.
    pub rids: Vec<String>,
    pub ssrcs: Vec<u32>,
    /// An SSRC and that of its retransmissions.
    pub repairs: Vec<(u32, u32)>,
}

/// A payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Codec {
    pub payload_type: u8,
    /// In lower case.
    pub name: String,
    pub clock_hz: u32,
    pub parameters: String,
}

#[derive(Default)]
struct Session {
    name: Option<String>,
    ufrag: Option<String>,
    password: Option<String>,
    fingerprint: Option<Fingerprint>,
    setup: Option<Setup>,
    bundle: Vec<String>,
    is_lite: bool,
}

impl Offer {
    /// How many m-lines there are.
    pub fn media(&self) -> usize {
        self.media.len()
    }

    /// Reads an offer.
    ///
    /// # Errors
    /// When it is larger than is read, not SDP, or lacks what each offer of WebRTC has.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let mut session = Session::default();
        let mut media: Vec<Media> = Vec::new();
        for line in lines(text)? {
            match line.letter {
                b'o' => session.name = Some(session_name(line)?),
                b'm' if media.len() == MEDIA_MAX => {
                    let (count, most) = (MEDIA_MAX + 1, MEDIA_MAX);
                    return Err(SdpError::TooMany { what: "m-lines", count, most });
                }
                b'm' => media.push(Media::begin(line)?),
                b'a' => {
                    session.take(line)?;
                    if let Some(media) = media.last_mut() {
                        media.take(line)?;
                    }
                }
                _ => {}
            }
        }
        session.whole(media)
    }
}

impl Session {
    /// What concerns the transport may stand before all m-lines or in the first one; with BUNDLE it is
    /// the same for all (RFC 9143 7.1.3).
    fn take(&mut self, line: Line<'_>) -> Result<(), SdpError> {
        let Some((name, value)) = line.attribute() else { return Ok(()) };
        match name {
            "ice-ufrag" if self.ufrag.is_none() => {
                self.ufrag = Some(ice_chars(line, value, 4)?);
            }
            "ice-pwd" if self.password.is_none() => {
                self.password = Some(ice_chars(line, value, 22)?);
            }
            "fingerprint" if self.fingerprint.is_none() => {
                self.fingerprint = Fingerprint::parse(value);
            }
            "setup" if self.setup.is_none() => {
                self.setup = Some(match value {
                    "active" => Setup::Active,
                    "passive" => Setup::Passive,
                    "actpass" => Setup::ActPass,
                    _ => return Err(line.fault("active, passive or actpass expected")),
                });
            }
            "ice-lite" => self.is_lite = true,
            "group" => {
                if let Some(mids) = value.strip_prefix("BUNDLE ") {
                    self.bundle = mids.split(' ').map(str::to_owned).collect();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn whole(self, media: Vec<Media>) -> Result<Offer, SdpError> {
        if self.is_lite {
            return Err(SdpError::BothLite);
        }
        for (place, line) in media.iter().enumerate() {
            // One m-line is as good as bundled.
            let is_bundled = media.len() == 1 || self.bundle.contains(&line.mid);
            if !line.is_disabled && !is_bundled {
                return Err(SdpError::NotBundled { place });
            }
        }
        Ok(Offer {
            session: self.name.ok_or(SdpError::Missing("o="))?,
            ufrag: self.ufrag.ok_or(SdpError::Missing("a=ice-ufrag"))?,
            password: self.password.ok_or(SdpError::Missing("a=ice-pwd"))?,
            fingerprint: self.fingerprint.ok_or(SdpError::Missing("a=fingerprint:sha-256"))?,
            // RFC 5763 5 demands actpass; RFC 4145 4.1 has active for who says nothing.
            setup: self.setup.unwrap_or(Setup::Active),
            media,
        })
    }
}

impl Media {
    fn begin(line: Line<'_>) -> Result<Self, SdpError> {
        let fault = || line.fault("media, port, protocol and formats expected");
        let mut parts = line.value.splitn(4, ' ');
        let mut part = || parts.next().ok_or_else(fault);
        let (kind, port, protocol, formats) = (part()?, part()?, part()?, part()?);
        let is_plain = |text: &str| text.split(['/', ' ']).all(is_token);
        if ![kind, protocol, formats].into_iter().all(is_plain) {
            return Err(fault());
        }
        let port: u16 = port.parse().map_err(|_| fault())?;
        Ok(Self {
            kind: kind.to_owned(),
            protocol: protocol.to_owned(),
            formats: formats.to_owned(),
            is_disabled: port == 0,
            sends: true,
            receives: true,
            ..Self::default()
        })
    }

    fn take(&mut self, line: Line<'_>) -> Result<(), SdpError> {
        let Some((name, value)) = line.attribute() else { return Ok(()) };
        match name {
            "mid" => self.mid = token(line, value)?,
            "sendrecv" => (self.sends, self.receives) = (true, true),
            "sendonly" => (self.sends, self.receives) = (true, false),
            "recvonly" => (self.sends, self.receives) = (false, true),
            "inactive" => (self.sends, self.receives) = (false, false),
            "bundle-only" => self.is_disabled = false,
            "rtcp-mux" => self.has_rtcp_mux = true,
            "rtcp-rsize" => self.has_rtcp_rsize = true,
            "rtpmap" => keep(&mut self.codecs, Codec::parse(line, value)?, "payload types")?,
            "fmtp" => self.take_parameters(line, value)?,
            "rtcp-fb" => keep(&mut self.feedback, feedback(line, value)?, "kinds of feedback")?,
            "extmap" => keep(&mut self.extensions, extension(line, value)?, "extensions")?,
            "simulcast" => self.take_simulcast(line, value)?,
            "ssrc" => self.take_ssrc(line, value)?,
            "ssrc-group" => self.take_group(line, value)?,
            _ => {}
        }
        Ok(())
    }

    fn take_parameters(&mut self, line: Line<'_>, value: &str) -> Result<(), SdpError> {
        let fault = || line.fault("a payload type and its parameters expected");
        let (payload_type, parameters) = value.split_once(' ').ok_or_else(fault)?;
        let payload_type: u8 = payload_type.parse().map_err(|_| fault())?;
        let codec = self.codecs.iter_mut().find(|codec| codec.payload_type == payload_type);
        if let Some(codec) = codec {
            codec.parameters = parameters.to_owned();
        }
        Ok(())
    }

    /// RFC 8853 5.1: alternatives of one encoding stand between commas, of which the first is taken;
    /// one that begins with `~` begins paused.
    fn take_simulcast(&mut self, line: Line<'_>, value: &str) -> Result<(), SdpError> {
        let mut words = value.split(' ');
        while let (Some(direction), Some(list)) = (words.next(), words.next()) {
            if direction != "send" {
                continue;
            }
            for encoding in list.split(';') {
                let first = encoding.split(',').next().unwrap_or_default();
                let rid = token(line, first.trim_start_matches('~'))?;
                keep(&mut self.rids, rid, "encodings")?;
            }
        }
        Ok(())
    }

    fn take_ssrc(&mut self, line: Line<'_>, value: &str) -> Result<(), SdpError> {
        let ssrc = value.split(' ').next().and_then(|ssrc| ssrc.parse().ok());
        let ssrc = ssrc.ok_or_else(|| line.fault("an SSRC expected"))?;
        if !self.ssrcs.contains(&ssrc) {
            keep(&mut self.ssrcs, ssrc, "SSRCs")?;
        }
        Ok(())
    }

    fn take_group(&mut self, line: Line<'_>, value: &str) -> Result<(), SdpError> {
        let Some(ssrcs) = value.strip_prefix("FID ") else { return Ok(()) };
        let mut ssrcs = ssrcs.split(' ').map(|ssrc| ssrc.parse().ok());
        let (Some(Some(media)), Some(Some(repair))) = (ssrcs.next(), ssrcs.next()) else {
            return Err(line.fault("two SSRCs expected"));
        };
        keep(&mut self.repairs, (media, repair), "groups of SSRCs")
    }
}

impl Codec {
    fn parse(line: Line<'_>, value: &str) -> Result<Self, SdpError> {
        let fault = || line.fault("a payload type, a codec and its clock expected");
        let (payload_type, rest) = value.split_once(' ').ok_or_else(fault)?;
        let mut parts = rest.split('/');
        let name = parts.next().unwrap_or_default();
        let clock_hz = parts.next().and_then(|clock| clock.parse().ok()).ok_or_else(fault)?;
        let payload_type: u8 = payload_type.parse().map_err(|_| fault())?;
        if payload_type > 127 || !is_token(name) {
            return Err(fault());
        }
        let (name, parameters) = (name.to_ascii_lowercase(), String::new());
        Ok(Self { payload_type, name, clock_hz, parameters })
    }

    /// The value of one parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let parameters = self.parameters.split(';').filter_map(|it| it.trim().split_once('='));
        parameters.into_iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Fingerprint {
    /// `sha-256` and 32 octets in hexadecimal; of other hashes nothing is known here.
    fn parse(value: &str) -> Option<Self> {
        let (hash, octets) = value.split_once(' ')?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let octets: Option<Vec<u8>> =
            octets.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
        octets?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// Without the version, which rises with each description of the same session.
fn session_name(line: Line<'_>) -> Result<String, SdpError> {
    let mut parts = line.value.split(' ');
    match (parts.next(), parts.next()) {
        (Some(user), Some(id)) => Ok(format!("{user} {id}")),
        _ => Err(line.fault("a user and a session expected")),
    }
}

/// RFC 8839 5.4: letters, digits, `+` and `/`, of which there are at most 256.
fn ice_chars(line: Line<'_>, value: &str, least: usize) -> Result<String, SdpError> {
    let is_ice =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    if (least..=256).contains(&value.len()) && value.bytes().all(is_ice) {
        Ok(value.to_owned())
    } else {
        Err(line.fault("characters of ICE expected"))
    }
}

fn token(line: Line<'_>, value: &str) -> Result<String, SdpError> {
    if value.len() <= NAME_BYTES_MAX && is_token(value) {
        Ok(value.to_owned())
    } else {
        Err(line.fault("a name of at most 16 bytes expected"))
    }
}

fn feedback(line: Line<'_>, value: &str) -> Result<(Option<u8>, String), SdpError> {
    let fault = || line.fault("a payload type and a kind of feedback expected");
    let (payload_type, kind) = value.split_once(' ').ok_or_else(fault)?;
    match payload_type {
        "*" => Ok((None, kind.to_owned())),
        _ => Ok((Some(payload_type.parse().map_err(|_| fault())?), kind.to_owned())),
    }
}

fn extension(line: Line<'_>, value: &str) -> Result<(u8, String), SdpError> {
    let fault = || line.fault("an id and a URI expected");
    let (id, rest) = value.split_once(' ').ok_or_else(fault)?;
    let id = id.split('/').next().and_then(|id| id.parse().ok()).ok_or_else(fault)?;
    Ok((id, rest.split(' ').next().unwrap_or_default().to_owned()))
}

fn keep<T>(list: &mut Vec<T>, item: T, what: &'static str) -> Result<(), SdpError> {
    if list.len() >= ATTRIBUTES_MAX {
        let (count, most) = (list.len() + 1, ATTRIBUTES_MAX);
        return Err(SdpError::TooMany { what, count, most });
    }
    list.push(item);
    Ok(())
}
