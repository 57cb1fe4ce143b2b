//! RFC 6121 4.7.2.3 and 8.5: a device of negative priority gets what is sent to itself alone.

use crate::world::World;

/// Bob has a bot of negative priority, and no other device.
fn with_bot() -> World {
    let mut world = World::with(&["alice"]);
    world.account("bob");
    come(&mut world, -1);
    world
}

fn come(world: &mut World, priority: i8) {
    world.connect("bob/bot");
    show(world, priority);
}

fn show(world: &mut World, priority: i8) {
    let presence = format!("<presence><priority>{priority}</priority></presence>");
    world.send("bob/bot", &presence);
    world.skip_presence("bob/bot");
}

fn write(world: &mut World, to: &str, body: &str) {
    let message = format!("<message to='{{{to}}}' type='chat'><body>{body}</body></message>");
    world.send("alice/phone", &message);
}

fn expect(world: &mut World, name: &str, bodies: &[&str]) {
    world.skip_presence(name);
    for body in bodies {
        world.expect(name, &format!("<message><body>{body}</body></message>"));
    }
    world.expect_nothing(name);
}

#[test]
fn what_is_for_the_account_waits_for_another_device() {
    let mut world = with_bot();
    write(&mut world, "bob", "to the account");
    write(&mut world, "bob/bot", "to the bot");
    expect(&mut world, "bob/bot", &["to the bot"]);
    world.pass(2);
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    expect(&mut world, "bob/phone", &["to the account", "to the bot"]);
}

#[test]
fn it_gets_the_rest_when_its_priority_rises() {
    let mut world = with_bot();
    write(&mut world, "bob", "1");
    write(&mut world, "bob/bot", "2");
    write(&mut world, "bob", "3");
    expect(&mut world, "bob/bot", &["2"]);
    show(&mut world, 0);
    expect(&mut world, "bob/bot", &["1", "3"]);
    write(&mut world, "bob", "4");
    expect(&mut world, "bob/bot", &["4"]);
    show(&mut world, -5);
    write(&mut world, "bob", "5");
    expect(&mut world, "bob/bot", &[]);
}

#[test]
fn what_it_missed_comes_later_once() {
    let mut world = with_bot();
    write(&mut world, "bob/bot", "1");
    expect(&mut world, "bob/bot", &["1"]);
    world.disconnect("bob/bot", true);
    write(&mut world, "bob", "2");
    write(&mut world, "bob/bot", "3");
    world.crash();
    world.come("alice/phone");
    come(&mut world, -1);
    expect(&mut world, "bob/bot", &["3"]);
    world.disconnect("bob/bot", true);
    world.crash();
    world.come("alice/phone");
    come(&mut world, 1);
    expect(&mut world, "bob/bot", &["2"]);
}

#[test]
fn what_it_did_not_acknowledge_is_not_taken_for_received() {
    let mut world = with_bot();
    world.ask("bob/bot", "<enable xmlns='urn:xmpp:sm:3'/>", "<enabled xmlns='urn:xmpp:sm:3'/>");
    write(&mut world, "bob", "1");
    write(&mut world, "bob/bot", "2");
    expect(&mut world, "bob/bot", &["2"]);
    show(&mut world, 0);
    expect(&mut world, "bob/bot", &["1", "2"]);
    // The presence that it was shown counts too.
    world.send("bob/bot", "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    world.pass(2);
    world.crash();
    come(&mut world, 0);
    expect(&mut world, "bob/bot", &["1", "2"]);
}
