//! XEP-0280 Message Carbons: each of an account's devices sees both sides of its conversations.

use bytes::Bytes;

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::session::Session;
use crate::stanza::{MessageType, Stanza, StanzaError, with_client_namespace};

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::CARBONS, ns::CARBONS_RULES],
    account_features: &[ns::CARBONS],
    requests: &[
        Row { at: At::Own, action: Action::Set, name: "enable", ns: ns::CARBONS, handle: enable },
        Row { at: At::Own, action: Action::Set, name: "disable", ns: ns::CARBONS, handle: disable },
    ],
    ..Feature::named("carbons")
};

/// Which side of a conversation a copy shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Sent,
    Received,
}

/// The message is one that devices are to share (XEP-0280 6.1).
pub(crate) fn are_due(stanza: &Stanza) -> bool {
    let is_shared_type = match stanza.message_type() {
        MessageType::Chat => true,
        MessageType::Normal | MessageType::Error => {
            stanza.has("body", ns::CLIENT) || CARRIES.iter().any(|(name, ns)| stanza.has(name, ns))
        }
        MessageType::GroupChat | MessageType::Headline => false,
    };
    is_shared_type && !stanza.has("private", ns::CARBONS) && !stanza.has("no-copy", ns::HINTS)
}

/// A copy of a message for one of the account's devices.
pub(crate) fn copy(side: Side, own: &Jid, session: &Session, message: &[u8]) -> Bytes {
    let name = match side {
        Side::Sent => "sent",
        Side::Received => "received",
    };
    let mut copy = Vec::with_capacity(message.len() + 256);
    let start = |out: &mut Vec<u8>| {
        out.extend_from_slice(b"<message from='");
        crate::xml::escape_attr(own.as_str(), out);
        out.extend_from_slice(b"' to='");
        crate::xml::escape_attr(session.jid.as_str(), out);
        out.extend_from_slice(b"' type='chat'><");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(
            b" xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>",
        );
    };
    start(&mut copy);
    copy.extend_from_slice(&with_client_namespace(message));
    copy.extend_from_slice(b"</forwarded></");
    copy.extend_from_slice(name.as_bytes());
    copy.extend_from_slice(b"></message>");
    copy.into()
}

fn enable(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    set(ctx, iq, true)
}

fn disable(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    set(ctx, iq, false)
}

fn set(ctx: &mut Context<'_>, iq: &Iq, is_on: bool) -> Result<Reply, StanzaError> {
    if let Some(session) = ctx.account.session_mut(iq.resource()) {
        session.has_carbons = is_on;
    }
    Ok(Reply::Result(None))
}

/// What makes a message without a body part of a conversation.
const CARRIES: &[(&str, &str)] = &[
    ("received", ns::RECEIPTS),
    ("displayed", ns::CHAT_MARKERS),
    ("reactions", ns::REACTIONS),
    ("retract", ns::MESSAGE_RETRACT),
    ("encrypted", "eu.siacs.conversations.axolotl"),
];
