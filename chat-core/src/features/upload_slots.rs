//! XEP-0363 HTTP File Upload: a place for one file, named before its bytes exist.
//!
//! Who signs addresses and counts quotas is outside of XMPP: a request goes there as
//! [`Outward::RequestSlot`] and comes back as [`Answer::Slot`].

use super::{Action, At, Feature, Iq, Reply, Row, data_form};
use crate::chat::Outward;
use crate::context::Context;
use crate::jid::AccountId;
use crate::stanza::StanzaError;
use crate::transaction::Answer;
use crate::xml::Element;
use crate::{date_time, ns};

pub(super) const FEATURE: Feature = Feature {
    requests: &[Row {
        at: At::Server,
        action: Action::Get,
        name: "request",
        ns: ns::HTTP_UPLOAD,
        handle: request_slot,
    }],
    ..Feature::named("upload-slots")
};

/// What a client wants to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotRequest {
    /// Whose file it is.
    pub account: AccountId,
    /// The file's name, without a folder.
    pub name: Box<str>,
    /// The file's exact length, in bytes.
    pub bytes: u64,
    /// The file's media type, if it is declared.
    pub media_type: Option<Box<str>>,
}

/// What becomes of a [`SlotRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotAnswer {
    /// The file may be put.
    Granted {
        /// The address to put it to.
        put: Box<str>,
        /// Fields that go with the PUT.
        headers: Vec<(Box<str>, Box<str>)>,
        /// The address that it can be had from.
        get: Box<str>,
    },
    /// Files of the account hold all the bytes that they may.
    OverQuota {
        /// Milliseconds since 1970 from which on there may be room.
        retry_unix_ms: Option<u64>,
    },
}

/// Says in the server's description that files are taken, if they are, and of what size.
pub(super) fn describe(ctx: &Context<'_>, query: &mut Element) {
    let Some(bytes_max) = ctx.config.upload_bytes_max else { return };
    let bytes_max = bytes_max.to_string();
    let identity = Element::new("identity", ns::DISCO_INFO)
        .with_attr("category", "store")
        .with_attr("type", "file")
        .with_attr("name", "Files");
    query.push(identity);
    query.push(Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::HTTP_UPLOAD));
    let field = data_form::text_field("max-file-size", "text-single", &bytes_max);
    query.push(data_form::form("result", ns::HTTP_UPLOAD).with_child(field));
}

fn request_slot(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let bytes_max = ctx.config.upload_bytes_max.ok_or_else(StanzaError::service_unavailable)?;
    let asked = parse(ctx.account.id, &iq.payload)?;
    if asked.bytes > bytes_max {
        return Err(too_large(bytes_max));
    }
    let request = iq.request.clone();
    ctx.ask_outside(
        |query| Outward::RequestSlot { query, slot: asked },
        move |ctx, answer| {
            let answer = match answer {
                Ok(Answer::Slot(answer)) => shown(answer).map(Some),
                _ => Err(StanzaError::internal_server_error()),
            };
            ctx.answer(&request, answer);
        },
    );
    Ok(Reply::Later)
}

fn parse(account: AccountId, request: &Element) -> Result<SlotRequest, StanzaError> {
    let name = request.attr("filename").unwrap_or_default();
    let is_file = !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX;
    let is_plain = |letter: char| !letter.is_control() && !matches!(letter, '/' | '\\');
    if !is_file || !name.chars().all(is_plain) {
        return Err(StanzaError::bad_request());
    }
    let bytes = request.attr("size").and_then(|size| size.parse().ok()).filter(|size| *size > 0);
    let media_type = request.attr("content-type").filter(|media_type| !media_type.is_empty());
    if media_type.is_some_and(|media_type| {
        media_type.len() > MEDIA_TYPE_BYTES_MAX
            || !media_type.bytes().all(|it| it.is_ascii_graphic() || it == b' ')
    }) {
        return Err(StanzaError::bad_request());
    }
    Ok(SlotRequest {
        account,
        name: name.into(),
        bytes: bytes.ok_or_else(StanzaError::bad_request)?,
        media_type: media_type.map(Into::into),
    })
}

fn shown(answer: SlotAnswer) -> Result<Element, StanzaError> {
    match answer {
        SlotAnswer::Granted { put, headers, get } => {
            let header = |(name, value): (Box<str>, Box<str>)| {
                Element::new("header", ns::HTTP_UPLOAD).with_attr("name", name).with_text(value)
            };
            let put = Element::new("put", ns::HTTP_UPLOAD)
                .with_attr("url", put)
                .with_children(headers.into_iter().map(header));
            let get = Element::new("get", ns::HTTP_UPLOAD).with_attr("url", get);
            Ok(Element::new("slot", ns::HTTP_UPLOAD).with_child(put).with_child(get))
        }
        SlotAnswer::OverQuota { retry_unix_ms } => {
            let refused = StanzaError::resource_constraint();
            Err(match retry_unix_ms {
                Some(at) => refused.with_app(
                    Element::new("retry", ns::HTTP_UPLOAD)
                        .with_attr("stamp", date_time::format(at)),
                ),
                None => refused,
            })
        }
    }
}

fn too_large(bytes_max: u64) -> StanzaError {
    let bytes_max = Element::new("max-file-size", ns::HTTP_UPLOAD).with_text(bytes_max.to_string());
    let reason = Element::new("file-too-large", ns::HTTP_UPLOAD).with_child(bytes_max);
    StanzaError::not_acceptable().with_app(reason)
}

/// Bytes of a file's name, as file systems have it.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a media type with its parameters (RFC 6838 4.2 has 127 for each of its two names).
const MEDIA_TYPE_BYTES_MAX: usize = 255;
