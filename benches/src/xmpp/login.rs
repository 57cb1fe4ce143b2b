//! From an open link to a session: RFC 6120 5 to 7, XEP-0388 SASL2, XEP-0386 Bind 2, XEP-0484 FAST,
//! and what a client asks for next: XEP-0198, XEP-0280, presence.

use std::rc::Rc;

use data_encoding::BASE64;

use super::Endpoint;
use super::account::Account;
use super::client::{ClientError, Flow, Wishes};
use super::fast::{FastUse, HtMechanism, Token};
use super::find;
use super::framing::{Framing, Piece};
use super::scram::{self, Exchange, Mechanism};
use super::websocket;

/// A login under way.
pub struct Login {
    wishes: Rc<Wishes>,
    step: Step,
    is_authenticated: bool,
    /// The features that were seen last offer XEP-0198.
    offers_stream_management: bool,
    /// XEP-0280 was asked for with the login itself, where it cannot fail.
    has_carbons: bool,
    /// What the FAST token was asked for.
    token_mechanism: Option<HtMechanism>,
    awaited: Awaited,
}

/// What a piece has done to the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    Continue,
    /// The piece belongs to the session, which is bound already.
    NotMine,
    /// The server is ready for a TLS handshake.
    StartTls,
    /// The session is as it was wished for.
    Done,
}

/// What a login works with.
pub struct Context<'a> {
    pub endpoint: &'a Endpoint,
    pub account: &'a mut Account,
    pub framing: Framing,
    pub out: &'a mut Vec<u8>,
    pub flow: &'a mut Flow,
    pub jid: &'a mut String,
    pub is_encrypted: bool,
    pub certificate: Option<Vec<u8>>,
}

enum Step {
    Open,
    Features,
    Proceed,
    Authentication { is_sasl2: bool, proof: Proof },
    Bind,
    SetUp,
}

enum Proof {
    Plain,
    Scram(Box<Exchange>),
    Token(Token),
}

/// Answers that are still due before the session is as wished for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Awaited {
    enabled: bool,
    carbons: bool,
    barrier: bool,
}

impl Login {
    /// A login that waits for its link.
    pub fn new(wishes: Rc<Wishes>) -> Self {
        Self {
            wishes,
            step: Step::Open,
            is_authenticated: false,
            offers_stream_management: false,
            has_carbons: false,
            token_mechanism: None,
            awaited: Awaited::default(),
        }
    }

    /// The link carries bytes now.
    pub fn start(&mut self, context: &mut Context<'_>) {
        if context.framing == Framing::Upgrade {
            let endpoint = context.endpoint;
            websocket::write_upgrade(context.out, &endpoint.domain, &endpoint.websocket_path);
        } else {
            self.open(context);
        }
    }

    /// Takes a piece of the stream.
    ///
    /// # Errors
    /// The server refuses, lacks what is wished for, or breaks the protocol.
    pub fn on_piece(
        &mut self,
        piece: Piece<'_>,
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        match piece {
            Piece::Upgraded => self.open(context),
            Piece::Opened => {
                if !matches!(self.step, Step::Open) {
                    return Err(refused("opening the stream", b"a second header"));
                }
                self.step = Step::Features;
            }
            Piece::Element(element) => return self.on_element(element, context),
            Piece::Closed | Piece::Ping(_) | Piece::Nothing => return Ok(Progress::NotMine),
        }
        Ok(Progress::Continue)
    }

    fn on_element(
        &mut self,
        element: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        match &self.step {
            Step::Open => Err(refused("opening the stream", element)),
            Step::Features => self.on_features(element, context),
            Step::Proceed => match find::name(element) {
                b"proceed" => {
                    self.step = Step::Open;
                    Ok(Progress::StartTls)
                }
                _ => Err(refused("STARTTLS", element)),
            },
            Step::Authentication { .. } => self.on_authentication(element, context),
            Step::Bind => self.on_bind(element, context),
            Step::SetUp => self.on_set_up(element),
        }
    }

    fn open(&mut self, context: &mut Context<'_>) {
        // XEP-0484 5.1: who uses FAST says who they are at once.
        let from = (self.wishes.fast != FastUse::None).then_some(context.account.jid.as_str());
        context.framing.write_open(context.out, &context.endpoint.domain, from);
        self.step = Step::Open;
    }

    fn on_features(
        &mut self,
        features: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        if !matches!(find::name(features), b"stream:features" | b"features") {
            return Err(refused("reading the features", features));
        }
        self.offers_stream_management = find::holds(features, "urn:xmpp:sm:3");
        if self.is_authenticated {
            return self.bind(features, context);
        }
        if context.endpoint.tls.is_some() && !context.is_encrypted {
            if !find::holds(features, "urn:ietf:params:xml:ns:xmpp-tls") {
                return Err(ClientError::Lacks("STARTTLS"));
            }
            let starttls = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
            context.framing.write(context.out, starttls);
            self.step = Step::Proceed;
            return Ok(Progress::Continue);
        }
        self.authenticate(features, context)
    }

    fn authenticate(
        &mut self,
        features: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        let sasl2 = section(features, "authentication").filter(|_| self.wishes.sasl2);
        if self.wishes.groups && !sasl2.is_some_and(|offered| find::holds(offered, BIND2)) {
            return Err(ClientError::Lacks("Bind 2, by which groups are asked for"));
        }
        let (mechanism, proof, first) = match self.wishes.fast {
            FastUse::UseToken => {
                sasl2.ok_or(ClientError::Lacks("SASL2"))?;
                let token = context.account.token.as_mut().ok_or(ClientError::Lacks("a token"))?;
                token.count += 1;
                let (name, token) = (token.mechanism.name(), token.clone());
                let first = token.prove(context.account.local(), context.certificate.as_deref());
                (name, Proof::Token(token), first)
            }
            FastUse::RequestToken if sasl2.is_none() => return Err(ClientError::Lacks("SASL2")),
            _ => {
                let offered = sasl2.or_else(|| section(features, "mechanisms"));
                self.prove_password(offered.unwrap_or_default(), context.account)?
            }
        };
        let first = BASE64.encode(&first);
        let request = match sasl2 {
            Some(offered) => self.sasl2_request(mechanism, &first, offered, context)?,
            None => format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>"),
        };
        context.framing.write(context.out, request.as_bytes());
        self.step = Step::Authentication { is_sasl2: sasl2.is_some(), proof };
        Ok(Progress::Continue)
    }

    fn prove_password(
        &self,
        offered: &[u8],
        account: &Account,
    ) -> Result<(&'static str, Proof, Vec<u8>), ClientError> {
        let is_offered =
            |mechanism: &Mechanism| find::holds(offered, &format!(">{}<", mechanism.name()));
        let mechanism = match self.wishes.mechanism {
            Some(mechanism) => Some(mechanism).filter(is_offered),
            None => Mechanism::BY_STRENGTH.into_iter().find(is_offered),
        };
        let mechanism = mechanism.ok_or(ClientError::Lacks("the SASL mechanism"))?;
        if mechanism == Mechanism::Plain {
            let first = scram::plain(account.local(), &account.password);
            return Ok((mechanism.name(), Proof::Plain, first));
        }
        let (exchange, first) = Exchange::start(mechanism, account.local(), fastrand::u128(..));
        Ok((mechanism.name(), Proof::Scram(Box::new(exchange)), first))
    }

    fn sasl2_request(
        &mut self,
        mechanism: &str,
        first: &str,
        offered: &[u8],
        context: &Context<'_>,
    ) -> Result<String, ClientError> {
        let mut request = format!(
            "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>\
             <initial-response>{first}</initial-response>\
             <user-agent id='{}'><software>whimbrel-bench</software></user-agent>",
            user_agent_id(&context.account.jid, self.wishes.resource.as_deref())
        );
        match self.wishes.fast {
            FastUse::None => {}
            FastUse::RequestToken => {
                let token = HtMechanism::choose(offered, context.is_encrypted)
                    .ok_or(ClientError::Lacks("FAST"))?;
                self.token_mechanism = Some(token);
                request += &format!("<request-token xmlns='{FAST}' mechanism='{}'/>", token.name());
            }
            FastUse::UseToken => {
                let token = context.account.token.as_ref();
                self.token_mechanism = token.map(|token| token.mechanism);
                let count = token.map_or(1, |token| token.count);
                request += &format!("<fast xmlns='{FAST}' count='{count}'/>");
            }
        }
        if find::holds(offered, BIND2) {
            let tag = self.wishes.resource.as_deref().unwrap_or("bench");
            request += &format!("<bind xmlns='{BIND2}'><tag>{tag}</tag>");
            if self.wishes.carbons && find::holds(offered, CARBONS) {
                self.has_carbons = true;
                request += &format!("<enable xmlns='{CARBONS}'/>");
            }
            if self.wishes.stream_management && find::holds(offered, SM) {
                request += &format!("<enable xmlns='{SM}'/>");
            }
            if self.wishes.groups {
                request += &format!("<enable xmlns='{GROUPS}'/>");
            }
            request += "</bind>";
        }
        Ok(request + "</authenticate>")
    }

    fn on_authentication(
        &mut self,
        element: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        let Step::Authentication { is_sasl2, proof } = &mut self.step else {
            return Ok(Progress::NotMine);
        };
        let is_sasl2 = *is_sasl2;
        match (find::name(element), proof) {
            (b"challenge", Proof::Scram(exchange)) => {
                let challenge = decoded(find::text(element))?;
                let account = &mut *context.account;
                let answer = exchange.answer(&challenge, &account.password, &mut account.keys)?;
                let namespace = if is_sasl2 { SASL2 } else { SASL };
                let answer = BASE64.encode(&answer);
                let response = format!("<response xmlns='{namespace}'>{answer}</response>");
                context.framing.write(context.out, response.as_bytes());
                Ok(Progress::Continue)
            }
            (b"success", proof) => {
                let said = match is_sasl2 {
                    true => find::descendant(element, "additional-data").map(find::text),
                    false => Some(find::text(element)),
                };
                let said = decoded(said.unwrap_or_default())?;
                check_server(proof, &said, context.certificate.as_deref())?;
                self.is_authenticated = true;
                if is_sasl2 {
                    return self.on_sasl2_success(element, context);
                }
                self.open(context);
                Ok(Progress::Continue)
            }
            _ => Err(refused("authentication", element)),
        }
    }

    fn on_sasl2_success(
        &mut self,
        success: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        self.take_token(success, context);
        if !find::holds(success, "<bound") {
            // The features come now, without a new stream; resource binding is theirs.
            self.step = Step::Features;
            return Ok(Progress::Continue);
        }
        let identifier = find::descendant(success, "authorization-identifier").map(find::text);
        *context.jid = String::from_utf8_lossy(identifier.unwrap_or_default()).into_owned();
        let is_enabled = find::descendant(success, "enabled").is_some();
        if is_enabled {
            context.flow.start_both();
        }
        self.offers_stream_management = true;
        self.set_up(is_enabled, context)
    }

    /// Keeps a token that was asked for, or came unasked (rotation).
    fn take_token(&self, success: &[u8], context: &mut Context<'_>) {
        let token = find::descendant(success, "token");
        let secret = token.and_then(|token| find::attribute(token, "token"));
        if let (Some(secret), Some(mechanism)) = (secret, self.token_mechanism) {
            context.account.token = Some(Token { mechanism, secret: secret.to_vec(), count: 0 });
        }
    }

    /// RFC 6120 7.
    fn bind(
        &mut self,
        features: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        if !find::holds(features, "urn:ietf:params:xml:ns:xmpp-bind") {
            return Err(ClientError::Lacks("resource binding"));
        }
        let resource = self.wishes.resource.as_ref();
        let resource =
            resource.map_or(String::new(), |name| format!("<resource>{name}</resource>"));
        let request = format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{resource}\
             </bind></iq>"
        );
        context.framing.write(context.out, request.as_bytes());
        self.step = Step::Bind;
        Ok(Progress::Continue)
    }

    fn on_bind(
        &mut self,
        answer: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        let jid = find::descendant(answer, "jid").map(find::text);
        match jid.filter(|_| find::attribute(answer, "type") == Some(b"result")) {
            Some(jid) => *context.jid = String::from_utf8_lossy(jid).into_owned(),
            None => return Err(refused("binding a resource", answer)),
        }
        self.set_up(false, context)
    }

    /// Asks in one go for all that the session is to have.
    fn set_up(
        &mut self,
        is_enabled: bool,
        context: &mut Context<'_>,
    ) -> Result<Progress, ClientError> {
        self.step = Step::SetUp;
        if self.wishes.stream_management && !is_enabled {
            if !self.offers_stream_management {
                return Err(ClientError::Lacks("stream management"));
            }
            let enable = format!("<enable xmlns='{SM}'/>");
            context.framing.write(context.out, enable.as_bytes());
            context.flow.start_sending();
            self.awaited.enabled = true;
        }
        if self.wishes.carbons && !self.has_carbons {
            let ask = format!("<iq type='set' id='carbons'><enable xmlns='{CARBONS}'/></iq>");
            context.write_stanza(ask.as_bytes());
            self.awaited.carbons = true;
        }
        if self.wishes.presence {
            context.write_stanza(b"<presence/>");
            // Stanzas are worked off in order (RFC 6120 10.1): once this one is answered, whatever
            // the answer is, the presence has taken effect.
            let ask = format!(
                "<iq type='get' id='barrier' to='{}'><ping xmlns='urn:xmpp:ping'/></iq>",
                context.endpoint.domain
            );
            context.write_stanza(ask.as_bytes());
            self.awaited.barrier = true;
        }
        Ok(self.progress_of_set_up())
    }

    fn on_set_up(&mut self, element: &[u8]) -> Result<Progress, ClientError> {
        match (find::name(element), find::attribute(element, "id")) {
            (b"failed", _) => return Err(refused("enabling stream management", element)),
            (b"enabled", _) => self.awaited.enabled = false,
            (b"iq", Some(b"carbons")) => {
                if find::attribute(element, "type") != Some(b"result") {
                    return Err(refused("enabling carbons", element));
                }
                self.awaited.carbons = false;
            }
            (b"iq", Some(b"barrier")) => self.awaited.barrier = false,
            _ => return Ok(Progress::NotMine),
        }
        Ok(self.progress_of_set_up())
    }

    fn progress_of_set_up(&self) -> Progress {
        if self.awaited == Awaited::default() { Progress::Done } else { Progress::Continue }
    }
}

impl Context<'_> {
    fn write_stanza(&mut self, stanza: &[u8]) {
        self.framing.write(self.out, stanza);
        self.flow.count_sent();
    }
}

fn check_server(proof: &Proof, said: &[u8], certificate: Option<&[u8]>) -> Result<(), ClientError> {
    match proof {
        Proof::Plain => Ok(()),
        Proof::Scram(exchange) => Ok(exchange.check(said)?),
        Proof::Token(token) if token.is_answered_by(said, certificate) => Ok(()),
        Proof::Token(_) => Err(ClientError::Lacks("the server's proof of the token")),
    }
}

/// The element of that name with all it holds.
fn section<'a>(features: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let start = find::descendant(features, name)?;
    let end = memchr::memmem::find(start, format!("</{name}>").as_bytes())?;
    Some(&start[..end])
}

fn decoded(base64: &[u8]) -> Result<Vec<u8>, ClientError> {
    if base64 == b"=" {
        return Ok(Vec::new());
    }
    BASE64.decode(base64).map_err(|_| refused("decoding base64", base64))
}

fn refused(what: &'static str, answer: &[u8]) -> ClientError {
    let shown = &answer[..answer.len().min(ANSWER_SHOWN_BYTES)];
    ClientError::Refused { what, answer: String::from_utf8_lossy(shown).into_owned() }
}

/// A UUID that stays the same for the same client (XEP-0388 2.3.1).
pub fn user_agent_id(jid: &str, resource: Option<&str>) -> String {
    let seed = format!("{jid}/{}", resource.unwrap_or_default());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, seed.as_bytes());
    let hex = data_encoding::HEXLOWER.encode(&hash.as_ref()[..16]);
    // RFC 9562: version 4 and its variant stand at fixed places.
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const SASL2: &str = "urn:xmpp:sasl:2";
const BIND2: &str = "urn:xmpp:bind:0";
const FAST: &str = "urn:xmpp:fast:0";
const SM: &str = "urn:xmpp:sm:3";
const GROUPS: &str = "urn:whimbrel:groups:0";
const CARBONS: &str = "urn:xmpp:carbons:2";
const ANSWER_SHOWN_BYTES: usize = 300;
