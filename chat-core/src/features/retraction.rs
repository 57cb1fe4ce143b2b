//! XEP-0424 Message Retraction: what an author takes back leaves the archives of both sides.
//!
//! The retraction is stored and delivered like any message, so that devices that were away learn
//! of it in its place. When it is durable, a tombstone takes the place of what it retracts.

use super::messages::origin_digest;
use super::{Feature, Flow, MessageOut};
use crate::context::Context;
use crate::date_time;
use crate::id::MessageId;
use crate::ns;
use crate::stanza::{MessageType, Stanza, StanzaError};
use crate::transaction::{Answer, ArchiveQuery, Query, StorageError, StoredMessage, Write};
use crate::xml::{Element, Limits};

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::MESSAGE_RETRACT, ns::MESSAGE_RETRACT_TOMBSTONE],
    account_features: &[ns::MESSAGE_RETRACT, ns::MESSAGE_RETRACT_TOMBSTONE],
    message_out: Some(see),
    ..Feature::named("retraction")
};

/// A retraction under way to the message that it names.
struct Retraction {
    /// The name by which clients know the message: its origin-id, its id attribute, its stanza-id.
    named: String,
    /// The id attribute of the retraction.
    own_id: Option<String>,
}

fn see(ctx: &mut Context<'_>, out: &mut MessageOut<'_>) -> Result<Flow, StanzaError> {
    let is_of_two = matches!(out.stanza.message_type(), MessageType::Chat | MessageType::Normal);
    let Some(retract) = out.stanza.find("retract", ns::MESSAGE_RETRACT).filter(|_| is_of_two)
    else {
        return Ok(Flow::Pass);
    };
    let named = retract.attr("id").filter(|named| !named.is_empty());
    let named = named.ok_or_else(StanzaError::bad_request)?;
    // Only what the account itself sent in this conversation is looked at: nobody retracts what
    // others wrote.
    let query = Query::MessageByOrigin {
        account: ctx.account.id,
        peer: out.to.bare_str().into(),
        is_outgoing: !ctx.account.jid.is_bare_of(out.to),
        digest: origin_digest(&named),
    };
    let retraction = Retraction { named, own_id: out.stanza.id().map(str::to_owned) };
    let peer = out.to.bare_str().into();
    ctx.ask(query, move |ctx, answer| match found(answer) {
        Some(message) => retraction.apply(ctx, &message),
        None => retraction.look_by_stanza_id(ctx, peer),
    });
    Ok(Flow::Pass)
}

impl Retraction {
    fn look_by_stanza_id(self, ctx: &mut Context<'_>, peer: Box<str>) {
        let Some(id) = MessageId::parse(&self.named) else { return };
        let query = ArchiveQuery {
            account: ctx.account.id,
            peer: Some(peer),
            incoming_only: false,
            after: None,
            before: None,
            ids: Some(vec![id]),
            from_end: false,
            messages_max: 1,
            count: false,
            now_unix_ms: ctx.now.unix_ms,
        };
        ctx.ask(Query::Archive(query), move |ctx, answer| {
            if let Some(message) = found(answer) {
                self.apply(ctx, &message);
            }
        });
    }

    /// Puts a tombstone in the message's place, if the account wrote it and may still retract it.
    fn apply(&self, ctx: &mut Context<'_>, message: &StoredMessage) {
        let Ok(stanza) = Stanza::parse(message.stanza.clone(), &Limits::STORED) else { return };
        let is_author = stanza.from().is_some_and(|from| ctx.account.jid.is_bare_of(from));
        let age_ms = ctx.now.unix_ms.saturating_sub(message.id.unix_ms());
        let is_late = ctx.config.retraction_within_ms.is_some_and(|within_ms| age_ms > within_ms);
        let is_tombstone = stanza.has("retracted", ns::MESSAGE_RETRACT);
        let is_retraction = stanza.has("retract", ns::MESSAGE_RETRACT);
        if is_author && !is_late && !is_tombstone && !is_retraction {
            let stanza = self.tombstone(ctx, &stanza).to_bytes(ns::CLIENT);
            ctx.write(Write::ReplaceMessage { id: message.id, stanza });
        }
    }

    /// What stands in the message's place: who wrote to whom, by which name, and when it went.
    fn tombstone(&self, ctx: &Context<'_>, stanza: &Stanza) -> Element {
        let mut tombstone = Element::new("message", ns::CLIENT);
        for name in ["type", "id", "from", "to"] {
            if let Some(value) = stanza.attr(name) {
                tombstone.set_attr(name, value);
            }
        }
        let mut retracted = Element::new("retracted", ns::MESSAGE_RETRACT)
            .with_attr("stamp", date_time::format(ctx.now.unix_ms));
        if let Some(id) = &self.own_id {
            retracted.set_attr("id", &**id);
        }
        tombstone.push(retracted);
        if let Some(origin_id) = stanza.child("origin-id", ns::STANZA_ID) {
            tombstone.push(origin_id);
        }
        tombstone
    }
}

fn found(answer: Result<Answer, StorageError>) -> Option<StoredMessage> {
    let Ok(Answer::Archive(page)) = answer else { return None };
    page.messages.into_iter().next()
}
