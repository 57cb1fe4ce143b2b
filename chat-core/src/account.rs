//! An account while it is active: its sessions and its small state, all in memory.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::access::{self, Access, Entrance};
use crate::features::{self, State};
use crate::id::{MessageId, StreamId, Ticket};
use crate::jid::{AccountId, Jid};
use crate::session::Session;
use crate::transaction::{RECENT_ORIGINS_MAX, StoredAccount, Write};
use crate::xml::Element;

/// An active account.
#[derive(Debug)]
pub struct Account {
    /// Its permanent id.
    pub id: AccountId,
    /// Its bare JID.
    pub jid: Jid,
    /// Its verified number in E.164.
    pub number: Option<Box<str>>,
    /// Milliseconds since 1970.
    pub created_unix_ms: u64,
    /// Bound resources, with and without a stream.
    pub sessions: Vec<Session>,
    /// What opens it.
    pub access: Access,
    /// What the features keep.
    pub state: State,
    /// The newest message in its archive.
    pub newest: MessageId,
    /// What streams have logged in by that have no session yet.
    arriving: Vec<(StreamId, Entrance)>,
    /// Bytes of the stanzas in its archive, or more where some were removed.
    pub archived_bytes: u64,
    /// A client has it deleted: what its stream is told when that is done.
    pub(crate) unregistering: Option<Box<(StreamId, Bytes)>>,
    /// Keys of a new password are on their way: one after another, for they cost much.
    pub(crate) awaits_keys: bool,
    cursors: Vec<(Box<str>, MessageId)>,
    recent_origins: VecDeque<u64>,
    /// The last transaction that carries a change of this account.
    pub(crate) last_ticket: Ticket,
    /// When something last happened, by [`crate::time::Now::elapsed_ms`].
    pub(crate) used_ms: u64,
}

impl Account {
    /// An account as storage holds it. Records that cannot be read are passed over: they are a
    /// fault of an earlier version, and must not lock anybody out.
    pub fn load(id: AccountId, domain: &Jid, stored: StoredAccount) -> Account {
        let mut state = State::default();
        for record in &stored.records {
            features::load(&mut state, record);
        }
        Account {
            id,
            jid: Jid::from_parts(Some(&id.to_string()), domain.domain(), None)
                .expect("an id is a lawful local part"),
            number: stored.number,
            created_unix_ms: stored.created_unix_ms,
            sessions: Vec::new(),
            access: Access::load(id, &stored.records),
            state,
            newest: stored.newest,
            arriving: Vec::new(),
            archived_bytes: stored.archived_bytes,
            unregistering: None,
            awaits_keys: false,
            cursors: stored.cursors,
            recent_origins: stored.recent_origins.into(),
            last_ticket: Ticket::default(),
            used_ms: 0,
        }
    }

    /// Keeps up with a change that an operator, or the owner by the account API, makes beside it.
    pub(crate) fn take_over(&mut self, write: &Write) {
        match write {
            Write::SetNumber { number, .. } => self.number.clone_from(number),
            Write::Put { feature: access::FEATURE, key, value, .. } => {
                self.access.forget(key);
                if let Ok(value) = Element::parse(value, "") {
                    self.access.read(key, &value);
                }
            }
            Write::Remove { feature: access::FEATURE, key, .. } => self.access.forget(key),
            _ => {}
        }
    }

    /// Something is to be done about a second from now: a cursor to be stored, a session without
    /// a stream to be ended.
    pub(crate) fn wants_tick(&self) -> bool {
        let wants = |session: &Session| {
            session.stream.is_none()
                || session.has_unstored()
                || session.owes_acknowledgement()
                || session.extra.as_ref().is_some_and(|extra| extra.reading.is_waiting())
                || (session.is_behind && session.is_available())
        };
        self.sessions.iter().any(wants)
    }

    /// The session that a stream carries.
    pub fn session_of(&self, stream: StreamId) -> Option<&Session> {
        self.sessions.iter().find(|session| session.stream == Some(stream))
    }

    /// The session that a stream carries, to be changed.
    pub fn session_of_mut(&mut self, stream: StreamId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.stream == Some(stream))
    }

    /// The session of a resource.
    pub fn session(&self, resource: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.resource() == resource)
    }

    /// The session of a resource, to be changed.
    pub fn session_mut(&mut self, resource: &str) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.resource() == resource)
    }

    /// Notes what a stream has logged in by, for its session.
    pub(crate) fn note_entrance(&mut self, stream: StreamId, entrance: Entrance) {
        self.arriving.push((stream, entrance));
    }

    /// What a stream has logged in by, once.
    pub(crate) fn take_entrance(&mut self, stream: StreamId) -> Option<Entrance> {
        let at = self.arriving.iter().position(|(arriving, _)| *arriving == stream)?;
        let (_, entrance) = self.arriving.swap_remove(at);
        self.arriving.shrink_to_fit();
        Some(entrance)
    }

    /// Sessions that have sent presence and not gone.
    pub fn available(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| session.presence.is_some())
    }

    /// What a device has received. One that was never seen has what any other has: messages that
    /// nobody has received yet come to whoever comes first (XEP-0160).
    pub fn received_by(&self, resource: &str) -> MessageId {
        let own = self.cursors.iter().find(|(device, _)| **device == *resource);
        own.map_or_else(|| self.received_by_any(), |(_, received)| *received)
    }

    /// What every device has received.
    pub fn received_by_all(&self) -> MessageId {
        self.cursors.iter().map(|(_, received)| *received).min().unwrap_or_default()
    }

    /// What any device has received.
    pub fn received_by_any(&self) -> MessageId {
        self.cursors.iter().map(|(_, received)| *received).max().unwrap_or_default()
    }

    /// The device is known.
    pub fn has_cursor(&self, resource: &str) -> bool {
        self.cursors.iter().any(|(device, _)| **device == *resource)
    }

    /// Notes what a device has received.
    pub fn set_cursor(&mut self, resource: &str, received: MessageId) {
        match self.cursors.iter_mut().find(|(device, _)| **device == *resource) {
            Some((_, cursor)) => *cursor = received,
            None => {
                self.cursors.reserve_exact(1);
                self.cursors.push((resource.into(), received));
            }
        }
    }

    /// Forgets a device's cursor. Says whether it had one.
    pub fn remove_cursor(&mut self, resource: &str) -> bool {
        let before = self.cursors.len();
        self.cursors.retain(|(device, _)| **device != *resource);
        self.cursors.len() < before
    }

    /// The device whose cursor is oldest, where there are more than a household has.
    pub fn surplus_cursor(&self) -> Option<Box<str>> {
        let is_surplus = self.cursors.len() > CURSORS_MAX;
        let idle = |device: &str| self.session(device).is_none();
        let candidates = self.cursors.iter().filter(|(device, _)| idle(device));
        let oldest = candidates.min_by_key(|(_, received)| *received);
        oldest.filter(|_| is_surplus).map(|(device, _)| device.clone())
    }

    /// Whether a message with this origin-id was noted.
    pub fn knows_origin(&self, digest: u64) -> bool {
        self.recent_origins.contains(&digest)
    }

    /// Notes a message's origin-id.
    pub fn note_origin(&mut self, digest: u64) {
        if self.recent_origins.len() == RECENT_ORIGINS_MAX {
            self.recent_origins.pop_front();
        }
        self.recent_origins.push_back(digest);
    }
}

/// Devices whose cursor is kept. A client that makes up a new resource at each start does not
/// fill the storage.
const CURSORS_MAX: usize = 32;
