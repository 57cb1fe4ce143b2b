//! Encrypted conversations (docs/protocol/mls.md) of devices on openmls, over XMPP, with a server
//! that is killed and replaced; and what that server must never have held.
//!
//! `WHIMBREL_SEED` repeats a run's choices, `WHIMBREL_STEPS` sets how many there are (40).

#![cfg(target_os = "linux")]

mod process;

#[path = "sealed/device.rs"]
mod device;
#[path = "chat_crash/house.rs"]
mod house;
#[path = "sealed/link.rs"]
mod link;
#[path = "sealed/place.rs"]
mod place;
#[path = "chat/prosody.rs"]
mod prosody;
#[path = "chat/server.rs"]
mod server;
#[path = "sealed/talk.rs"]
mod talk;
#[path = "support/tls.rs"]
mod tls;
#[path = "sealed/traces.rs"]
mod traces;
#[path = "chat/wire.rs"]
mod wire;
#[path = "chat/xml.rs"]
mod xml;

use faulty_fs::Random;
use mls_client::Changes;
use talk::Talk;
use traces::Search;

const STEPS: u64 = 40;

#[test]
fn conversations_outlive_kills_and_hand_overs() {
    if server::is_prosody() {
        return eprintln!("skipped: Prosody lacks encrypted conversations");
    }
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let seed = number("WHIMBREL_SEED").unwrap_or_else(Random::seed);
    let steps = number("WHIMBREL_STEPS").unwrap_or(STEPS);
    eprintln!("{steps} steps, WHIMBREL_SEED={seed}");
    let mut run = Run { talk: Talk::begin(), random: Random::new(seed), written: 0 };
    for step in 0..steps {
        // The server dies now and then whatever is drawn.
        match step % 10 {
            4 => run.kill(),
            9 => run.talk.hand_over(),
            _ => run.step(),
        }
    }
    run.end();
}

struct Run {
    talk: Talk,
    random: Random,
    written: u64,
}

impl Run {
    fn below(&mut self, end: usize) -> usize {
        self.random.below(end as u64) as usize
    }

    fn step(&mut self) {
        match self.below(8) {
            0..2 => self.write(),
            2 => self.at_once(),
            3 => self.add(),
            4 => self.remove(),
            5 | 6 => self.come_or_go(),
            _ => self.further_device(),
        }
    }

    /// A device that is there and in the room's group.
    fn one_in(&mut self, room: &str) -> Option<usize> {
        let count = self.talk.devices.len();
        let first = self.below(count);
        (0..count).map(|at| (first + at) % count).find(|at| {
            let device = &self.talk.devices[*at];
            device.is_online() && device.is_in(room)
        })
    }

    fn write(&mut self) {
        let rooms = self.talk.rooms();
        let room = &rooms[self.below(rooms.len())];
        let Some(by) = self.one_in(room) else { return };
        let text = self.text();
        self.talk.write(by, room, &text);
    }

    fn text(&mut self) -> String {
        self.written += 1;
        format!("text {}", self.written)
    }

    /// Two commit who have not heard of one another: one of them is first, the other tries again.
    fn at_once(&mut self) {
        let room = self.talk.group.clone();
        self.talk.follow();
        let (Some(one), Some(other)) = (self.one_in(&room), self.one_in(&room)) else { return };
        if one != other {
            self.talk.commit_at_once(one, other);
        }
    }

    fn add(&mut self) {
        let strangers = self.talk.strangers();
        if !strangers.is_empty() && self.talk.devices[0].is_online() {
            let account = strangers[self.below(strangers.len())].clone();
            self.talk.add(&[account]);
        }
    }

    fn remove(&mut self) {
        let members = self.talk.members();
        // The owner stays.
        if members.len() > 2 && self.talk.devices[0].is_online() {
            let account = members[1 + self.below(members.len() - 1)].clone();
            self.talk.remove(&account);
        }
    }

    fn come_or_go(&mut self) {
        // Nobody but the owner adds and removes others.
        let at = 1 + self.below(self.talk.devices.len() - 1);
        match self.talk.devices[at].is_online() {
            true => self.talk.devices[at].go(),
            false => self.talk.come(at),
        }
    }

    fn further_device(&mut self) {
        let members = self.talk.members();
        if self.talk.devices.len() < 9 {
            let account = members[self.below(members.len())].clone();
            self.talk.further_device(&account);
        }
    }

    /// The server dies while commits and messages are on their way.
    fn kill(&mut self) {
        for room in self.talk.rooms() {
            if let Some(by) = self.one_in(&room) {
                let text = self.text();
                self.talk.post(by, &room, &text);
            }
        }
        let room = self.talk.group.clone();
        if let Some(by) = self.one_in(&room) {
            // A server that is gone already is as good.
            drop(self.talk.devices[by].send_commit(&room, &Changes::default(), &[], &[]));
        }
        let pause = self.random.below(12);
        std::thread::sleep(std::time::Duration::from_millis(pause));
        self.talk.kill();
    }

    /// Quiet comes: all are there, and everything is as it should be.
    fn end(&mut self) {
        for at in 0..self.talk.devices.len() {
            if !self.talk.devices[at].is_online() {
                self.talk.come(at);
            }
        }
        self.talk.bring_back();
        for room in self.talk.rooms() {
            self.talk.agree(&room);
            // It is not bricked: each device commits, and all read what it writes.
            for by in self.talk.devices_in(&room) {
                self.talk.update(by, &room);
                let text = self.text();
                self.talk.write(by, &room, &text);
            }
            self.talk.agree(&room);
        }
        self.talk.check_texts();
        self.talk.check_strangers();
    }
}

#[test]
fn the_server_holds_no_key_and_no_plaintext() {
    if server::is_prosody() {
        return eprintln!("skipped: Prosody lacks encrypted conversations");
    }
    let said = "The heron lands behind the mill at midnight.";
    let file = "Passport of aunt Mathilda, page 2.jpeg";
    let message = format!("{{\"text\":\"{said}\",\"file\":\"{file}\"}}");
    let mut talk = Talk::begin();
    let mut secrets = talk.secrets();
    let account = talk.strangers()[0].clone();
    talk.add(std::slice::from_ref(&account));
    talk.further_device(&account);
    for room in talk.rooms() {
        for by in talk.devices_in(&room) {
            talk.write(by, &room, &message);
            secrets.extend(talk.secrets());
            talk.update(by, &room);
        }
    }
    talk.remove(&account);
    talk.kill();
    let sealed = talk.write(0, &talk.group.clone(), &message);
    talk.follow();
    secrets.extend(talk.secrets());

    let mut search = Search::default();
    for (name, text) in [("the text", said), ("the file's name", file)] {
        search.look_for(name, text.as_bytes());
    }
    secrets.iter().for_each(|secret| search.look_for("a secret", secret));
    // What the server must have, so that the search is shown to find.
    let public_key = talk.devices[0].mls.public_key().to_vec();
    for (name, bytes) in [
        (CONTROLS[0], talk::NAME.as_bytes()),
        (CONTROLS[1], &public_key),
        (CONTROLS[2], sealed.as_bytes()),
    ] {
        search.look_for(name, bytes);
    }
    assert!(secrets.len() > 100, "{}", secrets.len());
    let pid = talk.house.pid().unwrap();
    process::signal(pid, "STOP");
    let on_disk = search.in_files(&talk.house.folder().join("data"));
    let in_memory = search.in_memory(pid);
    let in_log = search.in_bytes(talk.house.log().as_bytes());
    process::signal(pid, "CONT");
    let sorted: Vec<&str> = on_disk.into_iter().collect();
    assert_eq!(sorted, CONTROLS, "on disk");
    assert!(in_memory.contains(CONTROLS[0]) && in_memory.contains(CONTROLS[1]), "{in_memory:?}");
    assert!(in_memory.iter().all(|found| CONTROLS.contains(found)), "{in_memory:?}");
    assert!(in_log.is_empty(), "{in_log:?}");
}

/// In the order of the alphabet.
const CONTROLS: [&str; 3] = ["1: the room's name", "2: a public key", "3: what was sealed"];
