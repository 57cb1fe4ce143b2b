//! A server without sockets or disk for dialogues: clients with names, a clock that is told, and
//! a storage in memory that commits when it is let.

#![allow(dead_code, reason = "each test file uses its part")]

mod disk;
pub mod examples;
mod key_packages;
mod pattern;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use chat_core::access::Access;
use chat_core::chat::{Chat, Closing, Command, Input, Output, Outward};
use chat_core::config::Config;
use chat_core::id::{QueryId, StreamId, Ticket};
use chat_core::jid::{AccountId, Jid};
use chat_core::rooms::call::{CallAnswer, CallRefusal, CallRequest, Descriptions, ParticipantName};
use chat_core::sasl::{Credential, Credentials, Mechanism, PasswordMark, ServerSecret, TokenWish};
use chat_core::stanza::Stanza;
use chat_core::stream::{Bind2, Inline, Login, Ready, SessionRequest, UserAgent};
use chat_core::time::Now;
use chat_core::transaction::{Answer, Query, Transaction, Write};
use chat_core::xml::{Element, Limits};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

pub use disk::Disk;

pub const DOMAIN: &str = "example.org";
/// Taken by a server that has no secret: it takes note of no log-ins.
pub const NO_PASSWORD: Credential = Credential::Password(PasswordMark(0));

/// A server, its storage and its clients.
pub struct World {
    pub chat: Chat,
    pub disk: Disk,
    pub now: Now,
    /// Transactions are committed as they come. Otherwise [`World::commit`] does it.
    pub commits_at_once: bool,
    /// What is asked of storage is answered as it comes. Otherwise [`World::answer_all`] does it.
    pub answers_at_once: bool,
    unanswered: VecDeque<(QueryId, Query)>,
    uncommitted: VecDeque<Transaction>,
    names: HashMap<String, AccountId>,
    streams: HashMap<String, StreamId>,
    inboxes: HashMap<StreamId, VecDeque<Element>>,
    pub ready: HashMap<StreamId, Box<Ready>>,
    pub closed: HashMap<StreamId, Closing>,
    pub looked_up: Vec<Option<Credentials>>,
    pub outward: Vec<chat_core::chat::Outward>,
    /// Participants at the endpoint that carries calls.
    pub in_calls: BTreeSet<ParticipantName>,
    /// What it was asked.
    pub call_requests: Vec<CallRequest>,
    pub endpoint_is_busy: bool,
    /// Otherwise [`World::answer_calls`] does it.
    pub endpoint_answers_at_once: bool,
    call_answers: VecDeque<(QueryId, CallAnswer)>,
    /// The settings of this server, also after a crash.
    config: Config,
    next_stream: u64,
}

impl World {
    pub fn new() -> World {
        let now = Now { elapsed_ms: 0, unix_ms: 1_790_000_000_000 };
        World {
            chat: start(&Disk::default(), config()),
            disk: Disk::default(),
            now,
            commits_at_once: true,
            answers_at_once: true,
            unanswered: VecDeque::new(),
            uncommitted: VecDeque::new(),
            names: HashMap::new(),
            streams: HashMap::new(),
            inboxes: HashMap::new(),
            ready: HashMap::new(),
            closed: HashMap::new(),
            looked_up: Vec::new(),
            outward: Vec::new(),
            in_calls: BTreeSet::new(),
            call_requests: Vec::new(),
            endpoint_is_busy: false,
            endpoint_answers_at_once: true,
            call_answers: VecDeque::new(),
            config: config(),
            next_stream: 1,
        }
    }

    /// A world with other settings.
    pub fn configured(config: Config) -> World {
        World { chat: start(&Disk::default(), config.clone()), config, ..World::new() }
    }

    /// A world with these accounts, each with a client `NAME/phone` that is available.
    pub fn with(names: &[&str]) -> World {
        let mut world = World::new();
        for name in names {
            world.account(name);
            world.come(&format!("{name}/phone"));
        }
        world
    }

    /// Creates an account.
    pub fn account(&mut self, name: &str) -> AccountId {
        let number = self.names.len() as u64 + 1;
        let account = AccountId::from_random(0x0123_4567_89ab_cdef_u64.wrapping_mul(number));
        self.names.insert(name.to_owned(), account);
        let number = Some(format!("+1555010{number:04}").into());
        let created_unix_ms = self.now.unix_ms;
        let writes = vec![Write::CreateAccount { account, number, created_unix_ms }];
        self.input(Input::Command {
            id: 0,
            command: Command::Write { account, writes, log_out: false },
        });
        account
    }

    /// Gives an account a password.
    pub fn set_password(&mut self, name: &str, password: &str) {
        let (account, mut writes) = (self.names[name], Vec::new());
        let mut random = ChaCha20Rng::seed_from_u64(7);
        self.access(account).set_password(password, &mut random, &mut writes).unwrap();
        let command = Command::Write { account, writes, log_out: true };
        self.input(Input::Command { id: 0, command });
    }

    /// What proves that somebody knows one of an account's passwords; its own comes first.
    pub fn passwords(&self, account: AccountId) -> Vec<Credential> {
        let credentials = self.access(account).credentials(None, &ServerSecret::new(&[0; 32]), 0);
        let passwords = credentials.passwords.iter();
        passwords.map(|keys| Credential::Password(keys.strongest().unwrap().mark())).collect()
    }

    fn access(&self, account: AccountId) -> Access {
        match self.disk.answer(&Query::Account(account)) {
            Ok(Answer::Account(Some(stored))) => Access::load(account, &stored.records),
            _ => Access::load(account, &[]),
        }
    }

    /// The account's id.
    pub fn id(&self, name: &str) -> AccountId {
        self.names[name]
    }

    /// `alice` or `alice/phone` as a JID.
    pub fn jid(&self, name: &str) -> Jid {
        let (account, resource) = name.split_once('/').map_or((name, None), |(a, r)| (a, Some(r)));
        Jid::from_parts(Some(&self.names[account].to_string()), DOMAIN, resource).unwrap()
    }

    /// Logs in and binds, as RFC 6120 has it.
    pub fn connect(&mut self, name: &str) -> StreamId {
        let stream = self.log_in(name, SessionRequest::Legacy);
        let (_, resource) = name.split_once('/').unwrap();
        let bind = format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        );
        self.send(name, &bind);
        self.expect(name, "<iq type='result' id='bind'/>");
        stream
    }

    /// Logs in with requests inside (XEP-0388).
    pub fn connect_inline(&mut self, name: &str, inline: Inline) -> StreamId {
        self.log_in(name, SessionRequest::Inline(inline))
    }

    /// Logs in as a device that names itself by its resource, and becomes available.
    pub fn come_as_device(&mut self, name: &str) -> StreamId {
        let (_, device) = name.split_once('/').unwrap();
        let agent = UserAgent { id: Some(device.to_owned()), ..UserAgent::default() };
        let bind = Bind2::default();
        let stream = self.log_in_as(name, |login| {
            login.user_agent = Some(agent);
            login.request =
                SessionRequest::Inline(Inline { bind: Some(bind), ..Inline::default() });
        });
        self.send(name, "<presence/>");
        self.clear(name);
        stream
    }

    /// Logs in as such a device that takes rooms' messages; what waits for it is kept.
    pub fn come_as_device_to_groups(&mut self, name: &str) {
        let (_, device) = name.split_once('/').unwrap();
        let agent = UserAgent { id: Some(device.to_owned()), ..UserAgent::default() };
        let bind = Bind2 { groups: true, ..Bind2::default() };
        self.log_in_as(name, |login| {
            login.user_agent = Some(agent);
            login.request =
                SessionRequest::Inline(Inline { bind: Some(bind), ..Inline::default() });
        });
        self.send(name, "<presence/>");
    }

    fn log_in(&mut self, name: &str, request: SessionRequest) -> StreamId {
        self.log_in_as(name, |login| login.request = request)
    }

    /// Logs in by the account's password, changed as the test wants it.
    pub fn log_in_as(&mut self, name: &str, change: impl FnOnce(&mut Login)) -> StreamId {
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        self.streams.insert(name.to_owned(), stream);
        let account = self.names[name.split('/').next().unwrap()];
        let mut login = Login {
            account,
            credential: self.passwords(account).first().copied().unwrap_or(NO_PASSWORD),
            mechanism: Mechanism::Plain,
            user_agent: None,
            tokens: TokenWish::default(),
            request: SessionRequest::Legacy,
        };
        change(&mut login);
        self.input(Input::Login { stream, login: Box::new(login) });
        stream
    }

    /// Connects and becomes available; what it is told at that is passed over.
    pub fn come(&mut self, name: &str) -> StreamId {
        let stream = self.connect(name);
        self.send(name, "<presence/>");
        self.clear(name);
        stream
    }

    /// Ends a client's stream, with `</stream:stream>` or without.
    pub fn disconnect(&mut self, name: &str, is_clean: bool) {
        let stream = self.streams.remove(name).unwrap();
        self.input(Input::Closed { stream, is_clean });
    }

    /// A client sends XML; `{alice}` and `{alice/phone}` stand for JIDs.
    pub fn send(&mut self, name: &str, xml: &str) {
        let xml = self.filled(xml);
        let element = Stanza::parse(Bytes::from(xml), &Limits::default()).unwrap();
        let stream = self.streams[name];
        self.input(Input::Element { stream, element: Arc::new(element) });
    }

    /// The next thing that a client receives holds at least this.
    pub fn expect(&mut self, name: &str, xml: &str) -> Element {
        let pattern = Element::parse(self.filled(xml).as_bytes(), "jabber:client").unwrap();
        let got = self.receive(name);
        let got = got.unwrap_or_else(|| panic!("{name} got nothing, not {xml}"));
        if let Err(difference) = pattern::matches(&pattern, &got) {
            let got = String::from_utf8(got.to_bytes("jabber:client").to_vec()).unwrap();
            panic!("{name}: {difference}\nexpected {xml}\ngot      {got}");
        }
        got
    }

    /// A client receives nothing more.
    pub fn expect_nothing(&mut self, name: &str) {
        if let Some(got) = self.receive(name) {
            let got = String::from_utf8(got.to_bytes("jabber:client").to_vec()).unwrap();
            panic!("{name} got {got}");
        }
    }

    /// A request, and what its result or error holds at least.
    pub fn ask(&mut self, name: &str, request: &str, answer: &str) -> Element {
        self.send(name, request);
        self.expect(name, answer)
    }

    /// The next thing that a client receives.
    pub fn receive(&mut self, name: &str) -> Option<Element> {
        let stream = self.streams.get(name)?;
        self.inboxes.get_mut(stream)?.pop_front()
    }

    /// Passes over what a client has received.
    pub fn clear(&mut self, name: &str) {
        if let Some(stream) = self.streams.get(name) {
            self.inboxes.remove(stream);
        }
    }

    /// Passes over the presence that a client has received.
    pub fn skip_presence(&mut self, name: &str) {
        let inbox = self.streams.get(name).and_then(|stream| self.inboxes.get_mut(stream));
        if let Some(inbox) = inbox {
            inbox.retain(|element| element.name() != "presence");
        }
    }

    /// Passes over the messages that a client has received.
    pub fn skip_messages(&mut self, name: &str) {
        let inbox = self.streams.get(name).and_then(|stream| self.inboxes.get_mut(stream));
        if let Some(inbox) = inbox {
            inbox.retain(|element| element.name() != "message");
        }
    }

    /// Passes over the messages with a body that a client has received.
    pub fn skip_messages_with_body(&mut self, name: &str) {
        let inbox = self.streams.get(name).and_then(|stream| self.inboxes.get_mut(stream));
        if let Some(inbox) = inbox {
            inbox.retain(|element| element.child("body", "jabber:client").is_none());
        }
    }

    /// Time passes, second by second.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.elapsed_ms += 1000;
            self.now.unix_ms += 1000;
            self.input(Input::Tick);
        }
    }

    /// Commits what waits.
    pub fn commit(&mut self) {
        while let Some(transaction) = self.uncommitted.pop_front() {
            let ticket = transaction.ticket;
            let result = self.disk.commit(transaction);
            self.handle(Input::Committed { ticket, result });
        }
        self.pump();
    }

    /// Answers what waits, and what is asked then, in this order.
    pub fn answer_all(&mut self) {
        while let Some((id, query)) = self.unanswered.pop_front() {
            self.answer(id, &query);
            self.pump();
        }
    }

    /// Answers the first question that waits, if there is one.
    pub fn answer_one(&mut self) {
        if let Some((id, query)) = self.unanswered.pop_front() {
            self.answer(id, &query);
            self.pump();
        }
    }

    /// What waits becomes durable, and the process does not hear of it.
    pub fn commit_without_telling(&mut self) {
        while let Some(transaction) = self.uncommitted.pop_front() {
            let _ = self.disk.commit(transaction);
        }
    }

    /// The server is restored from a copy of what is stored now.
    pub fn restore(&mut self) {
        self.crash();
        let mut config = config();
        config.incarnation = 1;
        self.chat = start(&self.disk, config);
    }

    /// The process dies, and a new one starts on what was committed.
    pub fn crash(&mut self) {
        self.unanswered.clear();
        self.uncommitted.clear();
        self.streams.clear();
        self.inboxes.clear();
        self.call_answers.clear();
        self.chat = start(&self.disk, self.config.clone());
    }

    /// Any input.
    pub fn input(&mut self, input: Input) {
        self.handle(input);
        self.pump();
    }

    fn handle(&mut self, input: Input) {
        self.chat.handle_input(self.now, input);
    }

    fn pump(&mut self) {
        while let Some(output) = self.chat.poll_output() {
            match output {
                Output::LookedUp { credentials, .. } => self.looked_up.push(credentials),
                Output::Ready { stream, ready } => {
                    self.ready.insert(stream, ready);
                }
                Output::Send { stream, bytes } => {
                    let element = Element::parse(&bytes, "jabber:client").unwrap();
                    self.inboxes.entry(stream).or_default().push_back(element);
                }
                Output::SendAll { streams, bytes } => {
                    for stream in streams {
                        let element = Element::parse(&bytes, "jabber:client").unwrap();
                        self.inboxes.entry(stream).or_default().push_back(element);
                    }
                }
                Output::Close { stream, closing } => {
                    self.closed.insert(stream, closing);
                    self.handle(Input::Closed { stream, is_clean: false });
                }
                Output::Commit(transaction) if self.commits_at_once => {
                    let ticket: Ticket = transaction.ticket;
                    let result = self.disk.commit(transaction);
                    self.handle(Input::Committed { ticket, result });
                }
                Output::Commit(transaction) => self.uncommitted.push_back(transaction),
                Output::Ask { id, query } if self.answers_at_once => self.answer(id, &query),
                Output::Ask { id, query } => self.unanswered.push_back((id, query)),
                Output::Outward(Outward::Call { query, request }) => {
                    self.answer_call(query, *request)
                }
                Output::Outward(outward) => self.outward.push(outward),
                Output::Done { result, .. } => result.unwrap(),
            }
        }
    }

    /// The endpoint that carries calls: takes in whoever it is asked to, and answers offers with
    /// themselves.
    fn answer_call(&mut self, query: QueryId, request: CallRequest) {
        let answer = match (&request, self.endpoint_is_busy) {
            (_, true) => CallAnswer::Refused(CallRefusal::Busy),
            (CallRequest::Join { participant, offers, is_first, .. }, _) => {
                if *is_first {
                    self.in_calls.clear();
                }
                self.in_calls.insert(*participant);
                let answer = |offer: &Option<Box<str>>| {
                    offer.as_ref().map(|offer| format!("answer to {offer}").into())
                };
                let (publish, subscribe) = (answer(&offers.publish), answer(&offers.subscribe));
                CallAnswer::Joined(Descriptions { publish, subscribe })
            }
            (CallRequest::Leave { participant, .. }, _) => {
                self.in_calls.remove(participant);
                CallAnswer::Done
            }
            (CallRequest::View { .. }, _) => CallAnswer::Done,
        };
        self.call_requests.push(request);
        self.call_answers.push_back((query, answer));
        if self.endpoint_answers_at_once {
            self.answer_calls();
        }
    }

    /// The endpoint's answers that wait arrive.
    pub fn answer_calls(&mut self) {
        while let Some((query, answer)) = self.call_answers.pop_front() {
            self.handle(Input::Answered { query, answer: Ok(Answer::Call(answer)) });
        }
        self.pump();
    }

    fn answer(&mut self, query: QueryId, asked: &Query) {
        let answer = self.disk.answer(asked);
        self.handle(Input::Answered { query, answer });
    }

    fn filled(&self, xml: &str) -> String {
        let mut filled = xml.to_owned();
        for (name, account) in &self.names {
            let jid = format!("{account}@{DOMAIN}");
            filled = filled.replace(&format!("{{{name}}}"), &jid);
            filled = filled.replace(&format!("{{{name}/"), &format!("{{{jid}/"));
        }
        // What is left of `{jid/resource}` loses its braces.
        filled.replace(['{', '}'], "")
    }
}

/// The settings of a world.
pub fn config() -> Config {
    Config::new(Jid::parse(DOMAIN).unwrap())
}

fn start(disk: &Disk, config: Config) -> Chat {
    Chat::new(config, disk.newest(), [7; 32])
}
