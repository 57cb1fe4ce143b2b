//! XEP-0199 XMPP Ping.

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::context::Context;
use crate::ns;
use crate::stanza::StanzaError;

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::PING],
    account_features: &[ns::PING],
    requests: &[row(At::Own), row(At::Server)],
    ..Feature::named("ping")
};

const fn row(at: At) -> Row {
    Row { at, action: Action::Get, name: "ping", ns: ns::PING, handle: pong }
}

fn pong(_: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Ok(Reply::Result(None))
}
