//! XEP-0115 Entity Capabilities: which nodes' events a client wants (`+notify`, XEP-0163 4.3.2).
//!
//! A client says in its presence the hash of what it can do, and is asked once what that is. What a
//! hash was proved to stand for serves all clients that announce it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest;
use data_encoding::BASE64;
use memchr::memmem;

use super::{Change, Feature, pubsub};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::Stanza;
use crate::xml::{Element, Limits};

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::CAPS],
    presence_changed: Some(look),
    ..Feature::named("capabilities")
};

/// The nodes that a client wants to hear of.
type Interests = Arc<[Box<str>]>;

/// What hashes were proved to stand for, of all clients of the server.
#[derive(Debug, Default)]
pub(crate) struct Known {
    interests: HashMap<Box<str>, Interests>,
    /// The oldest goes first.
    order: VecDeque<Box<str>>,
}

impl Known {
    fn get(&self, announced: &str) -> Option<Interests> {
        self.interests.get(announced).cloned()
    }

    fn learn(&mut self, announced: &str, interests: Interests) {
        if self.interests.insert(announced.into(), interests).is_some() {
            return;
        }
        self.order.push_back(announced.into());
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.interests.remove(&oldest);
        }
    }
}

/// Takes what a client answers to a request of ours. `stanza` is a result or an error.
pub(crate) fn take_answer(ctx: &mut Context<'_>, from: &Jid, stanza: &Stanza) {
    if !ctx.account.jid.is_bare_of(from) {
        return;
    }
    let resource = from.resource().unwrap_or_default();
    let announced = announced_by(ctx, resource);
    let (Some("result"), Some(announced)) = (stanza.type_(), announced) else { return };
    if stanza.id() != Some(&*request_id(&announced)) {
        return;
    }
    let Some(info) = stanza.child("query", ns::DISCO_INFO) else { return };
    let interests = interests_in(&info);
    if is_proved(&announced, &info) {
        ctx.effects.capabilities.learn(&announced, interests.clone());
    }
    // What its hash does not prove counts for the client that said it, and nobody else.
    set_interests(ctx, resource, &interests);
}

/// Sees what a client announces in its presence.
fn look(ctx: &mut Context<'_>, resource: &str, change: Change) {
    if change == Change::Left {
        return;
    }
    let Some(announced) = announcement(ctx, resource) else { return };
    let Some(session) = ctx.account.session_mut(resource) else { return };
    if session.extra_mut().capabilities.as_ref() == Some(&announced) {
        if change == Change::Came {
            // It was away, and has missed what was published meanwhile.
            pubsub::ask_for_last(ctx, resource);
        }
        return;
    }
    session.extra_mut().capabilities = Some(announced.clone());
    match ctx.effects.capabilities.get(&announced) {
        Some(interests) => set_interests(ctx, resource, &interests),
        None => ask(ctx, resource, &announced),
    }
}

fn ask(ctx: &mut Context<'_>, resource: &str, announced: &str) {
    let node = announced.split(' ').skip(1).collect::<Vec<_>>().join("#");
    let query = Element::new("query", ns::DISCO_INFO).with_attr("node", node);
    let Some(session) = ctx.account.session(resource) else { return };
    let request = Element::new("iq", ns::CLIENT)
        .with_attr("type", "get")
        .with_attr("id", request_id(announced))
        .with_attr("from", ctx.config.domain.as_str())
        .with_attr("to", session.jid.as_str())
        .with_child(query);
    ctx.send_element(resource, &request);
}

fn set_interests(ctx: &mut Context<'_>, resource: &str, interests: &[Box<str>]) {
    let Some(session) = ctx.account.session_mut(resource) else { return };
    session.extra_mut().interests = interests.to_vec();
    if session.presence.is_some() {
        pubsub::ask_for_last(ctx, resource);
    }
}

/// `<c/>` of a session's presence as hash function, node and hash.
fn announcement(ctx: &Context<'_>, resource: &str) -> Option<Box<str>> {
    let presence = ctx.account.session(resource)?.presence.as_ref()?;
    memmem::find(&presence.stanza, ns::CAPS.as_bytes())?;
    let stanza = Stanza::parse(presence.stanza.clone(), &Limits::STORED).ok()?;
    let c = stanza.child("c", ns::CAPS)?;
    let parts = [c.attr("hash").unwrap_or("none"), c.attr("node")?, c.attr("ver")?];
    let is_plain = |part: &&str| !part.is_empty() && !part.contains(' ');
    let announced = parts.join(" ");
    let is_sound = parts.iter().all(is_plain) && announced.len() <= ANNOUNCED_BYTES_MAX;
    is_sound.then(|| announced.into())
}

fn announced_by(ctx: &Context<'_>, resource: &str) -> Option<Box<str>> {
    ctx.account.session(resource)?.extra.as_ref()?.capabilities.clone()
}

fn request_id(announced: &str) -> String {
    let digest = digest::digest(&digest::SHA256, announced.as_bytes());
    format!("caps-{}", data_encoding::HEXLOWER.encode(&digest.as_ref()[..12]))
}

fn interests_in(info: &Element) -> Interests {
    let features = info.children_named("feature", ns::DISCO_INFO);
    let names = features.filter_map(|feature| feature.attr("var"));
    let nodes = names.filter_map(|name| name.strip_suffix("+notify"));
    let nodes = nodes.filter(|node| !node.is_empty() && node.len() <= pubsub::NAME_BYTES_MAX);
    nodes.take(INTERESTS_MAX).map(Into::into).collect()
}

/// XEP-0115 5.4: what a client says it can do has the hash that it announced.
fn is_proved(announced: &str, info: &Element) -> bool {
    let mut parts = announced.split(' ');
    let (hash, ver) = (parts.next(), parts.nth(1).unwrap_or_default());
    let algorithm = match hash {
        Some("sha-1") => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Some("sha-256") => &digest::SHA256,
        _ => return false,
    };
    let text = verification_string(info);
    text.is_some_and(|text| {
        BASE64.encode(digest::digest(algorithm, text.as_bytes()).as_ref()) == ver
    })
}

/// XEP-0115 5.1, or `None` where 5.4 forbids what is there: something twice, or `<` inside that
/// could make two different answers look the same.
fn verification_string(info: &Element) -> Option<String> {
    let attr = |element: &Element, name: &str| element.attr(name).unwrap_or_default().to_owned();
    let identity = |identity: &Element| {
        let lang = identity.lang().unwrap_or_default();
        let (category, kind) = (attr(identity, "category"), attr(identity, "type"));
        format!("{category}/{kind}/{lang}/{}", attr(identity, "name"))
    };
    let identities = info.children_named("identity", ns::DISCO_INFO).map(identity);
    let features = info.children_named("feature", ns::DISCO_INFO).map(|found| attr(found, "var"));
    let mut parts = distinct(identities)?;
    parts.extend(distinct(features)?);
    let mut forms = Vec::new();
    for form in info.children_named("x", ns::DATA_FORMS) {
        forms.extend(form_parts(form));
    }
    forms.sort();
    if forms.windows(2).any(|pair| pair[0][0] == pair[1][0]) {
        return None;
    }
    parts.extend(forms.into_iter().flatten());
    let is_sound = parts.iter().all(|part| !part.contains('<'));
    is_sound.then(|| parts.into_iter().map(|part| part + "<").collect())
}

/// A form's FORM_TYPE, then its fields, each with its values; `None` for a form without a type,
/// which does not count.
fn form_parts(form: &Element) -> Option<Vec<String>> {
    let values = |field: &Element| {
        let values = field.children_named("value", ns::DATA_FORMS);
        let mut values: Vec<String> = values.map(|value| value.text().into_owned()).collect();
        values.sort();
        values
    };
    let fields = form.children_named("field", ns::DATA_FORMS);
    let mut fields: Vec<(String, Vec<String>)> = fields
        .map(|field| (field.attr("var").unwrap_or_default().to_owned(), values(field)))
        .collect();
    let place = fields.iter().position(|(name, _)| name == "FORM_TYPE")?;
    let (_, form_type) = fields.remove(place);
    fields.sort();
    let mut parts = vec![form_type.into_iter().next()?];
    for (name, values) in fields {
        parts.push(name);
        parts.extend(values);
    }
    Some(parts)
}

fn distinct(parts: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let mut parts: Vec<String> = parts.collect();
    parts.sort();
    parts.windows(2).all(|pair| pair[0] != pair[1]).then_some(parts)
}

/// Hashes whose meaning is remembered.
const KNOWN_MAX: usize = 1024;
/// Nodes that one client hears of.
const INTERESTS_MAX: usize = 128;
/// Bytes of hash function, node and hash together.
const ANNOUNCED_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{INTERESTS_MAX, KNOWN_MAX, Known, interests_in, is_proved};
    use crate::xml::Element;

    fn info(inner: &str) -> Element {
        let query = format!("<query xmlns='http://jabber.org/protocol/disco#info'>{inner}</query>");
        Element::parse(query.as_bytes(), "").unwrap()
    }

    fn check(announced: &str, inner: &str, proved: bool) {
        assert_eq!(is_proved(announced, &info(inner)), proved, "{announced}");
    }

    const SIMPLE: &str = "<identity category='client' type='pc' name='Exodus 0.9.1'/>\
        <feature var='http://jabber.org/protocol/disco#info'/>\
        <feature var='http://jabber.org/protocol/disco#items'/>\
        <feature var='http://jabber.org/protocol/muc'/>\
        <feature var='http://jabber.org/protocol/caps'/>";
    const COMPLEX: &str = "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
        <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>\
        <feature var='http://jabber.org/protocol/caps'/>\
        <feature var='http://jabber.org/protocol/disco#info'/>\
        <feature var='http://jabber.org/protocol/disco#items'/>\
        <feature var='http://jabber.org/protocol/muc'/>\
        <x xmlns='jabber:x:data' type='result'>\
        <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>\
        <field var='ip_version'><value>ipv4</value><value>ipv6</value></field>\
        <field var='os'><value>Mac</value></field>\
        <field var='os_version'><value>10.5.1</value></field>\
        <field var='software'><value>Psi</value></field>\
        <field var='software_version'><value>0.11</value></field></x>";

    #[test]
    fn the_examples_of_xep_0115_are_proved() {
        check("sha-1 http://exodus QgayPKawpkPSDYmwT/WM94uAlu0=", SIMPLE, true);
        check("sha-1 http://psi q07IKJEyjvHSyhy//CH0CxmKi8w=", COMPLEX, true);
    }

    #[test]
    fn what_has_another_hash_is_not_proved() {
        check("sha-1 http://exodus q07IKJEyjvHSyhy//CH0CxmKi8w=", SIMPLE, false);
        check("md5 http://exodus QgayPKawpkPSDYmwT/WM94uAlu0=", SIMPLE, false);
        let twice = format!("{SIMPLE}<feature var='http://jabber.org/protocol/muc'/>");
        check("sha-1 http://exodus QgayPKawpkPSDYmwT/WM94uAlu0=", &twice, false);
    }

    #[test]
    fn memory_has_an_end() {
        let features = (0..=INTERESTS_MAX).map(|at| format!("<feature var='n{at}+notify'/>"));
        let interests = interests_in(&info(&features.collect::<String>()));
        assert_eq!(interests.len(), INTERESTS_MAX);
        let mut known = Known::default();
        for at in 0..=KNOWN_MAX {
            known.learn(&at.to_string(), interests.clone());
        }
        assert_eq!((known.interests.len(), known.order.len()), (KNOWN_MAX, KNOWN_MAX));
        assert!(known.get("0").is_none());
    }
}
