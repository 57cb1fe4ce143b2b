//! XEP-0490: the mark inside a message is published for one's own devices, and nobody else sees it.

use crate::world::World;

const MARK: &str = "<displayed xmlns='urn:xmpp:mds:displayed:0'>\
    <stanza-id xmlns='urn:xmpp:sid:0' by='{alice}' id='0423e3a9'/></displayed>";
const READ: &str = "<iq type='get' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
    <items node='urn:xmpp:mds:displayed:0'/></pubsub></iq>";

fn marked(inner: &str) -> String {
    format!("<message to='{{bob}}' type='chat' id='m'>{inner}{MARK}</message>")
}

#[test]
fn the_mark_is_published_and_leaves_the_message() {
    let mut world = World::with(&["alice", "bob"]);
    world.come("alice/laptop");
    world.send("alice/laptop", "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    world.clear("alice/laptop");
    let receipt = "<displayed xmlns='urn:xmpp:chat-markers:0' id='the-msg-1'/>";
    world.send("alice/phone", &marked(receipt));
    let got = world.expect("bob/phone", &format!("<message>{receipt}</message>"));
    assert!(got.child("displayed", "urn:xmpp:mds:displayed:0").is_none());
    let copy = world.expect("alice/laptop", "<message/>").to_bytes("").to_vec();
    assert!(!String::from_utf8(copy).unwrap().contains("urn:xmpp:mds"));
    for (_, stored) in world.disk.archive(world.id("bob")) {
        assert!(!stored.contains("urn:xmpp:mds"), "{stored}");
    }
    let published = format!(
        "<iq type='result' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items>\
         <item id='{{bob}}'>{MARK}</item></items></pubsub></iq>"
    );
    world.clear("alice/phone");
    world.ask("alice/phone", READ, &published);
    world.ask(
        "bob/phone",
        &READ.replace("id='r'", "id='r' to='{alice}'"),
        "<iq type='error' id='r'/>",
    );
}

#[test]
fn a_mark_that_cannot_be_published_stops_the_message() {
    let mut world = World::with(&["alice", "bob"]);
    let large = MARK.replace("0423e3a9", &"x".repeat(20_000));
    let message =
        format!("<message to='{{bob}}' type='chat' id='m'><body>x</body>{large}</message>");
    world.ask("alice/phone", &message, "<message type='error' id='m'/>");
    world.expect_nothing("bob/phone");
}
