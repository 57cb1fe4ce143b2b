//! The chat server without its sockets: inputs go in, outputs come out.
//!
//! An input is handled to its end in one go, in the account whose stream it came by and in each
//! local account that it reaches; what it changes is one [`Transaction`]. Outputs of a stream that
//! follow from a change wait until it is committed, and later outputs of that stream behind them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use smallvec::SmallVec;

use crate::account::Account;
use crate::config::{Config, IDLE_ACCOUNT_MS};
use crate::context::{
    Asked, Context, ContinueInRoom, Effect, Effects, Entity, Question, Route, Then,
};
use crate::features::ephemeral::REMOVE_EXPIRED_EVERY_MS;
use crate::features::number_change::{self, NumberChange};
use crate::features::registration::NewPassword;
use crate::features::reporting::Reported;
use crate::features::upload_slots::SlotRequest;
use crate::features::web_push::{self, Push};
use crate::features::{archive, handled, messages};
use crate::id::{MessageId, QueryId, StreamId, Ticket};
use crate::jid::{AccountId, RoomId};
use crate::rooms::call::{CallEvent, CallRequest};
use crate::rooms::{self, Order, Room, RoomContext};
use crate::sasl::{Credentials, Salt};
use crate::stanza::Stanza;
use crate::stream::{Login, Ready, StreamErrorCondition};
use crate::time::Now;
use crate::transaction::{Answer, Query, StorageError, Transaction, Write};

use loading::Arrived;

mod dispatch;
mod ending;
mod loading;
mod login;
mod management;
mod routing;

pub(crate) use dispatch::{check_iq, refuse};
pub(crate) use ending::end_session;
pub(crate) use management::forget_device;

/// What the core is told.
#[derive(Debug)]
pub enum Input {
    /// A client names an account, to log in to it: what would prove that it may? Answered by
    /// [`Output::LookedUp`].
    LookUp(Box<LookUp>),
    /// A stream has proved who it is.
    Login {
        /// Which.
        stream: StreamId,
        /// As whom, and what it asked for at once.
        login: Box<Login>,
    },
    /// A stream that has logged in sent an element.
    Element {
        /// Which.
        stream: StreamId,
        /// What.
        element: Arc<Stanza>,
    },
    /// A stream has ended.
    Closed {
        /// Which.
        stream: StreamId,
        /// Its client said goodbye, so that nothing waits to be resumed.
        is_clean: bool,
    },
    /// A transaction's fate. They come in the order of their tickets.
    Committed {
        /// Which.
        ticket: Ticket,
        /// What became of it.
        result: Result<(), StorageError>,
    },
    /// A query's answer.
    Answered {
        /// Which.
        query: QueryId,
        /// The answer.
        answer: Result<Answer, StorageError>,
    },
    /// An operator or another part of the server asks for a change; answered by
    /// [`Output::Done`].
    Command {
        /// The caller's number for it.
        id: u64,
        /// What.
        command: Command,
    },
    /// About a second has passed.
    Tick,
}

/// Somebody wants to log in. Accounts in memory answer without a question to the storage.
#[derive(Debug)]
pub struct LookUp {
    /// Which stream asks.
    pub stream: StreamId,
    /// Whom its client names.
    pub account: AccountId,
    /// The device whose tokens are wanted.
    pub device: Option<String>,
}

/// A change that does not come from a stream.
#[derive(Debug)]
pub enum Command {
    /// Writes of one account: its creation, its number, its credentials.
    Write {
        /// Whose.
        account: AccountId,
        /// What.
        writes: Vec<Write>,
        /// End the account's streams.
        log_out: bool,
    },
    /// An account is told of a contact's new number. It is loaded for that.
    TellNumber {
        /// Whom.
        account: AccountId,
        /// What.
        change: Box<NumberChange>,
    },
    /// A push service no longer knows a subscription.
    EndPush {
        /// Whose.
        account: AccountId,
        /// As in [`web_push::Subscription::endpoint`].
        endpoint: Box<str>,
    },
    /// What happened at the endpoint that carries calls. The latest counts of each kind; what comes
    /// more often than [`rooms::call::TELL_EVERY_MS`] is put together by whoever tells it.
    Call {
        /// Oldest first.
        events: Vec<CallEvent>,
    },
    /// A drill: a panic inside an account, which must harm no other ([`Chat::recover`]).
    Panic {
        /// Whose.
        account: AccountId,
    },
}

/// What the core brings about.
#[derive(Debug)]
pub enum Output {
    /// The answer to [`Input::LookUp`].
    LookedUp {
        /// What was asked.
        look_up: Box<LookUp>,
        /// Nothing where the account is not in memory: then the storage knows.
        credentials: Option<Credentials>,
    },
    /// The answer to a [`Input::Login`].
    Ready {
        /// Which stream.
        stream: StreamId,
        /// What came of its requests.
        ready: Box<Ready>,
    },
    /// Bytes for a stream, whole elements.
    Send {
        /// Which.
        stream: StreamId,
        /// Serialised in the namespace context of a client stream.
        bytes: Bytes,
    },
    /// The same for many streams.
    SendAll {
        /// Which.
        streams: Vec<StreamId>,
        /// As in [`Output::Send`].
        bytes: Bytes,
    },
    /// End a stream.
    Close {
        /// Which.
        stream: StreamId,
        /// How.
        closing: Closing,
    },
    /// Commit this; answered by [`Input::Committed`].
    Commit(Transaction),
    /// Answer this; answered by [`Input::Answered`].
    Ask {
        /// Its number.
        id: QueryId,
        /// The question.
        query: Query,
    },
    /// Tell the world outside of XMPP.
    Outward(Outward),
    /// A command's end.
    Done {
        /// The caller's number for it.
        id: u64,
        /// What became of it.
        result: Result<(), StorageError>,
    },
}

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// With a stream error (RFC 6120 4.9), then `</stream:stream>`.
    Error(StreamErrorCondition),
    /// With a stream error and an application-specific condition, serialised.
    ErrorWith(StreamErrorCondition, Bytes),
    /// With `</stream:stream>` alone.
    Plain,
}

/// What goes to the world outside of XMPP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outward {
    /// A client wants to upload a file (XEP-0363). Answered by [`Input::Answered`] with
    /// [`Answer::Slot`]; any error is one of the server.
    RequestSlot {
        /// The answer's number.
        query: QueryId,
        /// What it wants.
        slot: SlotRequest,
    },
    /// A client has a new password (XEP-0077), of which the keys are wanted. Answered by
    /// [`Answer::Keys`].
    DeriveKeys {
        /// The answer's number.
        query: QueryId,
        /// It can be set.
        password: NewPassword,
        /// What goes into the keys.
        salt: Salt,
    },
    /// A client wants its account deleted (XEP-0077). It is answered only where that failed.
    Unregister {
        /// The answer's number.
        query: QueryId,
        /// Which.
        account: AccountId,
        /// Its number, if it has one.
        number: Option<Box<str>>,
    },
    /// The endpoint that carries calls is to do something. Answered by [`Answer::Call`]; any error
    /// is taken for one that passes.
    Call {
        /// The answer's number.
        query: QueryId,
        /// What.
        request: Box<CallRequest>,
    },
    /// A browser is to be told that something waits (RFC 8030).
    Push(Box<Push>),
    /// Somebody was reported (XEP-0377), which the operator is to hear of.
    Reported(Box<Reported>),
}

impl Outward {
    /// The number of the answer that is waited for.
    pub fn query(&self) -> Option<QueryId> {
        match self {
            Outward::RequestSlot { query, .. }
            | Outward::DeriveKeys { query, .. }
            | Outward::Call { query, .. }
            | Outward::Unregister { query, .. } => Some(*query),
            Outward::Push(_) | Outward::Reported(_) => None,
        }
    }
}

/// The chat server.
pub struct Chat {
    config: Config,
    accounts: HashMap<AccountId, Box<Account>>,
    rooms: HashMap<RoomId, Box<Room>>,
    /// Accounts and rooms whose state has been asked for, and who waits for it.
    loading: HashMap<Entity, Loading>,
    loads: HashMap<QueryId, Entity>,
    /// Who waited for accounts and rooms whose fate is known now, and goes on.
    arrived: VecDeque<Arrived>,
    streams: HashMap<StreamId, Stream>,
    questions: HashMap<QueryId, Question>,
    pending: VecDeque<Pending>,
    held: VecDeque<(Ticket, Output)>,
    ready: VecDeque<Output>,
    committed: Ticket,
    next_ticket: Ticket,
    effects: Effects,
    touched: SmallVec<[Entity; 4]>,
    /// When expired messages are next removed, by [`Now::elapsed_ms`].
    remove_expired_at_ms: u64,
}

/// A stream that has logged in.
struct Stream {
    account: AccountId,
    /// The stanza that waits for an account or a room, and those behind that one.
    parked: Option<Box<Parked>>,
}

#[derive(Default)]
struct Parked {
    elements: VecDeque<Arc<Stanza>>,
    is_closed: Option<bool>,
}

/// Who waits for an account or a room, in order.
#[derive(Default)]
struct Loading {
    logins: Vec<(StreamId, Box<Login>)>,
    streams: Vec<StreamId>,
    routes: Vec<Route>,
    commands: Vec<(u64, Command)>,
    orders: Vec<Order>,
    /// Answers to what a room asked that was dropped since.
    answers: Vec<(ContinueInRoom, Result<Answer, StorageError>)>,
    /// The state has changed since it was asked for.
    is_stale: bool,
}

/// A transaction under way, and whose state it changed.
struct Pending {
    ticket: Ticket,
    entities: SmallVec<[Entity; 4]>,
    command: Option<u64>,
}

impl Chat {
    /// A server whose newest stored message is known. The seed makes ids and nonces that nobody
    /// can guess; it must come from the system's random source.
    pub fn new(config: Config, newest: MessageId, seed: [u8; 32]) -> Chat {
        Chat {
            config,
            accounts: HashMap::new(),
            rooms: HashMap::new(),
            loading: HashMap::new(),
            loads: HashMap::new(),
            arrived: VecDeque::new(),
            streams: HashMap::new(),
            questions: HashMap::new(),
            pending: VecDeque::new(),
            held: VecDeque::new(),
            ready: VecDeque::new(),
            committed: Ticket(0),
            next_ticket: Ticket(1),
            effects: Effects {
                random: ChaCha20Rng::from_seed(seed),
                newest,
                writes: Vec::new(),
                sends: Vec::new(),
                routes: VecDeque::new(),
                orders: VecDeque::new(),
                changed_unseen: Vec::new(),
                bookmarking: Vec::new(),
                questions: Vec::new(),
                next_query: QueryId(1),
                capabilities: Default::default(),
            },
            touched: SmallVec::new(),
            remove_expired_at_ms: 0,
        }
    }

    /// Goes on behind the last transaction and the last question of one that is no more, so that
    /// nothing of that one is taken for this one's. The fates of its transactions are known.
    pub fn in_place_of(mut self, last_ticket: Ticket, last_query: QueryId) -> Chat {
        self.committed = last_ticket;
        self.next_ticket = Ticket(last_ticket.0 + 1);
        self.effects.next_query = QueryId(last_query.0 + 1);
        self
    }

    /// Takes an input. [`Self::poll_output`] gives what it brings about.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::LookUp(look_up) => self.look_up(now, look_up),
            Input::Login { stream, login } => self.log_in(now, stream, login),
            Input::Element { stream, element } => self.take_element(now, stream, element),
            Input::Closed { stream, is_clean } => self.take_end(now, stream, is_clean),
            Input::Committed { ticket, result } => self.settle(ticket, result),
            Input::Answered { query, answer } => self.take_answer(now, query, answer),
            Input::Command { id, command } => self.carry_out(now, id, command),
            Input::Tick => self.tick(now),
        }
        self.let_arrive(now);
    }

    /// The next output, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// After a panic in [`Self::handle_input`]: what the input did is forgotten, the accounts and
    /// rooms that it touched are dropped, their streams end, and all others go on.
    pub fn recover(&mut self) {
        self.effects.forget();
        let touched = std::mem::take(&mut self.touched);
        for entity in touched {
            self.drop_entity(entity);
        }
    }

    /// Sessions that are carried by a stream.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Accounts in memory.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// Rooms in memory.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Transactions that are not committed yet.
    pub fn uncommitted(&self) -> usize {
        self.pending.len()
    }

    /// Runs `work` in an active account. The account is out of the map meanwhile, so that a panic
    /// takes it along.
    fn in_account<T>(
        &mut self,
        now: Now,
        id: AccountId,
        work: impl FnOnce(&mut Context<'_>) -> T,
    ) -> Option<T> {
        self.touch(Entity::Account(id));
        let mut account = self.accounts.remove(&id)?;
        let mut ctx = Context {
            now,
            config: &self.config,
            account: &mut account,
            effects: &mut self.effects,
        };
        let done = work(&mut ctx);
        self.accounts.insert(id, account);
        Some(done)
    }

    /// Runs `work` in an active room, with the accounts beside it. The room is out of the map
    /// meanwhile, so that a panic takes it along.
    fn in_room<T>(
        &mut self,
        now: Now,
        id: RoomId,
        work: impl FnOnce(&mut RoomContext<'_>) -> T,
    ) -> Option<T> {
        self.touch(Entity::Room(id));
        let mut room = self.rooms.remove(&id)?;
        room.used_ms = now.elapsed_ms;
        let mut ctx = RoomContext {
            now,
            config: &self.config,
            room: &mut room,
            accounts: &mut self.accounts,
            touched: &mut self.touched,
            effects: &mut self.effects,
        };
        let done = work(&mut ctx);
        self.rooms.insert(id, room);
        Some(done)
    }

    /// Notes that this input concerns an account or a room.
    fn touch(&mut self, entity: Entity) {
        if !self.touched.contains(&entity) {
            self.touched.push(entity);
        }
    }

    /// Ends an input: routes what it sent, makes its transaction, and lets its outputs go or wait.
    fn finish(&mut self, now: Now, command: Option<u64>) {
        self.deliver_routes(now);
        self.note_stale();
        let touched = std::mem::take(&mut self.touched);
        let mut ticket = Ticket(0);
        if !self.effects.writes.is_empty() || command.is_some() {
            ticket = self.next_ticket;
            self.next_ticket = Ticket(ticket.0 + 1);
            let writes = std::mem::take(&mut self.effects.writes);
            let settled = self.committed;
            self.ready.push_back(Output::Commit(Transaction { ticket, settled, writes }));
            for entity in &touched {
                if let Some(last_ticket) = self.last_ticket_of_entity(*entity) {
                    *last_ticket = ticket;
                }
            }
            self.pending.push_back(Pending { ticket, entities: touched, command });
        }
        self.let_go(ticket);
        self.ask_questions(ticket);
    }

    /// Sends this input's outputs, or holds them until their ticket is committed.
    fn let_go(&mut self, ticket: Ticket) {
        let mut sends = std::mem::take(&mut self.effects.sends);
        for effect in sends.drain(..) {
            match effect {
                Effect::Ready(stream, ready) => {
                    self.hold(self.after(ticket, stream), Output::Ready { stream, ready });
                }
                Effect::Send(stream, bytes) => {
                    self.hold(self.after(ticket, stream), Output::Send { stream, bytes });
                }
                Effect::SendAll(streams, bytes) if ticket > Ticket(0) => {
                    self.hold(ticket, Output::SendAll { streams, bytes });
                }
                Effect::SendAll(streams, bytes) => {
                    for stream in streams {
                        let output = Output::Send { stream, bytes: bytes.clone() };
                        self.hold(self.after(ticket, stream), output);
                    }
                }
                Effect::Close(stream, closing) => {
                    self.hold(self.after(ticket, stream), Output::Close { stream, closing });
                }
                Effect::Outward(outward) => self.hold(ticket, Output::Outward(outward)),
            }
        }
        self.effects.sends = sends;
    }

    /// The transaction that a stream's outputs wait for: this input's, or the last one of its
    /// account.
    fn after(&self, ticket: Ticket, stream: StreamId) -> Ticket {
        if ticket > Ticket(0) {
            return ticket;
        }
        let account = self.streams.get(&stream).and_then(|link| self.accounts.get(&link.account));
        account.map_or(Ticket(0), |account| account.last_ticket)
    }

    fn last_ticket_of_entity(&mut self, entity: Entity) -> Option<&mut Ticket> {
        match entity {
            Entity::Account(id) => {
                self.accounts.get_mut(&id).map(|account| &mut account.last_ticket)
            }
            Entity::Room(id) => self.rooms.get_mut(&id).map(|room| &mut room.last_ticket),
        }
    }

    /// Lets an output go behind the commit of a ticket.
    fn hold(&mut self, after: Ticket, output: Output) {
        if after <= self.committed {
            self.ready.push_back(output);
            return;
        }
        // Tickets mostly rise from output to output; where one does not, it goes to its place.
        let place =
            self.held.iter().rposition(|(ticket, _)| *ticket <= after).map_or(0, |at| at + 1);
        self.held.insert(place, (after, output));
    }

    fn ask_questions(&mut self, ticket: Ticket) {
        for mut question in std::mem::take(&mut self.effects.questions) {
            question.ticket = ticket;
            let after = self.last_ticket_of_entity(question.then.entity());
            let after = after.map_or(Ticket(0), |last_ticket| *last_ticket);
            let output = match &question.asked {
                Asked::Storage(query) => Output::Ask { id: question.id, query: query.clone() },
                Asked::Outside(outward) => Output::Outward(outward.clone()),
            };
            self.questions.insert(question.id, question);
            self.hold(after, output);
        }
    }

    fn take_answer(&mut self, now: Now, id: QueryId, answer: Result<Answer, StorageError>) {
        let Some(question) = self.questions.remove(&id) else {
            return self.finish_loading(now, id, answer);
        };
        if question.stream.is_some_and(|stream| !self.streams.contains_key(&stream)) {
            return;
        }
        match question.then {
            Then::InAccount(account, then) => {
                self.in_account(now, account, |ctx| then(ctx, answer));
            }
            Then::InRoom(room, then) if self.rooms.contains_key(&room) => {
                self.in_room(now, room, |ctx| then(ctx, answer));
            }
            // It was dropped. Whoever asked waits all the same.
            Then::InRoom(room, then) => self.answer_when_loaded(room, then, answer),
        }
        self.finish(now, None);
    }

    fn settle(&mut self, ticket: Ticket, result: Result<(), StorageError>) {
        let Some(pending) = self.pending.pop_front() else { return };
        debug_assert_eq!(pending.ticket, ticket, "commits come in order");
        self.committed = ticket;
        if let Some(id) = pending.command {
            self.ready.push_back(Output::Done { id, result: result.clone() });
        }
        if result.is_err() {
            // Questions stay: others may wait for an account that this one did not change. Streams
            // that were to end do so.
            self.held.retain(|(after, output)| {
                *after != ticket || matches!(output, Output::Ask { .. } | Output::Close { .. })
            });
            // What it asked followed from what it did.
            self.questions.retain(|_, question| question.ticket != ticket);
            for entity in pending.entities {
                self.drop_entity(entity);
            }
        }
        while self.held.front().is_some_and(|(after, _)| *after <= ticket) {
            self.ready.extend(self.held.pop_front().map(|(_, output)| output));
        }
    }

    fn carry_out(&mut self, now: Now, id: u64, command: Command) {
        let (account, writes, log_out) = match command {
            Command::Write { account, writes, log_out } if is_deletion(&writes) => {
                return self.delete(now, id, account, writes, log_out);
            }
            Command::Write { account, writes, log_out } => (account, writes, log_out),
            Command::TellNumber { account, change } => {
                return self.tell_number(now, id, account, change);
            }
            Command::EndPush { account, endpoint } => {
                return self.end_push(now, id, account, &endpoint);
            }
            Command::Call { events } => return self.take_call_events(now, id, events),
            Command::Panic { account } => {
                self.touch(Entity::Account(account));
                panic!("drill in {account}");
            }
        };
        self.write(now, id, account, writes, log_out);
    }

    /// Its rooms go on without it: they are all in memory first, so that all of it is one
    /// transaction.
    fn delete(&mut self, now: Now, id: u64, account: AccountId, writes: Vec<Write>, log_out: bool) {
        let Some(rooms) = self.in_account(now, account, rooms::all_of) else {
            let command = Command::Write { account, writes, log_out };
            return self.await_account(account, id, command);
        };
        if rooms.iter().any(|room| !self.rooms.contains_key(room)) {
            let command = Command::Write { account, writes, log_out };
            return self.await_rooms(&rooms, id, command);
        }
        self.in_account(now, account, rooms::leave_all);
        // What the rooms note with the account goes with it.
        self.deliver_routes(now);
        self.write(now, id, account, writes, log_out);
    }

    fn write(&mut self, now: Now, id: u64, account: AccountId, writes: Vec<Write>, log_out: bool) {
        if let Some(account) = self.accounts.get_mut(&account) {
            writes.iter().for_each(|write| account.take_over(write));
        }
        let condition = ending::log_out_condition(account, &writes);
        if !self.accounts.contains_key(&account) {
            // It may be on its way from the storage, as it was before.
            self.effects.changed_unseen.push(account);
        }
        self.effects.writes.extend(writes);
        self.touch(Entity::Account(account));
        self.finish(now, Some(id));
        if log_out {
            self.drop_account(account, condition, Ticket(self.next_ticket.0 - 1));
        }
    }

    fn tell_number(&mut self, now: Now, id: u64, account: AccountId, change: Box<NumberChange>) {
        let told = self.in_account(now, account, |ctx| number_change::receive(ctx, &change));
        match told {
            Some(()) => self.finish(now, Some(id)),
            None => self.await_account(account, id, Command::TellNumber { account, change }),
        }
    }

    fn end_push(&mut self, now: Now, id: u64, account: AccountId, endpoint: &str) {
        let done = self.in_account(now, account, |ctx| web_push::end(ctx, endpoint));
        if done.is_none() {
            self.effects.changed_unseen.push(account);
            self.effects.writes.push(web_push::removal(account, endpoint));
        }
        self.finish(now, Some(id));
    }

    /// A room that is not in memory has lost its call with a commit that failed: it is loaded, and
    /// has its participants join again.
    fn take_call_events(&mut self, now: Now, id: u64, events: Vec<CallEvent>) {
        for event in events {
            let room = event.room();
            match self.rooms.contains_key(&room) {
                true => drop(self.in_room(now, room, |ctx| rooms::call::receive(ctx, event))),
                false => self.wake_room(room),
            }
            self.finish(now, None);
        }
        self.ready.push_back(Output::Done { id, result: Ok(()) });
    }

    /// What is over leaves the disk, even where nobody reads it any more.
    fn remove_expired(&mut self, now: Now) {
        if now.elapsed_ms >= self.remove_expired_at_ms {
            self.remove_expired_at_ms = now.elapsed_ms + REMOVE_EXPIRED_EVERY_MS;
            self.effects.writes.push(Write::RemoveExpired { until_unix_ms: now.unix_ms });
            self.finish(now, None);
        }
    }

    fn tick(&mut self, now: Now) {
        self.remove_expired(now);
        let wanting = self.accounts.iter().filter(|(_, account)| account.wants_tick());
        let ids: Vec<AccountId> = wanting.map(|(id, _)| *id).collect();
        for id in ids {
            self.in_account(now, id, |ctx| {
                ending::end_stale_sessions(ctx);
                management::store_cursors(ctx);
                handled::answer_late(ctx);
                archive::ask_again(ctx);
                messages::catch_up_again(ctx);
            });
            self.finish(now, None);
        }
        let calling = self.rooms.iter().filter(|(_, room)| room.calls.is_any());
        let calling: Vec<RoomId> = calling.map(|(id, _)| *id).collect();
        for id in calling {
            self.in_room(now, id, rooms::call::tick);
            self.finish(now, None);
        }
        let committed = self.committed;
        let asking: HashSet<Entity> =
            self.questions.values().map(|question| question.then.entity()).collect();
        self.accounts.retain(|id, account| {
            !account.sessions.is_empty()
                || account.last_ticket > committed
                || now.elapsed_ms < account.used_ms + IDLE_ACCOUNT_MS
                || asking.contains(&Entity::Account(*id))
        });
        self.rooms.retain(|id, room| {
            room.last_ticket > committed
                || now.elapsed_ms < room.used_ms + IDLE_ACCOUNT_MS
                || room.calls.is_any()
                || asking.contains(&Entity::Room(*id))
        });
    }
}

fn is_deletion(writes: &[Write]) -> bool {
    writes.iter().any(|write| matches!(write, Write::DeleteAccount { .. }))
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat")
            .field("accounts", &self.accounts.len())
            .field("rooms", &self.rooms.len())
            .field("streams", &self.streams.len())
            .field("uncommitted", &self.pending.len())
            .finish_non_exhaustive()
    }
}
