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

/// Stores changes as one message, and sends it to all members. It has an id already, since what
/// changed names it.
pub(crate) fn announce(
    ctx: &mut RoomContext<'_>,
    id: MessageId,
    by: Option<AccountId>,
    changes: &[Change],
) {
    let mut change = Element::new("change", NS);
    if let Some(by) = by {
        change.set_attr("by", jid_of(ctx.config, by).as_str());
    }
    let mut sentences = Vec::new();
    let author = by.map(|by| name_of(ctx, by));
    for one in changes {
        change.push(element(ctx, one));
        if sentences.len() < SENTENCES_MAX {
            sentences.push(sentence(ctx, author.as_deref().unwrap_or("Somebody"), one));
        }
    }
    if changes.len() > SENTENCES_MAX {
        sentences.push(format!("And {} more.", changes.len() - SENTENCES_MAX));
    }
    let message = Element::new("message", ns::CLIENT)
        .with_attr("type", "groupchat")
        .with_attr("from", ctx.room.jid.as_str())
        .with_attr("id", id.to_string())
        .with_child(Element::new("body", ns::CLIENT).with_text(sentences.join(" ")))
        .with_child(change)
        .with_child(Element::new("fallback", ns::FALLBACK).with_attr("for", NS));
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

/// What a person reads whose client knows nothing of `<change/>`.
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
