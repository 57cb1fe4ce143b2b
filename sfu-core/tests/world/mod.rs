//! A simulated call: publishers and subscribers behind links, and one core between them. Nothing in
//! it is left to chance but by a seed.

#![allow(dead_code, reason = "each test uses a part")]

pub mod link;
pub mod media;
pub mod sender;
pub mod viewer;

use std::collections::{BTreeSet, HashMap};

use sfu_core::codec::Codec;
use sfu_core::rtp::{Packet, Unwrapper, is_rtcp};
use sfu_core::time::Time;
use sfu_core::{
    BUFFER_BYTES_MIN, Event, Input, Output, ParticipantId, Sfu, Side, SubscribeConfig, TrackId,
};

use link::{Link, Road};
use sender::Sender;
use viewer::Viewer;

pub struct World {
    pub now: Time,
    pub sfu: Sfu,
    pub senders: Vec<Sending>,
    pub viewers: Vec<Viewing>,
    pub events: Vec<Event>,
    seed: u64,
}

pub struct Sending {
    pub id: ParticipantId,
    pub tracks: Vec<TrackId>,
    pub sender: Sender,
    pub up: Link,
    down: Link,
}

pub struct Viewing {
    pub id: ParticipantId,
    pub viewer: Viewer,
    pub joined: Time,
    up: Link,
    pub down: Link,
    /// Numbers that the core has sent, by SSRC.
    sent: HashMap<u32, (Unwrapper, BTreeSet<u64>)>,
}

const ROOM: u64 = 7;

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Time::from_millis(10_000),
            sfu: Sfu::new(),
            senders: Vec::new(),
            viewers: Vec::new(),
            events: Vec::new(),
            seed,
        }
    }

    fn seed(&mut self) -> u64 {
        self.seed += 1;
        self.seed * 7919
    }

    pub fn publish(&mut self, codec: Codec, road: Road) -> usize {
        let sender = Sender::new(self.senders.len() as u8 + 1, codec, self.now);
        let id = self.sfu.join(self.now, ROOM).unwrap();
        let tracks = self.sfu.publish(self.now, id, sender.config()).unwrap();
        let (up, down) = (Link::new(road, self.seed()), Link::new(Road::default(), self.seed()));
        self.senders.push(Sending { id, tracks, sender, up, down });
        self.senders.len() - 1
    }

    pub fn watch(&mut self, config: &SubscribeConfig, road: Road) -> usize {
        let id = self.sfu.join(self.now, ROOM).unwrap();
        self.sfu.subscribe(self.now, id, config.clone()).unwrap();
        let viewer = Viewer::new(config, self.now);
        let up = Road { loss_percent: 0, bps: 5_000_000, ..road };
        let (up, down) = (Link::new(up, self.seed()), Link::new(road, self.seed()));
        let (joined, sent) = (self.now, HashMap::new());
        self.viewers.push(Viewing { id, viewer, joined, up, down, sent });
        self.viewers.len() - 1
    }

    pub fn run_ms(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now = self.now.plus_ms(1);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        let mut out = Vec::new();
        for at in 0..self.senders.len() {
            let sending = &mut self.senders[at];
            while let Some(packet) = sending.down.receive(now) {
                sending.sender.receive(&packet, &mut out);
            }
            sending.sender.send(now, &mut out);
            out.drain(..).for_each(|packet| sending.up.send(now, &packet));
            while let Some(packet) = self.senders[at].up.receive(now) {
                let from = self.senders[at].id;
                let input = match is_rtcp(&packet) {
                    true => Input::Rtcp { from, side: Side::Publish, packet: &packet },
                    false => Input::Rtp { from, packet: &packet },
                };
                self.sfu.handle_input(now, input);
            }
        }
        for at in 0..self.viewers.len() {
            let viewing = &mut self.viewers[at];
            while let Some(packet) = viewing.down.receive(now) {
                viewing.viewer.receive(now, &packet);
            }
            viewing.viewer.send(now, &mut out);
            out.drain(..).for_each(|packet| viewing.up.send(now, &packet));
            let from = viewing.id;
            while let Some(packet) = self.viewers[at].up.receive(now) {
                let input = Input::Rtcp { from, side: Side::Subscribe, packet: &packet };
                self.sfu.handle_input(now, input);
            }
        }
        if self.sfu.poll_timeout().is_some_and(|at| at <= now) {
            self.sfu.handle_input(now, Input::Timeout);
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        let mut buffer = [0; BUFFER_BYTES_MIN];
        while let Some(output) = self.sfu.poll_output(&mut buffer) {
            match output {
                Output::Rtp { to, len } => {
                    let viewing = self.viewing(to).expect("sent to who watches");
                    viewing.note(&buffer[..len]);
                    let now = self.now;
                    self.viewing(to).unwrap().down.send(now, &buffer[..len]);
                }
                Output::Rtcp { to, side: Side::Subscribe, len } => {
                    let now = self.now;
                    self.viewing(to).unwrap().down.send(now, &buffer[..len]);
                }
                Output::Rtcp { to, side: Side::Publish, len } => {
                    let sending = self.senders.iter_mut().find(|it| it.id == to).unwrap();
                    sending.down.send(self.now, &buffer[..len]);
                }
                Output::Event(event) => {
                    if let Event::DemandChanged { participant, track, encodings } = event {
                        let sending = self.senders.iter_mut().find(|it| it.id == participant);
                        let sending = sending.unwrap();
                        if sending.tracks[1] == track {
                            sending.sender.active = encodings;
                        }
                    }
                    self.events.push(event);
                }
            }
        }
    }

    fn viewing(&mut self, id: ParticipantId) -> Option<&mut Viewing> {
        self.viewers.iter_mut().find(|it| it.id == id)
    }

    /// Nothing happened to anybody that no loss explains.
    pub fn assert_sound(&self) {
        for viewing in &self.viewers {
            let faults = &viewing.viewer.faults;
            assert!(faults.is_empty(), "{} faults, the first: {}", faults.len(), faults[0]);
        }
    }
}

impl Viewing {
    fn note(&mut self, packet: &[u8]) {
        let header = Packet::parse(packet).unwrap().header;
        let (unwrapper, sent) = self.sent.entry(header.ssrc).or_default();
        sent.insert(unwrapper.unwrap(header.sequence));
    }

    /// Numbers that were passed over in what the core sent.
    pub fn gaps(&self) -> u64 {
        let gaps = |sent: &BTreeSet<u64>| {
            sent.last().map_or(0, |last| last + 1 - sent.first().unwrap()) - sent.len() as u64
        };
        self.sent.values().map(|(_, sent)| gaps(sent)).sum()
    }
}
