//! `urn:whimbrel:delete-for-me:0` (docs/protocol/delete-for-me.md): messages leave one's own
//! archive, and one's other devices learn of it from the archive.

use super::{Action, At, Feature, Iq, Reply, Row, archive_quota, messages};
use crate::context::Context;
use crate::id::MessageId;
use crate::jid::Jid;
use crate::stanza::StanzaError;
use crate::transaction::Write;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    account_features: &[NS],
    requests: &[Row { at: At::Own, action: Action::Set, name: "delete", ns: NS, handle: delete }],
    ..Feature::named("delete-for-me")
};

/// What a client wants to be removed.
enum Deletion {
    Messages(Vec<MessageId>),
    Conversation { with: Jid, until: MessageId },
}

fn delete(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let deletion = Deletion::read(&iq.payload)?;
    let account = ctx.account.id;
    let told = deletion.to_element();
    ctx.write(match deletion {
        Deletion::Messages(ids) => Write::RemoveArchived { account, ids },
        Deletion::Conversation { with, until } => {
            Write::RemoveConversation { account, peer: with.bare_str().into(), until }
        }
    });
    messages::note_to_self(ctx, told);
    archive_quota::removed(ctx);
    Ok(Reply::Result(None))
}

impl Deletion {
    fn read(delete: &Element) -> Result<Deletion, StanzaError> {
        let ids = delete.children_named("message", NS);
        let ids = ids.map(|message| message.attr("id").and_then(MessageId::parse));
        let ids: Option<Vec<MessageId>> = ids.collect();
        let ids = ids.ok_or_else(StanzaError::bad_request)?;
        match (delete.attr("with"), delete.attr("until"), ids.len()) {
            (None, None, 1..=MESSAGES_MAX) => Ok(Deletion::Messages(ids)),
            (None, None, 1..) => Err(StanzaError::not_acceptable()),
            (Some(with), Some(until), 0) => Ok(Deletion::Conversation {
                with: Jid::parse(with).map_err(|_| StanzaError::jid_malformed())?.bare(),
                until: MessageId::parse(until).ok_or_else(StanzaError::bad_request)?,
            }),
            _ => Err(StanzaError::bad_request()),
        }
    }

    fn to_element(&self) -> Element {
        let delete = Element::new("delete", NS);
        match self {
            Deletion::Messages(ids) => delete.with_children(
                ids.iter().map(|id| Element::new("message", NS).with_attr("id", id.to_string())),
            ),
            Deletion::Conversation { with, until } => {
                delete.with_attr("with", with.as_str()).with_attr("until", until.to_string())
            }
        }
    }
}

/// Messages of one request.
const MESSAGES_MAX: usize = 250;
const NS: &str = "urn:whimbrel:delete-for-me:0";
