//! XEP-0292: one vCard in two forms, on its node and by IQ, with the avatar as its photo.

use crate::world::World;

/// "whimbrel" in base64.
const IMAGE: &str = "d2hpbWJyZWw=";
const READ_TEMP: &str = "<iq type='get' id='t' to='{alice}'><vCard xmlns='vcard-temp'/></iq>";
const READ: &str = "<iq type='get' id='v' to='{alice}'>\
    <vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/></iq>";
const READ_NODE: &str = "<iq type='get' id='n' to='{alice}'>\
    <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:vcard4'/></pubsub></iq>";

/// Alice writes the one form, Bob reads the other.
fn check(temp: &str, vcard4: &str) {
    let temp = format!("<vCard xmlns='vcard-temp'>{temp}</vCard>");
    let vcard4 = format!("<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'>{vcard4}</vcard>");
    let result = |id: &str, inner: &str| format!("<iq type='result' id='{id}'>{inner}</iq>");
    let set = |inner: &str| format!("<iq type='set' id='w'>{inner}</iq>");
    let mut world = World::with(&["alice", "bob"]);
    world.ask("alice/phone", &set(&temp), "<iq type='result' id='w'/>");
    world.ask("bob/phone", READ, &result("v", &vcard4));
    world.ask("bob/phone", READ_TEMP, &result("t", &temp));
    let mut world = World::with(&["alice", "bob"]);
    world.ask("alice/phone", &set(&vcard4), "<iq type='result' id='w'/>");
    world.ask("bob/phone", READ_TEMP, &result("t", &temp));
    let on_node = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:vcard4'><item>\
         {vcard4}</item></items></pubsub>"
    );
    world.ask("bob/phone", READ_NODE, &result("n", &on_node));
}

#[test]
fn what_is_one_value() {
    check("<FN>Alice &amp; Co</FN>", "<fn><text>Alice &amp; Co</text></fn>");
    check("<URL>https://a.example/</URL>", "<url><uri>https://a.example/</uri></url>");
    check("<BDAY>1966-08-06</BDAY>", "<bday><date>1966-08-06</date></bday>");
    check("<DESC>Hello</DESC>", "<note><text>Hello</text></note>");
}

#[test]
fn what_has_parts() {
    check(
        "<N><FAMILY>Carroll</FAMILY><GIVEN>Alice</GIVEN></N>",
        "<n><surname>Carroll</surname><given>Alice</given><additional/><prefix/><suffix/></n>",
    );
    check(
        "<ADR><HOME/><STREET>Hole 1</STREET><PCODE>80202</PCODE><CTRY>W</CTRY></ADR>",
        "<adr><parameters><type><text>home</text></type></parameters><street>Hole 1</street>\
         <code>80202</code><country>W</country></adr>",
    );
    check(
        "<ORG><ORGNAME>Tea</ORGNAME><ORGUNIT>Party</ORGUNIT></ORG>",
        "<org><text>Tea</text><text>Party</text></org>",
    );
}

#[test]
fn what_can_be_called() {
    check(
        "<EMAIL><WORK/><PREF/><USERID>a@b.example</USERID></EMAIL>",
        "<email><parameters><type><text>work</text></type><pref><integer>1</integer></pref>\
         </parameters><text>a@b.example</text></email>",
    );
    check(
        "<TEL><CELL/><NUMBER>+1-555-0100</NUMBER></TEL>",
        "<tel><parameters><type><text>cell</text></type></parameters>\
         <uri>tel:+1-555-0100</uri></tel>",
    );
    check("<JABBERID>a@b.example</JABBERID>", "<impp><uri>xmpp:a@b.example</uri></impp>");
    check(
        "<GEO><LAT>39.59</LAT><LON>-105.01</LON></GEO>",
        "<geo><uri>geo:39.59,-105.01</uri></geo>",
    );
}

#[test]
fn the_avatar_is_the_photo_of_both() {
    let mut world = World::with(&["alice", "bob"]);
    let temp = format!(
        "<iq type='set' id='w'><vCard xmlns='vcard-temp'><FN>A</FN><PHOTO><TYPE>image/png</TYPE>\
         <BINVAL>{IMAGE}</BINVAL></PHOTO></vCard></iq>"
    );
    world.send("alice/phone", &temp);
    let shown = format!(
        "<iq type='result' id='v'><vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'>\
         <photo><uri>data:image/png;base64,{IMAGE}</uri></photo></vcard></iq>"
    );
    world.ask("bob/phone", READ, &shown);
}

#[test]
fn a_card_that_goes_is_gone_in_both_forms() {
    let mut world = World::with(&["alice", "bob"]);
    for read in [READ, READ_TEMP] {
        world.ask("bob/phone", read, "<iq type='error'/>");
    }
    let write = "<iq type='set' id='w'><vCard xmlns='vcard-temp'><FN>A</FN></vCard></iq>";
    world.ask("alice/phone", write, "<iq type='result' id='w'/>");
    world.ask(
        "alice/phone",
        "<iq type='set' id='d'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <delete node='urn:xmpp:vcard4'/></pubsub></iq>",
        "<iq type='result' id='d'/>",
    );
    for read in [READ, READ_TEMP] {
        world.ask("bob/phone", read, "<iq type='error'/>");
    }
}
