//! Streams before login (RFC 6120, RFC 7395, XEP-0388): whatever is said on TCP or WebSocket, no
//! one gets in without a password, what is sent is well-formed, and the end is the end.
#![no_main]

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use chat_core::jid::{AccountId, Jid};
use chat_core::sasl::{
    Channel, ChannelBindings, Credentials, LiveToken, ScramHash, ScramKeys, ServerSecret,
    TokenMechanism,
};
use chat_core::stream::{
    Framing, LookedUp, StartTls, Stream, StreamConfig, StreamInput, StreamOutput, Transport,
};
use chat_core::time::Now;
use chat_core::xml::{Element, Frame, Framer};
use libfuzzer_sys::fuzz_target;

// A byte that chooses the transport, then lines: what each holds is a WebSocket message, or comes
// at once on TCP; between them a second passes.
fuzz_target!(|input: &[u8]| {
    let Some((choice, said)) = input.split_first() else { return };
    let mut peer = Peer::new(*choice);
    for line in said.split(|byte| *byte == b'\n') {
        peer.say(line);
    }
});

struct Peer {
    stream: Stream,
    framer: Framer,
    now: Now,
    has_ended: bool,
}

impl Peer {
    fn new(choice: u8) -> Self {
        let bindings = ChannelBindings { exporter: Some(vec![7; 32]), server_end_point: None };
        let transport = match choice % 4 {
            0 => Transport::tcp(StartTls::Required),
            1 => Transport::tcp(StartTls::Optional),
            2 => Transport::direct_tls(bindings),
            _ => Transport::websocket(Channel::Tls(bindings)),
        };
        let domain = Jid::parse("example.org").expect("it is a domain");
        let secret = ServerSecret::new(&[3; ServerSecret::BYTES]);
        let mut config = StreamConfig::new(domain, secret);
        config.registration = true;
        let now = Now { elapsed_ms: 0, unix_ms: 1_790_000_000_000 };
        let stream = Stream::new(Arc::new(config), transport, now, [1; 32]);
        Self { stream, framer: Framer::new(), now, has_ended: false }
    }

    fn say(&mut self, said: &[u8]) {
        self.now.elapsed_ms += 1000;
        if self.stream.poll_timeout().is_some_and(|timeout| timeout <= self.now.elapsed_ms) {
            self.stream.handle_timeout(self.now);
        }
        match self.stream.framing() {
            Framing::Tcp => self.framer.push(said),
            Framing::WebSocket if self.stream.wants_input() => {
                self.tell(StreamInput::Element(Bytes::copy_from_slice(said)));
            }
            Framing::WebSocket => {}
        }
        self.pump();
    }

    fn tell(&mut self, input: StreamInput) {
        self.stream.handle(self.now, input);
    }

    fn pump(&mut self) {
        loop {
            while let Some(output) = self.stream.poll_output() {
                assert!(!self.has_ended, "{output:?} behind the end");
                self.carry_out(output);
            }
            if !self.stream.wants_input() {
                return;
            }
            match self.framer.next(self.stream.limits()) {
                Ok(None) => return,
                Ok(Some(Frame::Open(header))) => self.tell(StreamInput::Opened(header)),
                Ok(Some(Frame::Element(bytes))) => self.tell(StreamInput::Element(bytes)),
                Ok(Some(Frame::Close)) => self.tell(StreamInput::Closed),
                Err(error) => {
                    self.framer.reset_for_tls();
                    self.tell(StreamInput::Malformed(error));
                }
            }
        }
    }

    fn carry_out(&mut self, output: StreamOutput) {
        match output {
            StreamOutput::Send(bytes) => self.check_sent(&bytes),
            StreamOutput::StartTls => {
                self.framer.reset_for_tls();
                self.tell(StreamInput::TlsStarted(ChannelBindings::default()));
            }
            StreamOutput::LookUp { .. } => {
                let account = AccountId::from_random(1);
                let known = LookedUp::Known { account, credentials: credentials() };
                self.tell(StreamInput::LookedUp(known));
            }
            StreamOutput::VerifyPassword(attempt) => {
                self.tell(StreamInput::PasswordVerified(attempt.verify()));
            }
            StreamOutput::Register(_) => {
                let answer = Bytes::from_static(b"<iq type='result'/>");
                self.tell(StreamInput::Registered(answer));
            }
            StreamOutput::Refused { .. } => {}
            StreamOutput::Close(_) => self.has_ended = true,
            let_in => panic!("{let_in:?} without a password"),
        }
    }

    /// On WebSocket each message is a document; on TCP the prefix is declared by the header.
    fn check_sent(&self, bytes: &[u8]) {
        let is_part_of_document = bytes.starts_with(b"<?xml")
            || bytes.starts_with(b"<stream:")
            || bytes.starts_with(b"</stream:stream");
        if self.stream.framing() == Framing::Tcp && is_part_of_document {
            return;
        }
        let sent = Element::parse(bytes, "").or_else(|_| Element::parse(bytes, "jabber:client"));
        sent.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)));
    }
}

/// What nothing gives that a client could say.
fn credentials() -> Credentials {
    let keys = |hash: ScramHash| ScramKeys {
        hash,
        salt: vec![1; 16],
        iterations: NonZeroU32::MIN,
        stored_key: vec![2; hash.output_bytes()],
        server_key: vec![3; hash.output_bytes()],
    };
    let token = LiveToken {
        generation: 1,
        mechanism: TokenMechanism::Unbound,
        secret: "a secret".into(),
        has_expired: false,
        count: None,
    };
    let password = ScramHash::ALL.into_iter().map(keys).collect();
    Credentials { passwords: vec![password], tokens: vec![token] }
}
