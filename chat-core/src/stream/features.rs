//! RFC 6120 4.3: the features of a stream, before and after login.

use crate::ns;
use crate::sasl::{Channel, Offer};
use crate::xml::Element;

use super::config::{StartTls, StreamConfig};
use super::shared::Shared;

/// Before login.
pub(super) fn before_login(shared: &Shared) -> Element {
    let mut features = Element::new("features", ns::STREAM);
    if shared.can_start_tls() {
        features.push(starttls(shared.starttls));
    }
    if !shared.may_log_in() {
        return features;
    }
    features = features.with_children(sasl(&shared.config, &shared.channel));
    if shared.config.registration {
        features.push(Element::new("register", ns::REGISTER_FEATURE));
    }
    features
}

fn starttls(starttls: StartTls) -> Element {
    let element = Element::new("starttls", ns::TLS);
    match starttls {
        StartTls::Required => element.with_child(Element::new("required", ns::TLS)),
        StartTls::Optional | StartTls::Unavailable => element,
    }
}

fn sasl(config: &StreamConfig, channel: &Channel) -> Vec<Element> {
    let offer = super::sasl2::offer(config, channel);
    let mut features = Vec::new();
    if !offer.channel_bindings().is_empty() {
        features.push(channel_bindings(&offer));
    }
    features.push(authentication(&offer));
    features.push(mechanisms("mechanisms", ns::SASL, &super::sasl1::offer(config, channel)));
    features
}

/// XEP-0440 2.
fn channel_bindings(offer: &Offer) -> Element {
    let types = offer.channel_bindings().iter().map(|binding| {
        Element::new("channel-binding", ns::CHANNEL_BINDING).with_attr("type", binding.name())
    });
    Element::new("sasl-channel-binding", ns::CHANNEL_BINDING).with_children(types)
}

fn mechanisms(name: &'static str, namespace: &'static str, offer: &Offer) -> Element {
    let mechanisms = offer.mechanisms().iter();
    let mechanisms =
        mechanisms.map(|one| Element::new("mechanism", namespace).with_text(one.name()));
    Element::new(name, namespace).with_children(mechanisms)
}

/// XEP-0388 2.1, with what XEP-0198, XEP-0386 and XEP-0484 put into it.
fn authentication(offer: &Offer) -> Element {
    let mut inline = Element::new("inline", ns::SASL2)
        .with_child(bind())
        .with_child(Element::new("sm", ns::STREAM_MANAGEMENT));
    if !offer.tokens().is_empty() {
        let tokens = offer.tokens().iter();
        let tokens = tokens.map(|one| Element::new("mechanism", ns::FAST).with_text(one.name()));
        inline.push(Element::new("fast", ns::FAST).with_children(tokens));
    }
    mechanisms("authentication", ns::SASL2, offer).with_child(inline)
}

/// XEP-0386 3.1.
fn bind() -> Element {
    let features = [ns::CARBONS, ns::CLIENT_STATE, ns::STREAM_MANAGEMENT]
        .map(|feature| Element::new("feature", ns::BIND2).with_attr("var", feature));
    let inline = Element::new("inline", ns::BIND2).with_children(features);
    Element::new("bind", ns::BIND2).with_child(inline)
}

/// After login.
pub(super) fn after_login(config: &StreamConfig, is_bound: bool) -> Element {
    let mut features = Element::new("features", ns::STREAM);
    if !is_bound {
        features.push(Element::new("bind", ns::BIND));
        // RFC 6121 has no sessions any more; clients of RFC 3921 are told not to ask for one.
        let optional = Element::new("optional", ns::SESSION);
        features.push(Element::new("session", ns::SESSION).with_child(optional));
    }
    features
        .with_child(Element::new("sm", ns::STREAM_MANAGEMENT))
        .with_child(Element::new("csi", ns::CLIENT_STATE))
        .with_child(Element::new("ver", ns::ROSTER_VERSIONING))
        .with_child(Element::new("sub", ns::PRE_APPROVAL))
        .with_children(config.features.iter().cloned())
}
