//! XEP-0077 In-Band Registration, for clients of other makes: number, then code, then password.
//!
//! One form (XEP-0004) serves for both steps, because clients keep showing it while it is refused:
//! sent without a code it has one sent, and the refusal says so; sent with the code it makes the
//! account. `username` is the number, by which the client logs in afterwards.

use std::net::IpAddr;

use bytes::Bytes;
use chat_core::ns;
use chat_core::stanza::{Stanza, StanzaError};
use chat_core::verification::Refusal;
use chat_core::xml::Element;

use super::accounts::{AccountError, Accounts, OwnedClaim};

/// Answers an IQ about registration that came before login, from `peer`. Serialised for
/// `jabber:client`.
pub async fn answer(accounts: &Accounts, peer: IpAddr, iq: &Stanza) -> Bytes {
    let mut reply = Element::new("iq", ns::CLIENT);
    if let Some(id) = iq.id() {
        reply.set_attr("id", id);
    }
    let answered = match (iq.type_(), iq.child("query", ns::REGISTER)) {
        (Some("get"), _) => Ok(Some(blank())),
        (_, Some(query)) => register(accounts, peer, &query).await.map(|()| None),
        (_, None) => Err(StanzaError::bad_request()),
    };
    match answered {
        Ok(payload) => {
            reply.set_attr("type", "result");
            payload.into_iter().for_each(|payload| reply.push(payload));
        }
        Err(error) => {
            reply.set_attr("type", "error");
            reply.push(error.to_element());
        }
    }
    reply.to_bytes(ns::CLIENT)
}

/// The form, to be filled in.
fn blank() -> Element {
    let form = Element::new("x", ns::DATA_FORMS)
        .with_attr("type", "form")
        .with_child(Element::new("title", ns::DATA_FORMS).with_text("Registration"))
        .with_child(Element::new("instructions", ns::DATA_FORMS).with_text(INSTRUCTIONS))
        .with_child(field("FORM_TYPE", "hidden", "").with_child(value(ns::REGISTER)))
        .with_child(required(field("username", "text-single", "Phone number")))
        .with_child(field("code", "text-single", "Code"))
        .with_child(required(field("password", "text-private", "New password")))
        .with_child(field("pin", "text-private", "PIN, if the number has one"));
    Element::new("query", ns::REGISTER)
        .with_child(Element::new("instructions", ns::REGISTER).with_text(INSTRUCTIONS))
        .with_child(form)
}

async fn register(accounts: &Accounts, peer: IpAddr, query: &Element) -> Result<(), StanzaError> {
    if query.child("remove", ns::REGISTER).is_some() {
        // XEP-0077 3.2: who is to go must be known.
        return Err(StanzaError::registration_required());
    }
    let form = query.child("x", ns::DATA_FORMS).ok_or_else(|| told(INSTRUCTIONS))?;
    let given = |name: &str| given(form, name);
    let number = given("username").ok_or_else(|| told("The phone number is missing."))?;
    let number = accounts.number(&number).map_err(refused)?;
    let Some(code) = given("code") else {
        accounts.send_code(number, peer).await.map_err(refused)?;
        return Err(told("A code was sent to the number. Fill it in, and send the form again."));
    };
    let password = given("password").ok_or_else(|| told("The password is missing."))?;
    let claim = OwnedClaim { number, code, pin: given("pin") };
    accounts.register_password(claim, password).await.map_err(refused)?;
    Ok(())
}

/// A field's value, where there is one.
fn given(form: &Element, name: &str) -> Option<String> {
    let mut fields = form.children_named("field", ns::DATA_FORMS);
    let field = fields.find(|field| field.attr("var") == Some(name))?;
    let text = field.text_of("value", ns::DATA_FORMS)?;
    (!text.trim().is_empty()).then(|| text.into_owned())
}

/// What a person is told, who may fill the form in again.
fn told(text: &'static str) -> StanzaError {
    StanzaError::not_acceptable().with_text(text)
}

fn refused(error: AccountError) -> StanzaError {
    let text = error.to_string();
    match error {
        AccountError::Refused(Refusal::TooManyCodes { .. } | Refusal::WrongPin { .. }) => {
            StanzaError::resource_constraint().with_text(text)
        }
        // XEP-0077 3.1.
        AccountError::RegistrationClosed => StanzaError::service_unavailable().with_text(text),
        AccountError::NumberTaken => StanzaError::conflict().with_text(text),
        AccountError::Delivery(_) => StanzaError::remote_server_timeout().with_text(text),
        AccountError::Storage(error) => {
            tracing::error!(%error, "an account could not be registered");
            StanzaError::internal_server_error()
        }
        _ => StanzaError::not_acceptable().with_text(text),
    }
}

fn field(name: &'static str, kind: &'static str, label: &'static str) -> Element {
    let field =
        Element::new("field", ns::DATA_FORMS).with_attr("var", name).with_attr("type", kind);
    if label.is_empty() { field } else { field.with_attr("label", label) }
}

fn required(field: Element) -> Element {
    field.with_child(Element::new("required", ns::DATA_FORMS))
}

fn value(text: &str) -> Element {
    Element::new("value", ns::DATA_FORMS).with_text(text)
}

const INSTRUCTIONS: &str = "Give your phone number with its country code, and a password, and send \
    the form: you get a code. Fill it in, and send the form again. Log in with the number as user \
    name.";

#[cfg(test)]
mod tests {
    use chat_core::xml::Limits;

    use super::*;
    use crate::chat::api::tests::Bench;

    async fn ask(bench: &Bench, iq: &str) -> String {
        let stanza = Stanza::parse(iq.as_bytes().to_vec().into(), &Limits::STORED).unwrap();
        let answer = answer(bench.accounts(), "192.0.2.9".parse().unwrap(), &stanza).await;
        String::from_utf8(answer.to_vec()).unwrap()
    }

    fn form(fields: &[(&str, &str)]) -> String {
        let field = |(name, value): &(&str, &str)| {
            format!("<field var='{name}'><value>{value}</value></field>")
        };
        let fields: String = fields.iter().map(field).collect();
        format!(
            "<iq xmlns='jabber:client' type='set' id='r2'><query xmlns='jabber:iq:register'>\
             <x xmlns='jabber:x:data' type='submit'>{fields}</x></query></iq>"
        )
    }

    #[tokio::test]
    async fn number_code_password() {
        let mut bench = Bench::start();
        let get = "<iq xmlns='jabber:client' type='get' id='r1'>\
                   <query xmlns='jabber:iq:register'/></iq>";
        let blank = ask(&bench, get).await;
        assert!(blank.contains("type='result'") && blank.contains("username"), "{blank}");
        let first = [("username", "+15550100123"), ("password", "correct horse"), ("code", "")];
        let sent = ask(&bench, &form(&first)).await;
        assert!(sent.contains("not-acceptable") && sent.contains("A code was sent"), "{sent}");
        let again = ask(&bench, &form(&first)).await;
        assert!(again.contains("resource-constraint"), "{again}");
        let code = bench.code();
        let wrong = ask(&bench, &form(&[first[0], first[1], ("code", "x")])).await;
        assert!(wrong.contains("not-acceptable"), "{wrong}");
        let done = ask(&bench, &form(&[first[0], first[1], ("code", &code)])).await;
        assert!(done.contains("type='result'") && done.contains("id='r2'"), "{done}");
        let used = ask(&bench, &form(&[first[0], first[1], ("code", &code)])).await;
        assert!(used.contains("type='error'"), "{used}");
    }

    #[tokio::test]
    async fn what_cannot_be_registered_is_told() {
        let bench = Bench::start();
        let no_form = "<iq xmlns='jabber:client' type='set'><query xmlns='jabber:iq:register'>\
                       <username>ada</username></query></iq>";
        assert!(ask(&bench, no_form).await.contains("not-acceptable"));
        let remove = "<iq xmlns='jabber:client' type='set'><query xmlns='jabber:iq:register'>\
                      <remove/></query></iq>";
        assert!(ask(&bench, remove).await.contains("registration-required"));
        assert!(ask(&bench, &form(&[("username", "ada")])).await.contains("not-acceptable"));
        let no_query = "<iq xmlns='jabber:client' type='set'><x xmlns='y'/></iq>";
        assert!(ask(&bench, no_query).await.contains("bad-request"));
    }
}
