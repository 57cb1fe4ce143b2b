//! XEP-0388 2.3: what stands inside `<authenticate/>`.

use crate::ns;
use crate::sasl::{SaslFailure, TokenMechanism, TokenWish};
use crate::xml::Element;

use super::login::{Bind2, Enable, Inline, Resume, UserAgent};
use super::sasl1;

/// An `<authenticate/>`, read.
#[derive(Debug, Default)]
pub(super) struct Authenticate {
    pub mechanism: String,
    pub initial: Option<Vec<u8>>,
    pub user_agent: Option<UserAgent>,
    /// XEP-0484: whether a token is shown, for which `<fast/>` stands.
    pub is_fast: bool,
    pub tokens: TokenWish,
    pub inline: Inline,
}

impl Authenticate {
    pub fn read(element: &Element) -> Result<Self, SaslFailure> {
        let initial = element.text_of("initial-response", ns::SASL2);
        let fast = element.child("fast", ns::FAST);
        let user_agent = element.child("user-agent", ns::SASL2).map(user_agent).transpose()?;
        let has_device = user_agent.as_ref().is_some_and(|agent| agent.id.is_some());
        if fast.is_some() && !has_device {
            return Err(malformed("a token belongs to a user agent with an id"));
        }
        // Without a device there is nobody whose tokens could be kept.
        let tokens = if has_device { token_wish(element, fast)? } else { TokenWish::default() };
        Ok(Self {
            mechanism: element.attr("mechanism").unwrap_or_default().into(),
            initial: initial.map(|text| sasl1::decode(&text)).transpose()?,
            user_agent,
            is_fast: fast.is_some(),
            tokens,
            inline: Inline {
                resume: element.child("resume", ns::STREAM_MANAGEMENT).map(resume).transpose()?,
                bind: element.child("bind", ns::BIND2).map(bind),
            },
        })
    }
}

fn user_agent(element: &Element) -> Result<UserAgent, SaslFailure> {
    let id = element.attr("id").filter(|id| !id.is_empty());
    let is_id = |id: &str| id.len() <= DEVICE_ID_BYTES_MAX && id.bytes().all(is_id_byte);
    if id.is_some_and(|id| !is_id(id)) {
        return Err(malformed("the user agent's id is not a UUID"));
    }
    Ok(UserAgent {
        id: id.map(str::to_ascii_lowercase),
        software: label(element, "software", ns::SASL2),
        device: label(element, "device", ns::SASL2),
    })
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// A short text about the client, cut where it is too long.
fn label(element: &Element, name: &str, namespace: &str) -> Option<String> {
    let text = element.text_of(name, namespace)?;
    let text: String = text.trim().chars().take(LABEL_CHARACTERS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

fn token_wish(element: &Element, fast: Option<&Element>) -> Result<TokenWish, SaslFailure> {
    let request = element.child("request-token", ns::FAST);
    let mechanism = request.map(|request| request.attr("mechanism").unwrap_or_default());
    let wrong = malformed("there are no tokens for that mechanism");
    let request = mechanism.map(|name| TokenMechanism::from_name(name).ok_or(wrong)).transpose()?;
    let count = fast.and_then(|fast| fast.attr("count"));
    let count = count.map(str::parse).transpose();
    Ok(TokenWish {
        request,
        count: count.map_err(|_| malformed("the count is not a number"))?,
        invalidate: fast.is_some_and(|fast| is_true(fast, "invalidate")),
    })
}

fn resume(element: &Element) -> Result<Resume, SaslFailure> {
    let previous = element.attr("previd").filter(|id| !id.is_empty());
    let handled = element.attr("h").and_then(|h| h.parse().ok());
    match (previous, handled) {
        (Some(previous), Some(handled)) => Ok(Resume { previous: previous.into(), handled }),
        _ => Err(malformed("<resume/> lacks previd or h")),
    }
}

fn bind(element: &Element) -> Bind2 {
    let enable = element.child("enable", ns::STREAM_MANAGEMENT);
    Bind2 {
        tag: label(element, "tag", ns::BIND2),
        enable: enable.map(|enable| Enable { can_resume: is_true(enable, "resume") }),
        carbons: element.child("enable", ns::CARBONS).is_some(),
        groups: element.child("enable", crate::rooms::NS).is_some(),
        is_inactive: element.child("inactive", ns::CLIENT_STATE).is_some(),
    }
}

/// XML Schema's boolean.
fn is_true(element: &Element, attribute: &str) -> bool {
    matches!(element.attr(attribute), Some("true" | "1"))
}

fn malformed(text: &'static str) -> SaslFailure {
    SaslFailure::malformed(text)
}

/// Characters of a software's or device's name that are kept.
const LABEL_CHARACTERS_MAX: usize = 64;
/// Bytes of a user agent's id; a UUID has 36.
const DEVICE_ID_BYTES_MAX: usize = 64;
