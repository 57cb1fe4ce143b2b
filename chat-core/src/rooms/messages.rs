//! XEP-0045 7.4: a member sends to all.

use super::affiliations::{check_may, check_member};
use super::call;
use super::delivery::{self, NewEntry};
use super::member::{Member, jid_of, occupant_id};
use super::room::Subject;
use super::{RoomContext, SUBJECT, log_quota, muc, retraction, sealed};
use crate::context::Route;
use crate::features::{archive, ephemeral, handled, messages};
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::mls;
use crate::ns;
use crate::stanza::{
    Child, ErrorType, MessageType, Rewrite, Stanza, StanzaError, append_to_rendered,
};
use crate::xml::Element;

/// A message arrives at the room.
pub(super) fn receive(ctx: &mut RoomContext<'_>, route: &Route) -> Result<(), StanzaError> {
    let stanza = &route.stanza;
    let account = AccountId::of(&route.from).ok_or_else(StanzaError::forbidden)?;
    match stanza.message_type() {
        MessageType::Error => Ok(()),
        MessageType::GroupChat if route.to.is_bare() => send(ctx, account, route),
        MessageType::GroupChat => Err(StanzaError::bad_request()),
        MessageType::Normal if route.to.is_bare() && stanza.has("x", ns::MUC_USER) => {
            check_member(ctx, account)?;
            muc::mediate(ctx, account, stanza)
        }
        _ => {
            check_member(ctx, account)?;
            // Members see each other's addresses: there is no need for it, and its two sides would
            // not be in their archives.
            Err(StanzaError::not_allowed()
                .with_text("write to the member's own address, not through the group"))
        }
    }
}

fn send(ctx: &mut RoomContext<'_>, account: AccountId, route: &Route) -> Result<(), StanzaError> {
    check_member(ctx, account)?;
    sealed::check_blocking(ctx, account)?;
    let stanza = &route.stanza;
    sealed::admit(ctx, stanza)?;
    let is_subject = stanza.has("subject", ns::CLIENT) && !stanza.has("body", ns::CLIENT);
    let is_stored = is_subject || archive::is_kept(stanza);
    match (is_subject, is_stored) {
        (true, _) => check_may(ctx, account, |ctx| ctx.room.settings.edit)?,
        (false, true) => check_may(ctx, account, |ctx| ctx.room.settings.post)?,
        (false, false) => {}
    }
    let now_ms = ctx.now.elapsed_ms;
    let Some(member) = ctx.room.members.get_mut(&account) else { return Ok(()) };
    if !member.pace.spend(now_ms) {
        return Err(StanzaError::policy_violation()
            .with_type(ErrorType::Wait)
            .with_text("too many messages"));
    }
    let member = member.clone();
    let expires_unix_ms = ephemeral::end_of(stanza, ctx.now)?;
    let retraction = retraction::find(ctx, account, stanza)?;
    let mut rendered = render(ctx, account, &member, stanza);
    if sealed::is_sealed(stanza) {
        rendered = sealed::with_fallback(&rendered);
    }
    if !is_stored {
        delivery::fan_out(ctx, &rendered, None);
        return Ok(());
    }
    // The name is of the account too: nobody keeps another's message from coming by using its name
    // first.
    let name = |text: &str| messages::origin_digest(&format!("{account} {text}"));
    let origin = messages::origin(ctx.session(&route.from), stanza, name);
    if origin.is_unique && ctx.room.knows_origin(origin.digest) {
        // The client did not hear that we have it, and sent it again.
        return Ok(());
    }
    log_quota::check(ctx)?;
    if origin.is_unique {
        ctx.room.note_origin(origin.digest);
    }
    if !origin.is_unique {
        outlast_crash(ctx, account, &route.from);
    }
    let id = ctx.next_message_id();
    if is_subject {
        set_subject(ctx, &member, stanza);
    }
    let sent = append_to_rendered(&rendered, &delivery::stanza_id(&ctx.room.jid, id));
    let entry = NewEntry { id, stanza: sent.clone(), origin: Some(origin), expires_unix_ms };
    delivery::log(ctx, entry);
    delivery::fan_out(ctx, &sent, Some(id));
    super::push::tell(ctx, account, stanza);
    if let Some(retraction) = retraction {
        retraction.carry_out(ctx);
    }
    Ok(())
}

/// XEP-0198 5: the log is not looked through for what a stream had handled before a crash, as an
/// account's archive is. So its client would repeat the message, and nothing tells it from a new
/// one.
fn outlast_crash(ctx: &mut RoomContext<'_>, account: AccountId, from: &Jid) {
    let now_ms = ctx.now.elapsed_ms;
    let stream = ctx.session(from).and_then(|session| session.stream);
    let write = stream.zip(ctx.account_mut(account));
    let write = write.and_then(|(stream, account)| handled::outlast(account, stream, now_ms));
    if let Some(write) = write {
        ctx.write(write);
    }
}

/// The message as all members get it: from its sender's place in the room, without `to`.
pub(super) fn render(
    ctx: &RoomContext<'_>,
    account: AccountId,
    member: &Member,
    stanza: &Stanza,
) -> bytes::Bytes {
    let is_ours = |child: &Child<'_>, name| {
        let by = child.attr(name).and_then(|by| Jid::parse(&by).ok());
        by.is_none_or(|by| {
            by.domain() == ctx.config.domain.domain() || ctx.config.is_of_groups(&by)
        })
    };
    // Nobody else says what only the room can know.
    let is_forged = |child: &Child<'_>| {
        child.is("occupant-id", ns::OCCUPANT_ID)
            || child.is("x", ns::MUC_USER)
            || child.is("change", super::NS)
            || child.is("call", call::NS)
            || child.is("commit", mls::NS)
            || child.is("founded", mls::NS)
            || (child.is("stanza-id", ns::STANZA_ID) && is_ours(child, "by"))
            || (child.is("delay", ns::DELAY) && is_ours(child, "from"))
    };
    let from = ctx.room.occupant_jid(&member.nick);
    let jid = jid_of(ctx.config, account);
    let item = Element::new("item", ns::MUC_USER)
        .with_attr("affiliation", member.affiliation.as_str())
        .with_attr("jid", jid.as_str());
    let mut added = Vec::new();
    let occupant = Element::new("occupant-id", ns::OCCUPANT_ID)
        .with_attr("id", occupant_id(ctx.room.id, account));
    added.extend_from_slice(&occupant.to_bytes(ns::CLIENT));
    let x = Element::new("x", ns::MUC_USER).with_child(item);
    added.extend_from_slice(&x.to_bytes(ns::CLIENT));
    stanza.render(&Rewrite {
        from: Some(from.as_str()),
        omits_to: true,
        drop: Some(&is_forged),
        append: &added,
        ..Rewrite::default()
    })
}

fn set_subject(ctx: &mut RoomContext<'_>, member: &Member, stanza: &Stanza) {
    let text = stanza.text_of("subject").unwrap_or_default();
    let text = text.chars().take(SUBJECT_CHARACTERS_MAX).collect::<String>().into();
    let subject = Subject { text, nick: member.nick.clone(), set_unix_ms: ctx.now.unix_ms };
    ctx.put(SUBJECT, "", &subject.to_element());
    ctx.room.subject = Some(subject);
}

/// A stored message of the room's log as it is sent late (XEP-0203).
pub(crate) fn delayed(stanza: &bytes::Bytes, id: MessageId, room: &Jid) -> bytes::Bytes {
    let delay = Element::new("delay", ns::DELAY)
        .with_attr("from", room.as_str())
        .with_attr("stamp", crate::date_time::format(id.unix_ms()));
    append_to_rendered(stanza, &delay.to_bytes(ns::CLIENT))
}

/// Characters of a subject that are kept.
const SUBJECT_CHARACTERS_MAX: usize = 1024;
