//! What the core and the call endpoint say to one another. The endpoint carries the media; it knows
//! numbers, and neither accounts nor rooms' members.

use std::fmt;

use crate::jid::RoomId;

/// What names a participant to the endpoint and to the other participants. It says nothing of the
/// account, and is of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantName(pub u64);

/// What the endpoint is asked; answered by [`crate::transaction::Answer::Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRequest {
    /// Lets a participant in; for one who is in, adds what is missing, or restarts ICE. Answered by
    /// [`CallAnswer::Joined`].
    Join {
        /// Where.
        room: RoomId,
        /// Who.
        participant: ParticipantName,
        /// What its client offers.
        offers: Descriptions,
        /// The call begins: whoever is left in the endpoint's room of an earlier one is to go.
        is_first: bool,
    },
    /// What a participant wants to see.
    View {
        /// Where.
        room: RoomId,
        /// Who.
        participant: ParticipantName,
        /// What.
        view: View,
    },
    /// A participant is out.
    Leave {
        /// Where.
        room: RoomId,
        /// Who.
        participant: ParticipantName,
    },
}

/// Session descriptions (RFC 8866), which the core passes on as they are: offers, or the answers
/// to them. At most [`super::DESCRIPTION_BYTES_MAX`] each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptions {
    /// Of the connection that sends.
    pub publish: Option<Box<str>>,
    /// Of the connection that receives.
    pub subscribe: Option<Box<str>>,
}

/// What becomes of a [`CallRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallAnswer {
    /// The participant is in, or still in.
    Joined(Descriptions),
    /// It is so now.
    Done,
    /// It is not.
    Refused(CallRefusal),
}

/// Why the endpoint does not do as it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRefusal {
    /// An offer cannot be read or answered.
    Offer {
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// There is no room for more.
    Full {
        /// Of what.
        reason: Box<str>,
    },
    /// The participant is not in.
    NotHere,
    /// It has too much to do.
    Busy,
}

/// What a participant wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// These go before all others, in this order; at most [`super::PINNED_MAX`].
    pub pinned: Vec<Wish>,
    /// The other slots show who spoke last.
    pub shows_others: bool,
    /// The largest picture of those, 0 for the smallest; any without it.
    pub others_encoding_max: Option<u8>,
}

/// Something that a participant wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whose.
    pub participant: ParticipantName,
    /// Which.
    pub source: Source,
    /// The largest picture, 0 for the smallest; any without it.
    pub encoding_max: Option<u8>,
}

/// What a participant publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The voice.
    Microphone,
    /// The picture.
    Camera,
    /// What is on the screen.
    Screen,
}

/// What happens at the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// What each slot of a participant shows now.
    Slots {
        /// Where.
        room: RoomId,
        /// Whose slots.
        participant: ParticipantName,
        /// In the order of the offer.
        slots: Vec<Option<(ParticipantName, Source)>>,
    },
    /// Who speaks.
    Speakers {
        /// Where.
        room: RoomId,
        /// The loudest first.
        speakers: Vec<ParticipantName>,
    },
    /// How good a participant's connection is.
    Quality {
        /// Where.
        room: RoomId,
        /// Whose.
        participant: ParticipantName,
        /// How good.
        class: QualityClass,
        /// Why it is not good.
        reason: Option<QualityReason>,
    },
    /// Which encodings of a picture anybody watches.
    Demand {
        /// Where.
        room: RoomId,
        /// Whose picture.
        participant: ParticipantName,
        /// Which.
        source: Source,
        /// Bit 0 is the smallest.
        encodings: u8,
    },
    /// A participant is out, and not because it was asked for.
    Ended {
        /// Where.
        room: RoomId,
        /// Who.
        participant: ParticipantName,
        /// Why.
        reason: EndReason,
    },
}

/// How good a participant's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualityClass {
    /// Nothing is missed.
    Good,
    /// Something is.
    Fair,
    /// Much is.
    Poor,
}

/// What makes a connection worse than good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualityReason {
    /// What the participant sends is lost.
    LossUp,
    /// What it is sent is lost.
    LossDown,
    /// The way is long.
    RoundTrip,
    /// Its link carries less than what it watches.
    Bandwidth,
}

/// Why the endpoint has let a participant go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Nothing was heard of it for 30 s (RFC 7675).
    ConsentLost,
    /// No connection came up.
    NotConnected,
    /// Its client closed the connection.
    Closed,
    /// The endpoint begins anew; all are to join again.
    Restarted,
}

impl ParticipantName {
    /// Reads what [`ParticipantName`]'s `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = text.len() == NAME_DIGITS
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_name.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for ParticipantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 3] = [Source::Microphone, Source::Camera, Source::Screen];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Source::Microphone => "microphone",
            Source::Camera => "camera",
            Source::Screen => "screen",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

impl QualityClass {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            QualityClass::Good => "good",
            QualityClass::Fair => "fair",
            QualityClass::Poor => "poor",
        }
    }
}

impl QualityReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            QualityReason::LossUp => "loss-up",
            QualityReason::LossDown => "loss-down",
            QualityReason::RoundTrip => "round-trip",
            QualityReason::Bandwidth => "bandwidth",
        }
    }
}

impl CallEvent {
    /// The room where it happens.
    pub fn room(&self) -> RoomId {
        match self {
            CallEvent::Slots { room, .. }
            | CallEvent::Speakers { room, .. }
            | CallEvent::Quality { room, .. }
            | CallEvent::Demand { room, .. }
            | CallEvent::Ended { room, .. } => *room,
        }
    }

    /// The participant whom it concerns; none where it concerns all.
    pub fn participant(&self) -> Option<ParticipantName> {
        match self {
            CallEvent::Slots { participant, .. }
            | CallEvent::Quality { participant, .. }
            | CallEvent::Demand { participant, .. }
            | CallEvent::Ended { participant, .. } => Some(*participant),
            CallEvent::Speakers { .. } => None,
        }
    }
}

const NAME_DIGITS: usize = 16;
