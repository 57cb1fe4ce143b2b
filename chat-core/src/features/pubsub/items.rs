//! XEP-0060 6.5: reading a node's items.

use super::{AccessModel, Affiliation, Configuration, node_named, with_reason};
use crate::account::Account;
use crate::context::{Context, Request};
use crate::features::result_set::{self, Page};
use crate::features::{Iq, Reply};
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Item, Query};
use crate::xml::Element;

/// Answers `<items/>`, newest first.
pub(super) fn read(ctx: &mut Context<'_>, iq: &Iq, asked: &Element) -> Result<Reply, StanzaError> {
    let node: Box<str> = node_named(asked)?.into();
    let configuration = ctx.account.state.nodes.get(&node);
    let configuration = configuration.ok_or_else(StanzaError::item_not_found)?;
    may_read(ctx.account, configuration, &iq.request.from)?;
    let ids = ids(asked)?;
    let limit = asked.attr("max_items").map(str::parse::<u32>).transpose();
    let limit = limit.map_err(|_| StanzaError::bad_request())?;
    let page = Page::read(&iq.payload)?;
    let items_max = limit.unwrap_or(u32::MAX).min(configuration.items_max);
    let query = Query::Items { account: ctx.account.id, node: node.clone(), ids, items_max };
    let request = iq.request.clone();
    ctx.ask(query, move |ctx, answer| match answer {
        Ok(Answer::Items(items)) => show(ctx, &request, &node, &page, items),
        _ => ctx.answer(&request, Err(StanzaError::internal_server_error())),
    });
    Ok(Reply::Later)
}

/// Whoever this is may read a node of this configuration.
///
/// # Errors
/// XEP-0060 6.5.9 has one for each access model.
pub(crate) fn may_read(
    account: &Account,
    configuration: &Configuration,
    reader: &Jid,
) -> Result<(), StanzaError> {
    if account.jid.is_bare_of(reader) {
        return Ok(());
    }
    match configuration.affiliations.of(reader) {
        Some(Affiliation::Member) => return Ok(()),
        Some(Affiliation::Outcast) => return Err(StanzaError::forbidden()),
        None => {}
    }
    let roster = &account.state.roster;
    let refused = match configuration.access {
        AccessModel::Open => return Ok(()),
        _ if account.state.blocked.has(reader) => StanzaError::item_not_found(),
        AccessModel::Presence if roster.is_seen_by(reader) => return Ok(()),
        AccessModel::Presence => {
            with_reason(StanzaError::not_authorized(), "presence-subscription-required")
        }
        AccessModel::Roster => {
            let contact = roster.item(reader.bare_str()).filter(|contact| contact.is_seen);
            let is_in = |group| configuration.groups.contains(group);
            if contact.is_some_and(|contact| contact.groups.iter().any(is_in)) {
                return Ok(());
            }
            with_reason(StanzaError::not_authorized(), "not-in-roster-group")
        }
        AccessModel::Whitelist => with_reason(StanzaError::not_allowed(), "closed-node"),
    };
    Err(refused)
}

/// A stored item as an element.
pub(super) fn item_element(item: &Item, ns: &'static str, with_payload: bool) -> Element {
    let mut element = Element::new("item", ns).with_attr("id", &*item.id);
    if with_payload && !item.payload.is_empty() {
        // What cannot be read any more is shown as an item without a payload.
        let _ = element.push_raw(item.payload.clone(), "");
    }
    element
}

/// An item's payload, if it has one.
pub(crate) fn payload_of(item: &Item) -> Option<Element> {
    Element::parse(&item.payload, "").ok()
}

fn ids(asked: &Element) -> Result<Option<Vec<Box<str>>>, StanzaError> {
    let items = asked.children_named("item", ns::PUBSUB);
    let ids =
        items.map(|item| item.attr("id").map(Into::into).ok_or_else(StanzaError::bad_request));
    let ids: Vec<Box<str>> = ids.collect::<Result<_, _>>()?;
    Ok((!ids.is_empty()).then_some(ids))
}

fn show(ctx: &mut Context<'_>, request: &Request, node: &str, page: &Page, items: Vec<Item>) {
    let found = items.len();
    let shown = match take_page(page, &items) {
        Ok(shown) => shown,
        Err(error) => return ctx.answer(request, Err(error)),
    };
    let element = |item| item_element(item, ns::PUBSUB, true);
    let list = Element::new("items", ns::PUBSUB)
        .with_attr("node", node)
        .with_children(shown.iter().map(element));
    let mut pubsub = Element::new("pubsub", ns::PUBSUB).with_child(list);
    if shown.len() < found || *page != Page::default() {
        let id = |item: &Item| item.id.to_string();
        pubsub.push(result_set::set(
            shown.first().map(id),
            shown.last().map(id),
            Some(found as u64),
        ));
    }
    ctx.answer(request, Ok(Some(pubsub)));
}

/// The part of the items that a page asks for, and that fits an answer.
fn take_page<'a>(page: &Page, items: &'a [Item]) -> Result<&'a [Item], StanzaError> {
    let place = |id: &str| {
        items.iter().position(|item| *item.id == *id).ok_or_else(StanzaError::item_not_found)
    };
    let start = match &page.after {
        Some(id) => place(id)? + 1,
        None => 0,
    };
    let end = match page.before.as_deref() {
        None | Some("") => items.len(),
        Some(id) => place(id)?,
    };
    let within = items.get(start..end).unwrap_or_default();
    let count = fitting(page, within);
    match page.before {
        Some(_) => Ok(&within[within.len() - count..]),
        None => Ok(&within[..count]),
    }
}

fn fitting(page: &Page, items: &[Item]) -> usize {
    let wanted = page.max.map_or(usize::MAX, |max| max as usize).min(items.len());
    let mut bytes = 0;
    let from_end = page.before.is_some();
    let in_turn = |at: usize| if from_end { &items[items.len() - 1 - at] } else { &items[at] };
    for count in 0..wanted {
        bytes += in_turn(count).payload.len();
        if bytes > ANSWER_BYTES_MAX && count > 0 {
            return count;
        }
    }
    wanted
}

/// Bytes of payloads in one answer; more are had page by page (XEP-0060 6.5.4).
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
