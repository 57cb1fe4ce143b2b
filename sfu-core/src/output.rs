//! What comes out.

use crate::sfu::{ParticipantId, Side, TrackId};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The buffer's first `len` octets are an RTP packet for a subscribing connection.
    Rtp {
        /// For whom.
        to: ParticipantId,
        /// Octets in the buffer.
        len: usize,
    },
    /// The buffer's first `len` octets are RTCP.
    Rtcp {
        /// For whom.
        to: ParticipantId,
        /// By which connection.
        side: Side,
        /// Octets in the buffer.
        len: usize,
    },
    /// Something that signalling tells, or does.
    Event(Event),
}

/// What signalling tells participants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A slot shows another track from now on, or none.
    SlotChanged {
        /// Whose slot.
        participant: ParticipantId,
        /// Its place among the slots.
        slot: usize,
        /// What it shows.
        track: Option<TrackId>,
    },
    /// Another participant speaks, or nobody.
    SpeakerChanged {
        /// The room, by its caller's name.
        room: u64,
        /// Who speaks.
        participant: Option<ParticipantId>,
    },
    /// Which encodings of a track somebody needs: the others may be paused.
    DemandChanged {
        /// Its publisher.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// A bit for each encoding, the lowest for the smallest picture.
        encodings: u8,
    },
    /// A moderator asks for silence.
    MuteRequested {
        /// The publisher.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
    },
    /// A moderator has removed them; their connections are to be closed.
    Removed {
        /// Who was removed.
        participant: ParticipantId,
    },
}

#[derive(Debug)]
pub(crate) enum Control {
    Rtcp { to: ParticipantId, side: Side, bytes: Vec<u8> },
    Event(Event),
}
