//! The endpoint under test, and its peers: an ICE that checks, a DTLS client, and keys.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Dtls, DtlsCertificate, Output, SrtpProfile};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use whimbrel::call::config::CallConfig;
use whimbrel::call::srtp::{Master, Opener, Profile, Sealer};
use whimbrel::call::{
    Answers, Call, CallError, Event, Handle, Offers, ParticipantName, RoomName, Statistics, View,
    stun,
};
use whimbrel::supervisor::Supervisor;
use whimbrel::telemetry::health::Health;
use whimbrel::telemetry::metrics::Registry;

use super::media::{Received, Stream};
use super::offer::{publish_offer, subscribe_offer};

/// Ada's tracks: a voice, and a camera of up to three encodings.
const VOICE_SSRC: u32 = 1000;
const CAMERA_SSRC: u32 = 2000;

pub struct Endpoint {
    runtime: Runtime,
    supervisor: Option<Supervisor>,
    handle: Handle,
    told: mpsc::Receiver<Event>,
    registry: Registry,
    address: SocketAddr,
}

impl Endpoint {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (health, registry) = (Health::new(), Registry::new());
        let udp_listen = vec![([127, 0, 0, 1], 0).into()];
        let config = CallConfig { udp_listen, ..CallConfig::default() };
        let (call, handle, told) = Call::open(&config, &registry).unwrap();
        let address = call.candidates()[0];
        let guard = runtime.enter();
        let mut supervisor = Supervisor::new(health, registry.clone());
        let call = Arc::new(call);
        supervisor.watch_thread("call", move |stop| call.run(stop));
        drop(guard);
        Self { runtime, supervisor: Some(supervisor), handle, told, registry, address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn join(
        &mut self,
        room: RoomName,
        who: ParticipantName,
        offers: Offers,
    ) -> Result<Answers, CallError> {
        self.runtime.block_on(self.handle.join(room, who, offers))
    }

    pub fn view(
        &mut self,
        room: RoomName,
        who: ParticipantName,
        view: View,
    ) -> Result<(), CallError> {
        self.runtime.block_on(self.handle.view(room, who, view))
    }

    pub fn leave(&mut self, room: RoomName, who: ParticipantName) {
        self.runtime.block_on(self.handle.leave(room, who)).unwrap();
    }

    pub fn statistics(&mut self, room: RoomName) -> Statistics {
        self.runtime.block_on(self.handle.statistics(room)).unwrap()
    }

    pub fn publish(&mut self, room: RoomName, who: ParticipantName) -> Peer {
        self.publish_with(room, who, &[])
    }

    pub fn publish_simulcast(&mut self, room: RoomName, who: ParticipantName) -> Peer {
        self.publish_with(room, who, &["q", "h", "f"])
    }

    fn publish_with(&mut self, room: RoomName, who: ParticipantName, rids: &[&str]) -> Peer {
        let mut peer = Peer::new();
        let offer = publish_offer(&peer.ufrag, &peer.fingerprint(), rids);
        let offers = Offers { publish: Some(offer), subscribe: None };
        let answer = self.join(room, who, offers).unwrap().publish.unwrap();
        peer.streams.push(Stream::new(VOICE_SSRC, 111, b'0', None, 0));
        if rids.is_empty() {
            peer.streams.push(Stream::new(CAMERA_SSRC, 96, b'1', None, 0));
        }
        for (at, rid) in rids.iter().enumerate() {
            let ssrc = CAMERA_SSRC + at as u32;
            peer.streams.push(Stream::new(ssrc, 96, b'1', Some(rid.as_bytes()[0]), at as u8));
        }
        peer.connect(&answer);
        peer
    }

    pub fn subscribe(&mut self, room: RoomName, who: ParticipantName) -> Peer {
        let mut peer = Peer::new();
        let offers = Offers { publish: None, subscribe: Some(peer.offer()) };
        let answer = self.join(room, who, offers).unwrap().subscribe.unwrap();
        peer.connect(&answer);
        peer
    }

    /// Has the first peer send something each 20 ms, and all take what comes.
    pub fn run(
        &mut self,
        lasts: Duration,
        peers: &mut [&mut Peer],
        mut send: impl FnMut(&mut Peer),
    ) {
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            send(peers[0]);
            let next = Instant::now() + Duration::from_millis(20);
            while Instant::now() < next {
                peers.iter_mut().for_each(|peer| peer.receive());
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// What was told since the last time.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }

    /// Waits until what was sent has been read.
    pub fn settle(&mut self) {
        self.statistics(0);
        std::thread::sleep(Duration::from_millis(5));
        self.statistics(0);
    }

    /// The sum of a counter over its labels.
    pub fn counted(&self, name: &str) -> u64 {
        let text = self.registry.render();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        let supervisor = self.supervisor.take().unwrap();
        let late = self.runtime.block_on(supervisor.stop(deadline));
        assert!(late.is_empty() || std::thread::panicking(), "the thread did not end");
    }
}

pub struct Peer {
    socket: UdpSocket,
    ufrag: String,
    dtls: Dtls,
    certificate: DtlsCertificate,
    keys: Option<(Opener, Sealer)>,
    remote: Option<Remote>,
    streams: Vec<Stream>,
    received: HashMap<u32, Received>,
    slots: Vec<u32>,
    keys_asked: usize,
    is_key_due: bool,
    checks: u8,
}

struct Remote {
    address: SocketAddr,
    ufrag: String,
    password: String,
}

impl Peer {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let certificate =
            DtlsCertificate { certificate: made.der().to_vec(), private_key: key.serialize_der() };
        let config = Arc::new(dimpl::Config::default());
        let mut dtls = Dtls::new_auto(config, certificate.clone(), Instant::now());
        dtls.set_active(true);
        Self {
            socket: Self::socket(),
            ufrag: "abcd".to_owned(),
            dtls,
            certificate,
            keys: None,
            remote: None,
            streams: Vec::new(),
            received: HashMap::new(),
            slots: Vec::new(),
            keys_asked: 0,
            is_key_due: true,
            checks: 0,
        }
    }

    pub fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    fn fingerprint(&self) -> String {
        let hash =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.certificate.certificate);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn offer(&self) -> String {
        subscribe_offer(&self.ufrag, &self.fingerprint())
    }

    /// Another socket and another ufrag, as in another network.
    pub fn move_elsewhere(&mut self) {
        self.socket = Self::socket();
        self.ufrag = "efgh".to_owned();
    }

    /// Checks the new way, whose keys are the old ones.
    pub fn take_restart(&mut self, answer: &str) {
        let before = self.slots.clone();
        self.read(answer);
        assert_eq!(self.slots, before, "the same slots");
        self.check_until_answered();
    }

    fn connect(&mut self, answer: &str) {
        self.read(answer);
        self.check_until_answered();
        let deadline = Instant::now() + Duration::from_secs(10);
        self.drive_dtls();
        while self.keys.is_none() {
            assert!(Instant::now() < deadline, "no DTLS");
            self.receive();
            std::thread::sleep(Duration::from_millis(1));
            self.dtls.handle_timeout(Instant::now()).unwrap();
            self.drive_dtls();
        }
    }

    fn read(&mut self, answer: &str) {
        let value = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
        };
        assert_eq!(value("a=setup:"), "passive");
        let candidate = value("a=candidate:");
        let words: Vec<&str> = candidate.split(' ').collect();
        self.remote = Some(Remote {
            address: format!("{}:{}", words[4], words[5]).parse().unwrap(),
            ufrag: value("a=ice-ufrag:"),
            password: value("a=ice-pwd:"),
        });
        let ssrcs = answer.lines().filter_map(|line| line.strip_prefix("a=ssrc:"));
        let ssrcs: Vec<u32> =
            ssrcs.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        // The voice, the picture, and the picture's retransmissions.
        self.slots = ssrcs;
    }

    fn check_until_answered(&mut self) {
        let remote = self.remote.as_ref().unwrap();
        let key = stun::key_of(&remote.password);
        let username = format!("{}:{}", remote.ufrag, self.ufrag);
        let (mut request, mut response) = (Vec::new(), [0; 256]);
        self.checks += 1;
        stun::write_request([self.checks; 12], &username, true, &key, &mut request);
        self.socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        self.socket.send_to(&request, remote.address).unwrap();
        let (len, _) = self.socket.recv_from(&mut response).unwrap();
        assert_eq!(response[..2], [1, 1], "a success response, not {:?}", &response[..len]);
        assert_eq!(response[8..20], request[8..20]);
        self.socket.set_nonblocking(true).unwrap();
    }

    fn drive_dtls(&mut self) {
        let remote = self.remote.as_ref().unwrap().address;
        let mut buffer = [0; 4096];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => drop(self.socket.send_to(packet, remote)),
                Output::KeyingMaterial(material, profile) => {
                    let profile = match profile {
                        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
                        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
                        _ => Profile::Aes128CmHmacSha1_80,
                    };
                    let [own, theirs] = Master::split(profile, &material).unwrap();
                    let opener = Opener::new(profile, &theirs).unwrap();
                    self.keys = Some((opener, Sealer::new(profile, &own).unwrap()));
                }
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }

    pub fn close(&mut self) {
        self.dtls.close().unwrap();
        self.drive_dtls();
    }

    /// A packet of each stream; a key frame when one was asked for.
    pub fn send_media(&mut self) {
        let is_key = std::mem::take(&mut self.is_key_due);
        let packets: Vec<_> = self.streams.iter_mut().map(|stream| stream.next(is_key)).collect();
        for mut packet in packets {
            let len = packet.len();
            packet.resize(len + 32, 0);
            let (_, sealer) = self.keys.as_mut().unwrap();
            let len = sealer.seal_rtp(&mut packet, len).unwrap();
            self.send_raw(&packet[..len]);
        }
    }

    pub fn send_raw(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.remote.as_ref().unwrap().address).unwrap();
    }

    pub fn receive(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            let datagram = &mut buffer[..len];
            match (datagram[0], datagram[1]) {
                (20..=63, _) => {
                    self.dtls.handle_timeout(Instant::now()).unwrap();
                    self.dtls.handle_packet(datagram).unwrap();
                    self.drive_dtls();
                }
                (128.., 192..=223) => self.take_rtcp(len, &mut buffer),
                (128.., _) => {
                    let Some((opener, _)) = &mut self.keys else { continue };
                    let len = opener.open_rtp(datagram).unwrap();
                    let ssrc = u32::from_be_bytes(datagram[8..12].try_into().unwrap());
                    self.received.entry(ssrc).or_default().take(&datagram[..len]);
                }
                _ => {}
            }
        }
    }

    fn take_rtcp(&mut self, len: usize, buffer: &mut [u8]) {
        let Some((opener, _)) = &mut self.keys else { return };
        let len = opener.open_rtcp(&mut buffer[..len]).unwrap();
        let mut rest = &buffer[..len];
        while rest.len() >= 4 {
            let bytes = 4 * (usize::from(u16::from_be_bytes([rest[2], rest[3]])) + 1);
            // RFC 4585 6.3.1: a picture is lost.
            if rest[1] == 206 && rest[0] & 0x1f == 1 {
                self.keys_asked += 1;
                self.is_key_due = true;
            }
            rest = rest.get(bytes..).unwrap_or_default();
        }
    }

    pub fn keys_asked(&self) -> usize {
        self.keys_asked
    }

    /// What came for a slot.
    pub fn received(&self, slot: usize) -> Received {
        self.received.get(&self.slots[slot]).cloned().unwrap_or_default()
    }
}
