//! XEP-0049 Private XML Storage. Bookmarks in it (XEP-0048) are those of XEP-0402.

use super::{Action, At, Feature, Iq, Reply, Row, bookmarks};
use crate::context::Context;
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Item, Query, Write};
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    account_features: &[ns::PRIVATE],
    requests: &[
        Row { at: At::Own, action: Action::Get, name: "query", ns: ns::PRIVATE, handle: read },
        Row { at: At::Own, action: Action::Set, name: "query", ns: ns::PRIVATE, handle: write },
    ],
    ..Feature::named("private-storage")
};

fn read(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = only_child(&iq.payload)?;
    if asked.is("storage", ns::BOOKMARKS_LEGACY) {
        return bookmarks::read_legacy(ctx, iq);
    }
    let nothing = Element::new(asked.name().to_owned(), asked.ns().to_owned());
    let ids = Some(vec![key(asked)?]);
    let query = Query::Items { account: ctx.account.id, node: NODE.into(), ids, items_max: 1 };
    let request = iq.request.clone();
    ctx.ask(query, move |ctx, answer| {
        let Ok(Answer::Items(items)) = answer else {
            return ctx.answer(&request, Err(StanzaError::internal_server_error()));
        };
        let stored = items.first().and_then(|item| Element::parse(&item.payload, "").ok());
        ctx.answer(&request, Ok(Some(wrapped(stored.unwrap_or(nothing)))));
    });
    Ok(Reply::Later)
}

fn write(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let given = only_child(&iq.payload)?;
    if given.is("storage", ns::BOOKMARKS_LEGACY) {
        return bookmarks::write_legacy(ctx, iq, given);
    }
    let item = Item {
        id: key(given)?,
        publisher: ctx.account.jid.as_str().into(),
        published_unix_ms: ctx.now.unix_ms,
        payload: given.to_bytes(""),
    };
    if item.payload.len() > ENTRY_BYTES_MAX {
        return Err(StanzaError::not_acceptable());
    }
    let account = ctx.account.id;
    ctx.write(Write::PutItem { account, node: NODE.into(), item, items_max: ENTRIES_MAX });
    Ok(Reply::Result(None))
}

/// As an answer.
pub(super) fn wrapped(stored: Element) -> Element {
    Element::new("query", ns::PRIVATE).with_child(stored)
}

fn only_child(query: &Element) -> Result<&Element, StanzaError> {
    let mut children = query.children();
    match (children.next(), children.next()) {
        (Some(child), None) => Ok(child),
        _ => Err(StanzaError::bad_request()),
    }
}

/// XEP-0049 2: an entry is known by its name and namespace, which is its own.
fn key(entry: &Element) -> Result<Box<str>, StanzaError> {
    let key = format!("{} {}", entry.name(), entry.ns());
    let is_own = !entry.ns().is_empty() && entry.ns() != ns::PRIVATE && entry.ns() != ns::CLIENT;
    let is_sound = is_own && key.len() <= KEY_BYTES_MAX;
    if is_sound { Ok(key.into()) } else { Err(StanzaError::not_acceptable()) }
}

/// Where the entries are kept; no client sees it as a node.
pub(crate) const NODE: &str = ns::PRIVATE;
/// Entries of one account; the oldest goes first.
pub const ENTRIES_MAX: u32 = 128;
/// Bytes of one entry.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an entry's name and namespace.
const KEY_BYTES_MAX: usize = 512;
