//! XEP-0494 Client Access Management: who can log in to the account, and how one of them is shut
//! out.
//!
//! A client is a device that has tokens (XEP-0484), an app password, or a session that the
//! account's password has opened; the last one goes by another password alone.

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::access::{AppPassword, Device, Entrance, Shown};
use crate::chat::{Closing, end_session, forget_device};
use crate::context::Context;
use crate::date_time;
use crate::features::messages::origin_digest;
use crate::ns;
use crate::session::Session;
use crate::stanza::StanzaError;
use crate::stream::StreamErrorCondition;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    account_features: &[ns::CLIENT_ACCESS],
    requests: &[
        Row { at: At::Own, action: Action::Get, name: "list", ns: ns::CLIENT_ACCESS, handle: list },
        Row {
            at: At::Own,
            action: Action::Set,
            name: "revoke",
            ns: ns::CLIENT_ACCESS,
            handle: revoke,
        },
    ],
    ..Feature::named("client-access")
};

/// Somebody who can log in, or has.
enum Client<'a> {
    Device(&'a Device),
    AppPassword(&'a AppPassword),
    Session(&'a Session),
}

fn list(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let clients = clients(ctx).map(|client| client.to_element(ctx));
    Ok(Reply::Result(Some(Element::new("clients", ns::CLIENT_ACCESS).with_children(clients))))
}

fn revoke(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let id = iq.payload.attr("id").ok_or_else(StanzaError::bad_request)?;
    let client = clients(ctx).find(|client| client.id(ctx) == id);
    let client = client.ok_or_else(StanzaError::item_not_found)?;
    let entrances = match client {
        _ if client.knows_password() => {
            let reset = Element::new("password-reset-required", ns::CLIENT_ACCESS);
            return Err(StanzaError::service_unavailable().with_app(reset));
        }
        Client::Device(device) => {
            let of_device = Entrance::Device(device.id.clone());
            let of_app = match &device.shown {
                Some(Shown::AppPassword(id)) => Some(Entrance::AppPassword(id.clone())),
                _ => None,
            };
            [Some(of_device), of_app].into_iter().flatten().collect()
        }
        Client::AppPassword(one) => vec![Entrance::AppPassword(one.id.clone())],
        Client::Session(_) => Vec::new(),
    };
    // Who shuts itself out hears that it is done, and then no more.
    ctx.answer(&iq.request, Ok(None));
    for entrance in &entrances {
        shut(ctx, entrance);
    }
    Ok(Reply::Later)
}

/// Has an entrance open the account no more, and ends what it has opened.
fn shut(ctx: &mut Context<'_>, entrance: &Entrance) {
    let access = &mut ctx.account.access;
    match entrance {
        Entrance::Password => return,
        Entrance::AppPassword(id) => access.revoke_app_password(id, &mut ctx.effects.writes),
        Entrance::Device(id) => access.revoke_device(id.as_str(), &mut ctx.effects.writes),
    };
    let sessions = ctx.account.sessions.iter().filter(|session| session.entrance == *entrance);
    let sessions: Vec<_> =
        sessions.map(|session| (session.resource().to_owned(), session.stream)).collect();
    for (resource, stream) in sessions {
        if let Some(stream) = stream {
            ctx.close(stream, Closing::Error(StreamErrorCondition::Reset));
        }
        end_session(ctx, &resource);
        forget_device(ctx, resource.into());
    }
}

fn clients<'a>(ctx: &'a Context<'_>) -> impl Iterator<Item = Client<'a>> {
    let access = &ctx.account.access;
    let is_of_device = |one: &&AppPassword| {
        let shown = Some(Shown::AppPassword(one.id.clone()));
        access.devices().iter().any(|device| device.shown == shown)
    };
    let app_passwords = access.app_passwords().iter().filter(move |one| !is_of_device(one));
    let by_password = |session: &&Session| session.entrance == Entrance::Password;
    let devices = access.devices().iter().map(Client::Device);
    devices
        .chain(app_passwords.map(Client::AppPassword))
        .chain(ctx.account.sessions.iter().filter(by_password).map(Client::Session))
}

impl Client<'_> {
    /// A device's own id is shown to nobody.
    fn id(&self, ctx: &Context<'_>) -> String {
        let (kind, id) = match self {
            Client::Device(device) => ("device", device.id.as_str()),
            Client::AppPassword(one) => ("app", &*one.id),
            Client::Session(session) => ("session", session.resource()),
        };
        format!("{:016x}", origin_digest(&format!("{} {kind} {id}", ctx.account.id)))
    }

    fn knows_password(&self) -> bool {
        match self {
            Client::Device(device) => device.shown == Some(Shown::Password),
            Client::AppPassword(_) => false,
            Client::Session(_) => true,
        }
    }

    fn is_connected(&self, ctx: &Context<'_>) -> bool {
        let is_open = |entrance: Entrance| {
            ctx.account.sessions.iter().any(|session| session.entrance == entrance)
        };
        match self {
            Client::Device(device) => is_open(Entrance::Device(device.id.clone())),
            Client::AppPassword(one) => is_open(Entrance::AppPassword(one.id.clone())),
            Client::Session(_) => true,
        }
    }

    fn to_element(&self, ctx: &Context<'_>) -> Element {
        let is_connected = self.is_connected(ctx);
        let now_unix_s = ctx.now.unix_ms / 1000;
        let (first, last, name) = match self {
            Client::Device(device) => (device.created_unix_s, device.seen_unix_s, &*device.name),
            Client::AppPassword(one) => (one.created_unix_s, one.seen_unix_s, &*one.name),
            Client::Session(session) => (0, 0, session.resource()),
        };
        let kind = match self {
            Client::AppPassword(_) if last == 0 && !is_connected => "access",
            _ => "session",
        };
        let mut client = Element::new("client", ns::CLIENT_ACCESS)
            .with_attr("connected", is_connected.to_string())
            .with_attr("id", self.id(ctx))
            .with_attr("type", kind);
        let last = if is_connected { now_unix_s } else { last };
        for (name, seen_unix_s) in [("first-seen", first), ("last-seen", last)] {
            if seen_unix_s > 0 {
                client.push(named(name).with_text(date_time::format(seen_unix_s * 1000)));
            }
        }
        let software = match self {
            Client::Device(_) => named("device").with_text(name),
            _ => named("software").with_text(name),
        };
        client
            .with_child(self.authentication())
            .with_child(named("permission").with_attr("status", "unrestricted"))
            .with_child(named("user-agent").with_child(software))
    }

    fn authentication(&self) -> Element {
        let ways: &[&str] = match self {
            Client::Device(device) => match &device.shown {
                None => &["fast"],
                Some(Shown::Password) => &["fast", "password"],
                Some(Shown::AppPassword(_)) => &["fast", "grant"],
            },
            Client::AppPassword(_) => &["grant"],
            Client::Session(_) => &["password"],
        };
        named("auth").with_children(ways.iter().map(|way| Element::new(*way, ns::CLIENT_ACCESS)))
    }
}

fn named(name: &'static str) -> Element {
    Element::new(name, ns::CLIENT_ACCESS)
}
