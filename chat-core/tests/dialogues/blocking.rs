//! XEP-0191: neither side hears of the other, and nobody is told why.

use crate::world::World;

const UNAVAILABLE: &str = "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>";

fn blocked() -> World {
    let mut world = World::with(&["alice", "bob"]);
    world.send(
        "bob/phone",
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{alice}'/></block></iq>",
    );
    world.expect(
        "bob/phone",
        "<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='{alice}'/></block></iq>",
    );
    world.expect("bob/phone", "<iq type='result' id='b'/>");
    world
}

#[test]
fn who_is_blocked_meets_silence() {
    let mut world = blocked();
    let error = format!("<message type='error' id='m'><error>{UNAVAILABLE}</error></message>");
    let message = "<message to='{bob}' type='chat' id='m'><body>x</body></message>";
    world.ask("alice/phone", message, &error);
    world.send("alice/phone", "<presence type='subscribe' to='{bob}'/>");
    world.send("alice/phone", "<presence to='{bob}'/>");
    let iq = "<iq type='get' id='i' to='{bob/phone}'><ping xmlns='urn:xmpp:ping'/></iq>";
    world.ask(
        "alice/phone",
        iq,
        &format!("<iq type='error' id='i'><error>{UNAVAILABLE}</error></iq>"),
    );
    world.expect_nothing("bob/phone");
    assert_eq!(world.disk.archive(world.id("bob")), []);
}

#[test]
fn who_blocks_is_reminded() {
    let mut world = blocked();
    world.ask(
        "bob/phone",
        "<message to='{alice}' type='chat' id='m'><body>x</body></message>",
        "<message type='error' id='m'><error type='cancel'>\
         <not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <blocked xmlns='urn:xmpp:blocking:errors'/></error></message>",
    );
    world.expect_nothing("alice/phone");
}

#[test]
fn the_list_outlives_a_crash_and_ends() {
    let mut world = blocked();
    world.crash();
    world.come("bob/phone");
    world.ask(
        "bob/phone",
        "<iq type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>",
        "<iq type='result' id='l'><blocklist xmlns='urn:xmpp:blocking'><item jid='{alice}'/>\
         </blocklist></iq>",
    );
    world.send("bob/phone", "<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>");
    world.expect("bob/phone", "<iq type='set'><unblock xmlns='urn:xmpp:blocking'/></iq>");
    world.expect("bob/phone", "<iq type='result' id='u'/>");
    world.come("alice/phone");
    world.send("alice/phone", "<message to='{bob}' type='chat'><body>x</body></message>");
    world.expect("bob/phone", "<message><body>x</body></message>");
}

#[test]
fn one_cannot_block_oneself_nor_nobody() {
    let mut world = World::with(&["alice"]);
    for (items, id) in [("<item jid='{alice}'/>", "1"), ("", "2"), ("<item jid='@'/>", "3")] {
        world.ask(
            "alice/phone",
            &format!(
                "<iq type='set' id='{id}'><block xmlns='urn:xmpp:blocking'>{items}</block></iq>"
            ),
            &format!("<iq type='error' id='{id}'/>"),
        );
    }
}
