//! Calls under schedules of chance: whatever happens, each call stands in the log once with its end, and
//! nobody stays behind at the endpoint.

use std::collections::{BTreeMap, BTreeSet};

use chat_core::chat::{Command, Input};
use chat_core::jid::{Jid, RoomId};
use chat_core::rooms::call::{CallEvent, EndReason};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::world::{self, World};

const NS: &str = "urn:whimbrel:call:0";
/// Who takes part; carol looks on.
const CLIENTS: [&str; 3] = ["alice/phone", "bob/phone", "bob/tablet"];

struct Schedule {
    world: World,
    random: ChaCha20Rng,
    room: String,
    /// The log's entries of each call: of its beginning, and of its end. After a crash one may come again.
    told: BTreeMap<String, [BTreeSet<String>; 2]>,
}

impl Schedule {
    fn new(seed: u64) -> Schedule {
        let mut config = world::config();
        config.calls = true;
        let mut world = World::configured(config);
        for name in ["alice", "bob", "carol"] {
            world.account(name);
        }
        let random = ChaCha20Rng::seed_from_u64(seed);
        let mut schedule = Schedule { world, random, room: String::new(), told: BTreeMap::new() };
        schedule.come_all();
        schedule.world.send(
            "alice/phone",
            "<iq type='set' id='new' to='groups.example.org'><create xmlns='urn:whimbrel:groups:0'>\
             <member jid='{bob}'/><member jid='{carol}'/></create></iq>",
        );
        while let Some(got) = schedule.world.receive("alice/phone") {
            let group = got.child("group", "urn:whimbrel:groups:0");
            schedule.room.extend(group.and_then(|group| group.attr("jid")).map(str::to_owned));
        }
        schedule
    }

    fn come_all(&mut self) {
        for name in CLIENTS.iter().chain(&["carol/phone"]) {
            self.world.come_as_device_to_groups(name);
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.next_u64() % end
    }

    fn ask(&mut self, client: &str, payload: &str) {
        let payload = payload.replace("/>", &format!(" xmlns='{NS}'/>"));
        let iq = format!("<iq type='set' id='q' to='{}'>{payload}</iq>", self.room);
        self.world.send(client, &iq);
    }

    fn join(&mut self, client: &str) {
        let join = format!("<join xmlns='{NS}'><publish>v=0</publish></join>");
        let iq = format!("<iq type='set' id='q' to='{}'>{join}</iq>", self.room);
        self.world.send(client, &iq);
    }

    fn step(&mut self) {
        let client = CLIENTS[self.below(CLIENTS.len() as u64) as usize];
        let call = self.told.keys().last().cloned().unwrap_or_default();
        match self.below(14) {
            0..=3 => self.join(client),
            4 | 5 => self.ask(client, &format!("<leave call='{call}'/>")),
            6 => self.ask(client, &format!("<decline call='{call}'/>")),
            7 => {
                let seconds = 1 + self.below(70);
                self.world.pass(seconds);
            }
            8 => self.world.endpoint_is_busy ^= true,
            9 => self.world.endpoint_answers_at_once ^= true,
            10 => self.world.answer_calls(),
            11 => self.lose_one(),
            12 => {
                self.world.disk.fails = true;
                self.join(client);
                self.world.disk.fails = false;
                self.world.pass(1);
                self.come_all();
            }
            _ => {
                self.world.crash();
                // The endpoint is of the same process.
                self.world.in_calls.clear();
                self.come_all();
            }
        }
        self.look();
    }

    fn lose_one(&mut self) {
        let Some(participant) = self.world.in_calls.pop_first() else { return };
        let room = RoomId::of(&Jid::parse(&self.room).unwrap()).unwrap();
        let reason = [EndReason::ConsentLost, EndReason::Restarted][self.below(2) as usize];
        let events = vec![CallEvent::Ended { room, participant, reason }];
        self.world.input(Input::Command { id: 0, command: Command::Call { events } });
    }

    /// What Carol reads.
    fn look(&mut self) {
        while let Some(got) = self.world.receive("carol/phone") {
            let Some(call) = got.child("call", NS).filter(|_| got.name() == "message") else {
                continue;
            };
            let Some(id) = got.child("stanza-id", "urn:xmpp:sid:0") else { continue };
            let told = self.told.entry(call.attr("id").unwrap().to_owned()).or_default();
            let of_end = usize::from(call.child("ended", NS).is_some());
            told[of_end].insert(id.attr("id").unwrap().to_owned());
        }
    }

    /// All go, and time passes.
    fn end(&mut self) {
        self.world.endpoint_is_busy = false;
        self.world.endpoint_answers_at_once = true;
        self.world.answer_calls();
        for client in CLIENTS {
            self.world.disconnect(client, true);
        }
        let show = format!("<iq type='get' id='s' to='{}'><call xmlns='{NS}'/></iq>", self.room);
        self.world.send("carol/phone", &show);
        self.world.pass(200);
        self.look();
        // Of whom a failed commit has left the core nothing, the endpoint tells once more.
        let room = RoomId::of(&Jid::parse(&self.room).unwrap()).unwrap();
        for participant in self.world.in_calls.clone() {
            let events = vec![CallEvent::Slots { room, participant, slots: Vec::new() }];
            for _ in 0..2 {
                let command = Command::Call { events: events.clone() };
                self.world.input(Input::Command { id: 0, command });
            }
        }
    }
}

#[test]
fn each_call_ends_once_and_leaves_nobody_behind() {
    for seed in 0..SCHEDULES {
        let mut schedule = Schedule::new(seed);
        (0..STEPS).for_each(|_| schedule.step());
        schedule.end();
        let left = &schedule.world.in_calls;
        assert!(left.is_empty(), "seed {seed}: {left:?} are left at the endpoint");
        let told = &schedule.told;
        let is_once = |told: &[BTreeSet<String>; 2]| told.iter().all(|entries| entries.len() == 1);
        assert!(told.values().all(is_once), "seed {seed}: {told:?}");
    }
}

const SCHEDULES: u64 = 40;
const STEPS: usize = 60;
