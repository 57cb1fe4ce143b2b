//! Plays a dialogue. Look-ups, passwords and logins are answered from the [`Setup`].
//!
//! `{open}` is the client's header, `{header}` the server's, `{first}` and `{last}` SCRAM's
//! messages of the client, `{plain}` PLAIN's, `{challenge}` and `{verifier}` those of the server, `{token}` the proof
//! of a token, `{answer}` the server's; all but the headers in base64.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;

use crate::jid::{AccountId, Jid};
use crate::sasl::tests::client::Client;
use crate::sasl::tests::{EXPORTER, account, place, secret, tls};
use crate::sasl::{
    Channel, ChannelBindings, Credential, Credentials, DeviceTokens, SaslFailure, ScramHash,
    TokenHolder,
};
use crate::stream::{
    Framing, Login, LoginName, LookedUp, Ready, SessionRequest, StartTls, Stream, StreamConfig,
    StreamError, StreamInput, StreamOutput, Transport,
};
use crate::time::Now;
use crate::xml::{Frame, Framer};

pub const ACCOUNT: &str = "k7qm2xw4p9ab";
/// Alice's.
pub const NUMBER: &str = "+15550100123";
pub const DEVICE: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";
pub const NOW_S: u64 = 1_790_000_000;

/// Who talks over what.
pub struct Setup {
    pub transport: Transport,
    pub config: StreamConfig,
    pub client: Client,
    /// What is known of Alice; of others, nothing.
    pub credentials: Credentials,
    /// What the core answers to a login.
    pub ready: Result<Ready, SaslFailure>,
    /// The token that `{token}` proves, and to what it is bound.
    pub token: (String, &'static [u8]),
}

impl Setup {
    /// Alice, whose password is `pencil`, over TLS from the first byte.
    pub fn new() -> Self {
        let domain = Jid::parse("example.org").unwrap();
        Self {
            transport: Transport::direct_tls(bindings()),
            config: StreamConfig::new(domain, secret()),
            client: Client::new(ScramHash::Sha256, NUMBER, "pencil"),
            credentials: account(&["pencil", "abcd-efgh"]),
            ready: Ok(Ready::default()),
            token: (String::new(), b""),
        }
    }

    /// Over TCP that begins in the clear.
    pub fn tcp(starttls: StartTls) -> Self {
        Self { transport: Transport::tcp(starttls), ..Self::new() }
    }

    /// Over WebSocket inside TLS, as a browser has it.
    pub fn websocket() -> Self {
        let channel = Channel::Tls(ChannelBindings::default());
        Self { transport: Transport::websocket(channel), ..Self::new() }
    }

    /// With the client bound to its TLS connection.
    pub fn bound(mut self) -> Self {
        self.client = self.client.bound("tls-exporter", EXPORTER);
        self
    }

    /// With these tokens of Alice's device.
    pub fn with_tokens(mut self, tokens: &DeviceTokens, bound: &'static [u8]) -> Self {
        let holder = TokenHolder { account: ACCOUNT, device: DEVICE };
        self.credentials.tokens = tokens.live(holder, &secret(), NOW_S);
        self.token = (self.credentials.tokens[0].secret.clone(), bound);
        self
    }

    pub fn with_ready(self, ready: Ready) -> Self {
        Self { ready: Ok(ready), ..self }
    }
}

fn bindings() -> ChannelBindings {
    let Channel::Tls(bindings) = tls() else { unreachable!("it is TLS") };
    bindings
}

/// Plays `script` line by line.
#[track_caller]
pub fn check(setup: Setup, script: &str) {
    Dialogue::new(setup).play_all(script);
}

pub struct Dialogue {
    setup: Setup,
    stream: Stream,
    framer: Framer,
    now: Now,
    heard: VecDeque<String>,
    server_first: String,
}

impl Dialogue {
    pub fn new(setup: Setup) -> Self {
        let now = Now { elapsed_ms: 5_000, unix_ms: NOW_S * 1000 };
        let config = Arc::new(setup.config.clone());
        let stream = Stream::new(config, setup.transport.clone(), now, [1; 32]);
        let (framer, heard) = (Framer::new(), VecDeque::new());
        Self { setup, stream, framer, now, heard, server_first: String::new() }
    }

    /// Plays `script`, behind which nobody says more.
    #[track_caller]
    pub fn play_all(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.play(line);
        }
        self.expect_silence();
    }

    /// Opens the stream and gives its features, which their own tests look at.
    pub fn open(&mut self) -> String {
        self.open_with("")
    }

    /// Opens the stream as somebody.
    pub fn open_as(&mut self, from: &str) -> String {
        self.open_with(&format!(" from='{from}'"))
    }

    fn open_with(&mut self, attribute: &str) -> String {
        let open = if self.is_websocket() { WEBSOCKET_OPEN } else { OPEN };
        self.say(&open.replace(" to=", &format!("{attribute} to=")));
        self.hear();
        self.hear()
    }

    /// The next thing that is heard.
    pub fn hear(&mut self) -> String {
        self.try_hear().expect("the server is silent")
    }

    pub fn try_hear(&mut self) -> Option<String> {
        self.heard.pop_front()
    }

    /// The last thing that is heard.
    pub fn last_heard(&mut self) -> String {
        self.heard.drain(..).next_back().expect("the server is silent")
    }

    /// The salt in the challenge, which is the last thing that is heard.
    pub fn salt_shown(&mut self) -> String {
        let heard = self.last_heard();
        let challenge = heard.split(['<', '>']).nth(2).expect("a challenge has text");
        let challenge = text(&BASE64.decode(challenge.as_bytes()).unwrap());
        challenge.split(',').nth(1).expect("the salt is second").into()
    }

    fn is_websocket(&self) -> bool {
        self.setup.transport.framing == Framing::WebSocket
    }

    #[track_caller]
    fn play(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("C:", said)) => {
                self.expect_silence();
                self.say_filled(said);
            }
            Some(("S:" | "-", _)) => self.expect(line),
            Some(("*", event)) => self.happen(event),
            _ => panic!("what is {line:?}?"),
        }
    }

    #[track_caller]
    pub fn expect_silence(&self) {
        assert!(self.heard.is_empty(), "nobody expected {:#?}", self.heard);
    }

    #[track_caller]
    fn expect(&mut self, line: &str) {
        let heard = self.heard.pop_front();
        let heard = heard.unwrap_or_else(|| panic!("silence instead of {line}"));
        let Some((before, after)) = line.split_once("{challenge}") else {
            return assert_eq!(heard, self.fill(line));
        };
        let inside = heard.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let inside = inside.unwrap_or_else(|| panic!("{heard} instead of {line}"));
        self.server_first = String::from_utf8(BASE64.decode(inside.as_bytes()).unwrap()).unwrap();
    }

    fn fill(&self, line: &str) -> String {
        let client = &self.setup.client;
        let mut line = line
            .replace("{open}", OPEN)
            .replace("{header}", HEADER)
            .replace("{first}", &BASE64.encode(client.first().as_bytes()))
            .replace("{plain}", &BASE64.encode(&self.plain_message()))
            .replace("{token}", &BASE64.encode(&self.token_message()))
            .replace("{answer}", &BASE64.encode(&self.token_proof("Responder")));
        if !self.server_first.is_empty() {
            let (last, verifier) = client.last(&self.server_first);
            line = line.replace("{last}", &BASE64.encode(last.as_bytes()));
            line = line.replace("{verifier}", &BASE64.encode(verifier.as_bytes()));
        }
        line
    }

    fn plain_message(&self) -> Vec<u8> {
        let Client { username, password, .. } = &self.setup.client;
        ["", username, password].join("\0").into()
    }

    fn token_message(&self) -> Vec<u8> {
        [NUMBER.as_bytes(), b"\0", self.token_proof("Initiator").as_slice()].concat()
    }

    fn token_proof(&self, who: &str) -> Vec<u8> {
        let (token, bound) = &self.setup.token;
        ScramHash::Sha256.hmac(token.as_bytes(), &[who.as_bytes(), bound].concat())
    }

    /// The client sends this, with what stands in braces filled in.
    pub fn say_filled(&mut self, said: &str) {
        let said = self.fill(said);
        self.say(&said);
    }

    /// The client sends this; a WebSocket message on WebSocket.
    pub fn say(&mut self, said: &str) {
        if self.is_websocket() {
            self.tell(StreamInput::Element(Bytes::copy_from_slice(said.as_bytes())));
        } else {
            self.framer.push(said.as_bytes());
        }
        self.pump();
    }

    /// The core ends the stream.
    pub fn close(&mut self, error: Option<StreamError>) {
        self.stream.close(error);
        self.pump();
    }

    /// What happens beside the client.
    fn happen(&mut self, event: &str) {
        match event.split_once(' ') {
            Some(("wait", ms)) => {
                self.now.elapsed_ms += ms.parse::<u64>().unwrap();
                let due = |timeout| timeout <= self.now.elapsed_ms;
                if self.stream.poll_timeout().is_some_and(due) {
                    self.stream.handle_timeout(self.now);
                }
            }
            Some(("registered", answer)) => {
                self.tell(StreamInput::Registered(Bytes::copy_from_slice(answer.as_bytes())));
            }
            _ if event == "handshake" => self.tell(StreamInput::TlsStarted(bindings())),
            _ => panic!("what is {event:?}?"),
        }
        self.pump();
    }

    fn tell(&mut self, input: StreamInput) {
        self.stream.handle(self.now, input);
    }

    /// Carries outputs out and feeds the stream until both are at rest.
    fn pump(&mut self) {
        loop {
            while let Some(output) = self.stream.poll_output() {
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
        let line = match output {
            StreamOutput::Send(bytes) => format!("S: {}", with_known_id(&text(&bytes))),
            StreamOutput::StartTls => {
                self.framer.reset_for_tls();
                "- starts TLS".into()
            }
            StreamOutput::Restart => {
                self.framer.reset();
                "- restarts".into()
            }
            StreamOutput::LookUp { name, device } => {
                self.tell(StreamInput::LookedUp(self.known(name)));
                let device = device.map(|device| format!(" on {device}"));
                format!("- looks up {name}{}", device.unwrap_or_default())
            }
            StreamOutput::VerifyPassword(attempt) => {
                self.tell(StreamInput::PasswordVerified(attempt.verify()));
                "- checks a password".into()
            }
            StreamOutput::Authenticated(login) => {
                let line = describe(&login, &self.setup.credentials);
                self.tell(match self.setup.ready.clone() {
                    Ok(ready) => StreamInput::SessionReady(Box::new(ready)),
                    Err(failure) => StreamInput::SessionRefused(failure),
                });
                line
            }
            StreamOutput::Refused { username, failure } => {
                format!("- refuses {}: {failure}", username.as_deref().unwrap_or("somebody"))
            }
            StreamOutput::Register(stanza) => format!("- registers {}", text(stanza.as_bytes())),
            StreamOutput::Established => "- established".into(),
            StreamOutput::Element(stanza) => format!("- element {}", text(stanza.as_bytes())),
            StreamOutput::Close(None) => "- closes".into(),
            StreamOutput::Close(Some(condition)) => format!("- closes: {condition}"),
        };
        self.heard.push_back(line);
    }

    fn known(&self, name: LoginName) -> LookedUp {
        match name.to_string().as_str() {
            NUMBER | ACCOUNT => LookedUp::Known {
                account: AccountId::parse(ACCOUNT).unwrap(),
                credentials: self.setup.credentials.clone(),
            },
            "+15550100999" => LookedUp::Unavailable,
            _ => LookedUp::Unknown,
        }
    }
}

/// A login in one line.
fn describe(login: &Login, credentials: &Credentials) -> String {
    assert_eq!(login.account.to_string(), ACCOUNT);
    let credential = match login.credential {
        proved @ Credential::Password(_) => format!("password {}", place(proved, credentials)),
        Credential::Token { generation } => format!("token {generation}"),
    };
    let mut line = format!("- logs in by {} with {credential}", login.mechanism);
    if let Some(agent) = &login.user_agent {
        let [id, software, device] = [&agent.id, &agent.software, &agent.device]
            .map(|field| field.as_deref().unwrap_or("-"));
        line += &format!("; agent {id} {software} {device}");
    }
    if let Some(mechanism) = login.tokens.request {
        line += &format!("; wants a token for {}", mechanism.name());
    }
    if let Some(count) = login.tokens.count {
        line += &format!("; count {count}");
    }
    if login.tokens.invalidate {
        line += "; invalidates";
    }
    let SessionRequest::Inline(inline) = &login.request else { return line + "; legacy" };
    if let Some(resume) = &inline.resume {
        line += &format!("; resumes {} {}", resume.previous, resume.handled);
    }
    let Some(bind) = &inline.bind else { return line };
    line += &format!("; binds {}", bind.tag.as_deref().unwrap_or("-"));
    if let Some(enable) = bind.enable {
        line += if enable.can_resume { " sm+resume" } else { " sm" };
    }
    line += if bind.carbons { " carbons" } else { "" };
    line += if bind.is_inactive { " inactive" } else { "" };
    line
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Only headers have an id that nobody knows before; it has 32 characters.
fn with_known_id(sent: &str) -> String {
    let is_header = sent.starts_with("<?xml") || sent.starts_with("<open");
    let Some((before, rest)) = sent.split_once(" id='").filter(|_| is_header) else {
        return sent.into();
    };
    let (id, after) = rest.split_once('\'').unwrap();
    assert_eq!(id.len(), 32);
    format!("{before} id='ID'{after}")
}

const WEBSOCKET_OPEN: &str =
    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";
const OPEN: &str = "<stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>";
const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' from='example.org' id='ID' version='1.0' \
    xml:lang='en'>";
