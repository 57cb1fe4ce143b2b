//! XEP-0092 Software Version and XEP-0202 Entity Time, of the server.

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::context::Context;
use crate::stanza::StanzaError;
use crate::xml::Element;
use crate::{date_time, ns};

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::VERSION, ns::TIME],
    requests: &[row("query", ns::VERSION, version), row("time", ns::TIME, time)],
    ..Feature::named("version")
};

const fn row(
    name: &'static str,
    ns: &'static str,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at: At::Server, action: Action::Get, name, ns, handle }
}

fn version(_: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let text = |name, text: &str| Element::new(name, ns::VERSION).with_text(text);
    let query = Element::new("query", ns::VERSION)
        .with_child(text("name", "Whimbrel"))
        .with_child(text("version", env!("CARGO_PKG_VERSION")));
    Ok(Reply::Result(Some(query)))
}

fn time(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let text = |name, text: &str| Element::new(name, ns::TIME).with_text(text);
    let time = Element::new("time", ns::TIME)
        .with_child(text("tzo", "+00:00"))
        .with_child(text("utc", &date_time::format(ctx.now.unix_ms)));
    Ok(Reply::Result(Some(time)))
}
