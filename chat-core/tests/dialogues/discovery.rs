//! XEP-0030, XEP-0092, XEP-0202: what the server says of itself.

use crate::world::World;

#[test]
fn the_server_says_what_it_can() {
    let mut world = World::with(&["alice"]);
    world.ask(
        "alice/phone",
        "<iq type='get' id='d' to='example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        "<iq type='result' id='d' from='example.org'>\
         <query xmlns='http://jabber.org/protocol/disco#info'>\
         <identity category='server' type='im'/><feature var='urn:xmpp:carbons:2'/>\
         <feature var='urn:xmpp:ping'/></query></iq>",
    );
}

#[test]
fn the_domain_has_no_archive() {
    let mut world = World::with(&["alice"]);
    let info = "<iq type='get' id='d' to='example.org'>\
                <query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let got = world.ask("alice/phone", info, "<iq type='result' id='d'/>");
    let query = got.children().next().unwrap();
    assert!(query.children().all(|one| one.attr("var") != Some("urn:xmpp:mam:2")));
}

#[test]
fn an_account_says_what_it_can() {
    let mut world = World::with(&["alice"]);
    world.ask(
        "alice/phone",
        "<iq type='get' id='d' to='{alice}'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        "<iq type='result' id='d'><query xmlns='http://jabber.org/protocol/disco#info'>\
         <identity category='account' type='registered'/><feature var='urn:xmpp:mam:2'/>\
         </query></iq>",
    );
}

#[test]
fn version_and_time_are_told() {
    let mut world = World::with(&["alice"]);
    world.ask(
        "alice/phone",
        "<iq type='get' id='v' to='example.org'><query xmlns='jabber:iq:version'/></iq>",
        "<iq type='result' id='v'><query xmlns='jabber:iq:version'><name>Whimbrel</name></query></iq>",
    );
    world.ask(
        "alice/phone",
        "<iq type='get' id='t' to='example.org'><time xmlns='urn:xmpp:time'/></iq>",
        "<iq type='result' id='t'><time xmlns='urn:xmpp:time'><tzo>+00:00</tzo></time></iq>",
    );
}

#[test]
fn what_nobody_answers_is_refused() {
    let mut world = World::with(&["alice"]);
    for to in ["", "to='example.org'", "to='{alice}'"] {
        world.ask(
            "alice/phone",
            &format!("<iq type='get' id='x' {to}><query xmlns='urn:example:nothing'/></iq>"),
            "<iq type='error' id='x'><error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        );
    }
}
