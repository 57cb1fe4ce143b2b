//! XEP-0388 Extensible SASL Profile: one round trip from the password or token to the session.

use data_encoding::BASE64;

use crate::date_time;
use crate::ns;
use crate::sasl::{Channel, NewToken, Offer, Policy, SaslFailure};
use crate::xml::Element;

use super::config::StreamConfig;
use super::login::Ready;

/// What is offered under this profile.
pub(super) fn offer(config: &StreamConfig, channel: &Channel) -> Offer {
    Offer::new(channel, Policy { plain: config.plain, tokens: true })
}

pub(super) fn challenge(data: &[u8]) -> Element {
    Element::new("challenge", ns::SASL2).with_text(BASE64.encode(data))
}

/// `bare` is the account's JID, which stands for the client where nothing is bound.
pub(super) fn success(additional_data: Option<&[u8]>, bare: &str, ready: Ready) -> Element {
    let mut success = Element::new("success", ns::SASL2);
    if let Some(data) = additional_data {
        success.push(Element::new("additional-data", ns::SASL2).with_text(BASE64.encode(data)));
    }
    let identifier = ready.jid.as_ref().map_or(bare, |jid| jid.as_str());
    success.push(Element::new("authorization-identifier", ns::SASL2).with_text(identifier));
    success = success.with_children(ready.children);
    if let Some(token) = ready.token {
        success.push(token_element(token));
    }
    success
}

/// XEP-0484 3.3.
fn token_element(token: NewToken) -> Element {
    Element::new("token", ns::FAST)
        .with_attr("expiry", date_time::format(token.expires_s.saturating_mul(1000)))
        .with_attr("token", token.token)
}

pub(super) fn failure(failure: SaslFailure) -> Element {
    let condition = Element::new(failure.condition.name(), ns::SASL);
    let element = Element::new("failure", ns::SASL2).with_child(condition);
    match failure.text {
        Some(text) => element.with_child(Element::new("text", ns::SASL2).with_text(text)),
        None => element,
    }
}
