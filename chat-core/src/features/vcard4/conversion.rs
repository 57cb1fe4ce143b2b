//! XEP-0292 8: vcard-temp (XEP-0054) to vCard4 (RFC 6351) and back. What one of them does not have
//! is left out.

use crate::ns;
use crate::xml::Element;

/// The older form as vCard4, but for its photo.
pub(super) fn to_vcard4(temp: &Element) -> Element {
    let properties = temp.children().filter(|child| child.ns() == ns::VCARD);
    Element::new("vcard", ns::VCARD4).with_children(properties.filter_map(from_temp))
}

/// vCard4 in the older form, but for its photo.
pub(super) fn to_temp(vcard: &Element) -> Element {
    let properties = vcard.children().filter(|child| child.ns() == ns::VCARD4);
    Element::new("vCard", ns::VCARD).with_children(properties.filter_map(from_vcard4))
}

/// RFC 2397: an image as a property; `None` where it says no type that could stand in a URI.
pub(super) fn photo(media_type: &str, base64: &str) -> Option<Element> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+.-".contains(&byte);
    if media_type.is_empty() || !media_type.bytes().all(is_plain) {
        return None;
    }
    let uri = value("uri", &format!("data:{media_type};base64,{base64}"));
    Some(Element::new("photo", ns::VCARD4).with_child(uri))
}

fn from_temp(property: &Element) -> Option<Element> {
    let text = property.text();
    if let Some(plain) = PLAIN.iter().find(|plain| plain.temp == property.name()) {
        let text = text.trim();
        let property = Element::new(plain.vcard4, ns::VCARD4);
        return (!text.is_empty()).then(|| property.with_child(value(plain.value, text)));
    }
    let part = |name| property.text_of(name, ns::VCARD).unwrap_or_default().trim().to_owned();
    let (name, parts) = match property.name() {
        "N" => ("n", parts_of(property, NAME)),
        "ADR" => ("adr", parts_of(property, ADDRESS)),
        "EMAIL" => ("email", vec![value("text", &part("USERID"))]),
        "TEL" => ("tel", vec![value("uri", &tel(&part("NUMBER")))]),
        "JABBERID" => ("impp", vec![value("uri", &format!("xmpp:{}", text.trim()))]),
        "GEO" => ("geo", vec![value("uri", &format!("geo:{},{}", part("LAT"), part("LON")))]),
        "ORG" => ("org", texts_of(property, &["ORGNAME", "ORGUNIT"])),
        "CATEGORIES" => ("categories", texts_of(property, &["KEYWORD"])),
        _ => return None,
    };
    let parameters = parameters(property);
    Some(Element::new(name, ns::VCARD4).with_children(parameters).with_children(parts))
}

fn from_vcard4(property: &Element) -> Option<Element> {
    let values: Vec<&Element> =
        property.children().filter(|child| !child.is("parameters", ns::VCARD4)).collect();
    let first = values.first()?.text().trim().to_owned();
    if let Some(plain) = PLAIN.iter().find(|plain| plain.vcard4 == property.name()) {
        return Some(Element::new(plain.temp, ns::VCARD).with_text(first));
    }
    let without = |scheme: &str| first.strip_prefix(scheme).unwrap_or(&first).to_owned();
    let (name, parts) = match property.name() {
        "n" => ("N", temp_parts_of(property, NAME)),
        "adr" => ("ADR", temp_parts_of(property, ADDRESS)),
        "email" => ("EMAIL", vec![temp("USERID", &first)]),
        "tel" => ("TEL", vec![temp("NUMBER", &without("tel:"))]),
        "impp" => {
            let jid = first.strip_prefix("xmpp:")?;
            return Some(temp("JABBERID", jid));
        }
        "geo" => {
            let (latitude, longitude) = first.strip_prefix("geo:")?.split_once(',')?;
            ("GEO", vec![temp("LAT", latitude), temp("LON", longitude)])
        }
        "org" => ("ORG", {
            let name = |at| if at == 0 { "ORGNAME" } else { "ORGUNIT" };
            values.iter().enumerate().map(|(at, text)| temp(name(at), &text.text())).collect()
        }),
        "categories" => {
            ("CATEGORIES", values.iter().map(|text| temp("KEYWORD", &text.text())).collect())
        }
        _ => return None,
    };
    let flags = flags(property);
    Some(Element::new(name, ns::VCARD).with_children(flags).with_children(parts))
}

/// Empty elements that say what a number or an address is for, as types.
fn parameters(property: &Element) -> Option<Element> {
    let has = |flag: &str| property.child(flag, ns::VCARD).is_some();
    let types: Vec<Element> =
        TYPES.iter().filter(|(flag, _)| has(flag)).map(|(_, name)| value("text", name)).collect();
    let mut parameters = Element::new("parameters", ns::VCARD4);
    if !types.is_empty() {
        parameters.push(Element::new("type", ns::VCARD4).with_children(types));
    }
    if has("PREF") {
        let first = value("integer", "1");
        parameters.push(Element::new("pref", ns::VCARD4).with_child(first));
    }
    (!parameters.nodes().is_empty()).then_some(parameters)
}

fn flags(property: &Element) -> Vec<Element> {
    let Some(parameters) = property.child("parameters", ns::VCARD4) else { return Vec::new() };
    let types = parameters.child("type", ns::VCARD4);
    let types: Vec<_> =
        types.iter().flat_map(|types| types.children()).map(Element::text).collect();
    let is_said = |name: &str| types.iter().any(|said| said.eq_ignore_ascii_case(name));
    let said = TYPES.iter().filter(|(_, name)| is_said(name)).map(|(flag, _)| *flag);
    let preferred = parameters.child("pref", ns::VCARD4).map(|_| "PREF");
    said.chain(preferred).map(|flag| Element::new(flag, ns::VCARD)).collect()
}

fn parts_of(property: &Element, names: &[(&'static str, &'static str)]) -> Vec<Element> {
    let text = |name| property.text_of(name, ns::VCARD).unwrap_or_default();
    names.iter().map(|(temp, vcard4)| value(vcard4, text(temp).trim())).collect()
}

fn temp_parts_of(property: &Element, names: &[(&'static str, &'static str)]) -> Vec<Element> {
    let part = |(name, vcard4): &(&'static str, &'static str)| {
        let text = property.text_of(vcard4, ns::VCARD4)?;
        Some(temp(name, text.trim()))
    };
    names.iter().filter_map(part).collect()
}

fn texts_of(property: &Element, names: &[&str]) -> Vec<Element> {
    let named = property.children().filter(|child| names.contains(&child.name()));
    named.map(|child| value("text", child.text().trim())).collect()
}

/// RFC 3966: a number as people write it has spaces and brackets too.
fn tel(number: &str) -> String {
    let kept = number.chars().filter(|sign| !sign.is_whitespace() && !"()".contains(*sign));
    format!("tel:{}", kept.collect::<String>())
}

fn value(name: &'static str, text: &str) -> Element {
    Element::new(name, ns::VCARD4).with_text(text)
}

fn temp(name: &'static str, text: &str) -> Element {
    Element::new(name, ns::VCARD).with_text(text)
}

/// A property that is one value.
struct Plain {
    temp: &'static str,
    vcard4: &'static str,
    value: &'static str,
}

const fn plain(temp: &'static str, vcard4: &'static str, value: &'static str) -> Plain {
    Plain { temp, vcard4, value }
}

/// Where one has two counterparts, the first is the one that it is converted to.
const PLAIN: &[Plain] = &[
    plain("FN", "fn", "text"),
    plain("NICKNAME", "nickname", "text"),
    plain("BDAY", "bday", "date"),
    plain("URL", "url", "uri"),
    plain("TITLE", "title", "text"),
    plain("ROLE", "role", "text"),
    plain("TZ", "tz", "text"),
    plain("UID", "uid", "text"),
    plain("PRODID", "prodid", "text"),
    plain("DESC", "note", "text"),
    plain("NOTE", "note", "text"),
];
const NAME: &[(&str, &str)] = &[
    ("FAMILY", "surname"),
    ("GIVEN", "given"),
    ("MIDDLE", "additional"),
    ("PREFIX", "prefix"),
    ("SUFFIX", "suffix"),
];
const ADDRESS: &[(&str, &str)] = &[
    ("POBOX", "pobox"),
    ("EXTADD", "ext"),
    ("STREET", "street"),
    ("LOCALITY", "locality"),
    ("REGION", "region"),
    ("PCODE", "code"),
    ("CTRY", "country"),
];
const TYPES: &[(&str, &str)] = &[
    ("HOME", "home"),
    ("WORK", "work"),
    ("VOICE", "voice"),
    ("FAX", "fax"),
    ("PAGER", "pager"),
    ("CELL", "cell"),
    ("VIDEO", "video"),
];
