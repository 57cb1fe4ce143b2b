//! What an encrypted room takes as messages: what is sealed, and nothing that could be read.

use bytes::Bytes;
use data_encoding::BASE64;

use super::super::{Kind, RoomContext};
use super::current;
use crate::mls::framing::Application;
use crate::mls::{NS, PAST_EPOCHS, Refusal};
use crate::ns;
use crate::stanza::{Stanza, StanzaError, append_to_rendered};
use crate::xml::Element;

/// A room is open or encrypted from birth. An encrypted one takes nothing that the server could
/// read, and an open one nothing that some members could not.
pub(in super::super) fn admit(ctx: &RoomContext<'_>, stanza: &Stanza) -> Result<(), StanzaError> {
    let refused = |name| Err(StanzaError::not_acceptable().with_app(Element::new(name, NS)));
    let has_content = OPEN_CONTENT.iter().any(|(name, ns)| stanza.has(name, ns));
    match (ctx.room.settings.kind, is_sealed(stanza)) {
        (Kind::Open, true) => refused("conversation-open"),
        (Kind::Open, false) => Ok(()),
        // A business's own answer, which is typed as such; clients show it as not encrypted.
        (Kind::Encrypted, false) if stanza.has("automatic", NS) => Ok(()),
        (Kind::Encrypted, _) if has_content => refused("content-not-encrypted"),
        (Kind::Encrypted, true) => check_epoch(ctx, stanza),
        (Kind::Encrypted, false) => Ok(()),
    }
}

/// The message holds what is sealed.
pub(in super::super) fn is_sealed(stanza: &Stanza) -> bool {
    stanza.has(SEALED, NS)
}

/// The room tells of its group's founding or of a commit, without which nobody can follow.
pub(in super::super) fn is_of_group(stanza: &Stanza) -> bool {
    stanza.has("commit", NS) || stanza.has("founded", NS)
}

/// Adds what people read whose client knows nothing of MLS (XEP-0380, XEP-0428).
pub(in super::super) fn with_fallback(rendered: &Bytes) -> Bytes {
    let encryption = Element::new("encryption", "urn:xmpp:eme:0")
        .with_attr("namespace", NS)
        .with_attr("name", "MLS");
    let body = Element::new("body", ns::CLIENT).with_text(FALLBACK);
    let fallback = Element::new("fallback", ns::FALLBACK).with_attr("for", NS);
    let added = [encryption, body, fallback].map(|element| element.to_bytes(ns::CLIENT));
    append_to_rendered(rendered, &added.concat())
}

fn check_epoch(ctx: &RoomContext<'_>, stanza: &Stanza) -> Result<(), StanzaError> {
    let current = current(ctx)?;
    let sealed = stanza.child(SEALED, NS).ok_or_else(StanzaError::bad_request)?;
    let bytes = BASE64.decode(sealed.text().trim().as_bytes());
    let message = Application::read(&bytes.map_err(|_| StanzaError::bad_request())?)?;
    if *message.group != *ctx.room.jid.as_str().as_bytes() {
        return Err(Refusal::OtherGroup.into());
    }
    match (current.saturating_sub(PAST_EPOCHS)..=current).contains(&message.epoch) {
        true => Ok(()),
        false => Err(Refusal::OtherEpoch { epoch: message.epoch, current }.into()),
    }
}

/// The element that holds what is sealed.
const SEALED: &str = "message";
const FALLBACK: &str = "This message is end-to-end encrypted, and your client cannot read it.";
/// What a message says to people. The rest (receipts of XEP-0184, states of XEP-0085, what
/// XEP-0424 retracts) may stand outside of what is sealed.
const OPEN_CONTENT: &[(&str, &str)] = &[
    ("body", ns::CLIENT),
    ("subject", ns::CLIENT),
    ("html", "http://jabber.org/protocol/xhtml-im"),
    ("reactions", ns::REACTIONS),
    ("file-sharing", ns::FILE_SHARING),
    ("x", "jabber:x:oob"),
];
