//! A device under load: it sends, receives, is cut, resumes its stream (XEP-0198) or sends again
//! what was not acknowledged, and writes down what it saw.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use faulty_fs::Random;
use rustls::ClientConfig;

use crate::ledger::{Account, Ledger, Message, Stored};
use crate::wire::{Failure, Wire};
use crate::xml::Element;

/// Stanzas on their way at once.
const UNACKNOWLEDGED_MAX: usize = 20;
/// Between two messages of a device.
const PAUSE: Duration = Duration::from_millis(8);
/// Stanzas that are read between two that are sent.
const READ_AT_ONCE: usize = 10;
const ASK_AFTER: Duration = Duration::from_millis(50);
const RECONNECT_AFTER: Duration = Duration::from_millis(20);
/// One of so many messages is followed by a cut of the connection.
const CUTS: u64 = 200;
const SM: &str = "urn:xmpp:sm:3";
const ARCHIVE_PAGE: usize = 200;
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that break while nothing disturbs the server any more.
const ATTEMPTS_AT_REST_MAX: u32 = 5;

/// What devices do; the test leads through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sending all the time.
    Load,
    /// Nothing new is sent, all that was sent is acknowledged.
    Drain,
    /// Read the archive, and end.
    Archive,
}

/// What devices and the test share.
pub struct Shared {
    pub tls: Arc<ClientConfig>,
    pub accounts: Vec<Login>,
    pub ledger: Mutex<Ledger>,
    /// `None` while there is no server.
    pub door: Mutex<Option<SocketAddr>>,
    pub phase: Mutex<Phase>,
    /// What must not happen, and is no fault of a message.
    pub troubles: Mutex<Vec<String>>,
    /// Connections that nobody took.
    pub refused: AtomicU64,
    /// Streams that were resumed, and such that could not be.
    pub resumed: AtomicU64,
    pub not_resumed: AtomicU64,
}

#[derive(Clone, Debug)]
pub struct Login {
    pub jid: String,
    pub password: String,
}

enum Outgoing {
    Message(Message),
    Other,
}

/// Why a connection is over.
enum End {
    /// A killed server breaks connections in every way there is.
    Broken(io::Error),
    /// It cut the connection itself.
    Cut,
    Done,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

pub struct Device {
    account: Account,
    shared: Arc<Shared>,
    random: Random,
    numbers: Vec<u32>,
    /// Sent, and not covered by an `<a/>`.
    unacknowledged: VecDeque<Outgoing>,
    /// The last `h` of the server.
    acknowledged_h: u32,
    handled_h: u32,
    stream: u64,
    resume_id: Option<String>,
    /// Whether all it sent is acknowledged, while it drains.
    pub is_drained: Arc<Mutex<bool>>,
}

impl Device {
    pub fn new(account: Account, shared: Arc<Shared>, seed: u64) -> Self {
        Self {
            account,
            numbers: vec![0; shared.accounts.len()],
            shared,
            random: Random::new(seed ^ (u64::from(account) << 40)),
            unacknowledged: VecDeque::new(),
            acknowledged_h: 0,
            handled_h: 0,
            stream: 0,
            resume_id: None,
            is_drained: Arc::default(),
        }
    }

    /// Lives until the test has what it wants.
    pub fn run(mut self) {
        let mut attempts_at_rest = 0;
        loop {
            match self.connection() {
                Err(End::Done) => return,
                Err(End::Broken(error)) if attempts_at_rest == ATTEMPTS_AT_REST_MAX => {
                    return self.trouble(format!("the archive is not read: {error}"));
                }
                Err(End::Broken(_) | End::Cut) | Ok(()) => thread::sleep(RECONNECT_AFTER),
            }
            if *self.shared.phase.lock().unwrap() == Phase::Archive {
                attempts_at_rest += 1;
            }
        }
    }

    fn connection(&mut self) -> Result<(), End> {
        let Some(address) = *self.shared.door.lock().unwrap() else { return Ok(()) };
        let wire = Wire::connect(address, &self.shared.tls);
        let mut wire = wire.inspect_err(|_| {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        self.log_in(&mut wire)?;
        self.resume_or_bind(&mut wire)?;
        self.talk(&mut wire)
    }

    fn log_in(&self, wire: &mut Wire) -> Result<(), End> {
        let Login { jid, password } = &self.shared.accounts[usize::from(self.account)];
        let user = jid.split('@').next().unwrap();
        match wire.log_in(user, password) {
            Ok(()) => Ok(()),
            Err(Failure::Broken(error)) => Err(error.into()),
            Err(Failure::Refused(answer)) => {
                self.trouble(format!("{jid} cannot log in: {answer:?}"));
                Err(End::Cut)
            }
        }
    }

    fn resume_or_bind(&mut self, wire: &mut Wire) -> Result<(), End> {
        if let Some(id) = &self.resume_id {
            let h = self.handled_h;
            wire.send(&format!("<resume xmlns='{SM}' h='{h}' previd='{id}'/>"))?;
            let answer = wire.answer(|it| ["resumed", "failed"].contains(&&*it.name))?;
            self.settle(&answer);
            if answer.name == "resumed" {
                self.shared.resumed.fetch_add(1, Ordering::Relaxed);
                return self.send_again(wire);
            }
            self.shared.not_resumed.fetch_add(1, Ordering::Relaxed);
        }
        self.bind(wire)
    }

    fn bind(&mut self, wire: &mut Wire) -> Result<(), End> {
        self.resume_id = None;
        wire.send(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>phone</resource></bind></iq>",
        )?;
        let bound = wire.answer(|it| it.name == "iq")?;
        if bound.attribute("type") != Some("result") {
            self.trouble(format!("cannot bind: {bound:?}"));
            return Err(End::Cut);
        }
        wire.send(&format!("<enable xmlns='{SM}' resume='true'/>"))?;
        let enabled = wire.answer(|it| ["enabled", "failed"].contains(&&*it.name))?;
        self.resume_id = enabled.attribute("id").map(str::to_owned);
        if self.resume_id.is_none() {
            self.trouble(format!("cannot be resumed: {enabled:?}"));
        }
        (self.acknowledged_h, self.handled_h) = (0, 0);
        self.stream += 1;
        self.unacknowledged.retain(|sent| matches!(sent, Outgoing::Message(_)));
        self.send_again(wire)?;
        self.unacknowledged.push_back(Outgoing::Other);
        Ok(wire.send("<presence/>")?)
    }

    /// Sends what the server has not acknowledged, under the ids it had.
    fn send_again(&mut self, wire: &mut Wire) -> Result<(), End> {
        for sent in &self.unacknowledged {
            match sent {
                Outgoing::Message(message) => wire.send(&self.stanza(*message))?,
                Outgoing::Other => wire.send("<presence/>")?,
            }
        }
        Ok(wire.send(&format!("<r xmlns='{SM}'/>"))?)
    }

    fn talk(&mut self, wire: &mut Wire) -> Result<(), End> {
        let (mut asked, mut told_h) = (Instant::now(), self.handled_h);
        loop {
            for _ in 0..READ_AT_ONCE {
                let Some(element) = wire.next(PAUSE)? else { break };
                self.handle(wire, &element)?;
            }
            if self.handled_h != told_h {
                told_h = self.handled_h;
                wire.send(&format!("<a xmlns='{SM}' h='{told_h}'/>"))?;
            }
            let phase = *self.shared.phase.lock().unwrap();
            match phase {
                Phase::Load if self.unacknowledged.len() < UNACKNOWLEDGED_MAX => {
                    self.send_one(wire)?;
                    if self.random.below(CUTS) == 0 {
                        return Err(End::Cut);
                    }
                }
                Phase::Load => {}
                Phase::Drain => {
                    *self.is_drained.lock().unwrap() = self.unacknowledged.is_empty();
                }
                Phase::Archive => {
                    self.read_archive(wire)?;
                    return Err(End::Done);
                }
            }
            if !self.unacknowledged.is_empty() && asked.elapsed() > ASK_AFTER {
                wire.send(&format!("<r xmlns='{SM}'/>"))?;
                asked = Instant::now();
            }
        }
    }

    fn send_one(&mut self, wire: &mut Wire) -> io::Result<()> {
        let others = self.numbers.len() as u64 - 1;
        let away = 1 + self.random.below(others) as usize;
        let to = (usize::from(self.account) + away) % self.numbers.len();
        self.numbers[to] += 1;
        let to_account = Account::try_from(to).unwrap();
        let message = Message { from: self.account, to: to_account, number: self.numbers[to] };
        self.shared.ledger.lock().unwrap().sends(message);
        self.unacknowledged.push_back(Outgoing::Message(message));
        wire.send(&self.stanza(message))
    }

    fn stanza(&self, message: Message) -> String {
        let to = &self.shared.accounts[usize::from(message.to)].jid;
        format!(
            "<message to='{to}' type='chat' id='{message}'><body>{message}</body>\
             <origin-id xmlns='urn:xmpp:sid:0' id='{message}'/></message>"
        )
    }

    fn handle(&mut self, wire: &mut Wire, element: &Element) -> Result<(), End> {
        match &*element.name {
            "a" => self.settle(element),
            "r" => wire.send(&format!("<a xmlns='{SM}' h='{}'/>", self.handled_h))?,
            "message" => {
                self.handled_h += 1;
                self.note(element);
            }
            _ => self.handled_h += 1,
        }
        Ok(())
    }

    /// Takes off what an `h` covers: of `<a/>`, `<resumed/>` or `<failed/>`.
    fn settle(&mut self, element: &Element) {
        let Some(h) = element.attribute("h").and_then(|h| h.parse::<u32>().ok()) else { return };
        if element.name == "failed" && h < self.acknowledged_h {
            // A crash may take back the count of presence, which is not stored; what was stored
            // the ledger knows.
            return;
        }
        let newly = h.wrapping_sub(self.acknowledged_h) as usize;
        if newly > self.unacknowledged.len() {
            let known = self.unacknowledged.len();
            return self.trouble(format!("{element:?} acknowledges {newly} of {known} stanzas"));
        }
        self.acknowledged_h = h;
        let mut ledger = self.shared.ledger.lock().unwrap();
        for sent in self.unacknowledged.drain(..newly) {
            if let Outgoing::Message(message) = sent {
                ledger.acknowledged(message);
            }
        }
    }

    fn note(&self, stanza: &Element) {
        if stanza.attribute("type") == Some("error") {
            return self.trouble(format!("an error came back: {stanza:?}"));
        }
        let jid = &self.shared.accounts[usize::from(self.account)].jid;
        let ids = stanza.children.iter().filter(|child| child.name == "stanza-id");
        let id = ids.filter(|id| id.attribute("by") == Some(jid)).find_map(|id| id.attribute("id"));
        match (message_of(stanza), id) {
            (Some(message), Some(id)) => {
                let stored = Stored { stanza_id: id.to_owned(), message };
                self.shared.ledger.lock().unwrap().received(self.account, self.stream, stored);
            }
            _ => self.trouble(format!("no message of this test: {stanza:?}")),
        }
    }

    /// Reads the account's whole archive, page by page (XEP-0313).
    fn read_archive(&mut self, wire: &mut Wire) -> Result<(), End> {
        let (mut archive, mut after) = (Vec::new(), String::new());
        loop {
            wire.send(&format!(
                "<iq type='set' id='page'><query xmlns='urn:xmpp:mam:2'>\
                 <set xmlns='http://jabber.org/protocol/rsm'><max>{ARCHIVE_PAGE}</max>{after}</set>\
                 </query></iq>"
            ))?;
            let fin = self.read_page(wire, &mut archive)?;
            // A server keeps what it sent until that is acknowledged, and no more than it can.
            wire.send(&format!("<a xmlns='{SM}' h='{}'/>", self.handled_h))?;
            let Some(fin) = fin else {
                thread::sleep(ASK_AFTER);
                continue;
            };
            let last = fin.descend(&["set", "last"]).map(|last| last.text.clone());
            match last {
                Some(last) if fin.attribute("complete") != Some("true") => {
                    after = format!("<after>{last}</after>");
                }
                _ => break,
            }
        }
        self.shared.ledger.lock().unwrap().archive(self.account, archive);
        Ok(())
    }

    /// One page; none while the server asks to wait, because much is on its way already.
    fn read_page(
        &mut self,
        wire: &mut Wire,
        archive: &mut Vec<Stored>,
    ) -> Result<Option<Element>, End> {
        loop {
            let silence = || io::Error::from(io::ErrorKind::TimedOut);
            let element = wire.next(ARCHIVE_TIMEOUT)?.ok_or_else(silence)?;
            match &*element.name {
                "a" => continue,
                "r" => {
                    wire.send(&format!("<a xmlns='{SM}' h='{}'/>", self.handled_h))?;
                    continue;
                }
                _ => self.handled_h += 1,
            }
            if let Some(fin) = element.child("fin") {
                return Ok(Some(fin.clone()));
            }
            if element.attribute("id") == Some("page") && element.name == "iq" {
                let error = element.child("error").and_then(|error| error.attribute("type"));
                if error == Some("wait") {
                    return Ok(None);
                }
                self.trouble(format!("the archive is not read: {element:?}"));
                return Err(End::Done);
            }
            let Some(result) = element.child("result") else { continue };
            let message = result.descend(&["forwarded", "message"]).and_then(message_of);
            match (result.attribute("id"), message) {
                (Some(id), Some(message)) => {
                    archive.push(Stored { stanza_id: id.to_owned(), message });
                }
                _ => self.trouble(format!("no message of this test: {element:?}")),
            }
        }
    }

    fn trouble(&self, what: String) {
        self.shared.troubles.lock().unwrap().push(what);
    }
}

/// The message that a stanza bears, in its body and its origin-id alike.
fn message_of(stanza: &Element) -> Option<Message> {
    let origin = stanza.child("origin-id")?.attribute("id")?;
    let body = &stanza.child("body")?.text;
    (origin == body).then(|| origin.parse().ok()).flatten()
}
