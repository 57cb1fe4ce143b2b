//! What was negotiated for a participant's two connections.

use crate::bandwidth::BitrateBounds;
use crate::codec::Codec;
use crate::rtp::ExtensionMap;

/// Tracks of one participant.
pub const TRACKS_MAX: usize = 8;
/// Encodings of one track.
pub const ENCODINGS_MAX: usize = 4;
/// Slots of one subscriber.
pub const SLOTS_MAX: usize = 64;
/// Octets of a MID or RID (RFC 8852 names no limit; the one-byte form has room for 16).
pub const NAME_BYTES_MAX: usize = 16;

/// A payload type and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadType {
    /// What it carries.
    pub codec: Codec,
    /// 0 to 127.
    pub payload_type: u8,
    /// The payload type of its retransmissions (RFC 4588), if they have one.
    pub rtx: Option<u8>,
}

/// What a track shows or tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Voice.
    Microphone,
    /// A face.
    Camera,
    /// A screen; goes before faces.
    Screen,
}

impl Source {
    /// Whether it is pictures.
    pub fn is_video(self) -> bool {
        self != Self::Microphone
    }
}

/// The publishing connection.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// Its header extensions.
    pub extensions: ExtensionMap,
    /// Its m-lines; at most [`TRACKS_MAX`].
    pub tracks: Vec<TrackConfig>,
}

/// An m-line that is published.
#[derive(Clone, Debug)]
pub struct TrackConfig {
    /// What it shows or tells.
    pub source: Source,
    /// Its `a=mid`.
    pub mid: Vec<u8>,
    /// What its payload types stand for.
    pub codecs: Vec<PayloadType>,
    /// From the smallest to the largest picture; at least one, at most [`ENCODINGS_MAX`].
    pub encodings: Vec<EncodingConfig>,
    /// Whether missing packets may be asked for (`a=rtcp-fb nack`).
    pub has_nack: bool,
}

/// One encoding of a track.
#[derive(Clone, Debug, Default)]
pub struct EncodingConfig {
    /// Its `a=rid`, with simulcast.
    pub rid: Option<Vec<u8>>,
    /// Its SSRC, where the description tells.
    pub ssrc: Option<u32>,
    /// The SSRC of its retransmissions, where the description tells.
    pub rtx_ssrc: Option<u32>,
}

/// The subscribing connection.
#[derive(Clone, Debug)]
pub struct SubscribeConfig {
    /// Its header extensions.
    pub extensions: ExtensionMap,
    /// Its m-lines, negotiated once; what they show is changed by rewriting. At most [`SLOTS_MAX`].
    pub slots: Vec<SlotConfig>,
    /// Bounds of its estimate.
    pub bitrate: BitrateBounds,
}

/// An m-line that is sent.
#[derive(Clone, Debug)]
pub struct SlotConfig {
    /// Pictures, or sound.
    pub is_video: bool,
    /// The SSRC that it is sent under.
    pub ssrc: u32,
    /// The SSRC of its retransmissions; without one packets are sent again as they were.
    pub rtx_ssrc: Option<u32>,
    /// Its payload types.
    pub codecs: Vec<PayloadType>,
}

/// What a subscriber wants to see. Without wishes it sees those who spoke last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Tracks that go before all others, in the order of their weight.
    pub pinned: Vec<Wish>,
    /// Whether the other slots show those who spoke last, and shared screens.
    pub shows_others: bool,
    /// The largest picture of those others, as an encoding's place in its track; `u8::MAX`: any.
    pub others_encoding_max: u8,
}

/// A track that a subscriber wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub track: crate::TrackId,
    /// The largest picture that it has a use for, as an encoding's place in its track (with SVC: as
    /// a spatial layer); `u8::MAX`: any.
    pub encoding_max: u8,
}

/// Why a participant's connection is not set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has left, or never was.
    #[error("no such participant")]
    Gone,
    /// More of something than is allowed.
    #[error("{count} {what}, at most {most} are taken")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// What was asked for.
        count: usize,
        /// What is allowed.
        most: usize,
    },
    /// A track without encodings.
    #[error("track {mid} has no encoding")]
    NoEncoding {
        /// Its place among the tracks.
        mid: usize,
    },
    /// It was set up before.
    #[error("the connection is set up already")]
    Again,
}

impl PublishConfig {
    pub(crate) fn check(&self) -> Result<(), Refused> {
        at_most("tracks", self.tracks.len(), TRACKS_MAX)?;
        for (mid, track) in self.tracks.iter().enumerate() {
            if track.encodings.is_empty() {
                return Err(Refused::NoEncoding { mid });
            }
            at_most("encodings", track.encodings.len(), ENCODINGS_MAX)?;
            at_most("bytes of a MID", track.mid.len(), NAME_BYTES_MAX)?;
            at_most("payload types", track.codecs.len(), 128)?;
            for rid in track.encodings.iter().filter_map(|encoding| encoding.rid.as_ref()) {
                at_most("bytes of a RID", rid.len(), NAME_BYTES_MAX)?;
            }
        }
        Ok(())
    }
}

impl SubscribeConfig {
    pub(crate) fn check(&self) -> Result<(), Refused> {
        at_most("slots", self.slots.len(), SLOTS_MAX)?;
        self.slots.iter().try_for_each(|slot| at_most("payload types", slot.codecs.len(), 128))
    }
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), Refused> {
    if count > most { Err(Refused::TooMany { what, count, most }) } else { Ok(()) }
}
