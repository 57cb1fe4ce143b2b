//! RFC 3921 3: the request for a session, which older clients make behind bind, does nothing.

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::context::Context;
use crate::ns;
use crate::stanza::StanzaError;

pub(super) const FEATURE: Feature =
    Feature { requests: &[row(At::Own), row(At::Server)], ..Feature::named("session") };

const fn row(at: At) -> Row {
    Row { at, action: Action::Set, name: "session", ns: ns::SESSION, handle: start }
}

fn start(_: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Ok(Reply::Result(None))
}
