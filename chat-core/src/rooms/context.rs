//! What a part of a room works with: the room, the accounts in memory, and the effects of this
//! input.

use bytes::Bytes;
use hashbrown::HashMap;
use rand_chacha::rand_core::Rng;
use smallvec::SmallVec;

use super::room::Room;
use super::{MEMBER, NAME, SETTINGS};
use crate::account::Account;
use crate::chat::Outward;
use crate::config::Config;
use crate::context::{Asked, ContinueInRoom, Effects, Entity, Question, Request, Then, send_to};
use crate::id::{MessageId, QueryId, Ticket};
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::session::Session;
use crate::stanza::StanzaError;
use crate::time::Now;
use crate::transaction::{Answer, Query, StorageError, Write};
use crate::xml::Element;

/// A room's view while an input is handled.
pub struct RoomContext<'a> {
    /// The moment of the input.
    pub now: Now,
    /// The core's settings.
    pub config: &'a Config,
    /// The room that acts or receives.
    pub room: &'a mut Room,
    /// All accounts in memory.
    pub(crate) accounts: &'a mut HashMap<AccountId, Box<Account>>,
    /// Whose state this input changes.
    pub(crate) touched: &'a mut SmallVec<[Entity; 4]>,
    pub(crate) effects: &'a mut Effects,
}

impl RoomContext<'_> {
    /// Adds a write to this input's transaction.
    pub(crate) fn write(&mut self, write: Write) {
        self.effects.writes.push(write);
    }

    /// Puts a record of the room.
    pub(crate) fn put(&mut self, feature: &'static str, key: &str, value: &Element) {
        let value = value.to_bytes("");
        self.write(Write::Put { account: self.room.id.owner(), feature, key: key.into(), value });
    }

    /// Removes a record of the room.
    pub(crate) fn remove(&mut self, feature: &'static str, key: &str) {
        self.write(Write::Remove { account: self.room.id.owner(), feature, key: key.into() });
    }

    /// Stores a member's record.
    pub(crate) fn put_member(&mut self, account: AccountId) {
        if let Some(member) = self.room.members.get(&account) {
            let value = member.to_element();
            self.put(MEMBER, &account.to_string(), &value);
        }
    }

    /// Stores the room's settings.
    pub(crate) fn put_settings(&mut self) {
        let mut value = Element::new("settings", super::NS);
        let local = self.room.jid.local().unwrap_or_default();
        if local != self.room.id.to_string() {
            value.set_attr("local", local);
        }
        self.room.settings.describe(&mut value);
        self.put(SETTINGS, "", &value);
    }

    /// Stores which change of members was the newest: its member may be gone.
    pub(crate) fn put_version(&mut self) {
        let version =
            Element::new("members", super::NS).with_attr("version", self.room.version.to_string());
        self.put(NAME, "", &version);
    }

    /// The id for a message that is accepted now.
    pub(crate) fn next_message_id(&mut self) -> MessageId {
        self.effects.next_message_id(self.now)
    }

    /// 64 bits that nobody can guess.
    pub(crate) fn random(&mut self) -> u64 {
        self.effects.random.next_u64()
    }

    /// An account in memory, which this input changes.
    pub(crate) fn account_mut(&mut self, account: AccountId) -> Option<&mut Account> {
        let found = self.accounts.get_mut(&account)?;
        let entity = Entity::Account(account);
        if !self.touched.contains(&entity) {
            self.touched.push(entity);
        }
        Some(found)
    }

    /// The session with this full JID.
    pub(crate) fn session(&self, jid: &Jid) -> Option<&Session> {
        let account = self.accounts.get(&AccountId::of(jid)?)?;
        account.session(jid.resource()?)
    }

    /// The session with this full JID, to be changed.
    pub(crate) fn session_mut(&mut self, jid: &Jid) -> Option<&mut Session> {
        self.account_mut(AccountId::of(jid)?)?.session_mut(jid.resource()?)
    }

    /// Sends to the session with this full JID, if it is there.
    pub(crate) fn send(&mut self, to: &Jid, bytes: Bytes) {
        let (Some(account), Some(resource)) = (AccountId::of(to), to.resource()) else { return };
        if self.account_mut(account).is_none() {
            return;
        }
        let Some(account) = self.accounts.get_mut(&account) else { return };
        if let Some(session) = account.session_mut(resource) {
            send_to(session, bytes, None, self.effects);
        }
    }

    /// Sends an element to the session with this full JID.
    pub(crate) fn send_element(&mut self, to: &Jid, element: &Element) {
        self.send(to, element.to_bytes(ns::CLIENT));
    }

    /// Answers an IQ.
    pub(crate) fn answer(
        &mut self,
        request: &Request,
        answer: Result<Option<Element>, StanzaError>,
    ) {
        let iq = request.answer(answer);
        self.send_element(&request.from, &iq);
    }

    /// Asks the storage. The answer comes while the room is active, or not at all. It contains
    /// what the room has changed before.
    pub(crate) fn ask(
        &mut self,
        query: Query,
        then: impl FnOnce(&mut RoomContext<'_>, Result<Answer, StorageError>) + Send + 'static,
    ) {
        self.add_question(|_| Asked::Storage(query), Box::new(then));
    }

    /// Asks the world outside of XMPP, once what the room has changed is durable. Where the room is
    /// not active any more when the answer comes, it is loaded for that.
    pub(crate) fn ask_outside(
        &mut self,
        outward: impl FnOnce(QueryId) -> Outward,
        then: impl FnOnce(&mut RoomContext<'_>, Result<Answer, StorageError>) + Send + 'static,
    ) {
        self.add_question(|id| Asked::Outside(outward(id)), Box::new(then));
    }

    fn add_question(&mut self, asked: impl FnOnce(QueryId) -> Asked, then: ContinueInRoom) {
        let id = self.effects.next_query;
        self.effects.next_query = QueryId(id.0 + 1);
        let (then, asked) = (Then::InRoom(self.room.id, then), asked(id));
        let (stream, ticket) = (None, Ticket::default());
        self.effects.questions.push(Question { id, asked, stream, ticket, then });
    }
}
