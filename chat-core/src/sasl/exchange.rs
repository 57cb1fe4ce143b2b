//! An exchange, mechanism by mechanism: each step is a type with one way on.

use super::MESSAGE_BYTES_MAX;
use super::channel::Channel;
use super::credentials::{Candidates, Credential, Credentials};
use super::failure::{SaslCondition, SaslFailure};
use super::hashed_token::InitiatorMessage;
use super::keys::PasswordMark;
use super::mechanism::Mechanism;
use super::offer::Offer;
use super::plain::{PlainAttempt, PlainMessage};
use super::scram::{Challenged, ClientFirst};
use super::secret::{ServerNonce, ServerSecret};

/// What an exchange runs under. The same at each of its steps.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What the client was offered under the SASL profile that it uses.
    pub offer: &'a Offer,
    /// What the stream runs over.
    pub channel: &'a Channel,
    /// Derives the salts of unknown users.
    pub secret: &'a ServerSecret,
    /// XEP-0484's `count`, where a token is shown.
    pub token_count: Option<u32>,
}

/// What comes next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// The storage is to say what it knows of a user name.
    LookUp(LookUp),
    /// The client is to respond.
    Challenge(Challenge),
    /// A password is to be checked, which costs milliseconds.
    VerifyPlain(PlainAttempt, Undecided),
    /// The client is who it says.
    Success(Success),
    /// It is not, or its message is wrong.
    Failure(SaslFailure),
}

/// Opens an exchange. Without an initial response the client is asked for it by an empty challenge
/// (RFC 4422 5).
pub fn start(
    mechanism: Mechanism,
    initial: Option<&[u8]>,
    nonce: ServerNonce,
    terms: &Terms,
) -> Step {
    if terms.offer.find(mechanism.name()).is_none() {
        return Step::Failure(SaslCondition::InvalidMechanism.into());
    }
    match initial {
        Some(initial) => open(mechanism, initial, nonce, terms).unwrap_or_else(Step::Failure),
        None => Step::Challenge(Challenge {
            bytes: Vec::new(),
            next: Awaited::Initial { mechanism, nonce },
        }),
    }
}

fn open(
    mechanism: Mechanism,
    initial: &[u8],
    nonce: ServerNonce,
    terms: &Terms,
) -> Result<Step, SaslFailure> {
    check_len(initial)?;
    let opened = match mechanism {
        Mechanism::Scram { hash, plus } => {
            let initial = text(initial)?;
            let first = ClientFirst::parse(initial, hash, plus, terms.offer, terms.channel)?;
            Opened::Scram { first, nonce }
        }
        Mechanism::Plain => Opened::Plain(PlainMessage::parse(text(initial)?)?),
        Mechanism::HashedToken(token) => {
            Opened::HashedToken(InitiatorMessage::parse(initial, token)?)
        }
    };
    Ok(Step::LookUp(LookUp { opened }))
}

/// Waits for what the storage knows.
#[derive(Debug)]
pub struct LookUp {
    opened: Opened,
}

#[derive(Debug)]
enum Opened {
    Scram { first: ClientFirst, nonce: ServerNonce },
    Plain(PlainMessage),
    HashedToken(InitiatorMessage),
}

impl LookUp {
    /// Whom the client names, after SASLprep.
    pub fn username(&self) -> &str {
        match &self.opened {
            Opened::Scram { first, .. } => &first.username,
            Opened::Plain(message) => &message.username,
            Opened::HashedToken(message) => &message.username,
        }
    }

    /// As whom it wants to act, if it says so. The caller decides whether it may.
    pub fn authzid(&self) -> Option<&str> {
        match &self.opened {
            Opened::Scram { first, .. } => first.authzid.as_deref(),
            Opened::Plain(message) => message.authzid.as_deref(),
            Opened::HashedToken(_) => None,
        }
    }

    /// Goes on with what is known; `None` where there is no such account, of which the client
    /// learns nothing. `name` is the one form of the user name under which it was looked up: two
    /// forms of one name must not be shown two salts, for an account shows one.
    pub fn answer(self, known: Option<&Credentials>, name: &str, terms: &Terms) -> Step {
        match self.opened {
            Opened::Scram { first, nonce } => {
                let candidates = Candidates::of(known, first.hash, name, terms.secret);
                let (message, challenged) = first.challenge(candidates, &nonce, terms.offer);
                let next = Awaited::ClientFinal(Box::new(challenged));
                Step::Challenge(Challenge { bytes: message.into(), next })
            }
            Opened::Plain(message) => {
                let undecided = Undecided { username: message.username.clone() };
                Step::VerifyPlain(message.attempt(known, name, terms.secret), undecided)
            }
            Opened::HashedToken(message) => {
                match message.verify(known, terms.token_count, terms.channel) {
                    Ok((generation, answer)) => Step::Success(Success {
                        username: message.username,
                        credential: Credential::Token { generation },
                        additional_data: Some(answer),
                    }),
                    Err(failure) => Step::Failure(failure),
                }
            }
        }
    }
}

/// Waits for the client's response.
#[derive(Debug)]
pub struct Challenge {
    bytes: Vec<u8>,
    next: Awaited,
}

#[derive(Debug)]
enum Awaited {
    Initial { mechanism: Mechanism, nonce: ServerNonce },
    ClientFinal(Box<Challenged>),
}

impl Challenge {
    /// What the client is to be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Goes on with what the client sent.
    pub fn respond(self, response: &[u8], terms: &Terms) -> Step {
        let step = match self.next {
            Awaited::Initial { mechanism, nonce } => open(mechanism, response, nonce, terms),
            Awaited::ClientFinal(challenged) => finish(*challenged, response, terms),
        };
        step.unwrap_or_else(Step::Failure)
    }
}

fn finish(challenged: Challenged, response: &[u8], terms: &Terms) -> Result<Step, SaslFailure> {
    check_len(response)?;
    let (mark, message) = challenged.finish(text(response)?, terms.channel)?;
    Ok(Step::Success(Success {
        username: challenged.first.username,
        credential: Credential::Password(mark),
        additional_data: Some(message.into()),
    }))
}

/// Waits for the outcome of a [`PlainAttempt`].
#[derive(Debug)]
pub struct Undecided {
    username: String,
}

impl Undecided {
    /// Goes on with what [`PlainAttempt::verify`] gave.
    pub fn decide(self, verified: Option<PasswordMark>) -> Step {
        match verified {
            Some(mark) => Step::Success(Success {
                username: self.username,
                credential: Credential::Password(mark),
                additional_data: None,
            }),
            None => Step::Failure(SaslFailure::NOT_AUTHORIZED),
        }
    }
}

/// The client is who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// Whom it named.
    pub username: String,
    /// What it proved to have.
    pub credential: Credential,
    /// What proves the server to the client.
    pub additional_data: Option<Vec<u8>>,
}

fn check_len(message: &[u8]) -> Result<(), SaslFailure> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(SaslFailure::malformed("the message is too long"));
    }
    Ok(())
}

fn text(message: &[u8]) -> Result<&str, SaslFailure> {
    std::str::from_utf8(message).map_err(|_| SaslFailure::malformed("the message is not UTF-8"))
}
