//! A room while it is active: its members and its settings, all in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::HashSet;

use super::call::{self, Calls};
use super::invitations::Invitation;
use super::member::{Affiliation, Member};
use super::retraction::Retraction;
use super::sealed::Sealed;
use super::settings::Settings;
use super::{
    CALL, CALLER, INVITATION, MEMBER, NAME, OUTCAST, REQUEST, RETRACTION, SEALED, SETTINGS, SUBJECT,
};
use crate::config::Config;
use crate::id::{MessageId, Ticket};
use crate::jid::{AccountId, Jid, RoomId};
use crate::transaction::{RECENT_ORIGINS_MAX, Record, StoredRoom};
use crate::xml::Element;

/// An active room.
#[derive(Debug)]
pub struct Room {
    /// Its permanent id.
    pub id: RoomId,
    /// Its bare JID.
    pub jid: Jid,
    /// Milliseconds since 1970.
    pub created_unix_ms: u64,
    pub(crate) settings: Settings,
    pub(crate) subject: Option<Subject>,
    pub(crate) sealed: Sealed,
    pub(crate) members: BTreeMap<AccountId, Member>,
    /// Who may not come back unless an admin says so.
    pub(crate) outcasts: BTreeSet<AccountId>,
    /// Links by their tokens.
    pub(crate) invitations: BTreeMap<Box<str>, Invitation>,
    /// Who wants to come in, and since when, in milliseconds since 1970.
    pub(crate) requests: BTreeMap<AccountId, u64>,
    /// The message of the newest change of members: the version of XEP-0463.
    pub(crate) version: MessageId,
    /// Who was changed by the newest such messages, oldest first.
    pub(crate) changes: VecDeque<(MessageId, AccountId)>,
    /// Members whose browsers want to be told of messages, once it was asked.
    pub(crate) pushed: Option<HashSet<AccountId>>,
    pub(crate) calls: Calls,
    recent_origins: VecDeque<u64>,
    /// Retractions whose tombstone is not known to be stored, as the room was loaded.
    pub(crate) unfinished: Vec<Retraction>,
    /// The newest message in its log.
    pub(crate) newest: MessageId,
    /// Bytes of the stanzas in its log, or more where some were removed.
    pub(crate) logged_bytes: u64,
    /// The last transaction that carries a change of this room.
    pub(crate) last_ticket: Ticket,
    /// When something last happened, by [`crate::time::Now::elapsed_ms`].
    pub(crate) used_ms: u64,
}

/// XEP-0045 8.1: what the room talks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) text: Box<str>,
    pub(crate) nick: Box<str>,
    pub(crate) set_unix_ms: u64,
}

impl Room {
    /// A room without members.
    pub(crate) fn new(id: RoomId, jid: Jid, settings: Settings, created_unix_ms: u64) -> Room {
        Room {
            id,
            jid,
            created_unix_ms,
            settings,
            subject: None,
            sealed: Sealed::default(),
            members: BTreeMap::new(),
            outcasts: BTreeSet::new(),
            invitations: BTreeMap::new(),
            requests: BTreeMap::new(),
            version: MessageId::FIRST,
            changes: VecDeque::new(),
            pushed: None,
            calls: Calls::default(),
            recent_origins: VecDeque::new(),
            unfinished: Vec::new(),
            newest: MessageId::FIRST,
            logged_bytes: 0,
            last_ticket: Ticket::default(),
            used_ms: 0,
        }
    }

    /// A room as storage holds it; `None` where its settings cannot be read.
    pub(crate) fn load(id: RoomId, config: &Config, stored: StoredRoom) -> Option<Room> {
        let settings = stored.records.iter().find(|record| *record.feature == *SETTINGS)?;
        let settings = Element::parse(&settings.value, "").ok()?;
        let local = settings.attr("local").map_or_else(|| id.to_string(), str::to_owned);
        let groups = config.groups.as_ref()?.domain();
        let jid = Jid::from_parts(Some(&local), groups, None).ok()?;
        let settings = Settings::read(&settings)?;
        let mut room = Room::new(id, jid, settings, stored.created_unix_ms);
        room.newest = stored.newest;
        room.logged_bytes = stored.archived_bytes;
        room.recent_origins = stored.recent_origins.into();
        for record in &stored.records {
            room.take(record);
        }
        Some(room)
    }

    /// Reads a record. One that cannot be read is passed over.
    fn take(&mut self, record: &Record) {
        let Ok(value) = Element::parse(&record.value, "") else { return };
        let account = AccountId::parse(&record.key).ok();
        match (&*record.feature, account) {
            (MEMBER, Some(account)) => {
                if let Some(member) = Member::read(&value) {
                    self.version = self.version.max(member.changed);
                    self.members.insert(account, member);
                }
            }
            (OUTCAST, Some(account)) => drop(self.outcasts.insert(account)),
            (REQUEST, Some(account)) => {
                let since = value.attr("since").and_then(|since| since.parse().ok());
                self.requests.insert(account, since.unwrap_or_default());
            }
            (INVITATION, _) => {
                if let Some(invitation) = Invitation::read(&value) {
                    self.invitations.insert(record.key.clone(), invitation);
                }
            }
            (RETRACTION, _) => self.unfinished.extend(Retraction::read(&record.key, &value)),
            (SEALED, _) => self.sealed = Sealed::read(&value),
            (CALL | CALLER, _) => call::take(self, record, &value),
            (SUBJECT, _) => self.subject = Subject::read(&value),
            (NAME, _) => {
                let version = value.attr("version").and_then(MessageId::parse);
                self.version = self.version.max(version.unwrap_or_default());
            }
            _ => {}
        }
    }

    /// Nobody is in it any more; it only says that it was.
    pub(crate) fn is_over(&self) -> bool {
        self.members.is_empty()
    }

    /// The member with this nick.
    pub(crate) fn member_by_nick(&self, nick: &str) -> Option<(AccountId, &Member)> {
        let found = self.members.iter().find(|(_, member)| *member.nick == *nick)?;
        Some((*found.0, found.1))
    }

    /// How many owners it has.
    pub(crate) fn owners(&self) -> usize {
        self.members.values().filter(|member| member.affiliation == Affiliation::Owner).count()
    }

    /// The address of a member in the room.
    pub(crate) fn occupant_jid(&self, nick: &str) -> Jid {
        self.jid.with_resource(nick).unwrap_or_else(|_| self.jid.clone())
    }

    /// Whether a message with this digest of its origin was noted: it is a repetition.
    pub(crate) fn knows_origin(&self, digest: u64) -> bool {
        self.recent_origins.contains(&digest)
    }

    /// Notes the digest of a message's origin.
    pub(crate) fn note_origin(&mut self, digest: u64) {
        if self.recent_origins.len() == RECENT_ORIGINS_MAX {
            self.recent_origins.pop_front();
        }
        self.recent_origins.push_back(digest);
    }
}

impl Subject {
    pub(crate) fn read(value: &Element) -> Option<Subject> {
        Some(Subject {
            text: value.text().into(),
            nick: value.attr("nick")?.into(),
            set_unix_ms: value.attr("set")?.parse().ok()?,
        })
    }

    pub(crate) fn to_element(&self) -> Element {
        Element::new("subject", super::NS)
            .with_attr("nick", &*self.nick)
            .with_attr("set", self.set_unix_ms.to_string())
            .with_text(&*self.text)
    }
}
