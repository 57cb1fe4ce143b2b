//! RFC 6120 4.7 and 5: the client's header, and what has to be so before anything is offered.

use super::StreamOutput;
use super::error::{StreamError, StreamErrorCondition};
use super::features;
use super::offering::Offering;
use super::shared::Shared;
use super::state::{Next, State};
use crate::jid::Jid;
use crate::ns;
use crate::sasl::{Channel, ChannelBindings};
use crate::xml::StreamHeader;

/// Waits for the client's header.
#[derive(Debug)]
pub(super) struct Opening {
    /// RFC 6120 6.4.6: the client has logged in, and the stream begins anew.
    pub is_logged_in: bool,
}

impl Opening {
    pub fn open(self, shared: &mut Shared, header: &StreamHeader) -> Next {
        shared.from = check(shared, header)?;
        shared.send_header();
        if self.is_logged_in {
            let features = features::after_login(&shared.config, false);
            shared.send(&features);
            shared.output(StreamOutput::Established);
            return Ok(State::Established);
        }
        let features = features::before_login(shared);
        shared.send(&features);
        Ok(State::Offering(Offering))
    }
}

/// Whom the client says to be.
fn check(shared: &Shared, header: &StreamHeader) -> Result<Option<Jid>, StreamError> {
    if header.namespace != ns::CLIENT {
        return Err(StreamErrorCondition::InvalidNamespace.into());
    }
    // RFC 6120 4.7.5: without a version it is 0.9.
    let version = header.version.as_deref().and_then(|version| version.split_once('.'));
    if version.and_then(|(major, _)| major.parse::<u32>().ok()).is_none_or(|major| major < 1) {
        return Err(StreamErrorCondition::UnsupportedVersion.into());
    }
    let domain = &shared.config.domain;
    let to = header.to.as_deref().map(Jid::parse);
    if to.and_then(Result::ok).as_ref() != Some(domain) {
        return Err(StreamErrorCondition::HostUnknown.into());
    }
    let Some(from) = header.from.as_deref() else { return Ok(None) };
    let from = Jid::parse(from).ok().filter(|from| from.domain() == domain.domain());
    from.map(Some).ok_or_else(|| StreamErrorCondition::InvalidFrom.into())
}

/// RFC 6120 5.4.3: waits for the handshake.
#[derive(Debug)]
pub(super) struct Handshake;

impl Handshake {
    /// What was said in the clear counts no more.
    pub fn finish(self, shared: &mut Shared, bindings: ChannelBindings) -> State {
        shared.channel = Channel::Tls(bindings);
        shared.from = None;
        shared.is_open = false;
        shared.is_mute = false;
        State::opening()
    }
}
