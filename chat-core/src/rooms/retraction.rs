//! XEP-0424 and XEP-0425 in rooms: what an author or an admin takes back leaves the log; a
//! tombstone stays in its place.
//!
//! An author's retraction is written with a record that says that it is due, as in accounts
//! (`features/retraction.rs`). An admin's goes with the tombstone.

use super::affiliations::check_admin;
use super::call;
use super::delivery::{self, NewEntry};
use super::member::occupant_id;
use super::requests::RoomIq;
use super::sealed::is_of_group;
use super::{NS, RETRACTION, RoomContext};
use crate::features::Reply;
use crate::features::retraction::{found, is_retractable, retracted_at, tombstone};
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::stanza::{Stanza, StanzaError, append_to_rendered};
use crate::transaction::{ArchiveQuery, Query, StoredMessage, Write};
use crate::xml::{Element, Limits};

/// An author's retraction on its way to the message that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retraction {
    target: MessageId,
    /// Only what this account wrote.
    author: AccountId,
    /// When it was sent, in milliseconds since 1970.
    at_unix_ms: u64,
}

/// The retraction in a member's message, if it is one. It names the room's stanza-id.
pub(super) fn find(
    ctx: &RoomContext<'_>,
    account: AccountId,
    stanza: &Stanza,
) -> Result<Option<Retraction>, StanzaError> {
    let Some(retract) = stanza.find("retract", ns::MESSAGE_RETRACT) else { return Ok(None) };
    let target = retract.attr("id").and_then(|id| MessageId::parse(&id));
    let target = target.ok_or_else(StanzaError::item_not_found)?;
    Ok(Some(Retraction { target, author: account, at_unix_ms: ctx.now.unix_ms }))
}

/// XEP-0425 4: an admin takes a message back.
pub(super) fn moderate(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_admin(ctx, iq.account)?;
    if iq.payload.child("retract", ns::MESSAGE_RETRACT).is_none() {
        return Err(StanzaError::feature_not_implemented());
    }
    let target = iq.payload.attr("id").and_then(MessageId::parse);
    let target = target.ok_or_else(StanzaError::item_not_found)?;
    let reason = iq.payload.text_of("reason", ns::MESSAGE_MODERATE);
    let reason = reason.map(|reason| reason.chars().take(REASON_CHARACTERS_MAX).collect());
    let (request, account) = (iq.request.clone(), iq.account);
    ctx.ask(query(ctx, target), move |ctx, answer| {
        // Much may have happened since it asked.
        let done = check_admin(ctx, account).and_then(|()| {
            let message = found(answer).map_err(|_| StanzaError::internal_server_error())?;
            let message = message.ok_or_else(StanzaError::item_not_found)?;
            announce(ctx, account, &message, reason);
            Ok(None)
        });
        ctx.answer(&request, done);
    });
    Ok(Reply::Later)
}

fn announce(
    ctx: &mut RoomContext<'_>,
    by: AccountId,
    message: &StoredMessage,
    reason: Option<String>,
) {
    let nick = ctx.room.members.get(&by).map(|member| member.nick.clone()).unwrap_or_default();
    let by_jid = ctx.room.occupant_jid(&nick);
    let moderated = Element::new("moderated", ns::MESSAGE_MODERATE)
        .with_attr("by", by_jid.as_str())
        .with_child(
            Element::new("occupant-id", ns::OCCUPANT_ID)
                .with_attr("id", occupant_id(ctx.room.id, by)),
        );
    let mut retract = Element::new("retract", ns::MESSAGE_RETRACT)
        .with_attr("id", message.id.to_string())
        .with_child(moderated.clone());
    if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
        retract.push(Element::new("reason", ns::MESSAGE_RETRACT).with_text(reason));
    }
    let id = ctx.next_message_id();
    let told = Element::new("message", ns::CLIENT)
        .with_attr("type", "groupchat")
        .with_attr("from", ctx.room.jid.as_str())
        .with_attr("id", id.to_string())
        .with_child(retract)
        .to_bytes(ns::CLIENT);
    let stanza = append_to_rendered(&told, &delivery::stanza_id(&ctx.room.jid, id));
    delivery::log(
        ctx,
        NewEntry { id, stanza: stanza.clone(), origin: None, expires_unix_ms: None },
    );
    delivery::fan_out(ctx, &stanza, Some(id));
    let Ok(stanza) = Stanza::parse(message.stanza.clone(), &Limits::STORED) else { return };
    if may_go(&stanza) {
        bury(ctx, message.id, &stanza, ctx.now.unix_ms, Some(moderated));
    }
}

/// Goes on with what was under way when the room last left memory.
pub(super) fn finish_all(ctx: &mut RoomContext<'_>) {
    for retraction in std::mem::take(&mut ctx.room.unfinished) {
        retraction.finish(ctx);
    }
}

impl Retraction {
    pub(crate) fn read(key: &str, value: &Element) -> Option<Retraction> {
        Some(Retraction {
            target: MessageId::parse(key)?,
            author: AccountId::parse(value.attr("author")?).ok()?,
            at_unix_ms: value.attr("at")?.parse().ok()?,
        })
    }

    /// Has a tombstone put in the message's place, whatever happens meanwhile.
    pub(super) fn carry_out(self, ctx: &mut RoomContext<'_>) {
        let record = Element::new("retraction", NS)
            .with_attr("author", self.author.to_string())
            .with_attr("at", self.at_unix_ms.to_string());
        ctx.put(RETRACTION, &self.target.to_string(), &record);
        self.finish(ctx);
    }

    fn finish(self, ctx: &mut RoomContext<'_>) {
        ctx.ask(query(ctx, self.target), move |ctx, answer| {
            // Where storage failed it is still due, and tried again when the room is next loaded.
            let Ok(message) = found(answer) else { return };
            ctx.remove(RETRACTION, &self.target.to_string());
            if let Some(message) = message {
                self.apply(ctx, &message);
            }
        });
    }

    fn apply(&self, ctx: &mut RoomContext<'_>, message: &StoredMessage) {
        let Ok(stanza) = Stanza::parse(message.stanza.clone(), &Limits::STORED) else { return };
        let age_ms = self.at_unix_ms.saturating_sub(message.id.unix_ms());
        let is_late = ctx.config.retraction_within_ms.is_some_and(|within_ms| age_ms > within_ms);
        if is_by(ctx, &stanza, self.author) && !is_late && may_go(&stanza) {
            bury(ctx, message.id, &stanza, self.at_unix_ms, None);
        }
    }
}

/// What tells of members and settings, and of retractions, is not taken back.
fn may_go(stanza: &Stanza) -> bool {
    is_retractable(stanza)
        && !stanza.has("change", NS)
        && !stanza.has("call", call::NS)
        && !is_of_group(stanza)
}

/// Puts a tombstone in a message's place: who wrote it, by which name, and when it went.
fn bury(
    ctx: &mut RoomContext<'_>,
    id: MessageId,
    stanza: &Stanza,
    at_unix_ms: u64,
    moderated: Option<Element>,
) {
    let retracted = retracted_at(at_unix_ms).with_attr("id", id.to_string());
    let stanza = tombstone(stanza, retracted.with_children(moderated), STAYING);
    ctx.write(Write::ReplaceMessage { id, stanza: stanza.to_bytes(ns::CLIENT) });
}

/// The room has noted who wrote it.
fn is_by(ctx: &RoomContext<'_>, stanza: &Stanza, author: AccountId) -> bool {
    let x = stanza.child("x", ns::MUC_USER);
    let item = x.as_ref().and_then(|x| x.child("item", ns::MUC_USER));
    let jid = item.and_then(|item| Jid::parse(item.attr("jid")?).ok());
    jid.is_some_and(|jid| {
        jid.domain() == ctx.config.domain.domain() && AccountId::of(&jid) == Some(author)
    })
}

fn query(ctx: &RoomContext<'_>, id: MessageId) -> Query {
    Query::Archive(ArchiveQuery::of_one(ctx.room.id.owner(), id, ctx.now.unix_ms))
}

/// What of a message stands in its tombstone.
const STAYING: &[(&str, &str)] = &[
    ("origin-id", ns::STANZA_ID),
    ("occupant-id", ns::OCCUPANT_ID),
    ("x", ns::MUC_USER),
    ("stanza-id", ns::STANZA_ID),
];
/// Characters of an admin's reason.
const REASON_CHARACTERS_MAX: usize = 512;
