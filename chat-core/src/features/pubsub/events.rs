//! XEP-0163 4: who is told of a node's events: the account's own clients, and contacts who see its
//! presence. An event goes to a contact's bare JID, and the contact's account knows which of its
//! clients asked for the node (`+notify`, XEP-0115).

use super::items::item_element;
use super::{LastItem, is_public_to, may_read};
use crate::context::{Context, Route};
use crate::features::{Flow, MessageIn};
use crate::jid::Jid;
use crate::session::Session;
use crate::stanza::{MessageType, Stanza, StanzaError};
use crate::transaction::{Answer, Item, Query};
use crate::xml::Element;
use crate::{date_time, ns};

/// Tells of a new item.
pub(super) fn tell_published(ctx: &mut Context<'_>, node: &str, item: &Item) {
    let configuration = ctx.account.state.nodes.get(node);
    let with_payload = configuration.is_some_and(|found| found.delivers_payloads);
    let item = item_element(item, ns::PUBSUB_EVENT, with_payload);
    let items = Element::new("items", ns::PUBSUB_EVENT).with_attr("node", node);
    tell(ctx, node, &items.with_child(item));
}

/// Tells of something that happened to a node.
pub(super) fn tell(ctx: &mut Context<'_>, node: &str, what: &Element) {
    let configuration = ctx.account.state.nodes.get(node);
    let Some(configuration) = configuration.filter(|found| found.notifies) else { return };
    let own = ctx.account.jid.clone();
    let is_told = |jid: &Jid| {
        may_read(ctx.account, configuration, jid).is_ok() && !ctx.account.state.blocked.has(jid)
    };
    let subscribers = configuration.subscribers.iter().filter(|jid| is_told(jid));
    let subscribers: Vec<Jid> = subscribers.cloned().collect();
    let roster = ctx.account.state.roster.items().filter(|contact| contact.is_seen);
    let roster = roster.map(|contact| &contact.jid).filter(|contact| is_told(contact));
    let readers: Vec<Jid> = roster.filter(|it| !subscribers.contains(it)).cloned().collect();
    let event = message(&own, what);
    for subscriber in subscribers {
        ctx.route(own.clone(), subscriber, &for_subscriber(event.clone()));
    }
    ctx.send_to_each(
        |session| wants(session, node),
        None,
        |session| event.clone().with_attr("to", session.jid.as_str()).to_bytes(ns::CLIENT),
    );
    for contact in readers {
        ctx.route(own.clone(), contact, &event);
    }
}

/// An event of a contact arrives, for those clients that asked for its node.
pub(super) fn take_event(
    ctx: &mut Context<'_>,
    message: &mut MessageIn<'_>,
) -> Result<Flow, StanzaError> {
    // Clients send from full JIDs; what comes from a bare one is of an account itself.
    let is_of_account = message.from.is_bare() && message.from.local().is_some();
    if !is_of_account || message.stanza.message_type() != MessageType::Headline {
        return Ok(Flow::Pass);
    }
    let Some(event) = message.stanza.child("event", ns::PUBSUB_EVENT) else {
        return Ok(Flow::Pass);
    };
    let node = event.children().next().and_then(|what| what.attr("node")).unwrap_or_default();
    let only = message.to.resource();
    let bytes = &message.message.bytes;
    let is_meant = |session: &Session| {
        wants(session, node) && only.is_none_or(|only| session.resource() == only)
    };
    ctx.send_to_each(is_meant, None, |_| bytes.clone());
    Ok(Flow::Done)
}

/// A session has become interested in nodes: it is sent their last items, its own account's and
/// its contacts'.
pub(crate) fn ask_for_last(ctx: &mut Context<'_>, resource: &str) {
    let Some(session) = ctx.account.session(resource) else { return };
    let (from, interests) = (session.jid.clone(), interests(session).to_vec());
    if interests.is_empty() {
        return;
    }
    send_last(ctx, &from, &interests);
    let seen = ctx.account.state.roster.items().filter(|contact| contact.sees);
    let contacts: Vec<Jid> = seen.map(|contact| contact.jid.clone()).collect();
    for contact in contacts {
        probe(ctx, &from, contact, &interests);
    }
}

/// The account has begun to see a contact: its clients are sent the last items of that one.
pub(crate) fn ask_contact(ctx: &mut Context<'_>, contact: &Jid) {
    let interested = ctx.account.available().filter(|session| !interests(session).is_empty());
    let interested: Vec<_> =
        interested.map(|session| (session.jid.clone(), interests(session).to_vec())).collect();
    for (from, interests) in interested {
        probe(ctx, &from, contact.clone(), &interests);
    }
}

/// Answers a presence probe that asks for nodes' last items. Says whether it was one. Clients do
/// not send probes, so it comes from an account.
pub(crate) fn take_probe(ctx: &mut Context<'_>, route: &Route) -> bool {
    let Some(asked) = route.stanza.child("interests", INTERESTS) else { return false };
    let nodes = asked.children().filter_map(|interest| interest.attr("node"));
    let nodes: Vec<Box<str>> = nodes.map(Into::into).collect();
    send_last(ctx, &route.from, &nodes);
    true
}

fn probe(ctx: &mut Context<'_>, from: &Jid, contact: Jid, interests: &[Box<str>]) {
    let interest = |node: &str| Element::new("interest", INTERESTS).with_attr("node", node);
    let asked = Element::new("interests", INTERESTS)
        .with_children(interests.iter().map(|node| interest(node)));
    let probe = Element::new("presence", ns::CLIENT).with_attr("type", "probe").with_child(asked);
    // The last item of a contact who is away counts too.
    let route = Route::new(from.clone(), contact, Stanza::from_element(&probe));
    ctx.forward(Route { must_arrive: true, ..route });
}

fn send_last(ctx: &mut Context<'_>, to: &Jid, interests: &[Box<str>]) {
    let is_sent = |node: &str| {
        let configuration = ctx.account.state.nodes.get(node);
        configuration.is_some_and(|found| found.last_item == LastItem::OnPresence && found.notifies)
            && is_public_to(ctx.account, node, to)
    };
    let is_seen = ctx.account.jid.is_bare_of(to) || ctx.account.state.roster.is_seen_by(to);
    if !is_seen || ctx.account.state.blocked.has(to) {
        return;
    }
    let nodes: Vec<Box<str>> = interests.iter().filter(|node| is_sent(node)).cloned().collect();
    for node in nodes {
        let account = ctx.account.id;
        let query = Query::Items { account, node: node.clone(), ids: None, items_max: 1 };
        let to = to.clone();
        ctx.ask(query, move |ctx, answer| {
            let Ok(Answer::Items(items)) = answer else { return };
            if let Some(item) = items.first() {
                send_item(ctx, &to, &node, item);
            }
        });
    }
}

/// Somebody has subscribed, and is sent the last item (XEP-0060 6.1.7).
pub(super) fn send_last_to_subscriber(ctx: &mut Context<'_>, node: &str, to: &Jid) {
    let (account, node, to) = (ctx.account.id, Box::<str>::from(node), to.clone());
    let query = Query::Items { account, node: node.clone(), ids: None, items_max: 1 };
    ctx.ask(query, move |ctx, answer| {
        let Ok(Answer::Items(items)) = answer else { return };
        if let Some(item) = items.first() {
            let event = for_subscriber(last_item(ctx, &node, item));
            ctx.route(ctx.account.jid.clone(), to, &event);
        }
    });
}

/// For who has asked for the node, and need not have named it in `+notify`: a headline would be
/// taken by [`take_event`].
fn for_subscriber(mut event: Element) -> Element {
    event.remove_attr("type");
    event
}

fn send_item(ctx: &mut Context<'_>, to: &Jid, node: &str, item: &Item) {
    let own = ctx.account.jid.clone();
    let event = last_item(ctx, node, item);
    if own.is_bare_of(to) {
        let event = event.with_attr("to", to.as_str());
        ctx.send_element(to.resource().unwrap_or_default(), &event);
    } else {
        ctx.route(own, to.clone(), &event);
    }
}

fn last_item(ctx: &Context<'_>, node: &str, item: &Item) -> Element {
    let own = &ctx.account.jid;
    let items = Element::new("items", ns::PUBSUB_EVENT)
        .with_attr("node", node)
        .with_child(item_element(item, ns::PUBSUB_EVENT, true));
    let delay = Element::new("delay", ns::DELAY)
        .with_attr("from", own.as_str())
        .with_attr("stamp", date_time::format(item.published_unix_ms));
    message(own, &items).with_child(delay)
}

fn message(own: &Jid, what: &Element) -> Element {
    let event = Element::new("event", ns::PUBSUB_EVENT).with_child(what.clone());
    Element::new("message", ns::CLIENT)
        .with_attr("type", "headline")
        .with_attr("from", own.as_str())
        .with_child(event)
}

fn wants(session: &Session, node: &str) -> bool {
    session.presence.is_some() && interests(session).iter().any(|interest| **interest == *node)
}

fn interests(session: &Session) -> &[Box<str>] {
    session.extra.as_ref().map_or(&[], |extra| &extra.interests)
}

/// Between accounts of this server only.
const INTERESTS: &str = "urn:whimbrel:interests:0";
