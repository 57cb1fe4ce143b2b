//! XEP-0084, XEP-0054, XEP-0153, XEP-0398: avatars and vCards. XEP-0402, XEP-0049, XEP-0048:
//! bookmarks and private storage.

use crate::world::World;

/// "whimbrel" in base64, and its SHA-1.
const IMAGE: &str = "d2hpbWJyZWw=";

fn image_id() -> String {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, b"whimbrel");
    data_encoding::HEXLOWER.encode(digest.as_ref())
}

fn friends() -> World {
    let mut world = World::with(&["alice", "bob"]);
    world.send("bob/phone", "<presence type='subscribe' to='{alice}'/>");
    world.send("alice/phone", "<presence type='subscribed' to='{bob}'/>");
    world.clear("alice/phone");
    world.clear("bob/phone");
    world
}

const READ_VCARD: &str = "<iq type='get' id='v' to='{alice}'><vCard xmlns='vcard-temp'/></iq>";

#[test]
fn an_avatar_is_in_presence_and_vcard() {
    let mut world = friends();
    let id = image_id();
    let publish = |node: &str, payload: &str| {
        format!(
            "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <publish node='urn:xmpp:avatar:{node}'><item id='{id}'>{payload}</item></publish>\
             </pubsub></iq>"
        )
    };
    let data = format!("<data xmlns='urn:xmpp:avatar:data'>{IMAGE}</data>");
    let metadata = format!(
        "<metadata xmlns='urn:xmpp:avatar:metadata'>\
         <info id='{id}' type='image/png' bytes='8'/></metadata>"
    );
    world.ask("alice/phone", &publish("data", &data), "<iq type='result' id='p'/>");
    world.send("alice/phone", &publish("metadata", &metadata));
    let shown = format!(
        "<presence from='{{alice/phone}}'><x xmlns='vcard-temp:x:update'>\
         <photo>{id}</photo></x></presence>"
    );
    world.expect("bob/phone", &shown);
    world.send("alice/phone", "<presence><x xmlns='vcard-temp:x:update'/></presence>");
    world.expect("bob/phone", &shown);
    let photo = format!(
        "<iq type='result' id='v'><vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE>\
         <BINVAL>{IMAGE}</BINVAL></PHOTO></vCard></iq>"
    );
    world.ask("bob/phone", READ_VCARD, &photo);
}

#[test]
fn a_photo_becomes_the_avatar() {
    let mut world = friends();
    let id = image_id();
    let write = format!(
        "<iq type='set' id='w'><vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO>\
         <TYPE>image/png</TYPE><BINVAL>{IMAGE}</BINVAL></PHOTO></vCard></iq>"
    );
    world.send("alice/phone", &write);
    world.skip_presence("alice/phone");
    world.expect("alice/phone", "<iq type='result' id='w'/>");
    world.clear("bob/phone");
    let read = "<iq type='get' id='r' to='{alice}'>\
                <pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                <items node='urn:xmpp:avatar:metadata'/></pubsub></iq>";
    let metadata = format!(
        "<iq type='result' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items>\
         <item id='{id}'><metadata xmlns='urn:xmpp:avatar:metadata'>\
         <info id='{id}' bytes='8' type='image/png'/></metadata></item></items></pubsub></iq>"
    );
    world.ask("bob/phone", read, &metadata);
    let vcard =
        "<iq type='result' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO/></vCard></iq>";
    world.ask("bob/phone", READ_VCARD, vcard);
    world.send(
        "alice/phone",
        "<iq type='set' id='w'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>",
    );
    world.expect(
        "bob/phone",
        "<presence from='{alice/phone}'><x xmlns='vcard-temp:x:update'><photo/></x></presence>",
    );
    let without = world.ask("bob/phone", READ_VCARD, "<iq type='result' id='v'/>");
    let vcard = without.child("vCard", "vcard-temp").unwrap();
    assert!(vcard.child("PHOTO", "vcard-temp").is_none());
}

#[test]
fn private_storage_keeps_what_it_is_given() {
    let mut world = World::with(&["alice"]);
    let read = "<iq type='get' id='g'><query xmlns='jabber:iq:private'><prefs xmlns='urn:p'/></query></iq>";
    world.ask(
        "alice/phone",
        read,
        "<iq type='result' id='g'><query xmlns='jabber:iq:private'><prefs xmlns='urn:p'/></query></iq>",
    );
    world.ask(
        "alice/phone",
        "<iq type='set' id='s'><query xmlns='jabber:iq:private'>\
         <prefs xmlns='urn:p'><dark/></prefs></query></iq>",
        "<iq type='result' id='s'/>",
    );
    world.ask(
        "alice/phone",
        read,
        "<iq type='result' id='g'><query xmlns='jabber:iq:private'>\
         <prefs xmlns='urn:p'><dark/></prefs></query></iq>",
    );
}

#[test]
fn old_and_new_bookmarks_are_the_same() {
    let mut world = World::with(&["alice"]);
    world.ask(
        "alice/phone",
        "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='urn:xmpp:bookmarks:1'><item id='room@muc.example.org'>\
         <conference xmlns='urn:xmpp:bookmarks:1' name='Room' autojoin='true'><nick>Al</nick>\
         <extensions><pinned xmlns='urn:xmpp:bookmarks-pinning:0'/></extensions></conference>\
         </item></publish></pubsub></iq>",
        "<iq type='result' id='p'/>",
    );
    let read = "<iq type='get' id='g'><query xmlns='jabber:iq:private'>\
                <storage xmlns='storage:bookmarks'/></query></iq>";
    world.ask(
        "alice/phone",
        read,
        "<iq type='result' id='g'><query xmlns='jabber:iq:private'>\
         <storage xmlns='storage:bookmarks'><conference jid='room@muc.example.org' name='Room' \
         autojoin='true'><nick>Al</nick></conference></storage></query></iq>",
    );
    world.ask(
        "alice/phone",
        "<iq type='set' id='s'><query xmlns='jabber:iq:private'>\
         <storage xmlns='storage:bookmarks'><conference jid='room@muc.example.org' name='Hall'/>\
         <conference jid='new@muc.example.org'/></storage></query></iq>",
        "<iq type='result' id='s'/>",
    );
    let answer = world.ask(
        "alice/phone",
        "<iq type='get' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <items node='urn:xmpp:bookmarks:1'/></pubsub></iq>",
        "<iq type='result' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items>\
         <item id='new@muc.example.org'/><item id='room@muc.example.org'>\
         <conference xmlns='urn:xmpp:bookmarks:1' name='Hall'><extensions>\
         <pinned xmlns='urn:xmpp:bookmarks-pinning:0'/></extensions></conference></item></items>\
         </pubsub></iq>",
    );
    assert!(answer.attr("id").is_some());
    world.ask(
        "alice/phone",
        "<iq type='set' id='s'><query xmlns='jabber:iq:private'>\
         <storage xmlns='storage:bookmarks'/></query></iq>",
        "<iq type='result' id='s'/>",
    );
    let empty = world.ask("alice/phone", read, "<iq type='result' id='g'/>");
    let query = empty.children().next().unwrap();
    assert_eq!(query.children().next().unwrap().children().count(), 0);
}
