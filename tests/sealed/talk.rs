//! The server, its accounts' devices, and two rooms: an encrypted group of the first account, and
//! the conversation of the first two.

use std::collections::BTreeSet;
use std::sync::Arc;

use mls_client::{Changes, stanza};
use rustls::ClientConfig;
use rustls::version::TLS13;

use crate::device::{Device, Login, Outcome};
use crate::house::House;
use crate::tls;

/// The group's name, which the server knows.
pub const NAME: &str = "Winterberry and Oakenfold";
const GROUPS: &str = "groups.localhost";
const GROUPS_NS: &str = "urn:whimbrel:groups:0";
/// Accounts with a phone each; so many of them are in the group first.
const ACCOUNTS: usize = 5;
const FIRST_MEMBERS: usize = 3;
/// Key packages that a device puts into stock.
const STOCK: usize = 6;

pub struct Talk {
    pub devices: Vec<Device>,
    pub group: String,
    pub direct: String,
    tls: Arc<ClientConfig>,
    logins: Vec<Login>,
    // Goes last, behind those who are connected.
    pub house: House,
}

impl Talk {
    pub fn begin() -> Self {
        let house = House::on_a_disk();
        let tls = tls::client(&house.certificate(), &TLS13, &[]);
        let logins = house.accounts()[..ACCOUNTS].to_vec();
        let [group, direct] = [String::new(), String::new()];
        let mut talk = Self { devices: Vec::new(), group, direct, tls, logins, house };
        for account in 0..ACCOUNTS {
            talk.new_device(account);
        }
        talk.begin_group();
        talk.begin_direct();
        talk
    }

    fn new_device(&mut self, account: usize) -> usize {
        let at = self.devices.len();
        self.devices.push(Device::new(self.logins[account].clone(), at));
        self.come(at);
        self.devices[at].stock(STOCK);
        at
    }

    fn begin_group(&mut self) {
        let create =
            format!("<create xmlns='{GROUPS_NS}' kind='encrypted'><name>{NAME}</name></create>");
        let answer = self.devices[0].ask("set", GROUPS, &create).unwrap();
        let group = answer.child("group").and_then(|group| group.attribute("jid"));
        self.group = group.unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        self.devices[0].found(&self.group);
        let first: Vec<String> =
            (1..FIRST_MEMBERS).map(|at| self.devices[at].jid().to_owned()).collect();
        self.add(&first);
        self.agree(&self.group.clone());
    }

    /// Both found their conversation at once: one is first, the other joins.
    fn begin_direct(&mut self) {
        let id = |at: usize| self.devices[at].jid().split('@').next().unwrap().to_owned();
        let local = stanza::direct_address("localhost", &id(0), &id(1));
        let room = format!("{local}@{GROUPS}");
        let jids = [0, 1].map(|at| self.devices[at].jid().to_owned());
        let requests = [0, 1].map(|at| self.devices[at].send_direct(&room, &jids[1 - at]));
        let refused = [0, 1].map(|at| self.devices[at].founded(&room, &requests[at]));
        let second = match refused.each_ref().map(Option::as_deref) {
            [None, Some("other-epoch")] => 1,
            [Some("other-epoch"), None] => 0,
            other => panic!("{other:?}"),
        };
        assert_eq!(self.devices[second].join(&room).unwrap(), Outcome::Taken);
        self.direct = room;
        self.agree(&self.direct.clone());
    }

    pub fn rooms(&self) -> [String; 2] {
        [self.group.clone(), self.direct.clone()]
    }

    pub fn come(&mut self, at: usize) {
        self.devices[at].come(self.house.door(), &self.tls);
    }

    /// JIDs of the group's accounts, the owner's first.
    pub fn members(&mut self) -> Vec<String> {
        let mut members = Vec::new();
        for leaf in self.devices[0].mls.members(self.group.as_bytes()) {
            let jid = format!("{}@localhost", leaf.split('/').next().unwrap());
            if !members.contains(&jid) {
                members.push(jid);
            }
        }
        let owner = members.iter().position(|jid| jid == self.devices[0].jid());
        members.swap(0, owner.expect("the owner stays"));
        members
    }

    /// JIDs of accounts that are not in the group.
    pub fn strangers(&mut self) -> Vec<String> {
        let members = self.members();
        let all = self.logins.iter().map(|login| login.jid.clone());
        all.filter(|jid| !members.contains(jid)).collect()
    }

    /// The owner adds accounts with all their devices, by one commit.
    pub fn add(&mut self, jids: &[String]) {
        let room = self.group.clone();
        let jids: Vec<&str> = jids.iter().map(String::as_str).collect();
        self.devices[0].follow().unwrap();
        let add = self.devices[0].claim(&jids);
        assert!(add.len() >= jids.len(), "{} packages of {jids:?}", add.len());
        let changes = Changes { add, remove: Vec::new() };
        let outcome = self.devices[0].commit(&room, &changes, &jids, &[]);
        assert_eq!(outcome.unwrap(), Outcome::Taken);
        self.follow();
    }

    /// The owner removes an account with all its devices.
    pub fn remove(&mut self, jid: &str) {
        let room = self.group.clone();
        self.devices[0].follow().unwrap();
        let mut remove = self.devices[0].mls.members(room.as_bytes());
        remove.retain(|leaf| leaf.split('/').next() == jid.split('@').next());
        let changes = Changes { add: Vec::new(), remove };
        let outcome = self.devices[0].commit(&room, &changes, &[], &[jid]);
        assert_eq!(outcome.unwrap(), Outcome::Taken);
        // A device that was away gets no tree any more for the Welcome that it missed.
        for device in self.devices.iter_mut().filter(|device| device.jid() == jid) {
            device.place(&room).expected.clear();
        }
        self.follow();
    }

    /// A new device of a member joins from outside.
    pub fn further_device(&mut self, jid: &str) {
        let account = self.logins.iter().position(|login| login.jid == jid).unwrap();
        let at = self.new_device(account);
        for room in self.rooms() {
            if self.belongs(at, &room) {
                assert_eq!(self.devices[at].join(&room).unwrap(), Outcome::Taken);
            }
        }
        self.follow();
    }

    fn belongs(&mut self, at: usize, room: &str) -> bool {
        let jid = self.devices[at].jid().to_owned();
        match room == self.group {
            true => self.members().contains(&jid),
            false => self.logins[..2].iter().any(|login| login.jid == jid),
        }
    }

    /// Two commit in one epoch. One is taken; the other learns of it, and is taken then.
    pub fn commit_at_once(&mut self, one: usize, other: usize) {
        let room = self.group.clone();
        for by in [one, other] {
            self.devices[by].send_commit(&room, &Changes::default(), &[], &[]).unwrap();
        }
        let outcomes = [one, other].map(|by| self.devices[by].outcome(&room).unwrap());
        let late = Outcome::Refused("other-epoch".to_owned());
        let second = match outcomes.each_ref().map(|outcome| *outcome == late) {
            [false, true] if outcomes[0] == Outcome::Taken => other,
            [true, false] if outcomes[1] == Outcome::Taken => one,
            _ => panic!("{outcomes:?}"),
        };
        self.update(second, &room);
    }

    /// A device changes its keys.
    pub fn update(&mut self, by: usize, room: &str) {
        let outcome = self.devices[by].commit(room, &Changes::default(), &[], &[]);
        assert_eq!(outcome.unwrap(), Outcome::Taken);
        self.follow();
    }

    /// A device writes, and sees it in the log. Gives what was sealed, as it stands there.
    pub fn write(&mut self, by: usize, room: &str, text: &str) -> String {
        self.post(by, room, text);
        let letter = self.devices[by].place(room).outbox.last().unwrap();
        let sealed = letter.stanza.split("urn:whimbrel:mls:0'>").nth(1).unwrap();
        let sealed = sealed.split('<').next().unwrap().to_owned();
        self.devices[by].follow().unwrap();
        self.devices[by].flush(room).unwrap();
        sealed
    }

    /// The same where it may not arrive before the server dies.
    pub fn post(&mut self, by: usize, room: &str, text: &str) {
        self.devices[by].follow().unwrap();
        let leaves = self.devices[by].mls.members(room.as_bytes());
        for device in &mut self.devices {
            if leaves.iter().any(|leaf| leaf == device.mls.identity()) {
                device.place(room).expected.push(text.to_owned());
            }
        }
        self.devices[by].post(room, text);
    }

    /// The server dies and is started; who was there comes back.
    pub fn kill(&mut self) {
        self.house.kill();
        self.house.start();
        self.come_back();
    }

    /// A new process takes over.
    pub fn hand_over(&mut self) {
        self.house.hand_over();
        self.come_back();
    }

    fn come_back(&mut self) {
        for at in 0..self.devices.len() {
            if self.devices[at].is_online() {
                self.devices[at].go();
                self.come(at);
            }
        }
        self.follow();
    }

    /// All who are there follow the logs to their end.
    pub fn follow(&mut self) {
        for device in self.devices.iter_mut().filter(|device| device.is_online()) {
            device.follow().unwrap();
        }
    }

    /// Whose account is a member and who is not in the group joins from outside.
    pub fn bring_back(&mut self) {
        self.follow();
        for room in self.rooms() {
            for at in 0..self.devices.len() {
                if self.belongs(at, &room) && !self.devices[at].is_in(&room) {
                    assert_eq!(self.devices[at].join(&room).unwrap(), Outcome::Taken);
                }
            }
        }
        self.follow();
    }

    pub fn devices_in(&self, room: &str) -> Vec<usize> {
        (0..self.devices.len()).filter(|at| self.devices[*at].is_in(room)).collect()
    }

    /// All who are in the room's group have the same epoch, secrets and members; nobody else is a
    /// member.
    pub fn agree(&mut self, room: &str) {
        self.follow();
        let id = room.as_bytes();
        let members: Vec<&Device> =
            self.devices_in(room).into_iter().map(|at| &self.devices[at]).collect();
        let first = members.first().expect("a member");
        for member in &members {
            let name = member.mls.identity();
            assert_eq!(member.mls.epoch(id), first.mls.epoch(id), "{name}");
            let secret = |device: &Device| device.mls.exporter(id, "test").unwrap();
            assert_eq!(secret(member), secret(first), "{name}");
            assert_eq!(member.mls.members(id), first.mls.members(id), "{name}");
        }
        let names: BTreeSet<&str> = members.iter().map(|member| member.mls.identity()).collect();
        let leaves = first.mls.members(id);
        assert_eq!(leaves.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
    }

    /// Whoever was in a group read all that was written, once.
    pub fn check_texts(&mut self) {
        for room in self.rooms() {
            for at in self.devices_in(&room) {
                let name = self.devices[at].mls.identity().to_owned();
                let place = self.devices[at].place(&room);
                let read: BTreeSet<&String> = place.read.iter().collect();
                assert_eq!(read.len(), place.read.len(), "{name} read twice: {:?}", place.read);
                for text in &place.expected {
                    assert!(read.contains(text), "{name} has not read {text:?}: {:?}", place.read);
                }
            }
        }
    }

    /// Who is not in the group is not let in.
    pub fn check_strangers(&mut self) {
        let room = self.group.clone();
        for at in 0..self.devices.len() {
            if !self.belongs(at, &room) {
                assert!(!self.devices[at].is_in(&room), "{}", self.devices[at].mls.identity());
                let refused = Outcome::Refused("registration-required".to_owned());
                assert_eq!(self.devices[at].join(&room).unwrap(), refused);
            }
        }
    }

    /// What no server must have.
    pub fn secrets(&self) -> BTreeSet<Vec<u8>> {
        let mut secrets: BTreeSet<_> =
            self.devices.iter().flat_map(|device| device.mls.secrets().unwrap()).collect();
        for room in self.rooms() {
            for at in self.devices_in(&room) {
                secrets.insert(self.devices[at].mls.exporter(room.as_bytes(), "test").unwrap());
            }
        }
        secrets
    }
}
