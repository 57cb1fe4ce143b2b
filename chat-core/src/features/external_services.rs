//! XEP-0215 External Service Discovery: where STUN and TURN are to be had, with credentials that
//! end.

use aws_lc_rs::hmac;
use data_encoding::BASE64;

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::context::Context;
use crate::stanza::StanzaError;
use crate::xml::Element;
use crate::{date_time, ns};

pub(super) const FEATURE: Feature = Feature {
    requests: &[row("services", list), row("credentials", credentials)],
    ..Feature::named("external-services")
};

/// A service that clients may use.
#[derive(Clone)]
pub struct ExternalService {
    /// `stun`, `turn`, `stuns` or `turns`.
    pub kind: Box<str>,
    /// A name or an address.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// `udp` or `tcp`.
    pub transport: Box<str>,
    /// What TURN shares with us, for credentials that end (`use-auth-secret`); none where no
    /// credentials are needed.
    pub secret: Option<Box<[u8]>>,
}

impl std::fmt::Debug for ExternalService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}/{}", self.kind, self.host, self.port, self.transport)
    }
}

/// Says in the server's description that there are services, if there are.
pub(super) fn describe(ctx: &Context<'_>, query: &mut Element) {
    if !ctx.config.external_services.is_empty() {
        query.push(Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::EXTERNAL_SERVICES));
    }
}

/// XEP-0215 3.1 and 3.2: all services, or those of one kind.
fn list(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let kind = iq.payload.attr("type");
    let is_asked = |service: &&ExternalService| kind.is_none_or(|kind| *service.kind == *kind);
    let services = ctx.config.external_services.iter().filter(is_asked);
    let mut answer = Element::new("services", ns::EXTERNAL_SERVICES);
    if let Some(kind) = kind {
        answer.set_attr("type", kind);
    }
    Ok(Reply::Result(Some(answer.with_children(services.map(|found| shown(ctx, found))))))
}

/// XEP-0215 3.3: credentials for one service.
fn credentials(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = iq.payload.child("service", ns::EXTERNAL_SERVICES);
    let asked = asked.ok_or_else(StanzaError::bad_request)?;
    let port = asked.attr("port").map(str::parse::<u16>).transpose();
    let port = port.map_err(|_| StanzaError::bad_request())?;
    let is_asked = |service: &&ExternalService| {
        asked.attr("host") == Some(&*service.host)
            && asked.attr("type") == Some(&*service.kind)
            && port.is_none_or(|port| port == service.port)
    };
    let mut found = ctx.config.external_services.iter().filter(is_asked).peekable();
    if found.peek().is_none() {
        return Err(StanzaError::item_not_found());
    }
    let services = found.map(|service| shown(ctx, service));
    let answer = Element::new("credentials", ns::EXTERNAL_SERVICES).with_children(services);
    Ok(Reply::Result(Some(answer)))
}

fn shown(ctx: &Context<'_>, service: &ExternalService) -> Element {
    let shown = Element::new("service", ns::EXTERNAL_SERVICES)
        .with_attr("type", &*service.kind)
        .with_attr("host", &*service.host)
        .with_attr("port", service.port.to_string())
        .with_attr("transport", &*service.transport);
    let Some(secret) = &service.secret else { return shown };
    // The name holds when it ends, so that TURN needs no account of it (the scheme of
    // draft-uberti-behave-turn-rest-00).
    let expires_unix_s = ctx.now.unix_ms / 1000 + CREDENTIALS_S;
    let username = format!("{expires_unix_s}:{}", ctx.account.id);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let password = BASE64.encode(hmac::sign(&key, username.as_bytes()).as_ref());
    shown
        .with_attr("username", username)
        .with_attr("password", password)
        .with_attr("restricted", "true")
        .with_attr("expires", date_time::format(expires_unix_s * 1000))
}

const fn row(
    name: &'static str,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at: At::Server, action: Action::Get, name, ns: ns::EXTERNAL_SERVICES, handle }
}

/// Seconds for which credentials count; a call that has begun outlives them.
const CREDENTIALS_S: u64 = 12 * 3600;
