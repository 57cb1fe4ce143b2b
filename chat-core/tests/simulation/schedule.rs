//! One schedule: a server, its storage, its network and its clients, driven by a seed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use chat_core::chat::{Chat, Command, Input, Output};
use chat_core::config::Config;
use chat_core::id::{MessageId, QueryId, StreamId, Ticket};
use chat_core::jid::{AccountId, Jid};
use chat_core::sasl::{Credential, Mechanism, PasswordMark, TokenWish};
use chat_core::stanza::Stanza;
use chat_core::stream::{Bind2, Enable, Inline, Login, SessionRequest, UserAgent};
use chat_core::time::Now;
use chat_core::transaction::{Query, StorageError, Transaction, Write};
use chat_core::xml::{Element, Limits};

use crate::device::{Arriving, Device, forwarded, stanza_id};
use crate::group::Said;
use crate::random::Random;
use crate::world::{DOMAIN, Disk};

pub struct Schedule {
    pub random: Random,
    chat: Chat,
    pub disk: Disk,
    now: Now,
    commits: VecDeque<Transaction>,
    /// The newest transaction that failed; none that was made before the core knew is committed.
    failed: Ticket,
    asked: Vec<(QueryId, Query)>,
    pub accounts: Vec<AccountId>,
    pub devices: Vec<Device>,
    /// Messages that were sent: name, sender's device, receiver's account.
    sent: BTreeMap<String, (usize, usize)>,
    pub said: Said,
    /// Messages that take another one back: their names, and what they name.
    retractions: Vec<(String, String)>,
    next_stream: u64,
    is_troubled: bool,
    closed: Vec<StreamId>,
}

impl Schedule {
    pub fn new(seed: u64) -> Schedule {
        let mut random = Random::new(seed);
        let disk = Disk::default();
        let chat = start(&disk, &mut random);
        let accounts: Vec<AccountId> =
            (1..=2 + random.below(2) as u64).map(|n| AccountId::from_random(n << 20)).collect();
        let mut schedule = Schedule {
            random,
            chat,
            disk,
            now: Now { elapsed_ms: 0, unix_ms: 1_790_000_000_000 },
            commits: VecDeque::new(),
            failed: Ticket(0),
            asked: Vec::new(),
            accounts,
            devices: Vec::new(),
            sent: BTreeMap::new(),
            said: Said::new(),
            retractions: Vec::new(),
            next_stream: 1,
            is_troubled: true,
            closed: Vec::new(),
        };
        schedule.found();
        schedule
    }

    fn found(&mut self) {
        for (number, account) in self.accounts.clone().into_iter().enumerate() {
            let created_unix_ms = self.now.unix_ms;
            let writes = vec![Write::CreateAccount { account, number: None, created_unix_ms }];
            let command = Command::Write { account, writes, log_out: false };
            self.input(Input::Command { id: 0, command });
            let own = Jid::from_parts(Some(&account.to_string()), DOMAIN, None).unwrap();
            for _ in 0..=self.random.below(2) {
                self.devices.push(Device::new(number, self.devices.len(), own.clone()));
            }
        }
        self.drain();
        self.found_group();
    }

    /// All that is under way is done.
    pub fn drain(&mut self) {
        while !self.commits.is_empty() || !self.asked.is_empty() {
            self.commit(false);
            self.answer();
        }
    }

    /// Troubled times, then quiet ones in which all must come right.
    pub fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            self.check_acknowledged();
        }
        self.is_troubled = false;
        for round in 0.. {
            assert!(round < 400, "nobody comes to rest: {}", self.unrest());
            if self.rest() {
                break;
            }
            self.check_acknowledged();
        }
        self.check_end();
    }

    fn step(&mut self) {
        let device = self.random.below(self.devices.len());
        match self.random.below(100) {
            0..30 => self.use_device(device),
            30..45 => self.carry_up(device, 3),
            45..62 => self.carry_down(device, 4),
            62..82 => {
                let fails = self.random.percent(4);
                self.commit(fails);
            }
            82..91 => self.answer(),
            91..94 => self.pass(),
            94..97 => self.break_link(device),
            97 => self.crash(),
            98 => self.panic_in(device),
            _ => {
                for _ in 0..8 {
                    self.use_device(device);
                    self.carry_up(device, 1);
                }
            }
        }
    }

    /// One quiet round. Says whether there was nothing left to do.
    fn rest(&mut self) -> bool {
        let is_still = self.commits.is_empty() && self.asked.is_empty();
        while !self.commits.is_empty() {
            self.commit(false);
        }
        while !self.asked.is_empty() {
            self.answer();
        }
        let mut is_settled = true;
        for device in 0..self.devices.len() {
            match self.devices[device].stream {
                None => self.connect(device),
                Some(_) if self.devices[device].may_hide() => self.devices[device].show(),
                Some(_) if self.devices[device].is_settled() => self.devices[device].acknowledge(),
                Some(_) => self.devices[device].ask_acknowledgement(),
            }
            is_settled &= self.devices[device].is_settled();
            self.carry_up(device, usize::MAX);
            self.carry_down(device, usize::MAX);
        }
        self.now.elapsed_ms += 1000;
        self.now.unix_ms += 1000;
        self.input(Input::Tick);
        is_settled && is_still && self.commits.is_empty() && self.has_all()
    }

    fn use_device(&mut self, device: usize) {
        if self.devices[device].stream.is_none() {
            return self.connect(device);
        }
        if !self.devices[device].is_online {
            return;
        }
        match self.random.below(15) {
            0..7 => self.write(device),
            7 => self.devices[device].acknowledge(),
            8 => self.devices[device].ask_acknowledgement(),
            9 => self.show_presence(device),
            10 => self.write_of_the_moment(device),
            12.. => self.use_group(device),
            _ => self.carry_down(device, 2),
        }
    }

    fn write(&mut self, device: usize) {
        let peer = self.random.below(self.accounts.len());
        let name = format!("m{}", self.sent.len());
        let to = self.address(peer);
        let inside = match self.random.below(40) {
            0..4 if !self.sent.is_empty() => {
                let retracted = self.random.below(self.sent.len());
                self.retractions.push((name.clone(), format!("m{retracted}")));
                format!("<retract xmlns='urn:xmpp:message-retract:1' id='m{retracted}'/>")
            }
            4..10 => format!("<received xmlns='urn:xmpp:receipts' id='{name}'/>"),
            10 => format!("<body>{}</body>", "long ".repeat(self.random.below(30_000))),
            _ => format!("<body>{name}</body>"),
        };
        let xml = format!(
            "<message to='{to}' type='chat' id='{name}'>{inside}\
             <origin-id xmlns='urn:xmpp:sid:0' id='{name}'/></message>"
        );
        self.sent.insert(name.clone(), (device, peer));
        self.devices[device].send(xml, Some(name));
    }

    fn write_of_the_moment(&mut self, device: usize) {
        let peer = self.random.below(self.accounts.len());
        let to = self.address(peer);
        let inside = match self.random.percent(50) {
            true => "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            false => "<body>now</body><no-store xmlns='urn:xmpp:hints'/>",
        };
        self.devices[device]
            .send(format!("<message to='{to}' type='chat'>{inside}</message>"), None);
    }

    /// An account, or one of its clients.
    fn address(&mut self, account: usize) -> Jid {
        let clients = self.devices.iter().filter(|device| device.account == account);
        let full: Vec<Jid> = clients.filter_map(|device| device.jid.clone()).collect();
        if !full.is_empty() && self.random.percent(25) {
            return full[self.random.below(full.len())].clone();
        }
        Jid::from_parts(Some(&self.accounts[account].to_string()), DOMAIN, None).unwrap()
    }

    fn show_presence(&mut self, device: usize) {
        if self.devices[device].is_reading {
            return;
        }
        let presence = match self.random.below(4) {
            0 => "<presence type='unavailable'/>",
            1 => "<presence><priority>-1</priority></presence>",
            _ => "<presence/>",
        };
        self.devices[device].send(presence.to_owned(), None);
        self.devices[device].is_shown = presence == "<presence/>";
        self.devices[device].was_negative |= presence.contains("<priority>-");
    }

    fn connect(&mut self, device: usize) {
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        let reads_archive = self.random.percent(30);
        let client = &mut self.devices[device];
        client.stream = Some(stream);
        // Who gets groups' messages has them in one order with the others, from the server alone.
        client.reads_archive = reads_archive && !client.takes_groups;
        let agent = UserAgent { id: Some(client.agent.clone()), ..UserAgent::default() };
        let bind = Bind2 {
            tag: Some("app".to_owned()),
            enable: Some(Enable { can_resume: true }),
            carbons: true,
            groups: client.takes_groups,
            is_inactive: false,
        };
        let login = Login {
            account: self.accounts[client.account],
            credential: Credential::Password(PasswordMark(0)),
            mechanism: Mechanism::Plain,
            user_agent: Some(agent),
            tokens: TokenWish::default(),
            request: SessionRequest::Inline(Inline { resume: client.resume(), bind: Some(bind) }),
        };
        self.input(Input::Login { stream, login: Box::new(login) });
    }

    /// The network brings some of a client's elements to the server.
    fn carry_up(&mut self, device: usize, count: usize) {
        for _ in 0..count {
            let Some(stream) = self.devices[device].stream else { return };
            let Some(xml) = self.devices[device].uplink.pop_front() else { return };
            let element = Stanza::parse(Bytes::from(xml), &Limits::default()).unwrap();
            self.input(Input::Element { stream, element: Arc::new(element) });
        }
    }

    /// The network brings some of the server's elements to a client.
    fn carry_down(&mut self, device: usize, count: usize) {
        for _ in 0..count {
            let client = &mut self.devices[device];
            let Some(arriving) = client.downlink.pop_front() else { return };
            client.take(arriving, self.disk.newest());
        }
    }

    /// The storage comes to its next transaction.
    fn commit(&mut self, fails: bool) {
        let Some(transaction) = self.commits.pop_front() else { return };
        let ticket = transaction.ticket;
        let is_unfounded = transaction.settled < self.failed;
        let result = match fails || is_unfounded {
            true => Err(StorageError::Failed { reason: "the disk is full".to_owned() }),
            false => self.disk.commit(transaction),
        };
        if result.is_err() {
            self.failed = ticket;
        }
        self.input(Input::Committed { ticket, result });
    }

    /// The storage answers one of the questions, in any order.
    fn answer(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let (query, asked) = self.asked.remove(self.random.below(self.asked.len()));
        let fails = self.is_troubled
            && matches!(asked, Query::Archive(_) | Query::Waiting(_))
            && self.random.percent(4);
        let answer = match fails {
            true => Err(StorageError::Failed { reason: "the disk cannot be read".to_owned() }),
            false => self.disk.answer(&asked),
        };
        self.input(Input::Answered { query, answer });
    }

    fn pass(&mut self) {
        let seconds = match self.random.below(10) {
            0 => 700,
            1 => 40,
            _ => 1 + self.random.below(3) as u64,
        };
        self.now.elapsed_ms += seconds * 1000;
        self.now.unix_ms += seconds * 1000;
        self.input(Input::Tick);
    }

    fn break_link(&mut self, device: usize) {
        let Some(stream) = self.devices[device].stream else { return };
        let (up, down) = (self.random.below(4), self.random.below(4));
        self.carry_up(device, up);
        self.carry_down(device, down);
        if self.devices[device].stream != Some(stream) {
            return;
        }
        let is_clean = self.random.percent(20) && self.devices[device].uplink.is_empty();
        if is_clean || self.random.percent(15) {
            self.devices[device].forget_session();
        }
        self.devices[device].cut();
        self.input(Input::Closed { stream, is_clean });
    }

    /// The process dies: what was not committed is lost, and so is what was under way.
    fn crash(&mut self) {
        self.commits.clear();
        self.asked.clear();
        self.failed = Ticket(0);
        for device in 0..self.devices.len() {
            let down = self.random.below(5);
            self.carry_down(device, down);
            self.devices[device].cut();
        }
        self.chat = start(&self.disk, &mut self.random);
    }

    /// A fault in one account: all others go on.
    fn panic_in(&mut self, device: usize) {
        let account = self.devices[device].account;
        let command = Command::Panic { account: self.accounts[account] };
        self.closed.clear();
        self.input(Input::Command { id: 0, command });
        for stream in std::mem::take(&mut self.closed) {
            let other = self.devices.iter().find(|device| device.stream == Some(stream));
            assert!(other.is_none_or(|device| device.account == account), "another account's end");
        }
    }

    pub fn input(&mut self, input: Input) {
        let (chat, now) = (&mut self.chat, self.now);
        let handle = std::panic::AssertUnwindSafe(|| chat.handle_input(now, input));
        if let Err(panic) = std::panic::catch_unwind(handle) {
            if !panic.downcast_ref::<String>().is_some_and(|text| text.starts_with("drill")) {
                std::panic::resume_unwind(panic);
            }
            self.chat.recover();
        }
        let mut ended = Vec::new();
        while let Some(output) = self.chat.poll_output() {
            self.take_output(output, &mut ended);
        }
        for stream in ended {
            self.end(stream);
        }
    }

    fn take_output(&mut self, output: Output, ended: &mut Vec<StreamId>) {
        match output {
            Output::Ready { stream, ready } => self.arrive(stream, Arriving::Ready(ready)),
            Output::Send { stream, bytes } => {
                let element = Element::parse(&bytes, "jabber:client").unwrap();
                self.check_is_stored(&element);
                self.arrive(stream, Arriving::Element(element));
            }
            Output::SendAll { streams, bytes } => {
                for stream in streams {
                    self.take_output(Output::Send { stream, bytes: bytes.clone() }, ended);
                }
            }
            Output::Close { stream, .. } => ended.push(stream),
            Output::Commit(transaction) => self.commits.push_back(transaction),
            Output::Ask { id, query } => self.asked.push((id, query)),
            Output::LookedUp { .. } | Output::Outward(_) | Output::Done { .. } => {}
        }
    }

    fn arrive(&mut self, stream: StreamId, arriving: Arriving) {
        let client = self.devices.iter_mut().find(|device| device.stream == Some(stream));
        if let Some(client) = client {
            client.downlink.push_back(arriving);
        }
    }

    /// The server ends a stream: what it sent before arrives.
    fn end(&mut self, stream: StreamId) {
        self.closed.push(stream);
        if let Some(device) = self.devices.iter().position(|device| device.stream == Some(stream)) {
            self.carry_down(device, usize::MAX);
            self.devices[device].cut();
        }
        self.input(Input::Closed { stream, is_clean: false });
    }

    /// Nothing uncommitted is ever seen.
    fn check_is_stored(&self, element: &Element) {
        let copies = ["sent", "received"];
        let copy = copies.iter().find_map(|side| element.child(side, "urn:xmpp:carbons:2"));
        let message = copy.map_or(element, forwarded);
        if let Some(id) = stanza_id(message) {
            assert!(self.disk.has(id), "{id} is seen before it is stored: {element:?}");
        }
    }

    /// What was acknowledged is in both archives.
    fn check_acknowledged(&mut self) {
        for device in 0..self.devices.len() {
            for name in std::mem::take(&mut self.devices[device].acknowledged) {
                if self.said.contains_key(&name) {
                    self.check_said(&name);
                    continue;
                }
                let (sender, receiver) = self.sent[&name];
                for account in [self.devices[sender].account, receiver] {
                    let ids = self.archived(account);
                    let is_there = ids.iter().any(|(_, stored)| *stored == name);
                    assert!(is_there, "{name} is acknowledged, and not in archive {account}");
                }
            }
        }
    }

    /// An account's archive: ids and names.
    fn archived(&self, account: usize) -> Vec<(MessageId, String)> {
        let archive = self.disk.archive(self.accounts[account]);
        let name = |xml: String| {
            let (_, rest) = xml.split_once(" id='").expect("each has a name");
            rest.split('\'').next().unwrap_or_default().to_owned()
        };
        archive.into_iter().map(|(id, xml)| (id, name(xml))).collect()
    }

    /// What a device must have: all that was received since it first came.
    fn due(&self, device: &Device) -> Vec<(MessageId, String)> {
        let since = device.since.unwrap_or_default();
        let is_due = |(id, name): &(MessageId, String)| {
            *id > since && self.sent.get(name).is_some_and(|(_, to)| *to == device.account)
        };
        let mut due = self.due_of_group(device);
        due.extend(self.archived(device.account).into_iter().filter(is_due));
        due.sort();
        due
    }

    /// Who still waits for what.
    fn unrest(&self) -> String {
        let mut told = String::new();
        for (number, device) in self.devices.iter().enumerate() {
            let (got, due) = (device.got.len(), self.due(device).len());
            let is_settled = device.is_settled();
            told += &format!("device {number}: {got} of {due} got, settled: {is_settled}, ");
            told += &format!("online: {}; ", device.is_online);
        }
        format!("{told}{} commits, questions: {:?}", self.commits.len(), self.asked)
    }

    fn has_all(&self) -> bool {
        self.devices.iter().all(|device| device.got.len() >= self.due(device).len())
    }

    fn check_end(&self) {
        for (number, device) in self.devices.iter().enumerate() {
            let since = device.since.unwrap_or_default();
            let got = device.got.iter().filter(|(id, _)| *id > since);
            let mut got: Vec<_> = got.cloned().collect();
            if device.was_negative {
                let rest = got.iter().filter(|(id, _)| !device.direct.contains(id));
                assert!(rest.is_sorted(), "device {number} has got the rest in order: {got:?}");
                got.sort();
            }
            assert_eq!(got, self.due(device), "device {number} has what its archive has");
        }
        for account in 0..self.accounts.len() {
            self.check_archive(account);
        }
        self.check_retractions();
        self.check_group();
        for (name, (device, receiver)) in &self.sent {
            for account in [self.devices[*device].account, *receiver] {
                let count = self.archived(account).iter().filter(|(_, n)| n == name).count();
                assert_eq!(count, 1, "{name} in archive {account}");
            }
        }
    }

    /// What its author took back is in no archive.
    fn check_retractions(&self) {
        for (retraction, named) in &self.retractions {
            let ((device, to), (of, of_to)) = (self.sent[retraction], self.sent[named]);
            let author = self.devices[device].account;
            let is_retraction = self.retractions.iter().any(|(other, _)| other == named);
            if is_retraction || (author, to) != (self.devices[of].account, of_to) {
                continue;
            }
            let archive = self.disk.archive(self.accounts[author]);
            let of = |name: &str| {
                let is_it =
                    |(_, xml): &&(MessageId, String)| xml.contains(&format!(" id='{name}' "));
                archive.iter().find(is_it).expect("all that was sent is there")
            };
            let ((id, xml), (by, _)) = (of(named), of(retraction));
            let is_gone = xml.contains("<retracted ");
            assert!(is_gone || id > by, "{named} is there in spite of {retraction}: {xml}");
        }
    }

    /// The messages of one device to one account stand in the order in which it sent them.
    fn check_archive(&self, account: usize) {
        let mut newest: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (_, name) in self.archived(account) {
            let number: usize = name[1..].parse().unwrap();
            if let Some(before) = newest.insert(self.sent[&name], number) {
                assert!(before < number, "m{number} stands behind m{before}");
            }
        }
    }
}

fn start(disk: &Disk, random: &mut Random) -> Chat {
    let config = Config::new(Jid::parse(DOMAIN).unwrap());
    Chat::new(config, disk.newest(), random.seed())
}
