//! Messages between accounts: delivery, copies, acknowledgement, and what a crash leaves.

use chat_core::stream::{Bind2, Enable, Inline, Resume};

use crate::world::World;

const HELLO: &str = "<message to='{bob}' type='chat' id='m1'><body>hello</body>\
                     <origin-id xmlns='urn:xmpp:sid:0' id='o1'/></message>";

#[test]
fn a_message_arrives_with_its_id() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", HELLO);
    world.expect(
        "bob/phone",
        "<message from='{alice/phone}' to='{bob}' id='m1'><body>hello</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{bob}' id='*'/></message>",
    );
    world.expect_nothing("alice/phone");
    assert_eq!(world.disk.archive(world.id("alice")), world.disk.archive(world.id("bob")));
}

#[test]
fn nobody_else_gives_ids_in_our_name() {
    let mut world = World::with(&["alice", "bob"]);
    world.send(
        "alice/phone",
        "<message to='{bob}' type='chat'><body>x</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{bob}' id='forged'/></message>",
    );
    let got = world.expect("bob/phone", "<message/>");
    let ids = got.children_named("stanza-id", "urn:xmpp:sid:0");
    assert_eq!(ids.filter(|id| id.attr("id") == Some("forged")).count(), 0);
}

#[test]
fn nothing_is_seen_before_it_is_stored() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    world.expect("alice/phone", "<enabled xmlns='urn:xmpp:sm:3' resume='true'/>");
    world.commits_at_once = false;
    world.send("alice/phone", HELLO);
    world.send("alice/phone", "<r xmlns='urn:xmpp:sm:3'/>");
    world.expect_nothing("bob/phone");
    world.expect_nothing("alice/phone");
    world.commit();
    world.expect("bob/phone", "<message id='m1'/>");
    world.expect("alice/phone", "<a xmlns='urn:xmpp:sm:3' h='1'/>");
}

#[test]
fn what_cannot_be_stored_is_not_acknowledged() {
    let mut world = World::with(&["alice", "bob"]);
    let stream = world.come("alice/tablet");
    world.disk.fails = true;
    world.send("alice/tablet", HELLO);
    world.expect_nothing("bob/phone");
    assert!(world.closed.contains_key(&stream));
    world.disk.fails = false;
    world.come("alice/tablet");
    world.come("bob/phone");
    world.send("alice/tablet", HELLO);
    world.expect("bob/phone", "<message id='m1'/>");
}

#[test]
fn messages_wait_for_who_is_away() {
    let mut world = World::with(&["alice", "bob"]);
    world.disconnect("bob/phone", true);
    world.send("alice/phone", HELLO);
    world.send("alice/phone", "<message to='{bob}' type='chat' id='m2'><body>2</body></message>");
    world.connect("bob/tablet");
    world.send("bob/tablet", "<presence/>");
    world.expect("bob/tablet", "<presence from='{bob/tablet}'/>");
    world.expect(
        "bob/tablet",
        "<message id='m1'><delay xmlns='urn:xmpp:delay' stamp='*'/></message>",
    );
    world.expect("bob/tablet", "<message id='m2'/>");
    world.expect_nothing("bob/tablet");
    world.pass(2);
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    world.expect("bob/phone", "<presence from='{bob/tablet}'/>");
    world.expect("bob/phone", "<presence from='{bob/phone}'/>");
    world.expect("bob/phone", "<message id='m1'/>");
    world.expect("bob/phone", "<message id='m2'/>");
    world.connect("bob/laptop");
    world.send("bob/laptop", "<presence/>");
    for device in ["tablet", "phone", "laptop"] {
        world.expect("bob/laptop", &format!("<presence from='{{bob/{device}}}'/>"));
    }
    world.expect_nothing("bob/laptop");
}

#[test]
fn other_devices_get_copies() {
    let mut world = World::with(&["alice", "bob"]);
    world.come("alice/laptop");
    world.clear("alice/phone");
    let enable = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";
    world.ask("alice/laptop", enable, "<iq type='result' id='c'/>");
    world.send("alice/phone", HELLO);
    world.expect(
        "alice/laptop",
        "<message from='{alice}' to='{alice/laptop}'><sent xmlns='urn:xmpp:carbons:2'>\
         <forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' to='{bob}'><body>hello</body></message>\
         </forwarded></sent></message>",
    );
    let reply = "<message to='{alice/phone}' type='chat'><body>hi</body></message>";
    world.send("bob/phone", reply);
    world.expect("alice/phone", "<message><body>hi</body></message>");
    world.expect("alice/laptop", "<message><received xmlns='urn:xmpp:carbons:2'/></message>");
}

#[test]
fn a_repetition_is_dropped() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", HELLO);
    world.send("alice/phone", HELLO);
    world.expect("bob/phone", "<message id='m1'/>");
    world.expect_nothing("bob/phone");
    world.crash();
    world.come("alice/phone");
    world.send("alice/phone", HELLO);
    assert_eq!(world.disk.archive(world.id("bob")).len(), 1);
}

#[test]
fn devices_may_count_alike() {
    let mut world = World::with(&["alice", "bob"]);
    world.come("alice/laptop");
    let counted = "<message to='{bob}' type='chat' id='1'><body>*</body>\
                   <origin-id xmlns='urn:xmpp:sid:0' id='1'/></message>";
    let mut bodies = Vec::new();
    for (number, device) in ["phone", "laptop", "phone", "laptop"].into_iter().enumerate() {
        world.send(&format!("alice/{device}"), &counted.replace('*', &number.to_string()));
        let got = world.receive("bob/phone");
        bodies.extend(got.and_then(|got| got.text_of("body", "jabber:client").map(String::from)));
    }
    assert_eq!(bodies, ["0", "1"]);
}

#[test]
fn a_device_without_a_name_of_its_own_repeats_itself_under_another() {
    let mut world = World::with(&["bob"]);
    world.account("alice");
    for _ in 0..2 {
        // Each time the server makes up the resource.
        world.connect_inline("alice/app", managed("app"));
        world.send("alice/app", HELLO);
        world.crash();
        world.come("bob/phone");
    }
    assert_eq!(world.disk.archive(world.id("bob")).len(), 1);
}

fn managed(resource: &str) -> Inline {
    let enable = Some(Enable { can_resume: true });
    let bind = Bind2 { tag: Some(resource.to_owned()), enable, ..Bind2::default() };
    Inline { bind: Some(bind), resume: None }
}

#[test]
fn a_session_is_resumed() {
    let mut world = World::with(&["alice", "bob"]);
    let stream = world.connect_inline("bob/app", managed("app"));
    world.send("bob/app", "<presence/>");
    world.clear("bob/app");
    let id = resumption_id(&world, stream);
    world.disconnect("bob/app", false);
    world.send("alice/phone", HELLO);
    let resume = Resume { previous: id, handled: 0 };
    let stream = world.connect_inline("bob/app", Inline { bind: None, resume: Some(resume) });
    let ready = &world.ready[&stream];
    assert!(ready.children[0].is("resumed", "urn:xmpp:sm:3"), "{:?}", ready.children);
    assert_eq!(ready.children[0].attr("h"), Some("1"));
    world.skip_presence("bob/app");
    world.expect("bob/app", "<message id='m1'/>");
}

#[test]
fn after_a_crash_the_client_learns_what_was_stored() {
    let mut world = World::with(&["alice", "bob"]);
    let stream = world.connect_inline("alice/app", managed("app"));
    world.send("alice/app", "<presence/>");
    let id = resumption_id(&world, stream);
    world.send("alice/app", HELLO);
    world.commits_at_once = false;
    world.send("alice/app", "<message to='{bob}' type='chat'><body>lost</body></message>");
    world.crash();
    world.commits_at_once = true;
    let resume = Some(Resume { previous: id, handled: 0 });
    let stream = world.connect_inline("alice/app", Inline { resume, ..managed("app") });
    let children = &world.ready[&stream].children;
    assert!(children[0].is("failed", "urn:xmpp:sm:3"), "{children:?}");
    assert_eq!(children[0].attr("h"), Some("2"));
    assert!(children[1].is("bound", "urn:xmpp:bind:0"), "{children:?}");
}

const R: &str = "<r xmlns='urn:xmpp:sm:3'/>";

fn h_after_crash(world: &mut World, id: &str) -> Option<String> {
    world.crash();
    world.commits_at_once = true;
    let resume = Some(Resume { previous: id.to_owned(), handled: 0 });
    let stream = world.connect_inline("alice/app", Inline { resume, ..managed("app") });
    let failed = &world.ready[&stream].children[0];
    assert!(failed.is("failed", "urn:xmpp:sm:3"), "{failed:?}");
    failed.attr("h").map(str::to_owned)
}

#[test]
fn what_was_acknowledged_stays_so_after_a_crash() {
    let mut world = World::with(&["alice", "bob"]);
    let stream = world.connect_inline("alice/app", managed("app"));
    let id = resumption_id(&world, stream);
    world.send("alice/app", "<presence/>");
    world.send("alice/app", HELLO);
    world.send("alice/app", "<presence><show>away</show></presence>");
    world.commits_at_once = false;
    world.clear("alice/app");
    world.send("alice/app", R);
    world.expect_nothing("alice/app");
    world.commit();
    world.expect("alice/app", "<a xmlns='urn:xmpp:sm:3' h='3'/>");
    assert_eq!(h_after_crash(&mut world, &id).as_deref(), Some("3"));
}

#[test]
fn a_client_that_asks_often_is_told_more_by_and_by() {
    let mut world = World::with(&["alice", "bob"]);
    let stream = world.connect_inline("alice/app", managed("app"));
    let id = resumption_id(&world, stream);
    let typing = "<message to='{bob}' type='chat'>\
                  <composing xmlns='http://jabber.org/protocol/chatstates'/></message>";
    world.commits_at_once = false;
    for h in ["1", "1", "1"] {
        world.send("alice/app", typing);
        world.send("alice/app", R);
        world.commit();
        world.expect("alice/app", &format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>"));
    }
    world.pass(1);
    world.commit();
    world.expect("alice/app", "<a xmlns='urn:xmpp:sm:3' h='3'/>");
    world.pass(3);
    world.commit();
    world.expect_nothing("alice/app");
    assert_eq!(h_after_crash(&mut world, &id).as_deref(), Some("3"));
}

#[test]
fn what_a_resumption_acknowledges_stays_so_after_a_crash() {
    let mut world = World::with(&["alice", "bob"]);
    let stream = world.connect_inline("alice/app", managed("app"));
    let id = resumption_id(&world, stream);
    world.send("alice/app", HELLO);
    world.send("alice/app", "<presence/>");
    world.disconnect("alice/app", false);
    let resume = Resume { previous: id.clone(), handled: 0 };
    let stream = world.connect_inline("alice/app", Inline { bind: None, resume: Some(resume) });
    assert_eq!(world.ready[&stream].children[0].attr("h"), Some("2"));
    assert_eq!(h_after_crash(&mut world, &id).as_deref(), Some("2"));
}

#[test]
fn strangers_and_false_senders_are_refused() {
    let mut world = World::with(&["alice"]);
    let unknown =
        "<message to='zzzzzzzzzzzz@example.org' type='chat' id='u'><body>x</body></message>";
    world.ask(
        "alice/phone",
        unknown,
        "<message type='error' id='u'><error type='cancel'>\
         <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    let remote = "<message to='bob@elsewhere.example' id='r'><body>x</body></message>";
    world.ask("alice/phone", remote, "<message type='error' id='r'/>");
    let malformed = "<message to='@' id='j'><body>x</body></message>";
    world.ask("alice/phone", malformed, "<message type='error' id='j'/>");
}

#[test]
fn a_ping_is_answered() {
    let mut world = World::with(&["alice"]);
    let ping = "<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>";
    world.ask("alice/phone", ping, "<iq type='result' id='p' from='example.org'/>");
}

fn resumption_id(world: &World, stream: chat_core::id::StreamId) -> String {
    let bound = world.ready[&stream].children.last().unwrap();
    let enabled = bound.child("enabled", "urn:xmpp:sm:3").unwrap();
    enabled.attr("id").unwrap().to_owned()
}
