//! What a feature works with: the account whose part it is, and the effects of this input.

use std::sync::Arc;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use crate::account::Account;
use crate::chat::{Closing, Outward};
use crate::config::Config;
use crate::id::{MessageId, QueryId, StreamId, Ticket};
use crate::jid::{AccountId, Jid, RoomId};
use crate::rooms::{Order, RoomContext};
use crate::session::Session;
use crate::stanza::{Stanza, StanzaError};
use crate::stream::{Ready, StreamErrorCondition};
use crate::stream_management::{Kept, Sent};
use crate::time::Now;
use crate::transaction::{Answer, Query, StorageError, Write};
use crate::xml::Element;

/// One feature's view while an input is handled.
pub struct Context<'a> {
    /// The moment of the input.
    pub now: Now,
    /// The core's settings.
    pub config: &'a Config,
    /// The account that acts or receives.
    pub account: &'a mut Account,
    pub(crate) effects: &'a mut Effects,
}

/// What an input brings about; carried out when it is handled to its end.
pub(crate) struct Effects {
    pub(crate) random: ChaCha20Rng,
    pub(crate) newest: MessageId,
    pub(crate) writes: Vec<Write>,
    pub(crate) sends: Vec<Effect>,
    pub(crate) routes: std::collections::VecDeque<Route>,
    pub(crate) orders: std::collections::VecDeque<Order>,
    /// Accounts that are not in memory, whose records this input changes all the same.
    pub(crate) changed_unseen: Vec<AccountId>,
    /// Accounts in memory that have come into a room, or gone.
    pub(crate) bookmarking: Vec<AccountId>,
    pub(crate) questions: Vec<Question>,
    pub(crate) next_query: QueryId,
    pub(crate) capabilities: crate::features::capabilities::Known,
}

impl Effects {
    /// The id for a message that is accepted now.
    pub(crate) fn next_message_id(&mut self, now: Now) -> MessageId {
        self.newest = MessageId::next(self.newest, now.unix_ms);
        self.newest
    }

    /// Forgets what an input that panicked wanted to do.
    pub(crate) fn forget(&mut self) {
        self.writes.clear();
        self.sends.clear();
        self.routes.clear();
        self.orders.clear();
        self.changed_unseen.clear();
        self.bookmarking.clear();
        self.questions.clear();
    }
}

/// An output that waits for the input's end.
pub(crate) enum Effect {
    /// The answer to a login.
    Ready(StreamId, Box<Ready>),
    /// To a stream.
    Send(StreamId, Bytes),
    /// The same to many streams.
    SendAll(Vec<StreamId>, Bytes),
    /// The stream ends.
    Close(StreamId, Closing),
    /// To the world outside of XMPP.
    Outward(Outward),
}

/// A stanza on its way to an account or to the server.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who sent it: a full JID of a client, or a bare one of an account.
    pub from: Jid,
    /// Whom it is for.
    pub to: Jid,
    /// The stanza; its own `from` and `to` do not count. All who get it share it.
    pub stanza: Arc<Stanza>,
    /// The message as it is stored and sent, once it is rendered.
    pub message: Option<Outgoing>,
    /// An account that is not active is loaded for it; otherwise nobody is there to hear it.
    pub must_arrive: bool,
}

impl Route {
    /// A stanza from one JID to another.
    pub fn new(from: Jid, to: Jid, stanza: impl Into<Arc<Stanza>>) -> Route {
        Route { from, to, stanza: stanza.into(), message: None, must_arrive: false }
    }
}

/// A message that its sender's account has let out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Rendered with `from` and `to`.
    pub bytes: Bytes,
    /// Its id, if it is to be kept.
    pub id: Option<MessageId>,
}

type Continue = Box<dyn FnOnce(&mut Context<'_>, Result<Answer, StorageError>) + Send>;
pub(crate) type ContinueInRoom =
    Box<dyn FnOnce(&mut RoomContext<'_>, Result<Answer, StorageError>) + Send>;

/// A query with what follows on its answer.
pub(crate) struct Question {
    pub(crate) id: QueryId,
    pub(crate) asked: Asked,
    /// The stream without which nobody wants the answer.
    pub(crate) stream: Option<StreamId>,
    /// The transaction of the input that asked, if it has one.
    pub(crate) ticket: Ticket,
    pub(crate) then: Then,
}

/// Where a question's answer is taken.
pub(crate) enum Then {
    InAccount(AccountId, Continue),
    InRoom(RoomId, ContinueInRoom),
}

impl Then {
    /// Who waits for the answer.
    pub(crate) fn entity(&self) -> Entity {
        match self {
            Then::InAccount(account, _) => Entity::Account(*account),
            Then::InRoom(room, _) => Entity::Room(*room),
        }
    }
}

/// What has state in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entity {
    Account(AccountId),
    Room(RoomId),
}

/// Whom a question goes to.
pub(crate) enum Asked {
    Storage(Query),
    Outside(Outward),
}

/// Who asked, so that an answer can be given later.
#[derive(Clone, Debug)]
pub struct Request {
    /// The full JID that sent the IQ, or the bare one of another account.
    pub from: Jid,
    /// What the IQ was addressed to, as the answer's `from`; none where it had no `to`.
    pub to: Option<Jid>,
    /// The IQ's id.
    pub id: Box<str>,
}

impl Request {
    /// The IQ that answers it.
    pub(crate) fn answer(&self, answer: Result<Option<Element>, StanzaError>) -> Element {
        let mut iq = Element::new("iq", crate::ns::CLIENT).with_attr("id", &*self.id);
        if let Some(from) = &self.to {
            iq.set_attr("from", from.to_string());
        }
        iq.set_attr("to", self.from.to_string());
        match answer {
            Ok(payload) => {
                iq.set_attr("type", "result");
                if let Some(payload) = payload {
                    iq.push(payload);
                }
            }
            Err(error) => {
                iq.set_attr("type", "error");
                iq.push(error.to_element());
            }
        }
        iq
    }
}

impl Context<'_> {
    /// Has a room do something, behind what this input does here.
    pub(crate) fn order(&mut self, order: Order) {
        self.effects.orders.push_back(order);
    }

    /// Puts a record of the account.
    pub fn put(&mut self, feature: &'static str, key: &str, value: &Element) {
        let value = value.to_bytes("");
        self.write(Write::Put { account: self.account.id, feature, key: key.into(), value });
    }

    /// Removes a record of the account.
    pub fn remove(&mut self, feature: &'static str, key: &str) {
        self.write(Write::Remove { account: self.account.id, feature, key: key.into() });
    }

    /// Adds a write to this input's transaction.
    pub fn write(&mut self, write: Write) {
        self.effects.writes.push(write);
    }

    /// The message with this id, as it is about to be stored by this input.
    pub fn new_message(&mut self, id: MessageId) -> Option<&mut crate::transaction::NewMessage> {
        self.effects.writes.iter_mut().rev().find_map(|write| match write {
            Write::Append(message) if message.id == id => Some(&mut **message),
            _ => None,
        })
    }

    /// The id for a message that is accepted now.
    pub fn next_message_id(&mut self) -> MessageId {
        self.effects.next_message_id(self.now)
    }

    /// 64 bits that nobody can guess.
    pub fn random(&mut self) -> u64 {
        self.effects.random.next_u64()
    }

    /// Sends to one of the account's sessions, if it is there. `message` is the stored message
    /// that the bytes carry.
    pub fn send(&mut self, resource: &str, bytes: Bytes, message: Option<MessageId>) {
        let Some(session) = self.account.session_mut(resource) else { return };
        send_to(session, bytes, message, self.effects);
    }

    /// Sends an element to one of the account's sessions, if it is there.
    pub fn send_element(&mut self, resource: &str, element: &Element) {
        self.send(resource, element.to_bytes(crate::ns::CLIENT), None);
    }

    /// Sends the same to each session that is meant.
    pub fn send_to_each(
        &mut self,
        is_meant: impl Fn(&Session) -> bool,
        message: Option<MessageId>,
        render: impl Fn(&Session) -> Bytes,
    ) -> usize {
        let mut count = 0;
        for session in self.account.sessions.iter_mut().filter(|session| is_meant(session)) {
            let bytes = render(session);
            send_to(session, bytes, message, self.effects);
            count += 1;
        }
        count
    }

    /// Sends what stream management does not count, such as `<a/>`.
    pub fn send_uncounted(&mut self, stream: StreamId, bytes: Bytes) {
        self.effects.sends.push(Effect::Send(stream, bytes));
    }

    /// XEP-0198: asks a stream's client what it has received.
    pub(crate) fn ask_acknowledgement(&mut self, stream: StreamId) {
        let session = self.account.session_of_mut(stream);
        if let Some(management) = session.and_then(|session| session.management.as_mut()) {
            management.note_asked();
            self.send_uncounted(stream, Bytes::from_static(ASK));
        }
    }

    /// Ends a stream.
    pub fn close(&mut self, stream: StreamId, closing: Closing) {
        self.effects.sends.push(Effect::Close(stream, closing));
    }

    /// Has the world outside of XMPP told, once this input's transaction is durable.
    pub fn outward(&mut self, outward: Outward) {
        self.effects.sends.push(Effect::Outward(outward));
    }

    /// Sends a stanza of the account itself on its way to another JID, or to one's own server.
    pub fn route(&mut self, from: Jid, to: Jid, element: &Element) {
        self.forward(Route::new(from, to, Stanza::from_element(element)));
    }

    /// Sends a stanza on its way.
    pub fn forward(&mut self, route: Route) {
        self.effects.routes.push_back(route);
    }

    /// Asks the storage. The answer comes while the account is active, or not at all. It contains
    /// what the account has changed before.
    pub fn ask(
        &mut self,
        query: Query,
        then: impl FnOnce(&mut Context<'_>, Result<Answer, StorageError>) + Send + 'static,
    ) {
        self.ask_for(None, query, then);
    }

    /// Asks the storage for a stream. If that ends first, the answer is dropped.
    pub(crate) fn ask_for(
        &mut self,
        stream: Option<StreamId>,
        query: Query,
        then: impl FnOnce(&mut Context<'_>, Result<Answer, StorageError>) + Send + 'static,
    ) {
        self.add_question(stream, |_| Asked::Storage(query), Box::new(then));
    }

    /// Asks the storage for a session, which may change its stream meanwhile. A later session of
    /// the same resource does not get the answer.
    pub fn ask_in_session(
        &mut self,
        resource: &str,
        query: Query,
        then: impl FnOnce(&mut Context<'_>, Result<Answer, StorageError>) + Send + 'static,
    ) {
        let Some(bound_by) = self.account.session(resource).map(|session| session.bound_by) else {
            return;
        };
        let resource = resource.to_owned();
        self.ask(query, move |ctx, answer| {
            let session = ctx.account.session(&resource);
            if session.is_some_and(|session| session.bound_by == bound_by) {
                then(ctx, answer);
            }
        });
    }

    /// Asks the world outside of XMPP, once what the account has changed is durable. The answer
    /// comes while the account is active, or not at all.
    pub fn ask_outside(
        &mut self,
        outward: impl FnOnce(QueryId) -> Outward,
        then: impl FnOnce(&mut Context<'_>, Result<Answer, StorageError>) + Send + 'static,
    ) {
        self.add_question(None, |id| Asked::Outside(outward(id)), Box::new(then));
    }

    fn add_question(
        &mut self,
        stream: Option<StreamId>,
        asked: impl FnOnce(QueryId) -> Asked,
        then: Continue,
    ) {
        let id = self.effects.next_query;
        self.effects.next_query = QueryId(id.0 + 1);
        let (then, asked) = (Then::InAccount(self.account.id, then), asked(id));
        let ticket = Ticket::default();
        self.effects.questions.push(Question { id, asked, stream, ticket, then });
    }

    /// Answers an IQ.
    pub fn answer(&mut self, request: &Request, answer: Result<Option<Element>, StanzaError>) {
        let iq = request.answer(answer);
        if self.account.jid.is_bare_of(&request.from) {
            let resource = request.from.resource().unwrap_or_default().to_owned();
            self.send_element(&resource, &iq);
        } else {
            let from = request.to.clone().unwrap_or_else(|| self.account.jid.clone());
            self.route(from, request.from.clone(), &iq);
        }
    }
}

/// Sends to a session. `message` is the stored message that the bytes carry.
pub(crate) fn send_to(
    session: &mut Session,
    bytes: Bytes,
    message: Option<MessageId>,
    effects: &mut Effects,
) {
    let kept = keep_sent(session, &bytes, message);
    let Some(stream) = session.stream else { return };
    match kept {
        Kept::Quiet => effects.sends.push(Effect::Send(stream, bytes)),
        Kept::Ask => {
            effects.sends.push(Effect::Send(stream, bytes));
            effects.sends.push(Effect::Send(stream, Bytes::from_static(ASK)));
        }
        Kept::Overflow => effects.sends.push(overflow(stream)),
    }
}

/// What many sessions get, in one effect.
#[derive(Default)]
pub(crate) struct Copies {
    streams: Vec<StreamId>,
    asked: Vec<StreamId>,
}

impl Copies {
    /// As [`send_to`], for one more session.
    pub(crate) fn add(
        &mut self,
        session: &mut Session,
        bytes: &Bytes,
        message: Option<MessageId>,
        effects: &mut Effects,
    ) {
        let kept = keep_sent(session, bytes, message);
        let Some(stream) = session.stream else { return };
        match kept {
            Kept::Quiet => self.streams.push(stream),
            Kept::Ask => {
                self.streams.push(stream);
                self.asked.push(stream);
            }
            Kept::Overflow => effects.sends.push(overflow(stream)),
        }
    }

    /// Sends them.
    pub(crate) fn send(self, bytes: &Bytes, effects: &mut Effects) {
        let asks = Bytes::from_static(ASK);
        for (streams, bytes) in [(self.streams, bytes.clone()), (self.asked, asks)] {
            if !streams.is_empty() {
                effects.sends.push(Effect::SendAll(streams, bytes));
            }
        }
    }
}

/// Notes with a session that it is sent this.
fn keep_sent(session: &mut Session, bytes: &Bytes, message: Option<MessageId>) -> Kept {
    if let Some(id) = message {
        session.sent = session.sent.max(id);
    }
    match &mut session.management {
        Some(management) => management.keep(Sent { bytes: bytes.clone(), message }),
        None => {
            // Without acknowledgements what is sent counts as received.
            if let (Some(id), Some(_)) = (message, session.stream) {
                session.has_received(id);
            }
            Kept::Quiet
        }
    }
}

fn overflow(stream: StreamId) -> Effect {
    Effect::Close(stream, Closing::Error(StreamErrorCondition::ResourceConstraint))
}

const ASK: &[u8] = b"<r xmlns='urn:xmpp:sm:3'/>";
