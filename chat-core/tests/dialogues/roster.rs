//! RFC 6121 2 to 4: rosters, subscriptions and presence.

use crate::world::World;

fn with_rosters(names: &[&str]) -> World {
    let mut world = World::with(names);
    for name in names {
        get(&mut world, name);
    }
    world
}

fn get(world: &mut World, name: &str) -> chat_core::xml::Element {
    world.ask(
        &format!("{name}/phone"),
        "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>",
        "<iq type='result' id='g'/>",
    )
}

fn push(world: &mut World, name: &str, item: &str) {
    let pattern =
        format!("<iq type='set'><query xmlns='jabber:iq:roster' ver='*'>{item}</query></iq>");
    world.expect(&format!("{name}/phone"), &pattern);
}

/// Alice asks, Bob agrees, and both have heard all that follows.
fn subscribed() -> World {
    let mut world = with_rosters(&["alice", "bob"]);
    world.send("alice/phone", "<presence type='subscribe' to='{bob}'/>");
    push(&mut world, "alice", "<item jid='{bob}' subscription='none' ask='subscribe'/>");
    world.expect("bob/phone", "<presence type='subscribe' from='{alice}'/>");
    world.send("bob/phone", "<presence type='subscribed' to='{alice}'/>");
    push(&mut world, "bob", "<item jid='{alice}' subscription='from'/>");
    push(&mut world, "alice", "<item jid='{bob}' subscription='to'/>");
    world.expect("alice/phone", "<presence type='subscribed' from='{bob}'/>");
    world.expect("alice/phone", "<presence from='{bob/phone}'/>");
    world.expect_nothing("alice/phone");
    world.expect_nothing("bob/phone");
    world
}

#[test]
fn a_roster_is_never_larger_than_one_answer() {
    let mut world = World::with(&["alice"]);
    let group = |number: usize| format!("<group>{number:0>2}{}</group>", "&lt;".repeat(1_021));
    let groups: String = (0..8).map(group).collect();
    let mut fits = 0;
    for number in 0.. {
        let item = format!("<item jid='c{number}@example.org'>{groups}</item>");
        let set =
            format!("<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>");
        world.send("alice/phone", &set);
        let answer = world.receive("alice/phone").unwrap();
        if answer.attr("type") == Some("error") {
            break;
        }
        fits = number + 1;
    }
    // 49 KiB each.
    assert_eq!(fits, 10);
    let roster = get(&mut world, "alice");
    assert!(roster.to_bytes("jabber:client").len() < 512 << 10);
    // What does not make it larger goes on.
    let item = "<item jid='c1@example.org' subscription='remove'/>";
    let set = format!("<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>");
    world.send("alice/phone", &set);
    push(&mut world, "alice", item);
    world.expect("alice/phone", "<iq type='result' id='s'/>");
}

#[test]
fn who_is_let_sees_presence_come_and_go() {
    let mut world = subscribed();
    world.send("bob/phone", "<presence><show>away</show></presence>");
    world.expect("alice/phone", "<presence from='{bob/phone}'><show>away</show></presence>");
    world.disconnect("bob/phone", false);
    world.expect("alice/phone", "<presence from='{bob/phone}' type='unavailable'/>");
    world.send("alice/phone", "<presence/>");
    world.clear("alice/phone");
    world.come("bob/phone");
    world.expect("alice/phone", "<presence from='{bob/phone}'/>");
    world.expect_nothing("bob/phone");
}

#[test]
fn who_comes_learns_who_is_there() {
    let mut world = subscribed();
    world.connect("alice/tablet");
    world.send("alice/tablet", "<presence/>");
    for from in ["{alice/phone}", "{bob/phone}", "{alice/tablet}"] {
        let got = world.receive("alice/tablet").unwrap();
        assert_eq!(got.name(), "presence", "{from}");
    }
    world.expect_nothing("alice/tablet");
}

#[test]
fn who_comes_learns_since_when_others_are_gone() {
    let mut world = subscribed();
    world.disconnect("alice/phone", true);
    world.disconnect("bob/phone", true);
    world.commit();
    world.pass(600);
    world.crash();
    let learn = |world: &mut World, client: &str| {
        world.connect(client);
        world.send(client, "<presence/>");
        world.expect(client, &format!("<presence from='{{{client}}}'/>"));
        let told =
            "<presence type='unavailable' from='{bob}'><delay xmlns='urn:xmpp:delay'/></presence>";
        let told = world.expect(client, told);
        told.child("delay", "urn:xmpp:delay").unwrap().attr("stamp").unwrap().to_owned()
    };
    let since = learn(&mut world, "alice/phone");
    // A device that fetches what waits, with nobody looking.
    world.connect("bob/tablet");
    world.send("bob/tablet", "<presence><show>xa</show></presence>");
    world.pass(600);
    world.disconnect("bob/tablet", true);
    world.disconnect("alice/phone", true);
    assert_eq!(learn(&mut world, "alice/tablet"), since);
    world.come("bob/phone");
    world.disconnect("bob/phone", true);
    world.disconnect("alice/tablet", true);
    assert!(learn(&mut world, "alice/phone") > since);
}

#[test]
fn a_request_waits_for_who_is_away_and_for_a_crash() {
    let mut world = World::with(&["alice", "bob"]);
    world.disconnect("bob/phone", true);
    world.send(
        "alice/phone",
        "<presence type='subscribe' to='{bob}'><status>me</status></presence>",
    );
    world.crash();
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    world.expect("bob/phone", "<presence from='{bob/phone}'/>");
    world.expect(
        "bob/phone",
        "<presence type='subscribe' from='{alice}'><status>me</status></presence>",
    );
    world.send("bob/phone", "<presence type='unsubscribed' to='{alice}'/>");
    world.come("bob/tablet");
    world.expect_nothing("bob/tablet");
    world.connect("alice/phone");
    let roster = get(&mut world, "alice");
    let item = roster.children().next().unwrap().children().next().unwrap().clone();
    assert_eq!((item.attr("subscription"), item.attr("ask")), (Some("none"), None));
}

#[test]
fn who_is_approved_need_not_ask_twice() {
    let mut world = with_rosters(&["alice", "bob"]);
    world.send("bob/phone", "<presence type='subscribed' to='{alice}'/>");
    push(&mut world, "bob", "<item jid='{alice}' subscription='none' approved='true'/>");
    world.send("alice/phone", "<presence type='subscribe' to='{bob}'/>");
    push(&mut world, "alice", "<item jid='{bob}' ask='subscribe'/>");
    push(&mut world, "bob", "<item jid='{alice}' subscription='from'/>");
    push(&mut world, "alice", "<item jid='{bob}' subscription='to'/>");
}

#[test]
fn a_contact_is_named_grouped_and_removed() {
    let mut world = subscribed();
    let set = "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>\
               <item jid='{bob}' name='Bob'><group>Friends</group></item></query></iq>";
    world.send("alice/phone", set);
    push(
        &mut world,
        "alice",
        "<item jid='{bob}' name='Bob' subscription='to'><group>Friends</group></item>",
    );
    world.expect("alice/phone", "<iq type='result' id='s'/>");
    world.disconnect("bob/phone", true);
    world.clear("alice/phone");
    world.pass(60);
    let remove = "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>\
                  <item jid='{bob}' subscription='remove'/></query></iq>";
    world.send("alice/phone", remove);
    push(&mut world, "alice", "<item jid='{bob}' subscription='remove'/>");
    world.expect("alice/phone", "<iq type='result' id='r'/>");
    world.connect("bob/phone");
    let roster = get(&mut world, "bob");
    let item = roster.children().next().unwrap().children().next().unwrap().clone();
    assert_eq!(item.attr("subscription"), Some("none"));
    world.ask("alice/phone", remove, "<iq type='error' id='r'/>");
}

#[test]
fn directed_presence_is_taken_back_at_the_end() {
    let mut world = World::with(&["alice", "bob"]);
    world.send("alice/phone", "<presence to='{bob/phone}'/>");
    world.expect("bob/phone", "<presence from='{alice/phone}'/>");
    world.disconnect("alice/phone", false);
    world.expect("bob/phone", "<presence from='{alice/phone}' type='unavailable'/>");
}

#[test]
fn a_roster_has_an_end() {
    let mut world = World::with(&["alice"]);
    let set = |number: usize| {
        format!(
            "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>\
             <item jid='{number}@example.org'/></query></iq>"
        )
    };
    for number in 0..chat_core::features::roster::ITEMS_MAX {
        world.ask("alice/phone", &set(number), "<iq type='result' id='s'/>");
    }
    let full = "<iq type='error' id='s'><error type='wait'>\
                <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    world.ask("alice/phone", &set(usize::MAX), full);
}
