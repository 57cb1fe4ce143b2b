//! `urn:whimbrel:web-push:0` (docs/protocol/web-push.md): a browser is told by its push service
//! (RFC 8030) that a message waits, while nobody looks at a client of the account that takes it.
//!
//! What is to be sent leaves as [`Outward::Push`], once the message is durable. A subscription that
//! the push service no longer knows is taken away by [`crate::chat::Command::EndPush`].

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use super::{Action, At, Feature, Flow, Iq, MessageIn, Reply, Row, State};
use crate::chat::Outward;
use crate::context::Context;
use crate::jid::{AccountId, Jid};
use crate::mls;
use crate::ns;
use crate::rooms;
use crate::session::Session;
use crate::stanza::{MessageType, Stanza, StanzaError};
use crate::transaction::Write;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    load: Some(load),
    requests: &[
        row(Action::Get, "key", show_key),
        row(Action::Set, "subscribe", subscribe),
        row(Action::Set, "unsubscribe", unsubscribe),
    ],
    message_in: Some(look),
    ..Feature::named(NAME)
};

/// The browsers of an account that want to be told.
#[derive(Debug, Default)]
pub struct Subscriptions {
    by_key: BTreeMap<Box<str>, Subscription>,
}

/// What a browser's `PushSubscription` says (W3C Push API), checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Where its push service takes messages for it: an `https` URI.
    pub endpoint: Box<str>,
    /// Its public key: a point of P-256, uncompressed (RFC 8291 3.1).
    pub public_key: Box<[u8]>,
    /// Its authentication secret, 16 bytes (RFC 8291 3.2).
    pub secret: Box<[u8]>,
    /// When it was made, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// It is to be told (XEP-0357).
    pub is_enabled: bool,
}

/// Something that a browser is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Whose browser.
    pub account: AccountId,
    /// Where.
    pub subscription: Subscription,
    /// What waits.
    pub kind: PushKind,
    /// The bare JID that sent it.
    pub sender: Box<str>,
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKind {
    /// A message; it can wait for its time to live.
    Message,
    /// A call, which is of no use later.
    Call,
}

/// The record of a subscription, by its endpoint.
pub(crate) fn removal(account: AccountId, endpoint: &str) -> Write {
    Write::Remove { account, feature: NAME, key: key_of(endpoint) }
}

/// Takes a subscription away.
pub(crate) fn end(ctx: &mut Context<'_>, endpoint: &str) {
    ctx.account.state.pushes.by_key.remove(&key_of(endpoint));
    ctx.write(removal(ctx.account.id, endpoint));
}

/// Browsers can be told.
pub(super) fn is_offered(ctx: &Context<'_>) -> bool {
    ctx.config.web_push_key.is_some()
}

/// Turns the subscription of a node on or off, or all of them. Says how many that were.
pub(super) fn switch(ctx: &mut Context<'_>, node: Option<&str>, is_enabled: bool) -> usize {
    let mut switched = Vec::new();
    for (key, subscription) in &mut ctx.account.state.pushes.by_key {
        if node.is_none_or(|node| *node == **key) {
            subscription.is_enabled = is_enabled;
            switched.push((key.clone(), subscription.to_element()));
        }
    }
    for (key, record) in &switched {
        ctx.put(NAME, key, record);
    }
    if is_enabled {
        rooms::note_pushes(ctx);
    }
    switched.len()
}

/// Says in an account's description that browsers can be told, if they can.
pub(super) fn describe(ctx: &Context<'_>, query: &mut Element) {
    if is_offered(ctx) {
        query.push(Element::new("feature", ns::DISCO_INFO).with_attr("var", NS));
    }
}

/// Sees a message arrive, and has browsers told where no client takes it now.
fn look(ctx: &mut Context<'_>, message: &mut MessageIn<'_>) -> Result<Flow, StanzaError> {
    if message.message.id.is_some() && !ctx.account.jid.is_bare_of(message.from) {
        tell(ctx, message.from, message.stanza);
    }
    Ok(Flow::Pass)
}

/// Has browsers told of a stored message where no client takes it now.
pub(crate) fn tell(ctx: &mut Context<'_>, from: &Jid, stanza: &Stanza) {
    if ctx.account.state.pushes.by_key.is_empty() {
        return;
    }
    let is_taken = |session: &Session| {
        session.stream.is_some() && session.takes_messages() && !session.is_inactive
    };
    let kind = kind_of(stanza).filter(|_| !ctx.account.sessions.iter().any(is_taken));
    let Some(kind) = kind else { return };
    let account = ctx.account.id;
    let subscriptions = ctx.account.state.pushes.by_key.values();
    let subscriptions = subscriptions.filter(|subscription| subscription.is_enabled);
    for subscription in subscriptions.cloned().collect::<Vec<_>>() {
        let sender = from.bare_str().into();
        ctx.outward(Outward::Push(Box::new(Push { account, subscription, kind, sender })));
    }
}

/// A person wants to be called for it.
pub(crate) fn is_worth_a_push(stanza: &Stanza) -> bool {
    kind_of(stanza).is_some()
}

/// What a person wants to be called for; receipts, reactions and the like can wait.
fn kind_of(stanza: &Stanza) -> Option<PushKind> {
    if stanza.message_type() == MessageType::Error {
        return None;
    }
    // What is sealed looks like a message, whatever it is: its author says that it is none.
    let is_quiet = stanza.has("quiet", mls::NS);
    let is_call =
        stanza.has("propose", ns::JINGLE_MESSAGE) || stanza.has("invite", ns::CALL_INVITES);
    let is_message = stanza.has("body", ns::CLIENT)
        || stanza.has("message", mls::NS)
        || stanza.children().any(|child| child.name() == "encrypted");
    match (is_call, is_message && !is_quiet) {
        (true, _) => Some(PushKind::Call),
        (false, true) => Some(PushKind::Message),
        (false, false) => None,
    }
}

/// The key by which push services know this server (RFC 8292).
fn show_key(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let key = ctx.config.web_push_key.as_ref().ok_or_else(StanzaError::service_unavailable)?;
    let key = Element::new("key", NS).with_text(BASE64URL_NOPAD.encode(key));
    Ok(Reply::Result(Some(key)))
}

fn subscribe(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    if !is_offered(ctx) {
        return Err(StanzaError::service_unavailable());
    }
    let is_allowed =
        |asked: &Subscription| ctx.config.private_push_services || is_public(&asked.endpoint);
    let subscription = Subscription::parse(&iq.payload).filter(is_allowed);
    let mut subscription = subscription.ok_or_else(StanzaError::not_acceptable)?;
    subscription.since_unix_ms = ctx.now.unix_ms;
    let key = key_of(&subscription.endpoint);
    let known = &ctx.account.state.pushes.by_key;
    // Who renews a subscription that is off has not asked for it to be on.
    subscription.is_enabled = known.get(&key).is_none_or(|known| known.is_enabled);
    if !known.contains_key(&key) && known.len() == SUBSCRIPTIONS_MAX {
        // Browsers change their endpoints and do not say which one is gone.
        let oldest = known.values().min_by_key(|known| known.since_unix_ms);
        if let Some(oldest) = oldest.map(|oldest| oldest.endpoint.clone()) {
            end(ctx, &oldest);
        }
    }
    ctx.put(NAME, &key, &subscription.to_element());
    rooms::note_pushes(ctx);
    let subscribed = Element::new("subscribed", NS)
        .with_attr("jid", ctx.config.domain.as_str())
        .with_attr("node", &*key);
    ctx.account.state.pushes.by_key.insert(key, subscription);
    Ok(Reply::Result(Some(subscribed)))
}

fn unsubscribe(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let endpoint = iq.payload.attr("endpoint").ok_or_else(StanzaError::bad_request)?;
    if !ctx.account.state.pushes.by_key.contains_key(&key_of(endpoint)) {
        return Err(StanzaError::item_not_found());
    }
    end(ctx, endpoint);
    Ok(Reply::Result(None))
}

impl Subscription {
    fn parse(element: &Element) -> Option<Subscription> {
        let endpoint = element.attr("endpoint").filter(|endpoint| is_endpoint(endpoint))?;
        let bytes = |name| BASE64URL_NOPAD.decode(element.attr(name)?.as_bytes()).ok();
        let public_key = bytes("p256dh").filter(|key| key.len() == POINT_BYTES && key[0] == 4)?;
        let secret = bytes("auth").filter(|secret| secret.len() == SECRET_BYTES)?;
        let since = element.attr("since").and_then(|since| since.parse().ok());
        Some(Subscription {
            endpoint: endpoint.into(),
            public_key: public_key.into(),
            secret: secret.into(),
            since_unix_ms: since.unwrap_or_default(),
            is_enabled: element.attr("enabled") != Some("false"),
        })
    }

    fn to_element(&self) -> Element {
        Element::new("subscribe", NS)
            .with_attr("endpoint", &*self.endpoint)
            .with_attr("p256dh", BASE64URL_NOPAD.encode(&self.public_key))
            .with_attr("auth", BASE64URL_NOPAD.encode(&self.secret))
            .with_attr("since", self.since_unix_ms.to_string())
            .with_attr("enabled", self.is_enabled.to_string())
    }
}

/// RFC 8030 8: push services are asked by TLS alone.
fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = host_and_port(text) else { return false };
    let is_name = host.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-'));
    text.len() <= ENDPOINT_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && is_name
        && !host.is_empty()
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A name of one label, or an address, is inside of somebody's network. Whoever connects looks at
/// the address as well.
fn is_public(endpoint: &str) -> bool {
    let (host, _) = host_and_port(endpoint).unwrap_or_default();
    let top = host.rsplit('.').next().unwrap_or_default();
    host.contains('.') && top.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn host_and_port(endpoint: &str) -> Option<(&str, &str)> {
    let rest = endpoint.strip_prefix("https://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some(authority.split_once(':').unwrap_or((authority, "443")))
}

fn key_of(endpoint: &str) -> Box<str> {
    let digest = digest::digest(&digest::SHA256, endpoint.as_bytes());
    HEXLOWER.encode(&digest.as_ref()[..16]).into()
}

fn load(state: &mut State, key: &str, value: &Element) {
    if let Some(subscription) = Subscription::parse(value) {
        state.pushes.by_key.insert(key.into(), subscription);
    }
}

const fn row(
    action: Action,
    name: &'static str,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at: At::Own, action, name, ns: NS, handle }
}

pub(crate) const NAME: &str = "web-push";
const NS: &str = "urn:whimbrel:web-push:0";
/// Browsers of one account.
pub const SUBSCRIPTIONS_MAX: usize = 16;
/// Bytes of an endpoint.
pub const ENDPOINT_BYTES_MAX: usize = 2048;
const POINT_BYTES: usize = 65;
const SECRET_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::{is_endpoint, is_public, is_worth_a_push};
    use crate::stanza::Stanza;
    use crate::xml::Limits;

    fn check(text: &str, expected: bool) {
        assert_eq!(is_endpoint(text) && is_public(text), expected, "{text}");
    }

    #[test]
    fn inside_of_a_network_names_are_short() {
        assert!(is_endpoint("https://localhost:8443/x") && is_endpoint("https://10.0.0.1/x"));
        assert!(!is_endpoint("https:///x") && !is_endpoint("https://user@localhost/x"));
    }

    #[test]
    fn what_is_sealed_may_be_worth_a_push() {
        for (content, expected) in [
            ("<body>x</body>", true),
            ("<message xmlns='urn:whimbrel:mls:0'>x</message>", true),
            ("<encrypted xmlns='urn:xmpp:omemo:2'/>", true),
            ("<received xmlns='urn:xmpp:receipts' id='x'/>", false),
        ] {
            let message = format!("<message>{content}</message>").into();
            let stanza = Stanza::parse(message, &Limits::default()).unwrap();
            assert_eq!(is_worth_a_push(&stanza), expected, "{content}");
        }
    }

    #[test]
    fn only_names_by_tls_are_endpoints() {
        check("https://push.example.org/wpush/v2/gAAA", true);
        check("https://push.example.org:8443/x?y=1", true);
        for wrong in [
            "http://push.example.org/x",
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://user@push.example.org/x",
            "https://push.example.org:0/x",
            "https://10.0.0.1:443/x",
            "https://push.example.org/a b",
        ] {
            check(wrong, false);
        }
    }
}
