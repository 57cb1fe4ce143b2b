//! A call in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_lc_rs::digest;

use super::endpoint::{ParticipantName, Source};
use super::{BEGINNINGS_MAX, BEGINNINGS_WITHIN_MS};
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};

/// What a room knows of calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(super) current: Option<Box<Call>>,
    /// Participants that the endpoint has not heard to be out.
    pub(super) hanging_up: Vec<ParticipantName>,
    /// When the newest calls began, by [`crate::time::Now::elapsed_ms`].
    beginnings_ms: VecDeque<u64>,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    /// Random; participants' names are made of it.
    pub(super) key: u64,
    /// The message that told of it, once somebody is in.
    pub(super) id: Option<MessageId>,
    /// Who began it.
    pub(super) by: AccountId,
    pub(super) is_video: bool,
    /// Nobody is to be called.
    pub(super) is_silent: bool,
    pub(super) began_unix_ms: u64,
    /// Until when it rings, by [`crate::time::Now::elapsed_ms`].
    pub(super) rings_until_ms: Option<u64>,
    /// Requests to join that the endpoint has not answered.
    pub(super) joining: usize,
    pub(super) participants: BTreeMap<AccountId, Participant>,
    /// Who is or was in it.
    pub(super) took_part: BTreeSet<AccountId>,
    /// Who does not want to come, or, with `true`, is in another call.
    pub(super) declined: BTreeMap<AccountId, bool>,
    /// Whom an admin has removed.
    pub(super) barred: BTreeSet<AccountId>,
    /// What participants have not been told yet.
    pub(super) changed: BTreeSet<AccountId>,
    pub(super) gone: Vec<ParticipantName>,
    /// When they were last told, by [`crate::time::Now::elapsed_ms`].
    pub(super) told_ms: u64,
    /// When somebody was last in it, in milliseconds since 1970.
    pub(super) lasted_unix_ms: u64,
    /// When that was last stored.
    pub(super) stored_unix_ms: u64,
}

/// A device that takes part.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    pub(super) name: ParticipantName,
    /// The device's name, or that of its session.
    pub(super) device: Box<str>,
    /// The session that it signals by.
    pub(super) jid: Jid,
    pub(super) published: Published,
    /// Since when its hand is raised, in milliseconds since 1970.
    pub(super) hand_unix_ms: Option<u64>,
    pub(super) signalling: Signalling,
}

/// What a participant publishes: nothing is there without an entry, and `true` is muted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Published([Option<bool>; Source::ALL.len()]);

/// Whether a participant can be told something. Moments are of [`crate::time::Now::elapsed_ms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signalling {
    Here,
    /// Its stream is lost; media go on.
    Lost {
        since_ms: u64,
    },
    /// It is to join again.
    Awaited {
        since_ms: u64,
    },
}

impl Calls {
    /// Something lasts, or is to be done.
    pub(crate) fn is_any(&self) -> bool {
        self.current.is_some() || !self.hanging_up.is_empty()
    }

    /// Notes that a call begins; false where too many did.
    pub(super) fn may_begin(&mut self, now_ms: u64) -> bool {
        self.beginnings_ms.retain(|at_ms| now_ms < at_ms + BEGINNINGS_WITHIN_MS);
        let may_begin = self.beginnings_ms.len() < BEGINNINGS_MAX;
        if may_begin {
            self.beginnings_ms.push_back(now_ms);
        }
        may_begin
    }
}

impl Call {
    pub(super) fn new(key: u64, by: AccountId, now_unix_ms: u64) -> Call {
        Call {
            key,
            id: None,
            by,
            is_video: false,
            is_silent: false,
            began_unix_ms: now_unix_ms,
            rings_until_ms: None,
            joining: 0,
            participants: BTreeMap::new(),
            took_part: BTreeSet::new(),
            declined: BTreeMap::new(),
            barred: BTreeSet::new(),
            changed: BTreeSet::new(),
            gone: Vec::new(),
            told_ms: 0,
            lasted_unix_ms: now_unix_ms,
            stored_unix_ms: now_unix_ms,
        }
    }

    /// The same device has the same name for as long as the call lasts, also over a restart: the
    /// endpoint knows it again.
    pub(super) fn name_of(&self, account: AccountId, device: &str) -> ParticipantName {
        let text = format!("whimbrel call 1\0{:016x}\0{account}\0{device}", self.key);
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        let bytes = digest.as_ref().first_chunk().copied().unwrap_or_default();
        ParticipantName(u64::from_be_bytes(bytes))
    }

    pub(super) fn participant(&self, name: ParticipantName) -> Option<(AccountId, &Participant)> {
        let found = self.participants.iter().find(|(_, it)| it.name == name)?;
        Some((*found.0, found.1))
    }

    /// Somebody beside who began it has come.
    pub(super) fn is_answered(&self) -> bool {
        self.took_part.len() > 1
    }

    /// Participants who show a picture, beside this one.
    pub(super) fn pictures_beside(&self, account: AccountId) -> usize {
        let others = self.participants.iter().filter(|(other, _)| **other != account);
        others.filter(|(_, other)| other.published.has_picture()).count()
    }
}

impl Participant {
    /// It is in, as far as is known.
    pub(super) fn is_in(&self) -> bool {
        !matches!(self.signalling, Signalling::Awaited { .. })
    }
}

impl Published {
    pub(super) fn of(&self, source: Source) -> Option<bool> {
        self.0[source as usize]
    }

    pub(super) fn set(&mut self, source: Source, is_muted: Option<bool>) {
        self.0[source as usize] = is_muted;
    }

    pub(super) fn has_picture(&self) -> bool {
        self.of(Source::Camera).is_some() || self.of(Source::Screen).is_some()
    }
}
