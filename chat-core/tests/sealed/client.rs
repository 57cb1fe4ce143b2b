//! A client with a device of openmls: it follows the room's log, and comes back by an external
//! commit where it cannot.

use chat_core::mls::NS;
use chat_core::xml::Element;
use data_encoding::BASE64;
use mls_client::{Changes, Commit, Device, Received};

use crate::world::World;

/// What the client waits for.
enum Pending {
    Change(Commit),
    /// The device counts as a member already, and must not if the commit is not taken.
    Joining(Commit),
}

pub struct Client {
    /// `alice/phone`
    pub name: String,
    pub device: Device,
    pub is_online: bool,
    /// Texts that it has read.
    pub read: Vec<String>,
    pending: Option<Pending>,
    /// It met a commit of the log that it could not follow.
    is_lost: bool,
}

impl Client {
    pub fn new(world: &mut World, name: &str) -> Client {
        let (account, id) = name.split_once('/').unwrap();
        let device = Device::new(&world.id(account).to_string(), id).unwrap();
        let mut client = Client {
            name: name.to_owned(),
            device,
            is_online: false,
            read: Vec::new(),
            pending: None,
            is_lost: false,
        };
        client.come(world);
        client.stock(world, 5);
        client
    }

    /// Logs in, as a device that takes rooms' messages.
    pub fn come(&mut self, world: &mut World) {
        world.come_as_device_to_groups(&self.name);
        self.is_online = true;
    }

    pub fn go(&mut self, world: &mut World) {
        if self.is_online {
            world.disconnect(&self.name, true);
        }
        self.is_online = false;
    }

    /// Puts key packages and a last resort into stock.
    pub fn stock(&mut self, world: &mut World, count: usize) {
        let package = |is_last_resort| {
            let bytes = self.device.key_package(is_last_resort).unwrap();
            format!("<key-package>{}</key-package>", BASE64.encode(&bytes))
        };
        let packages: String = (0..count).map(|_| package(false)).chain([package(true)]).collect();
        let iq = format!(
            "<iq type='set' id='stock'><key-packages xmlns='{NS}'>{packages}</key-packages></iq>"
        );
        self.ask(world, None, &iq, "stock");
    }

    /// Key packages of the devices of these accounts.
    pub fn claim(&mut self, world: &mut World, accounts: &[&str]) -> Vec<Vec<u8>> {
        let account = |name: &&str| format!("<account jid='{{{name}}}'/>");
        let accounts: String = accounts.iter().map(account).collect();
        let iq = format!(
            "<iq type='set' id='claim' to='example.org'><claim xmlns='{NS}'>{accounts}</claim></iq>"
        );
        let answer = self.ask(world, None, &iq, "claim").expect("an answer");
        let claimed = answer.child("claimed", NS).expect("key packages");
        claimed.children_named("key-package", NS).map(decoded).collect()
    }

    /// Founds the room's group.
    pub fn found(&mut self, world: &mut World, room: &str) -> Element {
        let info = BASE64.encode(&self.device.create(room.as_bytes()).unwrap());
        let iq = format!(
            "<iq type='set' id='found' to='{room}'><found xmlns='{NS}'>{info}</found></iq>"
        );
        self.ask(world, Some(room), &iq, "found").expect("an answer")
    }

    /// Founds the conversation with another account.
    pub fn found_direct(&mut self, world: &mut World, room: &str, with: &str) -> Option<Element> {
        let info = BASE64.encode(&self.device.create(room.as_bytes()).unwrap());
        let iq = format!(
            "<iq type='set' id='direct' to='{room}'>\
             <direct xmlns='{NS}' with='{{{with}}}'>{info}</direct></iq>"
        );
        self.ask(world, Some(room), &iq, "direct")
    }

    /// Commits; says whether it was taken. `also` names who comes and goes.
    pub fn commit(
        &mut self,
        world: &mut World,
        room: &str,
        changes: &Changes,
        also: &str,
    ) -> Option<Element> {
        let commit = self.device.commit(room.as_bytes(), changes).unwrap();
        self.pending = Some(Pending::Change(commit.clone()));
        let answer = self.send_commit(world, room, &commit, also);
        self.settle(room);
        answer
    }

    /// Joins by an external commit.
    pub fn join(&mut self, world: &mut World, room: &str) -> Option<Element> {
        let iq = format!("<iq type='get' id='group' to='{room}'><group xmlns='{NS}'/></iq>");
        let answer = self.ask(world, Some(room), &iq, "group")?;
        let group = answer.child("group", NS).filter(|_| is_result(&answer))?;
        let part = |name| decoded(group.child(name, NS).unwrap());
        let commit = self.device.join_externally(&part("group-info"), &part("tree")).unwrap();
        self.is_lost = false;
        self.pending = Some(Pending::Joining(commit.clone()));
        let answer = self.send_commit(world, room, &commit, "");
        self.settle(room);
        answer
    }

    /// What was neither taken nor told is undone.
    fn settle(&mut self, room: &str) {
        match self.pending.take() {
            Some(Pending::Change(_)) => self.device.refused(room.as_bytes()).unwrap(),
            Some(Pending::Joining(_)) => self.device.forget(room.as_bytes()).unwrap(),
            None => {}
        }
    }

    fn send_commit(
        &mut self,
        world: &mut World,
        room: &str,
        commit: &Commit,
        also: &str,
    ) -> Option<Element> {
        self.ask(world, Some(room), &commit_iq(room, commit, also), "commit")
    }

    /// Writes to the room.
    pub fn write(&mut self, world: &mut World, room: &str, text: &str) {
        let sealed = BASE64.encode(&self.device.send(room.as_bytes(), text.as_bytes()).unwrap());
        let message = format!(
            "<message type='groupchat' to='{room}' id='{text}'>\
             <message xmlns='{NS}'>{sealed}</message><store xmlns='urn:xmpp:hints'/></message>"
        );
        world.send(&self.name, &message);
        self.read.push(text.to_owned());
    }

    /// Sends an IQ and follows the log until its answer comes.
    pub fn ask(
        &mut self,
        world: &mut World,
        room: Option<&str>,
        iq: &str,
        id: &str,
    ) -> Option<Element> {
        world.send(&self.name, iq);
        let mut answer = None;
        while let Some(got) = world.receive(&self.name) {
            if got.name() == "iq" && got.attr("id") == Some(id) {
                answer = Some(got);
            } else if let Some(room) = room {
                self.take(world, room, &got);
            }
        }
        answer
    }

    /// Follows the log.
    pub fn follow(&mut self, world: &mut World, room: &str) {
        while let Some(got) = world.receive(&self.name) {
            self.take(world, room, &got);
        }
    }

    /// A member of the room's group that can follow it.
    pub fn is_member(&self, room: &str) -> bool {
        !self.is_lost && self.device.epoch(room.as_bytes()).is_some()
    }

    fn take(&mut self, world: &mut World, room: &str, got: &Element) {
        if let Some(commit) = got.child("commit", NS) {
            self.take_commit(world, room, commit);
        } else if let Some(sealed) = got.child("message", NS).filter(|_| self.is_member(room)) {
            // One's own come back, and nobody reads what was written before the own time.
            if let Ok(Received::Message { text, .. }) =
                self.device.receive(room.as_bytes(), &decoded(sealed))
            {
                self.read.push(String::from_utf8(text).unwrap());
            }
        }
    }

    fn take_commit(&mut self, world: &mut World, room: &str, commit: &Element) {
        let handshake = decoded(commit.child("handshake", NS).unwrap());
        match self.pending.take() {
            Some(Pending::Change(own)) if own.message == handshake => {
                return self.device.accepted(room.as_bytes()).unwrap();
            }
            Some(Pending::Joining(own)) if own.message == handshake => return,
            other => self.pending = other,
        }
        let epoch: u64 = commit.attr("epoch").unwrap().parse().unwrap();
        let own = self.device.epoch(room.as_bytes());
        match own {
            // It has joined later, from outside.
            Some(own) if own >= epoch => {}
            Some(_) => {
                let followed = self.device.receive(room.as_bytes(), &handshake);
                self.is_lost |= followed.is_err();
            }
            None => self.take_welcome(world, room, commit, epoch),
        }
    }

    fn take_welcome(&mut self, world: &mut World, room: &str, commit: &Element, epoch: u64) {
        let Some(welcome) = commit.child("welcome", NS) else { return };
        let iq = format!(
            "<iq type='get' id='tree' to='{room}'><group xmlns='{NS}' epoch='{epoch}'/></iq>"
        );
        world.send(&self.name, &iq);
        let mut later = Vec::new();
        while let Some(got) = world.receive(&self.name) {
            if got.attr("id") != Some("tree") {
                later.push(got);
                continue;
            }
            if let Some(group) = got.child("group", NS).filter(|_| is_result(&got)) {
                let tree = decoded(group.child("tree", NS).unwrap());
                // It is for this device, or for another of the account.
                drop(self.device.join(&decoded(welcome), &tree));
            }
        }
        for got in later {
            self.take(world, room, &got);
        }
    }
}

pub fn commit_iq(room: &str, commit: &Commit, also: &str) -> String {
    let part = |name, bytes: &[u8]| format!("<{name}>{}</{name}>", BASE64.encode(bytes));
    let welcome = commit.welcome.as_ref().map(|bytes| part("welcome", bytes)).unwrap_or_default();
    format!(
        "<iq type='set' id='commit' to='{room}'><commit xmlns='{NS}'>{}{welcome}{}{also}</commit></iq>",
        part("handshake", &commit.message),
        part("group-info", &commit.group_info),
    )
}

pub fn is_result(answer: &Element) -> bool {
    answer.attr("type") == Some("result")
}

fn decoded(element: &Element) -> Vec<u8> {
    BASE64.decode(element.text().as_bytes()).unwrap()
}
