//! XEP-0357 Push Notifications: a client turns pushes on and off for a device.
//!
//! The push service is this server, under its domain: a device that has registered with it
//! ([`super::web_push`]) has a node there. What is sent, and when, is decided there too. Push
//! services of other domains are refused for as long as there is no way to them.

use super::data_form::Form;
use super::{Action, At, Feature, Iq, Reply, Row, web_push};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    requests: &[
        Row { at: At::Own, action: Action::Set, name: "enable", ns: ns::PUSH, handle: enable },
        Row { at: At::Own, action: Action::Set, name: "disable", ns: ns::PUSH, handle: disable },
    ],
    ..Feature::named("push")
};

/// Says in the server's description that it is a push service (XEP-0357 4.2), if it is one.
pub(super) fn describe_service(ctx: &Context<'_>, query: &mut Element) {
    if web_push::is_offered(ctx) {
        let identity = Element::new("identity", ns::DISCO_INFO);
        query.push(identity.with_attr("category", "pubsub").with_attr("type", "push"));
        query.push(Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::PUSH));
    }
}

/// Says in an account's description that it can have pushes, if it can.
pub(super) fn describe(ctx: &Context<'_>, query: &mut Element) {
    if web_push::is_offered(ctx) {
        query.push(Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::PUSH));
    }
}

fn enable(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    check_service(ctx, &iq.payload)?;
    // Our own service asks for no credentials: it knows whose the node is.
    if let Some(options) = iq.payload.child("x", ns::DATA_FORMS) {
        Form::read(options, ns::PUBSUB_PUBLISH_OPTIONS)?;
    }
    let node = iq.payload.attr("node").ok_or_else(StanzaError::bad_request)?;
    match web_push::switch(ctx, Some(node), true) {
        0 => Err(StanzaError::item_not_found().with_text("nobody has registered this node")),
        _ => Ok(Reply::Result(None)),
    }
}

fn disable(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    check_service(ctx, &iq.payload)?;
    let node = iq.payload.attr("node");
    match (node, web_push::switch(ctx, node, false)) {
        (Some(_), 0) => Err(StanzaError::item_not_found()),
        _ => Ok(Reply::Result(None)),
    }
}

fn check_service(ctx: &Context<'_>, asked: &Element) -> Result<(), StanzaError> {
    let jid = asked.attr("jid").ok_or_else(StanzaError::bad_request)?;
    let jid = Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())?;
    if jid != ctx.config.domain {
        let text = "push services of other domains cannot be reached from here";
        return Err(StanzaError::remote_server_not_found().with_text(text));
    }
    match web_push::is_offered(ctx) {
        true => Ok(()),
        false => Err(StanzaError::service_unavailable()),
    }
}
