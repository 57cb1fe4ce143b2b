//! XEP-0441: what an account does not want to keep is not in its archive, and reaches its devices.

use chat_core::xml::Element;

use crate::world::World;

/// Bob has chosen; his phone is there.
fn chosen(default: &str, always: &str, never: &str) -> World {
    let mut world = World::with(&["alice", "bob", "carol"]);
    world.ask("bob/phone", &choose(default, always, never), "<iq type='result' id='p'/>");
    world
}

fn choose(default: &str, always: &str, never: &str) -> String {
    let list = |name: &str, jid: &str| match jid {
        "" => format!("<{name}/>"),
        jid => format!("<{name}><jid>{jid}</jid></{name}>"),
    };
    format!(
        "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='{default}'>{}{}</prefs></iq>",
        list("always", always),
        list("never", never)
    )
}

fn say(world: &mut World, from: &str, to: &str, body: &str) {
    let message = format!(
        "<message to='{{{to}}}' type='chat' id='{body}'><body>{body}</body>\
         <origin-id xmlns='urn:xmpp:sid:0' id='{body}'/></message>"
    );
    world.send(from, &message);
}

/// What the client's query of its archive shows.
fn archive(world: &mut World, client: &str) -> Vec<String> {
    world.send(client, "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>");
    let body = |got: &Element| {
        let result = got.child("result", "urn:xmpp:mam:2")?;
        let forwarded = result.child("forwarded", "urn:xmpp:forward:0")?;
        let message = forwarded.child("message", "jabber:client")?;
        message.text_of("body", "jabber:client").map(|body| body.into_owned())
    };
    let mut bodies = Vec::new();
    loop {
        let got = world.receive(client).expect("a query ends with its result");
        if got.name() == "iq" {
            return bodies;
        }
        bodies.extend(body(&got));
    }
}

/// The bodies that a client has been sent.
fn bodies(world: &mut World, client: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(got) = world.receive(client) {
        bodies.extend(got.text_of("body", "jabber:client").map(|body| body.into_owned()));
    }
    bodies
}

fn check(default: &str, always: &str, never: &str, kept: &[&str]) {
    let mut world = chosen(default, always, never);
    say(&mut world, "alice/phone", "bob", "from-alice");
    say(&mut world, "carol/phone", "bob", "from-carol");
    say(&mut world, "bob/phone", "alice", "to-alice");
    world.clear("bob/phone");
    assert_eq!(archive(&mut world, "bob/phone"), kept, "{default} {always} {never}");
    world.clear("alice/phone");
    assert_eq!(archive(&mut world, "alice/phone"), ["from-alice", "to-alice"]);
}

#[test]
fn the_default_and_the_lists_say_who_is_kept() {
    check("always", "", "", &["from-alice", "from-carol", "to-alice"]);
    check("never", "", "", &[]);
    check("roster", "", "", &[]);
    check("never", "{alice}", "", &["from-alice", "to-alice"]);
    check("always", "", "{alice}", &["from-carol"]);
    check("always", "", "{alice/phone}", &["from-carol", "to-alice"]);
    check("always", "{alice}", "{alice}", &["from-carol"]);
}

#[test]
fn who_is_in_the_roster_is_kept() {
    let mut world = chosen("roster", "", "");
    world.send(
        "bob/phone",
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='{alice}'/></query></iq>",
    );
    say(&mut world, "alice/phone", "bob", "1");
    say(&mut world, "carol/phone", "bob", "2");
    say(&mut world, "bob/phone", "bob", "3");
    world.clear("bob/phone");
    assert_eq!(archive(&mut world, "bob/phone"), ["1", "3"]);
}

#[test]
fn preferences_are_shown_and_outlive_a_crash() {
    let mut world = chosen("roster", "{alice}", "{carol}");
    world.crash();
    world.come("bob/phone");
    world.ask(
        "bob/phone",
        "<iq type='get' id='g'><prefs xmlns='urn:xmpp:mam:2'/></iq>",
        "<iq type='result' id='g'><prefs xmlns='urn:xmpp:mam:2' default='roster'>\
         <always><jid>{alice}</jid></always><never><jid>{carol}</jid></never></prefs></iq>",
    );
    world.ask("bob/phone", &choose("sometimes", "", ""), "<iq type='error' id='p'/>");
    world.ask("bob/phone", &choose("always", "@", ""), "<iq type='error' id='p'/>");
}

#[test]
fn what_is_not_kept_reaches_who_was_away_once_and_in_order() {
    let mut world = chosen("always", "", "{alice}");
    world.disconnect("bob/phone", true);
    say(&mut world, "alice/phone", "bob", "1");
    say(&mut world, "carol/phone", "bob", "2");
    say(&mut world, "alice/phone", "bob", "3");
    world.crash();
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    assert_eq!(bodies(&mut world, "bob/phone"), ["1", "2", "3"]);
    world.pass(2);
    world.disconnect("bob/phone", true);
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    assert_eq!(bodies(&mut world, "bob/phone"), Vec::<String>::new());
}

#[test]
fn who_reads_the_archive_first_gets_the_rest_too() {
    let mut world = chosen("always", "", "{alice}");
    world.disconnect("bob/phone", true);
    say(&mut world, "alice/phone", "bob", "1");
    say(&mut world, "carol/phone", "bob", "2");
    world.connect("bob/phone");
    assert_eq!(archive(&mut world, "bob/phone"), ["2"]);
    say(&mut world, "carol/phone", "bob", "3");
    say(&mut world, "alice/phone", "bob", "4");
    world.send("bob/phone", "<presence/>");
    assert_eq!(bodies(&mut world, "bob/phone"), ["1", "3", "4"]);
}

#[test]
fn what_all_devices_have_goes_after_a_day() {
    let mut world = chosen("never", "", "");
    say(&mut world, "alice/phone", "bob", "1");
    world.pass(24 * 3600);
    say(&mut world, "alice/phone", "bob", "2");
    world.pass(2);
    assert_eq!(world.disk.archive(world.id("bob")).len(), 1);
    assert_eq!(world.disk.archive(world.id("alice")).len(), 2);
}

#[test]
fn a_device_that_stays_away_is_waited_for_thirty_days() {
    let mut world = chosen("never", "", "");
    world.come("bob/tablet");
    world.disconnect("bob/tablet", true);
    say(&mut world, "alice/phone", "bob", "1");
    let later = |world: &mut World, days: u64| {
        world.now.unix_ms += days * 24 * 3600 * 1000;
        world.now.elapsed_ms += days * 24 * 3600 * 1000;
        say(world, "alice/phone", "bob", &format!("after-{days}"));
        world.pass(2);
        world.disk.archive(world.id("bob")).len()
    };
    assert_eq!(later(&mut world, 2), 2);
    assert_eq!(later(&mut world, 29), 2);
}

#[test]
fn what_is_not_kept_is_known_and_can_be_retracted() {
    let mut world = chosen("never", "", "");
    say(&mut world, "bob/phone", "alice", "1");
    world.crash();
    world.come("bob/phone");
    world.come("alice/phone");
    say(&mut world, "bob/phone", "alice", "1");
    world.expect_nothing("alice/phone");
    world.send(
        "bob/phone",
        "<message to='{alice}' type='chat'>\
         <retract xmlns='urn:xmpp:message-retract:1' id='1'/></message>",
    );
    let archive = world.disk.archive(world.id("alice"));
    assert!(archive[0].1.contains("<retracted"), "{}", archive[0].1);
}
