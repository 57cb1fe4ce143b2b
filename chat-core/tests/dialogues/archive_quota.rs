//! Archives that are full: messages are refused and not lost, until their owner makes room.

use chat_core::config::Config;
use chat_core::jid::Jid;

use crate::world::{DOMAIN, World};

const ARCHIVE_BYTES_MAX: u64 = 1_000;
const BODY_BYTES: usize = 600;
const FULL: &str = "<error type='wait'>\
    <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

/// Bob has a message of Alice and one of Carol, and no room for a third.
fn full() -> World {
    let domain = Jid::from_parts(None, DOMAIN, None).unwrap();
    let config = Config { archive_bytes_max: Some(ARCHIVE_BYTES_MAX), ..Config::new(domain) };
    let mut world = World::configured(config);
    for name in ["alice", "bob", "carol"] {
        world.account(name);
        world.come(&format!("{name}/phone"));
    }
    for name in ["alice", "carol"] {
        write(&mut world, name, "bob", "");
        world.expect("bob/phone", &format!("<message from='{{{name}/phone}}'/>"));
    }
    world
}

fn write(world: &mut World, from: &str, to: &str, extra: &str) {
    let body = "x".repeat(BODY_BYTES);
    let message =
        format!("<message to='{{{to}}}' type='chat'><body>{body}</body>{extra}</message>");
    world.send(&format!("{from}/phone"), &message);
}

#[test]
fn a_message_to_a_full_archive_is_refused_until_there_is_room() {
    let mut world = full();
    write(&mut world, "alice", "bob", "");
    world.expect("alice/phone", &format!("<message type='error' from='{{bob}}'>{FULL}</message>"));
    world.expect_nothing("bob/phone");
    // What is not kept needs no room.
    write(&mut world, "carol", "bob", "<no-store xmlns='urn:xmpp:hints'/>");
    world.expect("bob/phone", "<message from='{carol/phone}'/>");

    let (last, _) = world.disk.archive(world.id("bob")).pop().unwrap();
    let delete = format!(
        "<iq type='set' id='d'><delete xmlns='urn:whimbrel:delete-for-me:0' with='{{alice}}' \
         until='{last}'/></iq>"
    );
    world.send("bob/phone", &delete);
    world.clear("bob/phone");
    write(&mut world, "carol", "bob", "");
    world.expect("bob/phone", "<message from='{carol/phone}'/>");
    world.expect_nothing("carol/phone");
}

#[test]
fn a_message_from_a_full_archive_is_refused() {
    let mut world = full();
    write(&mut world, "bob", "alice", "");
    world.expect("bob/phone", &format!("<message type='error' from='{{alice}}'>{FULL}</message>"));
    world.expect_nothing("alice/phone");
}

#[test]
fn an_archive_that_left_memory_is_still_full() {
    let mut world = full();
    world.disconnect("bob/phone", true);
    world.pass(60);
    write(&mut world, "alice", "bob", "");
    world.expect("alice/phone", &format!("<message type='error' from='{{bob}}'>{FULL}</message>"));
}
