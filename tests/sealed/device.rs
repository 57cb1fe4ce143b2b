//! A device on openmls: it follows the logs of its rooms, sends again what a dead server may not
//! have taken, and comes back by an external commit where it is no member any more.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use mls_client::stanza::{self, NS};
use mls_client::{Changes, Commit, Received};
use rustls::ClientConfig;

use crate::link::Link;
use crate::place::{Letter, Pending, Place};
use crate::xml::Element;

/// How an account logs in.
#[derive(Clone, Debug)]
pub struct Login {
    pub jid: String,
    pub password: String,
}

/// What became of a commit.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    Refused(String),
}

pub struct Device {
    login: Login,
    id: String,
    pub mls: mls_client::Device,
    link: Option<Link>,
    places: BTreeMap<String, Place>,
    marks: u64,
}

/// Others are first with their commits at most so often.
const TRIES_MAX: usize = 8;
const CONNECTS_MAX: u32 = 50;
const CONNECT_AFTER: Duration = Duration::from_millis(100);

impl Device {
    pub fn new(login: Login, number: usize) -> Self {
        let id = format!("d4565fa7-4d72-4749-b3d3-{number:012x}");
        let account = login.jid.split('@').next().unwrap();
        let mls = mls_client::Device::new(account, &id).unwrap();
        Self { login, id, mls, link: None, places: BTreeMap::new(), marks: 0 }
    }

    /// The account's bare JID.
    pub fn jid(&self) -> &str {
        &self.login.jid
    }

    pub fn is_online(&self) -> bool {
        self.link.is_some()
    }

    pub fn place(&mut self, room: &str) -> &mut Place {
        self.places.entry(room.to_owned()).or_default()
    }

    /// Whether it is in the room's group and can follow it.
    pub fn is_in(&self, room: &str) -> bool {
        let is_lost = self.places.get(room).is_some_and(|place| place.is_lost);
        !is_lost && self.mls.epoch(room.as_bytes()).is_some()
    }

    /// Logs in, follows all that it missed, and sends what was not taken.
    pub fn come(&mut self, door: SocketAddr, tls: &Arc<ClientConfig>) {
        let mut attempts = 0;
        loop {
            match Link::open(door, tls, &self.login, &self.id) {
                Ok(link) => break self.link = Some(link),
                Err(error) if attempts == CONNECTS_MAX => panic!("{}: {error}", self.id),
                Err(_) => std::thread::sleep(CONNECT_AFTER),
            }
            attempts += 1;
        }
        self.follow().unwrap();
        let rooms: Vec<String> = self.places.keys().cloned().collect();
        for room in rooms {
            self.settle(&room);
            self.flush(&room).unwrap();
        }
    }

    /// Loses its connection.
    pub fn go(&mut self) {
        self.link = None;
    }

    fn link(&mut self) -> io::Result<&mut Link> {
        self.link.as_mut().ok_or(io::ErrorKind::NotConnected.into())
    }

    /// A request; its answer.
    pub fn ask(&mut self, kind: &str, to: &str, payload: &str) -> io::Result<Element> {
        self.link()?.ask(kind, to, payload)
    }

    /// Puts key packages and a last resort into stock.
    pub fn stock(&mut self, count: usize) {
        let package = |is_last_resort| self.mls.key_package(is_last_resort).unwrap();
        let packages: Vec<_> = (0..count).map(|_| package(false)).chain([package(true)]).collect();
        let answer = self.ask("set", "", &stanza::stock(&packages)).unwrap();
        assert_eq!(answer.attribute("type"), Some("result"), "{answer:?}");
    }

    /// Key packages of the devices of these accounts.
    pub fn claim(&mut self, jids: &[&str]) -> Vec<Vec<u8>> {
        let answer = self.ask("set", "localhost", &stanza::claim(jids)).unwrap();
        let claimed = answer.child("claimed").unwrap_or_else(|| panic!("{answer:?}"));
        claimed.children.iter().map(decoded).collect()
    }

    /// Waits until all that the server has for it has come: a message to itself is behind it.
    pub fn follow(&mut self) -> io::Result<()> {
        self.marks += 1;
        let (mark, jid) = (format!("mark {} {}", self.id, self.marks), self.login.jid.clone());
        let body = format!("<body>{mark}</body>");
        self.link()?
            .send(&format!("<message type='chat' to='{jid}' id='{mark}'>{body}</message>"))?;
        loop {
            let element = self.link()?.next()?;
            if element.attribute("id") == Some(&mark) {
                assert_ne!(element.attribute("type"), Some("error"), "{element:?}");
                return Ok(());
            }
            self.take(&element)?;
        }
    }

    /// Makes a commit and sends it; [`Self::outcome`] follows, or the end of the connection.
    pub fn send_commit(
        &mut self,
        room: &str,
        changes: &Changes,
        add: &[&str],
        remove: &[&str],
    ) -> io::Result<()> {
        let commit = self.mls.commit(room.as_bytes(), changes).unwrap();
        let payload = stanza::commit(&commit, add, remove);
        self.bring(room, Pending::Change(commit), &payload)
    }

    fn bring(&mut self, room: &str, pending: Pending, payload: &str) -> io::Result<()> {
        self.place(room).pending = Some(pending);
        let request = self.link()?.request("set", room, payload)?;
        self.place(room).request = request;
        Ok(())
    }

    /// What the server says to the commit.
    pub fn outcome(&mut self, room: &str) -> io::Result<Outcome> {
        let request = self.place(room).request.clone();
        let answer = self.link()?.answer(&request)?;
        self.follow()?;
        let outcome = match answer.child("error") {
            Some(error) => Outcome::Refused(reason(error)),
            None => Outcome::Taken,
        };
        let is_pending = self.place(room).pending.is_some();
        // What is taken stands in the log, with the answer or before it.
        assert_eq!(is_pending, outcome != Outcome::Taken, "{outcome:?}");
        self.settle(room);
        Ok(outcome)
    }

    /// Commits, behind others if they are first.
    pub fn commit(
        &mut self,
        room: &str,
        changes: &Changes,
        add: &[&str],
        remove: &[&str],
    ) -> io::Result<Outcome> {
        for _ in 0..TRIES_MAX {
            self.send_commit(room, changes, add, remove)?;
            match self.outcome(room)? {
                Outcome::Refused(reason) if reason == "other-epoch" => {}
                outcome => return Ok(outcome),
            }
        }
        panic!("others are always first");
    }

    /// Founds the conversation with another account; the answer is [`Link::answer`]'s.
    pub fn send_direct(&mut self, room: &str, with: &str) -> String {
        let info = self.mls.create(room.as_bytes()).unwrap();
        self.link().unwrap().request("set", room, &stanza::direct(with, &info)).unwrap()
    }

    /// Founds a room's group.
    pub fn found(&mut self, room: &str) {
        let info = self.mls.create(room.as_bytes()).unwrap();
        let answer = self.ask("set", room, &stanza::found(&info)).unwrap();
        assert_eq!(answer.attribute("type"), Some("result"), "{answer:?}");
    }

    /// What the server said to [`Self::send_direct`]: `None` if it has founded, else the reason.
    pub fn founded(&mut self, room: &str, request: &str) -> Option<String> {
        let answer = self.link().unwrap().answer(request).unwrap();
        let refused = answer.child("error").map(reason);
        if refused.is_some() {
            self.mls.forget(room.as_bytes()).unwrap();
        }
        refused
    }

    /// Joins by an external commit.
    pub fn join(&mut self, room: &str) -> io::Result<Outcome> {
        for _ in 0..TRIES_MAX {
            let answer = self.ask("get", room, &stanza::group(None))?;
            if let Some(error) = answer.child("error") {
                return Ok(Outcome::Refused(reason(error)));
            }
            let part = |name| decoded(answer.descend(&["group", name]).unwrap());
            let (info, tree) = (part("group-info"), part("tree"));
            let commit = self.mls.join_externally(&info, &tree).unwrap();
            self.place(room).begin_anew();
            let payload = stanza::commit(&commit, &[], &[]);
            self.bring(room, Pending::Joining(commit), &payload)?;
            match self.outcome(room)? {
                Outcome::Refused(reason) if reason == "other-epoch" => {}
                outcome => return Ok(outcome),
            }
        }
        panic!("others are always first");
    }

    /// Encrypts a text and sends it; whether it is taken is seen later.
    pub fn post(&mut self, room: &str, text: &str) {
        self.marks += 1;
        let id = format!("{} {}", self.id, self.marks);
        let stanza = self.sealed(room, &id, text);
        // A server that is gone takes it when it is back.
        drop(self.link().and_then(|link| link.send(&stanza)));
        let letter = Letter { id, text: text.to_owned(), stanza, refused: None };
        self.place(room).outbox.push(letter);
    }

    fn sealed(&mut self, room: &str, id: &str, text: &str) -> String {
        let sealed = self.mls.send(room.as_bytes(), text.as_bytes()).unwrap();
        format!(
            "<message type='groupchat' to='{room}' id='{id}'>{}\
             <origin-id xmlns='urn:xmpp:sid:0' id='{id}'/></message>",
            stanza::message(&sealed)
        )
    }

    /// Sends what the log has not shown, until it has: as it was, or, where its epoch is too long
    /// ago, encrypted anew.
    pub fn flush(&mut self, room: &str) -> io::Result<()> {
        for _ in 0..TRIES_MAX {
            let is_in = self.is_in(room);
            let mut outbox = std::mem::take(&mut self.place(room).outbox);
            if !is_in || outbox.is_empty() {
                return Ok(());
            }
            for letter in &mut outbox {
                if let Some(reason) = letter.refused.take() {
                    assert_eq!(reason, "other-epoch", "{}", letter.text);
                    letter.stanza = self.sealed(room, &letter.id, &letter.text);
                }
                self.link()?.send(&letter.stanza)?;
            }
            self.place(room).outbox = outbox;
            self.follow()?;
        }
        panic!("messages are never taken");
    }

    /// What was neither taken nor refused is undone.
    fn settle(&mut self, room: &str) {
        match self.place(room).pending.take() {
            Some(Pending::Change(_)) => self.mls.refused(room.as_bytes()).unwrap(),
            Some(Pending::Joining(_)) => self.mls.forget(room.as_bytes()).unwrap(),
            None => {}
        }
    }

    fn take(&mut self, got: &Element) -> io::Result<()> {
        let from = got.attribute("from").unwrap_or_default();
        let room = from.split('/').next().unwrap_or_default().to_owned();
        if got.name != "message" || !room.contains("@groups.") {
            return Ok(());
        }
        if let Some(error) = got.child("error") {
            let letter = self.letter(&room, got.attribute("id").unwrap_or_default());
            letter.unwrap_or_else(|| panic!("{got:?}")).refused = Some(reason(error));
        } else if let Some(commit) = got.child("commit") {
            self.take_commit(&room, commit)?;
        } else if let Some(sealed) = got.child("message") {
            self.take_sealed(&room, got.attribute("id").unwrap_or_default(), sealed);
        }
        Ok(())
    }

    fn letter(&mut self, room: &str, id: &str) -> Option<&mut Letter> {
        self.place(room).outbox.iter_mut().find(|letter| letter.id == id)
    }

    fn take_sealed(&mut self, room: &str, id: &str, sealed: &Element) {
        let outbox = &mut self.place(room).outbox;
        if let Some(own) = outbox.iter().position(|letter| letter.id == id) {
            let text = outbox.remove(own).text;
            self.place(room).read.push(text);
        } else if self.is_in(room) {
            // What comes again, or is from before the own time, cannot be read.
            let received = self.mls.receive(room.as_bytes(), &decoded(sealed));
            if let Ok(Received::Message { text, .. }) = received {
                self.place(room).read.push(String::from_utf8(text).unwrap());
            }
        }
    }

    fn take_commit(&mut self, room: &str, commit: &Element) -> io::Result<()> {
        let handshake = decoded(commit.child("handshake").unwrap());
        let is_own = |own: &Commit| own.message == handshake;
        match self.place(room).pending.take() {
            Some(Pending::Change(own)) if is_own(&own) => {
                self.mls.accepted(room.as_bytes()).unwrap();
                return Ok(());
            }
            Some(Pending::Joining(own)) if is_own(&own) => return Ok(()),
            other => self.place(room).pending = other,
        }
        let epoch: u64 = commit.attribute("epoch").unwrap().parse().unwrap();
        match self.mls.epoch(room.as_bytes()) {
            // It comes again, or the device has joined later.
            Some(own) if own >= epoch => Ok(()),
            Some(_) => {
                let followed = self.mls.receive(room.as_bytes(), &handshake);
                self.place(room).is_lost |= followed.is_err();
                Ok(())
            }
            None => self.take_welcome(room, commit, epoch),
        }
    }

    fn take_welcome(&mut self, room: &str, commit: &Element, epoch: u64) -> io::Result<()> {
        let Some(welcome) = commit.child("welcome") else { return Ok(()) };
        let answer = self.ask("get", room, &stanza::group(Some(epoch)))?;
        // Who was removed meanwhile gets no tree.
        let Some(tree) = answer.descend(&["group", "tree"]) else { return Ok(()) };
        // It is for this device, or for others.
        if self.mls.join(&decoded(welcome), &decoded(tree)).is_ok() {
            self.place(room).is_lost = false;
        }
        Ok(())
    }
}

/// Why something was refused: the application's condition, or the stanza error's.
fn reason(error: &Element) -> String {
    let named = error.children.iter().find(|child| child.attribute("xmlns") == Some(NS));
    named.unwrap_or_else(|| &error.children[0]).name.clone()
}

fn decoded(element: &Element) -> Vec<u8> {
    BASE64.decode(element.text.as_bytes()).unwrap()
}
