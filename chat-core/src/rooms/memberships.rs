//! The account's side: which rooms it is in, and since when. A device that was away gets from each
//! room's log what lies between.

use super::{DIRECT, DIRECTS_MAX, GROUPS_MAX, MEMBERSHIP, NS, Order, What};
use crate::context::Context;
use crate::features::{Iq, Reply, State};
use crate::id::MessageId;
use crate::jid::{Jid, RoomId};
use crate::stanza::StanzaError;
use crate::transaction::{Span, Write};
use crate::xml::Element;

/// The rooms of an account, also those that it was in.
#[derive(Debug, Default)]
pub struct Memberships {
    all: Vec<Membership>,
    /// When the account began rooms lately, in milliseconds since 1970.
    founded: Vec<u64>,
}

/// One stay in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub room: RoomId,
    /// Its bare JID.
    pub jid: Jid,
    /// What the account gets of the log begins behind this message.
    pub since: MessageId,
    /// And it ends with this one, if the account is no longer in the room.
    pub until: Option<MessageId>,
    /// It is a conversation of two.
    pub is_direct: bool,
    /// The account has begun it.
    pub is_founder: bool,
    /// The account's bookmark of the room is to be made, or, where the stay is over, to go.
    pub is_bookmark_due: bool,
}

impl Memberships {
    /// It is or was in a room.
    pub fn is_any(&self) -> bool {
        !self.all.is_empty()
    }

    /// The rooms that it is in.
    pub fn present(&self) -> impl Iterator<Item = &Membership> {
        self.all.iter().filter(|stay| stay.until.is_none())
    }

    /// Whether the account may come into one more group.
    ///
    /// # Errors
    /// `resource-constraint`
    pub(super) fn check_groups(&self) -> Result<(), StanzaError> {
        self.check(false, GROUPS_MAX, "groups")
    }

    /// Whether the account may have one more conversation of two.
    ///
    /// # Errors
    /// `resource-constraint`
    pub(super) fn check_directs(&self) -> Result<(), StanzaError> {
        self.check(true, DIRECTS_MAX, "conversations of two")
    }

    fn check(&self, is_direct: bool, max: usize, what: &str) -> Result<(), StanzaError> {
        match self.all.iter().filter(|stay| stay.is_direct == is_direct).count() < max {
            true => Ok(()),
            false => Err(StanzaError::resource_constraint()
                .with_text(format!("the account is in {max} {what}, which is the most"))),
        }
    }

    /// What of rooms' logs a device does not have that has all up to a message.
    pub fn spans_after(&self, sent: MessageId) -> Vec<Span> {
        let waits = |stay: &&Membership| stay.until.is_none_or(|until| until > sent);
        let span =
            |stay: &Membership| Span { room: stay.room, since: stay.since, until: stay.until };
        self.all.iter().filter(waits).map(span).collect()
    }

    /// The address of a room at whose message it was there.
    pub fn jid_at(&self, room: RoomId, message: MessageId) -> Option<&Jid> {
        let was_there = |stay: &&Membership| {
            stay.room == room
                && message > stay.since
                && stay.until.is_none_or(|until| message <= until)
        };
        self.all.iter().find(was_there).map(|stay| &stay.jid)
    }

    /// How many rooms it began since then, while it was in memory. Forgets those before.
    pub(super) fn founded_since(&mut self, since_unix_ms: u64) -> usize {
        self.founded.retain(|at_unix_ms| *at_unix_ms > since_unix_ms);
        self.founded.len()
    }

    /// The account begins a room.
    pub(super) fn note_founding(&mut self, now_unix_ms: u64) {
        self.founded.push(now_unix_ms);
    }

    /// The account has come into a room.
    pub(crate) fn enter(&mut self, stay: Membership) {
        self.all.push(stay);
    }

    /// The account has left a room, in which its stay was this one.
    pub(crate) fn leave(&mut self, past: Membership) {
        let is_open = |stay: &&mut Membership| stay.room == past.room && stay.until.is_none();
        if let Some(open) = self.all.iter_mut().find(is_open) {
            *open = past;
        }
    }

    /// Stays with a bookmark to be seen to; none is due any more.
    pub(super) fn take_bookmarks_due(&mut self) -> Vec<Membership> {
        let is_due = |stay: &mut Membership| std::mem::take(&mut stay.is_bookmark_due);
        self.all.iter_mut().filter_map(|stay| is_due(stay).then(|| stay.clone())).collect()
    }
}

impl Membership {
    /// The owner of its record, which tells what it counts to.
    pub(crate) fn feature(&self) -> &'static str {
        if self.is_direct { DIRECT } else { MEMBERSHIP }
    }

    /// The record's key: past stays do not stand in each other's way.
    pub(crate) fn key(&self) -> String {
        match self.until {
            None => self.room.to_string(),
            Some(until) => format!("{}:{until}", self.room),
        }
    }

    pub(crate) fn to_element(&self) -> Element {
        let stay = Element::new("group", NS)
            .with_attr("jid", self.jid.as_str())
            .with_attr("since", self.since.to_string());
        let stay = match self.until {
            None => stay,
            Some(until) => stay.with_attr("until", until.to_string()),
        };
        let stay = if self.is_founder { stay.with_attr("founder", "true") } else { stay };
        if self.is_bookmark_due { stay.with_attr("bookmark", "due") } else { stay }
    }
}

pub(super) fn load(state: &mut State, key: &str, value: &Element) {
    take(state, key, value, false);
}

pub(super) fn load_direct(state: &mut State, key: &str, value: &Element) {
    take(state, key, value, true);
}

fn take(state: &mut State, key: &str, value: &Element, is_direct: bool) {
    let id = |name| value.attr(name).and_then(MessageId::parse);
    let room = key.split(':').next().and_then(RoomId::parse);
    let jid = value.attr("jid").and_then(|jid| Jid::parse(jid).ok());
    if let (Some(room), Some(jid), Some(since)) = (room, jid, id("since")) {
        let has = |name| value.attr(name).is_some();
        let (is_founder, is_bookmark_due) = (has("founder"), has("bookmark"));
        let until = id("until");
        let stay = Membership { room, jid, since, until, is_direct, is_founder, is_bookmark_due };
        state.rooms.all.push(stay);
    }
}

/// Forgets stays of which every device has everything.
pub(crate) fn prune(ctx: &mut Context<'_>) {
    let received = ctx.account.received_by_all();
    let is_over = |stay: &Membership| stay.until.is_some_and(|until| until <= received);
    let rooms = &mut ctx.account.state.rooms;
    let over: Vec<Membership> = rooms.all.iter().filter(|stay| is_over(stay)).cloned().collect();
    if over.is_empty() {
        return;
    }
    rooms.all.retain(|stay| !is_over(stay));
    let account = ctx.account.id;
    for stay in over {
        let feature = stay.feature();
        ctx.write(Write::Remove { account, feature, key: stay.key().into() });
    }
}

/// The rooms that the account is in.
pub(crate) fn all_of(ctx: &mut Context<'_>) -> Vec<RoomId> {
    ctx.account.state.rooms.present().map(|stay| stay.room).collect()
}

/// There is no such room.
pub(crate) fn forget(ctx: &mut Context<'_>, room: RoomId) {
    ctx.account.state.rooms.all.retain(|stay| stay.room != room);
}

/// The account is about to be deleted: its rooms let it go.
pub(crate) fn leave_all(ctx: &mut Context<'_>) {
    let account = ctx.account.id;
    for room in all_of(ctx) {
        ctx.order(Order { room, request: None, what: What::Leave(account) });
    }
}

/// `<groups/>`
pub(super) fn list(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let group = |stay: &Membership| Element::new("group", NS).with_attr("jid", stay.jid.as_str());
    let groups = ctx.account.state.rooms.present().map(group);
    Ok(Reply::Result(Some(Element::new("groups", NS).with_children(groups))))
}

/// The client takes rooms' messages without joining the rooms. It is told behind which message the
/// server begins, so that one whose cursor was forgotten reads the logs itself.
pub(super) fn enable(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let Some(session) = ctx.account.session_mut(iq.resource()) else {
        return Ok(Reply::Result(None));
    };
    session.takes_groups = true;
    let after = session.received.to_string();
    Ok(Reply::Result(Some(Element::new("enabled", NS).with_attr("after", after))))
}
