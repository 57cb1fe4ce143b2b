//! One session: its link, its login, its stanzas, and XEP-0198's counts of them.

use std::io;
use std::net::TcpStream;
use std::rc::Rc;

use crate::link::{Link, LinkError, Stage};

use super::Endpoint;
use super::account::Account;
use super::fast::FastUse;
use super::find;
use super::framing::{Framing, FramingError, Piece};
use super::login::{Context, Login, Progress};
use super::scram::{Mechanism, ScramError};

/// What a session is to have.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// XEP-0198.
    pub stream_management: bool,
    /// XEP-0280.
    pub carbons: bool,
    pub presence: bool,
    /// `urn:whimbrel:groups:0`, by Bind 2.
    pub groups: bool,
    /// XEP-0388 and Bind 2 where the server offers them.
    pub sasl2: bool,
    /// The strongest that is offered, if none is named.
    pub mechanism: Option<Mechanism>,
    pub fast: FastUse,
    /// The resource to ask for (Bind 2: the tag); the server's choice if none.
    pub resource: Option<String>,
}

/// Why a session ended, or did not begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error(transparent)]
    Scram(#[from] ScramError),
    #[error("the server does not offer {0}")]
    Lacks(&'static str),
    #[error("{what}: {answer}")]
    Refused { what: &'static str, answer: String },
    #[error("the server ended the stream")]
    Ended,
}

/// What a session tells its owner.
#[derive(Debug)]
pub enum Event<'a> {
    /// The login is over.
    Ready,
    /// A message stanza, whole.
    Message(&'a [u8]),
    /// An IQ or presence stanza, whole.
    Other(&'a [u8]),
    /// The server has handled so many of our stanzas.
    Acked(u32),
    /// The session is over, as it was asked to be.
    Closed,
    /// The session is over.
    Lost(&'a ClientError),
}

/// XEP-0198's counts, modulo 2^32 each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    counts_sent: bool,
    counts_handled: bool,
    sent: u32,
    handled: u32,
}

impl Flow {
    /// `<enable/>` is sent.
    pub fn start_sending(&mut self) {
        self.counts_sent = true;
    }

    /// `<enabled/>` came with the login itself.
    pub fn start_both(&mut self) {
        (self.counts_sent, self.counts_handled) = (true, true);
    }

    /// A stanza is sent.
    pub fn count_sent(&mut self) {
        self.sent = self.sent.wrapping_add(u32::from(self.counts_sent));
    }

    fn count_handled(&mut self) {
        self.handled = self.handled.wrapping_add(u32::from(self.counts_handled));
    }
}

/// A session or the way to one.
pub struct Client {
    /// The place of its account in the pool's list.
    pub account: usize,
    /// The full JID, once bound.
    pub jid: String,
    link: Link,
    framing: Framing,
    /// Bytes of a piece that has not come whole.
    partial: Vec<u8>,
    /// What is to be sent next.
    out: Vec<u8>,
    flow: Flow,
    login: Option<Box<Login>>,
    is_started: bool,
    is_closing: bool,
}

/// Buffers that all clients of a thread share: none has its own while it rests.
pub struct Buffers {
    scratch: Vec<u8>,
    inbox: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { scratch: vec![0; SCRATCH_BYTES], inbox: Vec::new() }
    }
}

impl Client {
    /// Starts to connect.
    ///
    /// # Errors
    /// The machine refuses (descriptors, ports).
    pub fn open(endpoint: &Endpoint, account: usize, wishes: Rc<Wishes>) -> io::Result<Self> {
        let is_websocket = endpoint.transport.is_websocket();
        Ok(Self {
            account,
            jid: String::new(),
            link: Link::open(endpoint.address, endpoint.tls_at_once())?,
            framing: if is_websocket { Framing::Upgrade } else { Framing::Tcp },
            partial: Vec::new(),
            out: Vec::new(),
            flow: Flow::default(),
            login: Some(Box::new(Login::new(wishes))),
            is_started: false,
            is_closing: false,
        })
    }

    /// The socket, for the poller.
    pub fn socket(&self) -> &TcpStream {
        self.link.socket()
    }

    /// Watch for when it can be written.
    pub fn wants_write(&self) -> bool {
        self.link.wants_write()
    }

    /// Makes the close a reset: thousands of short sessions leave no TIME_WAIT behind.
    pub fn reset_on_close(&self) {
        self.link.reset_on_close();
    }

    /// Writes a stanza, to be sent by the next `flush`, and says its number in XEP-0198's count.
    pub fn write_stanza(&mut self, stanza: &[u8]) -> u32 {
        self.framing.write(&mut self.out, stanza);
        self.flow.count_sent();
        self.flow.sent
    }

    /// Asks the server how far it has come.
    pub fn request_ack(&mut self) {
        self.framing.write(&mut self.out, b"<r xmlns='urn:xmpp:sm:3'/>");
    }

    /// Ends the stream; `Event::Closed` follows when the server has ended it too.
    pub fn close(&mut self) {
        self.framing.write_close(&mut self.out);
        self.is_closing = true;
    }

    /// Sends what was written.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        if !self.out.is_empty() && self.link.stage() == Stage::Ready {
            self.link.send(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    /// The socket can be written.
    ///
    /// # Errors
    /// The connection is refused or broken.
    pub fn on_writable(
        &mut self,
        endpoint: &Endpoint,
        account: &mut Account,
    ) -> Result<(), ClientError> {
        self.link.on_writable()?;
        self.start_if_ready(endpoint, account);
        self.flush()
    }

    /// Reads once, tells what came, and sends what must be answered.
    ///
    /// # Errors
    /// The session is over.
    pub fn on_readable(
        &mut self,
        endpoint: &Endpoint,
        account: &mut Account,
        buffers: &mut Buffers,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ClientError> {
        let Buffers { scratch, inbox } = buffers;
        inbox.clear();
        inbox.append(&mut self.partial);
        let arrived = self.link.receive(scratch, usize::MAX, |plaintext| {
            inbox.extend_from_slice(plaintext);
        })?;
        self.start_if_ready(endpoint, account);
        let mut at = 0;
        while let Some((piece, used)) = self.framing.next(&inbox[at..])? {
            at += used;
            self.on_piece(piece, endpoint, account, on_event)?;
        }
        if at < inbox.len() {
            self.partial.extend_from_slice(&inbox[at..]);
        }
        if arrived.ended {
            return self.on_end(on_event);
        }
        self.flush()
    }

    fn start_if_ready(&mut self, endpoint: &Endpoint, account: &mut Account) {
        if self.is_started || self.link.stage() != Stage::Ready {
            return;
        }
        self.is_started = true;
        if let Some(mut login) = self.login.take() {
            login.start(&mut self.context(endpoint, account));
            self.login = Some(login);
        }
    }

    fn on_piece(
        &mut self,
        piece: Piece<'_>,
        endpoint: &Endpoint,
        account: &mut Account,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ClientError> {
        if let Piece::Element(element) = piece
            && matches!(find::name(element), b"message" | b"iq" | b"presence")
        {
            self.flow.count_handled();
        }
        let Some(mut login) = self.login.take() else {
            return self.on_session_piece(piece, on_event);
        };
        let progress = login.on_piece(piece, &mut self.context(endpoint, account))?;
        if progress != Progress::Done {
            self.login = Some(login);
        }
        match progress {
            Progress::Continue => {
                if let Piece::Element(element) = piece
                    && find::name(element) == b"enabled"
                {
                    self.flow.start_both();
                }
                Ok(())
            }
            Progress::NotMine => self.on_session_piece(piece, on_event),
            Progress::StartTls => {
                self.is_started = false;
                let tls = endpoint.tls.as_ref().ok_or(ClientError::Lacks("TLS settings"))?;
                Ok(self.link.start_tls(tls)?)
            }
            Progress::Done => {
                on_event(Event::Ready);
                Ok(())
            }
        }
    }

    fn on_session_piece(
        &mut self,
        piece: Piece<'_>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ClientError> {
        match piece {
            Piece::Element(element) => match find::name(element) {
                b"message" => on_event(Event::Message(element)),
                b"iq" | b"presence" => on_event(Event::Other(element)),
                b"a" => {
                    let handled = find::attribute(element, "h").and_then(parse_count);
                    on_event(Event::Acked(handled.ok_or(ClientError::Lacks("h of <a/>"))?));
                }
                b"r" => {
                    let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.flow.handled);
                    self.framing.write(&mut self.out, answer.as_bytes());
                }
                b"stream:error" | b"error" => {
                    let answer = String::from_utf8_lossy(element).into_owned();
                    return Err(ClientError::Refused { what: "the stream", answer });
                }
                _ => {}
            },
            Piece::Ping(payload) => self.framing.write_pong(&mut self.out, payload),
            Piece::Closed => return self.on_end(on_event),
            Piece::Opened | Piece::Upgraded | Piece::Nothing => {}
        }
        Ok(())
    }

    fn on_end(&mut self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<(), ClientError> {
        if !self.is_closing {
            return Err(ClientError::Ended);
        }
        on_event(Event::Closed);
        Ok(())
    }

    fn context<'a>(&'a mut self, endpoint: &'a Endpoint, account: &'a mut Account) -> Context<'a> {
        Context {
            endpoint,
            account,
            framing: self.framing,
            out: &mut self.out,
            flow: &mut self.flow,
            jid: &mut self.jid,
            is_encrypted: self.link.is_encrypted(),
            certificate: self.link.peer_certificate().map(<[u8]>::to_vec),
        }
    }
}

fn parse_count(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const SCRATCH_BYTES: usize = 320 * 1024;
