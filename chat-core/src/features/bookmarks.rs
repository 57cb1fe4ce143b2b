//! XEP-0402 PEP Native Bookmarks, with the pins of XEP-0469 and the settings of XEP-0492 inside
//! their extensions; and for older clients the same bookmarks as XEP-0048 has them in private
//! storage (`#compat`).

use super::pubsub::{self, Configuration, ITEMS_MAX};
use super::{Feature, Iq, Reply, private_storage};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Item, Query};
use crate::xml::Element;

pub(super) const FEATURE: Feature =
    Feature { account_features: &[ns::BOOKMARKS_COMPAT], ..Feature::named("bookmarks") };

/// Answers with all bookmarks as XEP-0048 has them.
pub(super) fn read_legacy(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let request = iq.request.clone();
    ctx.ask(all(ctx), move |ctx, answer| {
        let Ok(Answer::Items(items)) = answer else {
            return ctx.answer(&request, Err(StanzaError::internal_server_error()));
        };
        // The storage answers newest first.
        let conferences = items.iter().rev().filter_map(to_legacy);
        let storage = Element::new("storage", ns::BOOKMARKS_LEGACY).with_children(conferences);
        ctx.answer(&request, Ok(Some(private_storage::wrapped(storage))));
    });
    Ok(Reply::Later)
}

/// Takes the whole list as XEP-0048 has it; what it lacks goes, and what differs is published.
pub(super) fn write_legacy(
    ctx: &mut Context<'_>,
    iq: &Iq,
    storage: &Element,
) -> Result<Reply, StanzaError> {
    let conferences = storage.children_named("conference", ns::BOOKMARKS_LEGACY);
    let wanted: Vec<(Jid, Element)> = conferences
        .map(|conference| Ok((room(conference)?, from_legacy(conference))))
        .collect::<Result<_, StanzaError>>()?;
    if wanted.len() > ITEMS_MAX as usize {
        return Err(StanzaError::resource_constraint());
    }
    let request = iq.request.clone();
    ctx.ask(all(ctx), move |ctx, answer| {
        let answer = match answer {
            Ok(Answer::Items(items)) => replace(ctx, &items, wanted).map(|()| None),
            _ => Err(StanzaError::internal_server_error()),
        };
        ctx.answer(&request, answer);
    });
    Ok(Reply::Later)
}

fn replace(
    ctx: &mut Context<'_>,
    items: &[Item],
    wanted: Vec<(Jid, Element)>,
) -> Result<(), StanzaError> {
    if ctx.account.state.nodes.get(ns::BOOKMARKS).is_none() {
        pubsub::create(ctx, ns::BOOKMARKS, Configuration::of(ns::BOOKMARKS))?;
    }
    for item in items.iter().filter(|item| wanted.iter().all(|(jid, _)| jid.as_str() != &*item.id))
    {
        pubsub::retract_item(ctx, ns::BOOKMARKS, &item.id, true);
    }
    for (jid, mut conference) in wanted {
        let stored = items.iter().find(|item| *item.id == *jid.as_str());
        let stored = stored.and_then(pubsub::payload_of);
        // XEP-0402 5.3: an older client knows nothing of extensions, and must not lose them.
        let extensions = stored.as_ref().and_then(|it| it.child("extensions", ns::BOOKMARKS));
        conference = conference.with_children(extensions.cloned());
        if stored.is_none_or(|stored| !is_same(&stored, &conference)) {
            pubsub::put(ctx, ns::BOOKMARKS, jid.as_str(), &conference)?;
        }
    }
    Ok(())
}

fn is_same(one: &Element, other: &Element) -> bool {
    let autojoin = |element: &Element| is_true(element.attr("autojoin"));
    let text = |element: &Element, name| element.text_of(name, ns::BOOKMARKS).map(String::from);
    one.attr("name") == other.attr("name")
        && autojoin(one) == autojoin(other)
        && ["nick", "password"].iter().all(|name| text(one, name) == text(other, name))
}

fn to_legacy(item: &Item) -> Option<Element> {
    let payload = pubsub::payload_of(item)?;
    let mut conference =
        Element::new("conference", ns::BOOKMARKS_LEGACY).with_attr("jid", &*item.id);
    copy(&payload, ns::BOOKMARKS, &mut conference, ns::BOOKMARKS_LEGACY);
    Some(conference)
}

fn from_legacy(legacy: &Element) -> Element {
    let mut conference = Element::new("conference", ns::BOOKMARKS);
    copy(legacy, ns::BOOKMARKS_LEGACY, &mut conference, ns::BOOKMARKS);
    conference
}

fn copy(from: &Element, from_ns: &str, to: &mut Element, to_ns: &'static str) {
    if let Some(name) = from.attr("name") {
        to.set_attr("name", name);
    }
    if is_true(from.attr("autojoin")) {
        to.set_attr("autojoin", "true");
    }
    for name in ["nick", "password"] {
        if let Some(text) = from.text_of(name, from_ns) {
            to.push(Element::new(name, to_ns).with_text(text));
        }
    }
}

fn room(conference: &Element) -> Result<Jid, StanzaError> {
    let jid = conference.attr("jid").ok_or_else(StanzaError::bad_request)?;
    Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())
}

fn all(ctx: &Context<'_>) -> Query {
    let (account, node) = (ctx.account.id, ns::BOOKMARKS.into());
    Query::Items { account, node, ids: None, items_max: ITEMS_MAX }
}

fn is_true(text: Option<&str>) -> bool {
    matches!(text, Some("1" | "true"))
}
