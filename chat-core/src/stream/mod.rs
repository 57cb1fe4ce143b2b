//! A client's stream from its first byte to its session (RFC 6120 4 to 7, RFC 7395, XEP-0388): a
//! state machine without socket or clock.
//!
//! The task of a connection feeds [`Stream::handle`] with what the framer cuts, and carries out
//! what [`Stream::poll_output`] gives. While [`Stream::wants_input`] says no, it leaves what the
//! client sent in the framer. Once a client is [`StreamOutput::Authenticated`], the core owns its
//! session; the stream goes on to frame it.

mod attempt;
mod config;
mod error;
mod features;
mod framing;
mod login;
mod offering;
mod opening;
mod request;
mod sasl1;
mod sasl2;
mod shared;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use crate::jid::AccountId;
use crate::sasl::{ChannelBindings, Credentials, PasswordMark, PlainAttempt, SaslFailure};
use crate::stanza::Stanza;
use crate::time::Now;
use crate::xml::{Limits, StreamHeader, XmlError};

pub use config::{StartTls, StreamConfig, Transport};
pub use error::{StreamError, StreamErrorCondition};
pub use framing::Framing;
pub use login::{
    Bind2, Enable, Inline, Login, LoginName, Ready, Resume, SessionRequest, UserAgent,
};

use shared::Shared;
use state::State;

/// What the connection's task tells a stream.
#[derive(Debug)]
pub enum StreamInput {
    /// The client's stream header, on TCP.
    Opened(StreamHeader),
    /// A whole element on TCP, or a whole text message on WebSocket.
    Element(Bytes),
    /// The client's end tag, on TCP.
    Closed,
    /// The framer refused what came.
    Malformed(XmlError),
    /// The handshake that [`StreamOutput::StartTls`] asked for has been made.
    TlsStarted(ChannelBindings),
    /// The answer to [`StreamOutput::LookUp`].
    LookedUp(LookedUp),
    /// The answer to [`StreamOutput::VerifyPassword`].
    PasswordVerified(Option<PasswordMark>),
    /// The answer to [`StreamOutput::Register`], serialised for `jabber:client`.
    Registered(Bytes),
    /// The core took the [`Login`].
    SessionReady(Box<Ready>),
    /// The core did not.
    SessionRefused(SaslFailure),
}

/// What is known of a user name.
#[derive(Debug)]
pub enum LookedUp {
    /// An account, and what it can be recognised by.
    Known {
        /// Which.
        account: AccountId,
        /// Its passwords, and the device's tokens.
        credentials: Credentials,
    },
    /// There is no such account.
    Unknown,
    /// The storage cannot tell.
    Unavailable,
}

/// What a stream asks of the connection's task.
#[derive(Debug)]
pub enum StreamOutput {
    /// Send this. On WebSocket it is one text message.
    Send(Bytes),
    /// Forget what the framer holds and make a TLS handshake; answered by
    /// [`StreamInput::TlsStarted`].
    StartTls,
    /// Let the framer wait for a new header; what it holds stays.
    Restart,
    /// Find out what is known of a user name; answered by [`StreamInput::LookedUp`].
    LookUp {
        /// As the client names itself.
        name: LoginName,
        /// The device whose tokens are wanted.
        device: Option<String>,
    },
    /// Check this where it may block; answered by [`StreamInput::PasswordVerified`].
    VerifyPassword(PlainAttempt),
    /// The client is who it says; answered by [`StreamInput::SessionReady`] or
    /// [`StreamInput::SessionRefused`].
    Authenticated(Box<Login>),
    /// An attempt failed: for the log, and for limits per address and per account.
    Refused {
        /// Whom the client named, where it got that far.
        username: Option<String>,
        /// Why.
        failure: SaslFailure,
    },
    /// XEP-0077: an IQ about registration; answered by [`StreamInput::Registered`].
    Register(Stanza),
    /// What the client sends from now on comes as [`StreamOutput::Element`].
    Established,
    /// An element of an established stream, for the core.
    Element(Stanza),
    /// Send what is to be sent, and close the connection. With the condition of the stream error
    /// that ended it, or `None` where the client ended it.
    Close(Option<StreamErrorCondition>),
}

/// One client's stream.
#[derive(Debug)]
pub struct Stream {
    shared: Shared,
    /// Taken out while an input is handled.
    state: State,
}

impl Stream {
    /// A stream whose connection has just been made. The seed comes from the system's random
    /// source.
    pub fn new(config: Arc<StreamConfig>, transport: Transport, now: Now, seed: [u8; 32]) -> Self {
        let shared = Shared::new(config, transport, now, seed);
        Self { shared, state: State::opening() }
    }

    /// Takes an input. [`Self::poll_output`] gives what it brings about.
    pub fn handle(&mut self, now: Now, input: StreamInput) {
        self.shared.now = now;
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.state = match state.handle(&mut self.shared, input) {
            Ok(state) => state,
            Err(error) => {
                self.shared.end(error);
                State::Closed
            }
        };
    }

    /// To be called when [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.shared.now = now;
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.state = match state.handle_timeout(&mut self.shared) {
            Ok(state) => state,
            Err(error) => {
                self.shared.end(error);
                State::Closed
            }
        };
    }

    /// Ends the stream: with a stream error, or with the end tag alone.
    pub fn close(&mut self, error: Option<StreamError>) {
        match (std::mem::replace(&mut self.state, State::Closed), error) {
            (State::Closed, _) => {}
            (_, Some(error)) => self.shared.end(error),
            (_, None) => self.shared.close(),
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<StreamOutput> {
        self.shared.outputs.pop_front()
    }

    /// Nothing is handled for a while: gives back what only busy streams need.
    pub fn rest(&mut self) {
        // Room for outputs is four times what all else of a stream needs.
        self.shared.outputs.shrink_to_fit();
    }

    /// When [`Self::handle_timeout`] is to be called, as [`Now::elapsed_ms`].
    pub fn poll_timeout(&self) -> Option<u64> {
        self.state.timeout_ms(&self.shared)
    }

    /// Whether the client's next element can be taken now. If not, an answer or a moment is waited
    /// for.
    pub fn wants_input(&self) -> bool {
        self.state.wants_input()
    }

    /// What the client's next element may cost.
    pub fn limits(&self) -> &Limits {
        if matches!(self.state, State::Established) {
            &self.shared.config.limits
        } else {
            &config::LIMITS_BEFORE_LOGIN
        }
    }

    /// How elements are written on this stream.
    pub fn framing(&self) -> Framing {
        self.shared.framing
    }

    /// Whether it runs over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.shared.channel.is_encrypted()
    }
}
