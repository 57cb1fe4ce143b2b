//! XEP-0077 In-Band Registration, of those who have logged in: a client changes the password that it
//! came by, or ends the account.
//!
//! To derive keys takes long, and who deletes accounts is outside of XMPP: both are asked for as
//! [`Outward::DeriveKeys`] and [`Outward::Unregister`].

use std::fmt;

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::access::{Entrance, Shown};
use crate::chat::{Closing, Outward};
use crate::context::Context;
use crate::ns;
use crate::sasl::check_password;
use crate::stanza::{ErrorType, StanzaError};
use crate::stream::StreamErrorCondition;
use crate::transaction::Answer;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::REGISTER],
    requests: &[
        row(At::Own, Action::Get, show),
        row(At::Server, Action::Get, show),
        row(At::Own, Action::Set, change),
        row(At::Server, Action::Set, change),
    ],
    ..Feature::named("registration")
};

/// A password on its way to where keys are derived; no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword(pub Box<str>);

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// XEP-0077 3.1: the client is registered, and as what. The password nobody knows here.
fn show(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let part = |name| Element::new(name, ns::REGISTER);
    let query = part("query")
        .with_child(part("registered"))
        .with_child(part("username").with_text(ctx.account.id.to_string()))
        .with_child(part("password"));
    Ok(Reply::Result(Some(query)))
}

fn change(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let query = &iq.payload;
    match query.child("remove", ns::REGISTER) {
        // XEP-0077 3.2: it stands alone.
        Some(_) if query.children().count() > 1 => Err(StanzaError::bad_request()),
        Some(_) => remove(ctx, iq),
        None => set_password(ctx, iq),
    }
}

/// XEP-0077 3.3. What else was logged in by the old one is out.
fn set_password(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let text = |name| iq.payload.text_of(name, ns::REGISTER).filter(|text| !text.is_empty());
    let (Some(username), Some(password)) = (text("username"), text("password")) else {
        return Err(StanzaError::bad_request());
    };
    let is_own = *username == *ctx.account.id.to_string()
        || ctx.account.number.as_deref() == Some(&*username);
    if !is_own {
        return Err(StanzaError::not_allowed());
    }
    check_password(&password)
        .map_err(|error| StanzaError::not_acceptable().with_text(error.to_string()))?;
    let (entrance, shown) = opened_by(ctx, iq)?;
    if std::mem::replace(&mut ctx.account.awaits_keys, true) {
        return Err(StanzaError::resource_constraint().with_type(ErrorType::Wait));
    }
    let salt = ctx.account.access.salt(&mut ctx.effects.random, &mut ctx.effects.writes);
    let password = NewPassword(password.as_ref().into());
    let request = iq.request.clone();
    ctx.ask_outside(
        move |query| Outward::DeriveKeys { query, password, salt },
        move |ctx, answer| {
            ctx.account.awaits_keys = false;
            let Ok(Answer::Keys(keys)) = answer else {
                return ctx.answer(&request, Err(StanzaError::internal_server_error()));
            };
            if !ctx.account.access.replace_keys(&shown, keys, &mut ctx.effects.writes) {
                return ctx.answer(&request, Err(StanzaError::not_allowed()));
            }
            ctx.answer(&request, Ok(None));
            end_others(ctx, &entrance, request.from.resource().unwrap_or_default());
        },
    );
    Ok(Reply::Later)
}

/// Ends what else has come by the same entrance: it is to show the new password.
fn end_others(ctx: &mut Context<'_>, entrance: &Entrance, own: &str) {
    let is_other = |session: &&crate::session::Session| {
        session.entrance == *entrance && session.resource() != own
    };
    let others: Vec<_> =
        ctx.account.sessions.iter().filter(is_other).filter_map(|session| session.stream).collect();
    for stream in others {
        ctx.close(stream, Closing::Error(StreamErrorCondition::Reset));
    }
}

/// XEP-0077 3.2. The streams end once it is done, that of the client after its result.
fn remove(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    if let (_, Shown::AppPassword(_)) = opened_by(ctx, iq)? {
        let text = "an app password does not end the account";
        return Err(StanzaError::not_allowed().with_text(text));
    }
    if ctx.account.unregistering.is_some() {
        return Err(StanzaError::resource_constraint().with_type(ErrorType::Wait));
    }
    let stream = ctx.account.session(iq.resource()).and_then(|session| session.stream);
    let result = iq.request.answer(Ok(None)).to_bytes(ns::CLIENT);
    ctx.account.unregistering = stream.map(|stream| Box::new((stream, result)));
    let (account, number) = (ctx.account.id, ctx.account.number.clone());
    let request = iq.request.clone();
    ctx.ask_outside(
        move |query| Outward::Unregister { query, account, number },
        move |ctx, _| {
            // Where it was done the account is not there to hear of it.
            ctx.account.unregistering = None;
            ctx.answer(&request, Err(StanzaError::internal_server_error()));
        },
    );
    Ok(Reply::Later)
}

/// What the client has come by, and which password that was. A device that another one has let in
/// counts as having shown the account's own.
fn opened_by(ctx: &Context<'_>, iq: &Iq) -> Result<(Entrance, Shown), StanzaError> {
    let session = ctx.account.session(iq.resource()).ok_or_else(StanzaError::not_allowed)?;
    let entrance = session.entrance.clone();
    let shown = match &entrance {
        Entrance::Password => Shown::Password,
        Entrance::AppPassword(id) => Shown::AppPassword(id.clone()),
        Entrance::Device(id) => {
            let devices = ctx.account.access.devices();
            let device = devices.iter().find(|device| device.id == *id);
            device.and_then(|device| device.shown.clone()).unwrap_or(Shown::Password)
        }
    };
    Ok((entrance, shown))
}

const fn row(
    at: At,
    action: Action,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at, action, name: "query", ns: ns::REGISTER, handle }
}
