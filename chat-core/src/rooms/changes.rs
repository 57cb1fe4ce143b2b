//! System messages: what happens to a room stands in its log, for programs and for people.

use super::delivery::{self, NewEntry};
use super::member::{Affiliation, jid_of};
use super::{NS, RoomContext, muc};
use crate::id::MessageId;
use crate::jid::AccountId;
use crate::ns;
use crate::stanza::append_to_rendered;
use crate::xml::Element;

/// Something that happened to a room.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Created,
    Added(AccountId, Affiliation),
    /// By an invitation's link.
    Joined(AccountId),
    Removed(AccountId),
    Left(AccountId),
    /// A member is something else now.
    Affiliated(AccountId, Affiliation),
    Name,
    Description,
    Icon,
    Permissions,
    Destroyed,
}

/// What a message of the room itself says: all that happened at once.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) by: Option<AccountId>,
    pub(crate) changes: &'a [Change],
    /// The founding or the commit that goes with it (docs/protocol/mls.md).
    pub(crate) of_group: Option<Element>,
}

/// Stores what happened as one message, and sends it to all members. It has an id already, since
/// what changed names it.
pub(crate) fn announce(ctx: &mut RoomContext<'_>, id: MessageId, said: Said<'_>) {
    let Said { by, changes, of_group } = said;
    let mut message = Element::new("message", ns::CLIENT)
        .with_attr("type", "groupchat")
        .with_attr("from", ctx.room.jid.as_str())
        .with_attr("id", id.to_string());
    if !changes.is_empty() {
        let body = Element::new("body", ns::CLIENT).with_text(sentences(ctx, by, changes));
        let fallback = Element::new("fallback", ns::FALLBACK).with_attr("for", NS);
        message = message.with_children([body, change(ctx, by, changes), fallback]);
    }
    let message = message.with_children(of_group);
    let stanza_id = delivery::stanza_id(&ctx.room.jid, id);
    let stanza = append_to_rendered(&message.to_bytes(ns::CLIENT), &stanza_id);
    delivery::log(
        ctx,
        NewEntry { id, stanza: stanza.clone(), origin: None, expires_unix_ms: None },
    );
    delivery::fan_out(ctx, &stanza, Some(id));
    if changes.iter().any(|change| change.of_member().is_some()) {
        note_version(ctx, id, changes);
    } else if changes.iter().any(Change::is_of_settings) {
        muc::show_configuration_changed(ctx);
    }
}

impl Change {
    /// The member whom it concerns.
    pub(crate) fn of_member(&self) -> Option<AccountId> {
        match self {
            Change::Added(account, _)
            | Change::Joined(account)
            | Change::Removed(account)
            | Change::Left(account)
            | Change::Affiliated(account, _) => Some(*account),
            _ => None,
        }
    }

    fn is_of_settings(&self) -> bool {
        matches!(self, Change::Name | Change::Description | Change::Icon | Change::Permissions)
    }
}

/// What programs read.
fn change(ctx: &RoomContext<'_>, by: Option<AccountId>, changes: &[Change]) -> Element {
    let mut change = Element::new("change", NS);
    if let Some(by) = by {
        change.set_attr("by", jid_of(ctx.config, by).as_str());
    }
    change.with_children(changes.iter().map(|one| element(ctx, one)))
}

/// What people read whose client knows nothing of `<change/>`.
fn sentences(ctx: &RoomContext<'_>, by: Option<AccountId>, changes: &[Change]) -> String {
    let author = by.map_or("Somebody".to_owned(), |by| name_of(ctx, by));
    let told = changes.iter().take(SENTENCES_MAX).map(|one| sentence(ctx, &author, one));
    let rest = changes.len().saturating_sub(SENTENCES_MAX);
    let rest = (rest > 0).then(|| format!("And {rest} more."));
    told.chain(rest).collect::<Vec<_>>().join(" ")
}

/// XEP-0463: the members have another version now.
fn note_version(ctx: &mut RoomContext<'_>, id: MessageId, changes: &[Change]) {
    let since = std::mem::replace(&mut ctx.room.version, id);
    ctx.put_version();
    for account in changes.iter().filter_map(Change::of_member) {
        if ctx.room.changes.len() == CHANGES_MAX {
            ctx.room.changes.pop_front();
        }
        ctx.room.changes.push_back((id, account));
    }
    muc::show_members_changed(ctx, changes, since, id);
}

fn element(ctx: &RoomContext<'_>, change: &Change) -> Element {
    let of = |name, account: AccountId| {
        Element::new(name, NS).with_attr("jid", jid_of(ctx.config, account).as_str())
    };
    let settings = &ctx.room.settings;
    let text = |name, text: &str| Element::new(name, NS).with_text(text);
    match change {
        Change::Created => Element::new("created", NS),
        Change::Added(account, affiliation) => {
            of("added", *account).with_attr("affiliation", affiliation.as_str())
        }
        Change::Joined(account) => of("joined", *account),
        Change::Removed(account) => of("removed", *account),
        Change::Left(account) => of("left", *account),
        Change::Affiliated(account, affiliation) => {
            of("affiliated", *account).with_attr("affiliation", affiliation.as_str())
        }
        Change::Name => text("name", &settings.name),
        Change::Description => text("description", &settings.description),
        Change::Icon => {
            let icon = settings.icon.as_deref().unwrap_or_default();
            Element::new("icon", NS).with_attr("id", icon)
        }
        Change::Permissions => settings.permissions(),
        Change::Destroyed => Element::new("destroyed", NS),
    }
}

fn sentence(ctx: &RoomContext<'_>, author: &str, change: &Change) -> String {
    let name = |account: &AccountId| name_of(ctx, *account);
    match change {
        Change::Created => format!("{author} created the group."),
        Change::Added(account, _) => format!("{author} added {}.", name(account)),
        Change::Joined(account) => format!("{} joined by a link.", name(account)),
        Change::Removed(account) => format!("{author} removed {}.", name(account)),
        Change::Left(account) => format!("{} left.", name(account)),
        Change::Affiliated(account, affiliation) => {
            format!("{} is now {}.", name(account), affiliation.as_str())
        }
        Change::Name => {
            format!("{author} named the group \u{201c}{}\u{201d}.", ctx.room.settings.name)
        }
        Change::Description => format!("{author} changed the description."),
        Change::Icon => format!("{author} changed the icon."),
        Change::Permissions => format!("{author} changed what members may do."),
        Change::Destroyed => format!("{author} ended the group."),
    }
}

fn name_of(ctx: &RoomContext<'_>, account: AccountId) -> String {
    let member = ctx.room.members.get(&account);
    member.map_or_else(|| account.to_string(), |member| member.nick.to_string())
}

/// Sentences of one message; the rest is counted.
const SENTENCES_MAX: usize = 8;
/// Changes of members that a room remembers for those who know an older version.
const CHANGES_MAX: usize = 512;
