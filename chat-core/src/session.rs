//! A bound resource of an account (RFC 6120 7), with or without a stream under it.

use bytes::Bytes;

use crate::access::{DeviceId, Entrance};
use crate::features::archive::Reading;
use crate::id::{MessageId, StreamId};
use crate::jid::{Jid, RoomId};
use crate::stream_management::Management;

/// A device's session.
#[derive(Debug)]
pub struct Session {
    /// The full JID.
    pub jid: Jid,
    /// The stream that carries it; none while it waits to be resumed.
    pub stream: Option<StreamId>,
    /// The stream that bound it, which tells it from another session of the same resource.
    pub bound_by: StreamId,
    /// What it was opened by.
    pub entrance: Entrance,
    /// What it last said of itself; none before initial presence and after unavailable presence.
    pub presence: Option<Availability>,
    /// Its roster is kept up to date: it has asked for it (RFC 6121 2.2).
    pub is_interested: bool,
    /// XEP-0280 is on.
    pub has_carbons: bool,
    /// `urn:whimbrel:groups:0`: it gets the messages of the account's rooms without joining them.
    pub takes_groups: bool,
    /// XEP-0352: nobody looks at it.
    pub is_inactive: bool,
    /// XEP-0198, once enabled.
    pub management: Option<Box<Management>>,
    /// The newest stored message that was sent to it.
    pub sent: MessageId,
    /// Its client has read the archive up to this message; hidden ones were not in it.
    pub has_read: MessageId,
    /// Stored messages newer than [`Self::sent`] reach it from the archive, not as they come.
    pub is_behind: bool,
    /// A page of the archive has been asked for, to catch up.
    pub(crate) is_catching_up: bool,
    /// The newest message that the device has, as far as is known.
    pub received: MessageId,
    /// [`Self::received`] as storage knows it.
    pub received_stored: MessageId,
    /// Its priority is negative: what it has of what is for the whole account.
    pub(crate) apart: Option<Box<Apart>>,
    /// Tells it from the account's other devices by 16 bits; none where its resource was made up
    /// for it, and will be another one the next time.
    pub(crate) mark: Option<u16>,
    /// What features keep for a session.
    pub extra: Option<Box<Extra>>,
}

/// What a session of negative priority has of what is for the whole account.
#[derive(Clone, Debug)]
pub(crate) struct Apart {
    /// As [`Session::sent`].
    pub(crate) sent: MessageId,
    /// As [`Session::received`].
    pub(crate) received: MessageId,
    /// [`Session::received`] of what is sent to the session itself, as storage knows it.
    pub(crate) stored: MessageId,
}

/// Presence that makes a session available.
#[derive(Clone, Debug)]
pub struct Availability {
    /// -128 to 127; below zero it gets no messages to the bare JID.
    pub priority: i8,
    /// The stanza as others receive it, without `to`; it ends with `</presence>`.
    pub stanza: Bytes,
}

/// State of rarer use, not paid for by every session.
#[derive(Debug, Default)]
pub struct Extra {
    /// XEP-0352: the newest presence of each sender, held back while nobody looks.
    pub held_presence: Vec<(Jid, Bytes)>,
    /// Entities beside the roster that know of this session's presence (RFC 6121 4.6).
    pub directed: Vec<Jid>,
    /// XEP-0115: the capabilities that this session last announced.
    pub capabilities: Option<Box<str>>,
    /// XEP-0163: nodes whose events this session wants (`+notify`).
    pub interests: Vec<Box<str>>,
    /// XEP-0388: the installation, as it names itself.
    pub device: Option<DeviceId>,
    /// XEP-0313: questions that wait.
    pub(crate) reading: Reading,
    /// XEP-0045: the rooms that this session has joined.
    pub joined: Vec<Joined>,
    /// XEP-0386: the client software, as it names itself.
    pub software: Option<Box<str>>,
}

/// A room that a session has joined (XEP-0045 7.2).
#[derive(Clone, Debug)]
pub struct Joined {
    /// Which.
    pub room: RoomId,
    /// What it shows in the room, serialised, without what the room adds.
    pub presence: Bytes,
    /// What the room has sent while its history was looked for.
    pub waiting: Option<Vec<Bytes>>,
}

impl Session {
    /// A session that has just been bound.
    pub fn new(jid: Jid, stream: StreamId, received: MessageId) -> Session {
        Session {
            jid,
            stream: Some(stream),
            bound_by: stream,
            entrance: Entrance::default(),
            presence: None,
            is_interested: false,
            has_carbons: false,
            takes_groups: false,
            is_inactive: false,
            management: None,
            sent: received,
            has_read: MessageId::FIRST,
            is_behind: true,
            is_catching_up: false,
            received,
            received_stored: received,
            apart: None,
            mark: None,
            extra: None,
        }
    }

    /// The resource of its JID.
    pub fn resource(&self) -> &str {
        self.jid.resource().unwrap_or_default()
    }

    /// It is available.
    pub fn is_available(&self) -> bool {
        self.presence.is_some()
    }

    /// The presence's priority, where it gets messages that are sent to the bare JID.
    pub fn takes_messages(&self) -> bool {
        self.presence.as_ref().is_some_and(|presence| presence.priority >= 0)
    }

    /// So much is unacknowledged that stored messages wait in the archive.
    pub fn is_busy(&self) -> bool {
        self.management.as_ref().is_some_and(|management| management.is_busy())
    }

    /// Its rarer state, made where it does not exist yet.
    pub fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// It has joined this room (XEP-0045).
    pub fn has_joined(&self, room: RoomId) -> bool {
        self.joined(room).is_some()
    }

    /// Its presence in a room that it has joined.
    pub fn joined(&self, room: RoomId) -> Option<&Joined> {
        self.extra.as_ref()?.joined.iter().find(|joined| joined.room == room)
    }

    /// The device has this message and all that it was sent before.
    pub fn has_received(&mut self, id: MessageId) {
        self.received = self.received.max(id);
        if let Some(apart) = &mut self.apart {
            apart.received = apart.received.max(id.min(apart.sent));
        }
    }

    /// The device gets everything up to this message in another way.
    pub(crate) fn skip_to(&mut self, id: MessageId) {
        self.sent = self.sent.max(id);
        if let Some(apart) = &mut self.apart {
            apart.sent = apart.sent.max(id);
        }
    }

    /// What its cursor is to tell: up to where it has what is for the whole account.
    pub(crate) fn cursor(&self) -> MessageId {
        self.apart.as_ref().map_or(self.received, |apart| apart.received)
    }

    /// It has received what storage does not know of.
    pub(crate) fn has_unstored(&self) -> bool {
        let apart = self.apart.as_ref();
        self.cursor() != self.received_stored
            || apart.is_some_and(|apart| apart.stored != self.received)
    }

    /// Its client asked what is handled, and was told less.
    pub(crate) fn owes_acknowledgement(&self) -> bool {
        self.stream.is_some() && self.management.as_ref().is_some_and(|kept| kept.owes_answer())
    }
}
