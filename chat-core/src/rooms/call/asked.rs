//! What a client's requests say, checked.

use super::endpoint::{Descriptions, ParticipantName, Source, View, Wish};
use super::state::Published;
use super::{DESCRIPTION_BYTES_MAX, NS, PINNED_MAX};
use crate::id::MessageId;
use crate::rooms::settings::boolean;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// The call that a request names, if it names one.
pub(super) fn call_id(asked: &Element) -> Result<Option<MessageId>, StanzaError> {
    let parse = |text| MessageId::parse(text).ok_or_else(StanzaError::bad_request);
    asked.attr("call").map(parse).transpose()
}

pub(super) fn descriptions(asked: &Element) -> Result<Descriptions, StanzaError> {
    let text = |name| {
        let text = asked.text_of(name, NS).filter(|text| !text.is_empty());
        match text {
            Some(text) if text.len() > DESCRIPTION_BYTES_MAX => {
                let text = format!("a description is longer than {DESCRIPTION_BYTES_MAX} bytes");
                Err(StanzaError::not_acceptable().with_text(text))
            }
            text => Ok(text.map(Into::into)),
        }
    };
    Ok(Descriptions { publish: text("publish")?, subscribe: text("subscribe")? })
}

/// What is published from now on; what is not named stays.
pub(super) fn published(asked: &Element, mut before: Published) -> Result<Published, StanzaError> {
    for source in Source::ALL {
        match asked.attr(source.as_str()) {
            None => {}
            Some("on") => before.set(source, Some(false)),
            Some("muted") => before.set(source, Some(true)),
            Some("off") => before.set(source, None),
            Some(_) => return Err(StanzaError::bad_request()),
        }
    }
    Ok(before)
}

pub(super) fn flag(asked: &Element, name: &str) -> Result<Option<bool>, StanzaError> {
    asked.attr(name).map(boolean).transpose()
}

pub(super) fn participant(asked: &Element) -> Result<ParticipantName, StanzaError> {
    let name = asked.attr("participant").and_then(ParticipantName::parse);
    name.ok_or_else(StanzaError::bad_request)
}

pub(super) fn source(asked: &Element) -> Result<Source, StanzaError> {
    asked.attr("source").and_then(Source::parse).ok_or_else(StanzaError::bad_request)
}

pub(super) fn view(asked: &Element) -> Result<View, StanzaError> {
    let pinned: Vec<Wish> =
        asked.children_named("pinned", NS).map(wish).collect::<Result<_, _>>()?;
    if pinned.len() > PINNED_MAX {
        return Err(StanzaError::not_acceptable());
    }
    let others = asked.child("others", NS);
    let others_encoding_max = others.map(encoding_max).transpose()?.flatten();
    Ok(View { pinned, shows_others: others.is_some(), others_encoding_max })
}

fn wish(asked: &Element) -> Result<Wish, StanzaError> {
    Ok(Wish {
        participant: participant(asked)?,
        source: source(asked)?,
        encoding_max: encoding_max(asked)?,
    })
}

fn encoding_max(asked: &Element) -> Result<Option<u8>, StanzaError> {
    let parse = |text: &str| text.parse().map_err(|_| StanzaError::bad_request());
    asked.attr("encoding-max").map(parse).transpose()
}
