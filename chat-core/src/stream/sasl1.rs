//! RFC 6120 6: SASL as XMPP has always had it; the stream begins anew after it.

use data_encoding::BASE64;

use crate::ns;
use crate::sasl::{Channel, Offer, Policy, SaslCondition, SaslFailure};
use crate::xml::Element;

use super::config::StreamConfig;

/// What is offered under this profile.
pub(super) fn offer(config: &StreamConfig, channel: &Channel) -> Offer {
    Offer::new(channel, Policy { plain: config.plain, tokens: false })
}

/// RFC 6120 6.4.2: the initial response. No text is none, `=` is an empty one.
pub(super) fn initial_response(auth: &Element) -> Result<Option<Vec<u8>>, SaslFailure> {
    let text = auth.text();
    let text = text.trim_ascii();
    if text.is_empty() { Ok(None) } else { decode(text).map(Some) }
}

/// Base64; `=` and nothing are both empty (RFC 6120 6.4.3).
pub(super) fn decode(text: &str) -> Result<Vec<u8>, SaslFailure> {
    let text = text.trim_ascii();
    if text == "=" {
        return Ok(Vec::new());
    }
    BASE64.decode(text.as_bytes()).map_err(|_| SaslCondition::IncorrectEncoding.into())
}

pub(super) fn challenge(data: &[u8]) -> Element {
    Element::new("challenge", ns::SASL).with_text(BASE64.encode(data))
}

pub(super) fn success(additional_data: Option<&[u8]>) -> Element {
    let text = additional_data.map(|data| BASE64.encode(data)).unwrap_or_default();
    Element::new("success", ns::SASL).with_text(text)
}

pub(super) fn failure(failure: SaslFailure) -> Element {
    let condition = Element::new(failure.condition.name(), ns::SASL);
    let element = Element::new("failure", ns::SASL).with_child(condition);
    match failure.text {
        Some(text) => {
            element.with_child(Element::new("text", ns::SASL).with_lang("en").with_text(text))
        }
        None => element,
    }
}
