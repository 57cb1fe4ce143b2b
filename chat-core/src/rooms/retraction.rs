//! XEP-0424 and XEP-0425 in rooms: what an author or an admin takes back leaves the log; a
//! tombstone stays in its place.

use super::affiliations::check_admin;
use super::delivery::{self, NewEntry};
use super::member::occupant_id;
use super::requests::RoomIq;
use super::{NS, RoomContext};
use crate::date_time;
use crate::features::Reply;
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::stanza::{Stanza, StanzaError, append_to_rendered};
use crate::transaction::{Answer, ArchiveQuery, Query, StorageError, StoredMessage, Write};
use crate::xml::{Element, Limits};

/// A retraction that is on its way to the message that it names.
pub(super) struct Retraction {
    target: MessageId,
    /// Only what this account wrote; an admin takes back what anybody wrote.
    author: Option<AccountId>,
    /// What stands in the tombstone beside the moment.
    moderated: Option<Element>,
}

/// The retraction in a member's message, if it is one. It names the room's stanza-id.
pub(super) fn find(
    _: &RoomContext<'_>,
    account: AccountId,
    stanza: &Stanza,
) -> Result<Option<Retraction>, StanzaError> {
    let Some(retract) = stanza.find("retract", ns::MESSAGE_RETRACT) else { return Ok(None) };
    let target = retract.attr("id").and_then(|id| MessageId::parse(&id));
    let target = target.ok_or_else(StanzaError::item_not_found)?;
    Ok(Some(Retraction { target, author: Some(account), moderated: None }))
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
            let message = found(answer).ok_or_else(StanzaError::item_not_found)?;
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
    let retraction = Retraction { target: message.id, author: None, moderated: Some(moderated) };
    retraction.apply(ctx, message);
}

impl Retraction {
    /// Looks for the message, and puts a tombstone in its place.
    pub(super) fn carry_out(self, ctx: &mut RoomContext<'_>) {
        ctx.ask(query(ctx, self.target), move |ctx, answer| {
            if let Some(message) = found(answer) {
                self.apply(ctx, &message);
            }
        });
    }

    fn apply(&self, ctx: &mut RoomContext<'_>, message: &StoredMessage) {
        let Ok(stanza) = Stanza::parse(message.stanza.clone(), &Limits::STORED) else { return };
        let age_ms = ctx.now.unix_ms.saturating_sub(message.id.unix_ms());
        let is_late = ctx.config.retraction_within_ms.is_some_and(|within_ms| age_ms > within_ms);
        let is_barred = self.author.is_some_and(|author| !is_by(ctx, &stanza, author) || is_late);
        let is_kept = KEPT.iter().any(|(name, ns)| stanza.has(name, ns));
        if !is_barred && !is_kept {
            let tombstone = self.tombstone(ctx, &stanza, message.id).to_bytes(ns::CLIENT);
            ctx.write(Write::ReplaceMessage { id: message.id, stanza: tombstone });
        }
    }

    /// What stands in the message's place: who wrote it, by which name, and when it went.
    fn tombstone(&self, ctx: &RoomContext<'_>, stanza: &Stanza, id: MessageId) -> Element {
        let mut tombstone = Element::new("message", ns::CLIENT);
        for name in ["type", "id", "from"] {
            if let Some(value) = stanza.attr(name) {
                tombstone.set_attr(name, value);
            }
        }
        let mut retracted = Element::new("retracted", ns::MESSAGE_RETRACT)
            .with_attr("stamp", date_time::format(ctx.now.unix_ms));
        retracted.set_attr("id", id.to_string());
        if let Some(moderated) = &self.moderated {
            retracted.push(moderated.clone());
        }
        tombstone.push(retracted);
        for (name, ns) in [
            ("origin-id", ns::STANZA_ID),
            ("occupant-id", ns::OCCUPANT_ID),
            ("x", ns::MUC_USER),
            ("stanza-id", ns::STANZA_ID),
        ] {
            tombstone = tombstone.with_children(stanza.child(name, ns));
        }
        tombstone
    }
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
    Query::Archive(ArchiveQuery {
        account: ctx.room.id.owner(),
        peer: None,
        incoming_only: false,
        with_hidden: false,
        after: None,
        before: None,
        ids: Some(vec![id]),
        from_end: false,
        messages_max: 1,
        count: false,
        now_unix_ms: ctx.now.unix_ms,
    })
}

fn found(answer: Result<Answer, StorageError>) -> Option<StoredMessage> {
    let Ok(Answer::Archive(page)) = answer else { return None };
    page.messages.into_iter().next()
}

/// What is not taken back: what tells of members and settings, retractions, tombstones.
const KEPT: &[(&str, &str)] =
    &[("change", NS), ("retract", ns::MESSAGE_RETRACT), ("retracted", ns::MESSAGE_RETRACT)];
/// Characters of an admin's reason.
const REASON_CHARACTERS_MAX: usize = 512;
