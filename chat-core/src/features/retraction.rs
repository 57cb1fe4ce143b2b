//! XEP-0424 Message Retraction: what an author takes back leaves the archives of both sides.
//!
//! The retraction is stored and delivered like any message, so that devices that were away learn
//! of it in its place. When it is durable, a tombstone takes the place of what it retracts. Until
//! then a record says that it is due: written with the retraction, removed with the tombstone, and
//! gone through when the account becomes active, so that no crash leaves the original.

use super::messages::origin_digest;
use super::{Feature, Flow, MessageOut, State, archive_preferences};
use crate::context::Context;
use crate::date_time;
use crate::id::MessageId;
use crate::ns;
use crate::stanza::{MessageType, Stanza, StanzaError};
use crate::transaction::{
    Answer, ArchiveQuery, HIDDEN_PEER, Query, StorageError, StoredMessage, Write,
};
use crate::xml::{Element, Limits};

pub(super) const FEATURE: Feature = Feature {
    load: Some(load),
    activated: Some(finish_all),
    server_features: &[ns::MESSAGE_RETRACT, ns::MESSAGE_RETRACT_TOMBSTONE],
    account_features: &[ns::MESSAGE_RETRACT, ns::MESSAGE_RETRACT_TOMBSTONE],
    message_out: Some(see),
    ..Feature::named(NAME)
};

/// Retractions whose tombstone is not known to be stored, as the account was loaded.
#[derive(Debug, Default)]
pub struct Unfinished(Vec<Retraction>);

/// A retraction under way to the message that it names.
#[derive(Debug)]
struct Retraction {
    /// Of its record.
    key: Box<str>,
    /// The name by which clients know the message: its origin-id, its id attribute, its stanza-id.
    named: String,
    /// The id attribute of the retraction.
    own_id: Option<String>,
    /// The other side's bare JID.
    peer: Box<str>,
    /// When it was sent, in milliseconds since 1970.
    at_unix_ms: u64,
}

fn see(ctx: &mut Context<'_>, out: &mut MessageOut<'_>) -> Result<Flow, StanzaError> {
    let is_of_two = matches!(out.stanza.message_type(), MessageType::Chat | MessageType::Normal);
    let Some(retract) = out.stanza.find("retract", ns::MESSAGE_RETRACT).filter(|_| is_of_two)
    else {
        return Ok(Flow::Pass);
    };
    let named = retract.attr("id").filter(|named| !named.is_empty());
    let named = named.ok_or_else(StanzaError::bad_request)?;
    let retraction = Retraction {
        key: format!("{:016x}", ctx.random()).into(),
        named,
        own_id: out.stanza.id().map(str::to_owned),
        peer: out.to.bare_str().into(),
        at_unix_ms: ctx.now.unix_ms,
    };
    ctx.put(NAME, &retraction.key, &retraction.to_element());
    retraction.finish(ctx);
    Ok(Flow::Pass)
}

fn load(state: &mut State, key: &str, value: &Element) {
    state.retractions.0.extend(Retraction::read(key, value));
}

fn finish_all(ctx: &mut Context<'_>) {
    for retraction in std::mem::take(&mut ctx.account.state.retractions.0) {
        retraction.finish(ctx);
    }
}

impl Retraction {
    fn to_element(&self) -> Element {
        let element = Element::new("retraction", NS)
            .with_attr("named", &*self.named)
            .with_attr("peer", &*self.peer)
            .with_attr("at", self.at_unix_ms.to_string());
        match &self.own_id {
            Some(id) => element.with_attr("id", &**id),
            None => element,
        }
    }

    fn read(key: &str, value: &Element) -> Option<Retraction> {
        Some(Retraction {
            key: key.into(),
            named: value.attr("named")?.to_owned(),
            own_id: value.attr("id").map(str::to_owned),
            peer: value.attr("peer")?.into(),
            at_unix_ms: value.attr("at")?.parse().ok()?,
        })
    }

    /// Looks for the message, and puts a tombstone in its place. Only what the account itself sent
    /// in this conversation is looked at: nobody retracts what others wrote.
    fn finish(self, ctx: &mut Context<'_>) {
        let query = self.by_origin(ctx, &self.peer);
        ctx.ask(query, move |ctx, answer| match found(answer) {
            Ok(Some(message)) => self.apply(ctx, &message),
            Ok(None) if archive_preferences::may_hide(ctx) => self.look_among_hidden(ctx),
            Ok(None) => self.look_by_stanza_id(ctx),
            // It is still due, and tried again when the account is next loaded.
            Err(_) => {}
        });
    }

    /// XEP-0441: the message may have been kept out of the archive.
    fn look_among_hidden(self, ctx: &mut Context<'_>) {
        let query = self.by_origin(ctx, HIDDEN_PEER);
        ctx.ask(query, move |ctx, answer| match found(answer) {
            Ok(Some(message)) if self.is_of_conversation(&message) => self.apply(ctx, &message),
            Ok(_) => self.look_by_stanza_id(ctx),
            Err(_) => {}
        });
    }

    fn is_of_conversation(&self, message: &StoredMessage) -> bool {
        let stanza = Stanza::parse(message.stanza.clone(), &Limits::STORED);
        stanza.is_ok_and(|stanza| stanza.to().is_some_and(|to| to.bare_str() == &*self.peer))
    }

    fn by_origin(&self, ctx: &Context<'_>, peer: &str) -> Query {
        Query::MessageByOrigin {
            account: ctx.account.id,
            peer: peer.into(),
            is_outgoing: *self.peer != *ctx.account.jid.as_str(),
            digest: origin_digest(&self.named),
        }
    }

    fn look_by_stanza_id(self, ctx: &mut Context<'_>) {
        let Some(id) = MessageId::parse(&self.named) else { return self.is_done(ctx) };
        let query = ArchiveQuery {
            peer: Some(self.peer.clone()),
            ..ArchiveQuery::of_one(ctx.account.id, id, ctx.now.unix_ms)
        };
        ctx.ask(Query::Archive(query), move |ctx, answer| match found(answer) {
            Ok(Some(message)) => self.apply(ctx, &message),
            Ok(None) => self.is_done(ctx),
            Err(_) => {}
        });
    }

    /// Puts a tombstone in the message's place, if the account wrote it and may still retract it.
    fn apply(&self, ctx: &mut Context<'_>, message: &StoredMessage) {
        self.is_done(ctx);
        let Ok(stanza) = Stanza::parse(message.stanza.clone(), &Limits::STORED) else { return };
        let is_author = stanza.from().is_some_and(|from| ctx.account.jid.is_bare_of(from));
        let age_ms = self.at_unix_ms.saturating_sub(message.id.unix_ms());
        let is_late = ctx.config.retraction_within_ms.is_some_and(|within_ms| age_ms > within_ms);
        if is_author && !is_late && is_retractable(&stanza) {
            let mut retracted = retracted_at(self.at_unix_ms);
            if let Some(id) = &self.own_id {
                retracted.set_attr("id", &**id);
            }
            let stanza = tombstone(&stanza, retracted, &[("origin-id", ns::STANZA_ID)]);
            let stanza = stanza.to_bytes(ns::CLIENT);
            ctx.write(Write::ReplaceMessage { id: message.id, stanza });
        }
    }

    /// Nothing is due any more.
    fn is_done(&self, ctx: &mut Context<'_>) {
        ctx.remove(NAME, &self.key);
    }
}

/// It is neither a retraction nor what one has left.
pub(crate) fn is_retractable(stanza: &Stanza) -> bool {
    !stanza.has("retract", ns::MESSAGE_RETRACT) && !stanza.has("retracted", ns::MESSAGE_RETRACT)
}

/// XEP-0424's `<retracted/>`.
pub(crate) fn retracted_at(unix_ms: u64) -> Element {
    Element::new("retracted", ns::MESSAGE_RETRACT).with_attr("stamp", date_time::format(unix_ms))
}

/// What stands in a message's place: who wrote it to whom, that it went, and those of its children
/// that are named.
pub(crate) fn tombstone(of: &Stanza, retracted: Element, kept: &[(&str, &str)]) -> Element {
    let mut tombstone = Element::new("message", ns::CLIENT);
    for name in ["type", "id", "from", "to"] {
        if let Some(value) = of.attr(name) {
            tombstone.set_attr(name, value);
        }
    }
    let kept = kept.iter().filter_map(|(name, ns)| of.child(name, ns));
    tombstone.with_child(retracted).with_children(kept)
}

/// The message that was asked for, if it is there.
pub(crate) fn found(
    answer: Result<Answer, StorageError>,
) -> Result<Option<StoredMessage>, StorageError> {
    Ok(match answer? {
        Answer::Archive(page) => page.messages.into_iter().next(),
        _ => None,
    })
}

const NAME: &str = "retraction";
/// Of records only; it never travels.
const NS: &str = "urn:whimbrel:retraction:0";
