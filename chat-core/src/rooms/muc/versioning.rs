//! XEP-0463 MUC Affiliations Versioning. The version is the id of the message that told of the
//! newest change.

use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::member::jid_of;
use crate::xml::Element;

/// One who joins and asks for it learns what changed since a version that it knows.
pub(super) fn tell(ctx: &mut RoomContext<'_>, account: AccountId, to: &Jid, x: &Element) {
    let Some(asked) = x.child("mav", ns::MUC_AFFILIATIONS) else { return };
    let since = asked.attr("since").and_then(MessageId::parse);
    if since == Some(ctx.room.version) {
        return;
    }
    let known = since.filter(|since| is_known(ctx, account, *since));
    let told = match known {
        Some(since) => {
            let changed = ctx.room.changes.iter().filter(|(id, _)| *id > since);
            let mut changed: Vec<AccountId> = changed.map(|(_, account)| *account).collect();
            changed.sort();
            changed.dedup();
            changed
        }
        None => ctx.room.members.keys().chain(&ctx.room.outcasts).copied().collect(),
    };
    let mav = mav(known, ctx.room.version);
    let items = told.into_iter().map(|account| item(ctx, account));
    let x = Element::new("x", ns::MUC_USER).with_child(mav).with_children(items);
    let message = Element::new("message", ns::CLIENT)
        .with_attr("from", ctx.room.jid.as_str())
        .with_attr("to", to.as_str())
        .with_child(x);
    ctx.send_element(to, &message);
}

/// The room still knows all changes since that version, and its state then was no secret.
fn is_known(ctx: &RoomContext<'_>, account: AccountId, since: MessageId) -> bool {
    let was_in = ctx.room.members.get(&account).is_some_and(|member| since > member.since);
    let oldest = ctx.room.changes.front();
    was_in && oldest.is_some_and(|(oldest, _)| *oldest <= since)
}

/// What is said of somebody's affiliation.
pub(super) fn item(ctx: &RoomContext<'_>, account: AccountId) -> Element {
    let affiliation = match ctx.room.members.get(&account) {
        Some(member) => member.affiliation.as_str(),
        None if ctx.room.outcasts.contains(&account) => "outcast",
        None => "none",
    };
    Element::new("item", ns::MUC_USER)
        .with_attr("jid", jid_of(ctx.config, account).as_str())
        .with_attr("affiliation", affiliation)
}

/// The step from one version to another, or to it from nothing.
pub(super) fn mav(since: Option<MessageId>, until: MessageId) -> Element {
    let mav = Element::new("mav", ns::MUC_AFFILIATIONS).with_attr("until", until.to_string());
    match since {
        Some(since) => mav.with_attr("since", since.to_string()),
        None => mav,
    }
}

/// The version as it is now.
pub(super) fn until(ctx: &RoomContext<'_>) -> Element {
    mav(None, ctx.room.version)
}
