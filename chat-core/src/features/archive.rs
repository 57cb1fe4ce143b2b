//! XEP-0313 Message Archive Management: which messages are kept, and how they are read.

use super::Feature;
use crate::ns;
use crate::stanza::{MessageType, Stanza};

pub(super) const FEATURE: Feature = Feature::named("archive");

/// What an account wants to be archived.
#[derive(Debug, Default)]
pub struct Preferences {}

/// The message is part of the conversation, not of the moment (XEP-0313 5.1.1, XEP-0334).
pub(crate) fn is_stored(stanza: &Stanza) -> bool {
    let has_type = matches!(stanza.message_type(), MessageType::Chat | MessageType::Normal);
    if !has_type || stanza.has("no-store", ns::HINTS) || stanza.has("no-permanent-store", ns::HINTS)
    {
        return false;
    }
    stanza.has("store", ns::HINTS) || KEPT.iter().any(|(name, ns)| stanza.has(name, ns))
}

/// What makes a message worth keeping.
const KEPT: &[(&str, &str)] = &[
    ("body", ns::CLIENT),
    ("received", ns::RECEIPTS),
    ("displayed", ns::CHAT_MARKERS),
    ("reactions", ns::REACTIONS),
    ("retract", ns::MESSAGE_RETRACT),
    ("encrypted", "eu.siacs.conversations.axolotl"),
];
