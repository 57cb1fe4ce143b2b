//! XEP-0055 Jabber Search: the same look-up for clients that know this form of it.

use super::directory::{Contact, find};
use super::spend;
use crate::context::Context;
use crate::features::data_form::{self, Form};
use crate::features::{Iq, Reply};
use crate::ns;
use crate::stanza::StanzaError;
use crate::verification::number::PhoneNumber;
use crate::xml::Element;

/// Answers with the form to fill in.
pub(super) fn show_form(_: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let text = |name| Element::new(name, ns::DATA_FORMS).with_text(INSTRUCTIONS);
    let number = data_form::empty_field(NUMBER, "text-single")
        .with_attr("label", "Phone number")
        .with_child(Element::new("required", ns::DATA_FORMS));
    let form =
        data_form::form("form", ns::SEARCH).with_child(text("instructions")).with_child(number);
    let query = Element::new("query", ns::SEARCH)
        .with_child(Element::new("instructions", ns::SEARCH).with_text(INSTRUCTIONS))
        .with_child(form);
    Ok(Reply::Result(Some(query)))
}

/// Answers a form that was filled in.
pub(super) fn search(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let form = iq.payload.child("x", ns::DATA_FORMS).ok_or_else(StanzaError::bad_request)?;
    let form = Form::read(form, ns::SEARCH)?;
    let number = form.value(NUMBER).ok_or_else(StanzaError::bad_request)?;
    let number = PhoneNumber::parse(number, None).map_err(|_| StanzaError::not_acceptable())?;
    spend(ctx, 1)?;
    let request = iq.request.clone();
    find(ctx, vec![number.to_string().into()], move |ctx, found| {
        let answer = found.map(|found| Some(shown(&found)));
        ctx.answer(&request, answer);
    });
    Ok(Reply::Later)
}

fn shown(found: &[Contact]) -> Element {
    let reported = Element::new("reported", ns::DATA_FORMS)
        .with_child(data_form::empty_field("jid", "jid-single"))
        .with_child(data_form::empty_field(NUMBER, "text-single"));
    let item = |contact: &Contact| {
        Element::new("item", ns::DATA_FORMS)
            .with_child(data_form::text_field("jid", "jid-single", contact.jid.as_str()))
            .with_child(data_form::text_field(NUMBER, "text-single", &contact.number))
    };
    let form = data_form::form("result", ns::SEARCH)
        .with_child(reported)
        .with_children(found.iter().map(item));
    Element::new("query", ns::SEARCH).with_child(form)
}

const INSTRUCTIONS: &str = "Enter a phone number with its country code, as +15550100123.";
const NUMBER: &str = "number";
