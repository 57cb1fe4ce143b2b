//! What a client may send before it has logged in: STARTTLS, SASL, registration.

use bytes::Bytes;

use super::attempt::{Attempt, Profile};
use super::config::{REGISTRATION_DEADLINE_MS, REGISTRATIONS_MAX};
use super::error::StreamErrorCondition;
use super::framing::Framing;
use super::opening::Handshake;
use super::request::Authenticate;
use super::shared::Shared;
use super::state::{Next, State, violation};
use super::{StreamOutput, sasl1};
use crate::ns;
use crate::sasl::{SaslCondition, SaslFailure};
use crate::stanza::{Kind, Stanza, StanzaError, with_client_namespace};
use crate::xml::Element;

/// Waits for the client's choice.
#[derive(Debug)]
pub(super) struct Offering;

impl Offering {
    pub fn take(self, shared: &mut Shared, element: Stanza) -> Next {
        match (element.name(), element.ns()) {
            ("starttls", ns::TLS) => Ok(start_tls(shared)),
            ("auth", ns::SASL) => authenticate_legacy(shared, &element.element()),
            ("authenticate", ns::SASL2) => authenticate(shared, &element.element()),
            _ if is_registration(shared, &element) => register(shared, element),
            _ if element.kind() != Kind::Other => Err(StreamErrorCondition::NotAuthorized.into()),
            _ => Err(StreamErrorCondition::UnsupportedStanzaType.into()),
        }
    }
}

/// RFC 6120 5.4.2.
fn start_tls(shared: &mut Shared) -> State {
    if !shared.can_start_tls() {
        shared.send(&Element::new("failure", ns::TLS));
        shared.close();
        return State::Closed;
    }
    shared.send(&Element::new("proceed", ns::TLS));
    shared.output(StreamOutput::StartTls);
    shared.is_mute = true;
    State::Handshake(Handshake)
}

/// RFC 6120 6.4.2.
fn authenticate_legacy(shared: &mut Shared, auth: &Element) -> Next {
    let attempt = Attempt::new(Profile::Sasl1, shared);
    if let Err(failure) = check_channel(shared) {
        return attempt.fail(shared, failure);
    }
    match sasl1::initial_response(auth) {
        Ok(initial) => {
            let mechanism = auth.attr("mechanism").unwrap_or_default();
            attempt.start(shared, mechanism, initial.as_deref())
        }
        Err(failure) => attempt.fail(shared, failure),
    }
}

/// XEP-0388 2.3.
fn authenticate(shared: &mut Shared, element: &Element) -> Next {
    let read = check_channel(shared).and_then(|()| Authenticate::read(element));
    match read {
        Ok(request) => {
            let (mechanism, initial) = (request.mechanism.clone(), request.initial.clone());
            let attempt = Attempt::new(Profile::Sasl2(Box::new(request)), shared);
            attempt.start(shared, &mechanism, initial.as_deref())
        }
        Err(failure) => {
            let request = Box::new(Authenticate::default());
            Attempt::new(Profile::Sasl2(request), shared).fail(shared, failure)
        }
    }
}

fn check_channel(shared: &Shared) -> Result<(), SaslFailure> {
    if shared.may_log_in() { Ok(()) } else { Err(SaslCondition::EncryptionRequired.into()) }
}

fn is_registration(shared: &Shared, element: &Stanza) -> bool {
    shared.may_log_in()
        && element.kind() == Kind::Iq
        && matches!(element.type_(), Some("get" | "set"))
        && element.has("query", ns::REGISTER)
}

/// XEP-0077 3.1.
fn register(shared: &mut Shared, element: Stanza) -> Next {
    shared.registrations += 1;
    if shared.registrations > REGISTRATIONS_MAX {
        return Err(violation("too many requests about registration"));
    }
    if !shared.config.registration {
        let closed = StanzaError::service_unavailable();
        let closed = closed.with_text("This server takes no registrations.");
        shared.send(&element.error_reply(&closed));
        return Ok(State::Offering(Offering));
    }
    shared.output(StreamOutput::Register(element));
    Ok(State::Registering(Registering))
}

/// Waits for an answer about registration.
#[derive(Debug)]
pub(super) struct Registering;

impl Registering {
    pub fn answer(self, shared: &mut Shared, answer: Bytes) -> State {
        let answer = match shared.framing {
            Framing::Tcp => answer,
            Framing::WebSocket => with_client_namespace(&answer),
        };
        shared.output(StreamOutput::Send(answer));
        let deadline_ms = shared.now.elapsed_ms + REGISTRATION_DEADLINE_MS;
        shared.deadline_ms = shared.deadline_ms.max(deadline_ms);
        State::Offering(Offering)
    }
}
