//! Random conversations: devices come, go, commit at once, are removed, and the server crashes.
//! In the end all members agree, those who were removed are out, and the group still works.
//!
//! `WHIMBREL_SEED=n` repeats one.

use mls_client::Changes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::client::Client;
use crate::conversation::Conversation;

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const STEPS: usize = 40;
const SEEDS: u64 = 6;

struct Run {
    talk: Conversation,
    random: ChaCha20Rng,
    /// Accounts that are members; the first is the owner.
    members: Vec<&'static str>,
    written: usize,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let talk = Conversation::of(&NAMES[..3]);
        let mut run = Run {
            talk,
            random: ChaCha20Rng::from_seed(bytes),
            members: NAMES[..3].to_vec(),
            written: 0,
        };
        for name in &NAMES[3..] {
            run.talk.world.account(name);
            let client = Client::new(&mut run.talk.world, &format!("{name}/phone"));
            run.talk.clients.push(client);
        }
        run
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.next_u32() as usize % end
    }

    /// An online client that is a member.
    fn member(&mut self) -> Option<usize> {
        let start = self.below(self.talk.clients.len());
        let count = self.talk.clients.len();
        (0..count).map(|at| (start + at) % count).find(|at| {
            let client = &self.talk.clients[*at];
            client.is_online && client.is_member(&self.talk.room)
        })
    }

    fn step(&mut self) {
        let room = self.talk.room.clone();
        match self.below(10) {
            0 | 1 => self.write(),
            2 => {
                if let Some(by) = self.member() {
                    self.talk.clients[by].commit(
                        &mut self.talk.world,
                        &room,
                        &Changes::default(),
                        "",
                    );
                }
            }
            3 => self.at_once(),
            4 => self.add(),
            5 => self.remove(),
            6 => self.come_or_go(),
            7 => self.further_device(),
            8 => self.crash(),
            _ => self.talk.follow(),
        }
    }

    fn write(&mut self) {
        let Some(by) = self.member() else { return };
        self.written += 1;
        let text = format!("text {}", self.written);
        let room = self.talk.room.clone();
        self.talk.clients[by].write(&mut self.talk.world, &room, &text);
    }

    /// Two commit without having heard of one another.
    fn at_once(&mut self) {
        let room = self.talk.room.clone();
        self.talk.follow();
        for _ in 0..2 {
            if let Some(by) = self.member() {
                let world = &mut self.talk.world;
                self.talk.clients[by].commit(world, &room, &Changes::default(), "");
            }
        }
    }

    fn add(&mut self) {
        self.talk.follow();
        let absent: Vec<&str> =
            NAMES.into_iter().filter(|name| !self.members.contains(name)).collect();
        let is_there =
            self.talk.clients[0].is_online && self.talk.clients[0].is_member(&self.talk.room);
        if absent.is_empty() || !is_there {
            return;
        }
        let name = absent[self.below(absent.len())];
        if self.talk.add(0, &[name]) {
            self.members.push(name);
        }
    }

    fn remove(&mut self) {
        self.talk.follow();
        let is_there =
            self.talk.clients[0].is_online && self.talk.clients[0].is_member(&self.talk.room);
        if self.members.len() < 2 || !is_there {
            return;
        }
        let at = 1 + self.below(self.members.len() - 1);
        let name = self.members[at];
        if self.talk.remove(0, name) {
            self.members.remove(at);
        }
    }

    fn come_or_go(&mut self) {
        let at = self.below(self.talk.clients.len());
        let client = &mut self.talk.clients[at];
        match client.is_online {
            true => {
                // Without XEP-0198 what was sent counts as received.
                client.follow(&mut self.talk.world, &self.talk.room);
                client.go(&mut self.talk.world);
            }
            false => client.come(&mut self.talk.world),
        }
    }

    fn further_device(&mut self) {
        if self.talk.clients.len() > 9 {
            return;
        }
        let at = self.below(self.members.len());
        let name = format!("{}/device{}", self.members[at], self.talk.clients.len());
        let room = self.talk.room.clone();
        let mut client = Client::new(&mut self.talk.world, &name);
        client.join(&mut self.talk.world, &room);
        self.talk.clients.push(client);
    }

    /// What was not committed is lost, between a commit's acceptance and its fan-out too.
    fn crash(&mut self) {
        let room = self.talk.room.clone();
        self.talk.follow();
        self.talk.world.commits_at_once = false;
        if let Some(by) = self.member() {
            self.talk.clients[by].commit(&mut self.talk.world, &room, &Changes::default(), "");
        }
        if self.below(2) == 0 {
            self.talk.world.commit_without_telling();
        }
        self.talk.world.commits_at_once = true;
        self.talk.world.crash();
        for client in &mut self.talk.clients {
            if client.is_online {
                client.come(&mut self.talk.world);
            }
        }
        self.talk.follow();
    }

    /// Quiet comes: all come back, and who has lost the group joins from outside.
    fn settle(&mut self) {
        let room = self.talk.room.clone();
        for client in &mut self.talk.clients {
            if !client.is_online {
                client.come(&mut self.talk.world);
            }
        }
        for _ in 0..3 {
            self.talk.follow();
            for at in 0..self.talk.clients.len() {
                let client = &mut self.talk.clients[at];
                client.follow(&mut self.talk.world, &room);
                let account = client.name.split('/').next().unwrap();
                if self.members.contains(&account) && !client.is_member(&room) {
                    client.join(&mut self.talk.world, &room);
                }
            }
        }
        self.talk.follow();
    }

    fn check(&mut self) {
        let room = self.talk.room.clone();
        self.talk.agree();
        for client in &self.talk.clients {
            let account = client.name.split('/').next().unwrap();
            let is_member = self.members.contains(&account);
            assert_eq!(client.is_member(&room), is_member, "{}", client.name);
        }
        // The group is not bricked: everybody can commit, and all read what is written.
        for at in 0..self.talk.clients.len() {
            if !self.talk.clients[at].is_member(&room) {
                continue;
            }
            let world = &mut self.talk.world;
            let taken = self.talk.clients[at].commit(world, &room, &Changes::default(), "");
            assert!(taken.is_some_and(|answer| crate::client::is_result(&answer)));
            self.talk.follow();
            let text = format!("end {at}");
            self.talk.clients[at].write(&mut self.talk.world, &room, &text);
            self.talk.follow();
            for client in self.talk.clients.iter().filter(|client| client.is_member(&room)) {
                assert_eq!(client.read.last(), Some(&text), "{}", client.name);
            }
        }
        self.talk.agree();
    }
}

#[test]
fn no_group_is_ever_bricked() {
    let asked = std::env::var("WHIMBREL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = asked.map_or(1..=SEEDS, |seed| seed..=seed);
    for seed in seeds {
        println!("WHIMBREL_SEED={seed}");
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
        }
        run.settle();
        run.check();
    }
}
