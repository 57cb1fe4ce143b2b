//! The states of a stream, each a type that is consumed by what happens to it.

use super::attempt::{Challenged, LoggingIn, LookingUp, Penalised, Verifying};
use super::config::LIMITS_BEFORE_LOGIN;
use super::error::{StreamError, StreamErrorCondition};
use super::framing::Framed;
use super::offering::{Offering, Registering};
use super::opening::{Handshake, Opening};
use super::shared::Shared;
use super::{StreamInput, StreamOutput};
use crate::stanza::Stanza;
use crate::xml::StreamHeader;

/// The state that follows, or the error that ends the stream.
pub(super) type Next = Result<State, StreamError>;

#[derive(Debug)]
pub(super) enum State {
    /// For the client's header.
    Opening(Opening),
    /// For the client's choice among the features.
    Offering(Offering),
    /// For the TLS handshake.
    Handshake(Handshake),
    /// For what is known of a user name.
    LookingUp(Box<LookingUp>),
    /// For the client's response.
    Challenged(Box<Challenged>),
    /// For a password's verdict.
    Verifying(Box<Verifying>),
    /// For the core.
    LoggingIn(Box<LoggingIn>),
    /// For the moment at which a failure is told.
    Penalised(Penalised),
    /// For an answer about registration.
    Registering(Registering),
    /// For nothing more: elements go to the core.
    Established,
    /// The end.
    Closed,
}

impl State {
    /// At the first byte.
    pub fn opening() -> Self {
        Self::Opening(Opening { is_logged_in: false })
    }

    pub fn handle(self, shared: &mut Shared, input: StreamInput) -> Next {
        if matches!(self, Self::Closed) {
            return Ok(self);
        }
        match input {
            StreamInput::Opened(header) => self.take_header(shared, header),
            StreamInput::Element(bytes) => {
                let limits = match self {
                    Self::Established => shared.config.limits,
                    _ => LIMITS_BEFORE_LOGIN,
                };
                match shared.framing.read(bytes, &limits)? {
                    Framed::Open(header) => self.take_header(shared, header),
                    Framed::Element(element) => self.take_element(shared, element),
                    Framed::Close => Ok(close(shared)),
                }
            }
            StreamInput::Closed => Ok(close(shared)),
            StreamInput::Malformed(error) => Err(error.into()),
            answer => self.take_answer(shared, answer),
        }
    }

    fn take_header(self, shared: &mut Shared, header: StreamHeader) -> Next {
        match self {
            Self::Opening(opening) => opening.open(shared, &header),
            _ => Err(violation("the stream is open already")),
        }
    }

    fn take_element(self, shared: &mut Shared, element: Stanza) -> Next {
        match self {
            Self::Offering(offering) => offering.take(shared, element),
            Self::Challenged(challenged) => challenged.take(shared, &element),
            Self::Established => {
                shared.output(StreamOutput::Element(element));
                Ok(Self::Established)
            }
            Self::Opening(_) => Err(StreamErrorCondition::BadFormat.into()),
            _ => Err(violation("an answer was under way")),
        }
    }

    /// What was asked for. An answer that comes too late finds another state, and is dropped.
    fn take_answer(self, shared: &mut Shared, answer: StreamInput) -> Next {
        match (self, answer) {
            (Self::Handshake(handshake), StreamInput::TlsStarted(bindings)) => {
                Ok(handshake.finish(shared, bindings))
            }
            (Self::LookingUp(state), StreamInput::LookedUp(found)) => state.answer(shared, found),
            (Self::Verifying(state), StreamInput::PasswordVerified(index)) => {
                state.decide(shared, index)
            }
            (Self::Registering(state), StreamInput::Registered(answer)) => {
                Ok(state.answer(shared, answer))
            }
            (Self::LoggingIn(state), StreamInput::SessionReady(ready)) => {
                Ok(state.ready(shared, *ready))
            }
            (Self::LoggingIn(state), StreamInput::SessionRefused(failure)) => {
                state.refuse(shared, failure)
            }
            (state, _) => Ok(state),
        }
    }

    pub fn handle_timeout(self, shared: &mut Shared) -> Next {
        let now_ms = shared.now.elapsed_ms;
        match self {
            Self::Established | Self::Closed => Ok(self),
            _ if now_ms >= shared.deadline_ms => Err(StreamError::new(
                StreamErrorCondition::ConnectionTimeout,
                "the login took too long",
            )),
            Self::Penalised(penalised) if now_ms >= penalised.until_ms => penalised.end(shared),
            _ => Ok(self),
        }
    }

    pub fn timeout_ms(&self, shared: &Shared) -> Option<u64> {
        match self {
            Self::Established | Self::Closed => None,
            Self::Penalised(penalised) => Some(penalised.until_ms.min(shared.deadline_ms)),
            _ => Some(shared.deadline_ms),
        }
    }

    pub fn wants_input(&self) -> bool {
        match self {
            Self::Opening(_) | Self::Offering(_) | Self::Challenged(_) => true,
            Self::Established | Self::Closed => true,
            Self::Handshake(_) | Self::LookingUp(_) | Self::Verifying(_) => false,
            Self::LoggingIn(_) | Self::Penalised(_) | Self::Registering(_) => false,
        }
    }
}

pub(super) fn violation(text: &'static str) -> StreamError {
    StreamError::new(StreamErrorCondition::PolicyViolation, text)
}

fn close(shared: &mut Shared) -> State {
    shared.close();
    State::Closed
}
