//! XEP-0424 and XEP-0466: what is taken back or over leaves both archives.

use crate::world::World;

const HELLO: &str = "<message to='{bob}' type='chat' id='m1'><body>hello</body>\
                     <origin-id xmlns='urn:xmpp:sid:0' id='o1'/></message>";
const RETRACT: &str = "<message to='{bob}' type='chat' id='r1'>\
                       <retract xmlns='urn:xmpp:message-retract:1' id='o1'/></message>";

fn archive(world: &World, name: &str) -> Vec<String> {
    world.disk.archive(world.id(name)).into_iter().map(|(_, xml)| xml).collect()
}

/// Both archives hold a tombstone in the place of the first message, and the retraction.
fn check_retracted(world: &World) {
    for name in ["alice", "bob"] {
        let stored = archive(world, name);
        assert!(!stored[0].contains("hello"), "{stored:?}");
        assert!(stored[0].contains("<retracted xmlns='urn:xmpp:message-retract:1'"), "{stored:?}");
        assert!(stored[0].contains("id='m1'") && stored[0].contains("id='o1'"), "{stored:?}");
        assert!(stored[1].contains("<retract "), "{stored:?}");
    }
}

#[test]
fn an_author_retracts() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", HELLO);
    world.expect("bob/phone", "<message id='m1'/>");
    world.send("alice/phone", RETRACT);
    world.expect(
        "bob/phone",
        "<message id='r1'><retract xmlns='urn:xmpp:message-retract:1' id='o1'/></message>",
    );
    check_retracted(&world);
}

#[test]
fn no_crash_leaves_the_original() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", HELLO);
    world.commits_at_once = false;
    world.send("alice/phone", RETRACT);
    world.commit();
    assert!(archive(&world, "bob")[0].contains("hello"), "the tombstone is not stored yet");
    world.crash();
    world.commits_at_once = true;
    world.come("bob/phone");
    world.send("bob/phone", "<message to='{alice}'><body>reply</body></message>");
    check_retracted(&world);
}

#[test]
fn a_message_is_retracted_by_its_stanza_id() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", HELLO);
    let (id, _) = world.disk.archive(world.id("alice"))[0];
    world.send("alice/phone", &RETRACT.replace("id='o1'", &format!("id='{id}'")));
    check_retracted(&world);
}

#[test]
fn nobody_retracts_what_others_wrote() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", HELLO);
    let (id, _) = world.disk.archive(world.id("alice"))[0];
    for named in ["o1".to_owned(), id.to_string()] {
        let retract = RETRACT.replace("{bob}", "{alice}").replace("'o1'", &format!("'{named}'"));
        world.send("bob/phone", &retract);
    }
    assert!(archive(&world, "alice")[0].contains("hello"));
}

#[test]
fn a_retraction_names_what_it_retracts() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", &RETRACT.replace("id='o1'", ""));
    world.expect("alice/phone", "<message type='error' id='r1'/>");
}

#[test]
fn what_is_over_leaves_the_archives() {
    let mut world = World::with(&["alice", "bob"]);
    world.disconnect("bob/phone", true);
    let ephemeral = "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='5'/></message>";
    world.send("alice/phone", &HELLO.replace("</message>", ephemeral));
    world.pass(4);
    assert_eq!(archive(&world, "bob").len(), 1);
    world.pass(2);
    // It is not replayed, though it still lies on the disk for the rest of the minute.
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    world.expect("bob/phone", "<presence/>");
    world.expect_nothing("bob/phone");
    world.pass(60);
    assert!(archive(&world, "bob").is_empty() && archive(&world, "alice").is_empty());
}

#[test]
fn an_end_that_cannot_be_read_is_refused() {
    let mut world = World::with(&["alice", "bob"]);
    let ephemeral = "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='soon'/></message>";
    world.send("alice/phone", &HELLO.replace("</message>", ephemeral));
    world.expect("alice/phone", "<message type='error' id='m1'/>");
    assert!(archive(&world, "bob").is_empty());
}
