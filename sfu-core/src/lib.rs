//! The forwarding core of Whimbrel's calls: time and packets go in, packets and events come out.
//!
//! Nothing here knows a socket, a thread or a clock, nor encryption: the rim (`src/call` of the
//! server) gives decrypted packets and encrypts what comes out. A packet is parsed once and kept
//! once; each subscriber has a place in a queue for it, and its header is written when it leaves.

#![forbid(unsafe_code)]

mod arena;
mod arrivals;
mod bandwidth;
pub mod codec;
mod config;
mod layers;
mod mapping;
mod output;
mod pacer;
mod publisher;
mod reception;
mod ring;
mod room;
pub mod rtcp;
pub mod rtp;
mod sfu;
mod slot;
mod speakers;
mod statistics;
mod subscriber;
pub mod time;
mod track;

pub use bandwidth::BitrateBounds;
pub use config::{
    ENCODINGS_MAX, EncodingConfig, NAME_BYTES_MAX, PayloadType, PublishConfig, Refused, SLOTS_MAX,
    SlotConfig, Source, SubscribeConfig, TRACKS_MAX, TrackConfig, View, Wish,
};
pub use output::{Event, Output};
pub use sfu::{BUFFER_BYTES_MIN, Input, PARTICIPANTS_MAX, ParticipantId, Sfu, Side, TrackId};
pub use slot::Layer;
pub use statistics::{
    DownStatistics, EncodingStatistics, Limit, ParticipantStatistics, SlotStatistics, UpStatistics,
};
