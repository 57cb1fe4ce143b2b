//! Delete for me: the document's examples, and what they do not show.

use crate::world::{self, World};

/// Alice has sent Bob `1` to `5`.
fn written() -> (World, Vec<String>) {
    let mut world = World::with(&["alice", "bob"]);
    for number in 1..=5 {
        let body = format!("<message to='{{bob}}' type='chat'><body>{number}</body></message>");
        world.send("alice/phone", &body);
    }
    let ids = world.disk.archive(world.id("alice")).into_iter();
    let ids = ids.map(|(id, _)| id.to_string()).collect();
    (world, ids)
}

fn bodies(world: &World, name: &str) -> Vec<String> {
    let archive = world.disk.archive(world.id(name)).into_iter();
    let body = |xml: String| Some(xml.split_once("<body>")?.1.split('<').next()?.to_owned());
    archive.filter_map(|(_, xml)| body(xml)).collect()
}

#[test]
fn the_examples_hold() {
    let (mut world, ids) = written();
    let (alice, bob) = (world.jid("alice").to_string(), world.jid("bob").to_string());
    world::examples::replay(
        &mut world,
        "alice/phone",
        include_str!("../../../docs/protocol/delete-for-me.md"),
        &[
            ("k7qm2xw4p9ab@example.org", &alice),
            ("p3c8tz0n6vfd@example.org", &bob),
            ("1a0c4506c0000000", &ids[0]),
            ("1a0c4506c0000001", &ids[1]),
            ("1a0c4506c0000002", &ids[3]),
            ("1a0c4506c0000009", "*"),
        ],
    );
    assert_eq!(bodies(&world, "alice"), ["5"]);
    assert_eq!(bodies(&world, "bob"), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_device_that_was_away_learns_of_it() {
    let (mut world, ids) = written();
    world.come("alice/laptop");
    world.disconnect("alice/laptop", true);
    let request = format!(
        "<iq type='set' id='d'><delete xmlns='urn:whimbrel:delete-for-me:0'>\
         <message id='{}'/></delete></iq>",
        ids[0]
    );
    world.send("alice/phone", &request);
    world.connect("alice/laptop");
    world.send("alice/laptop", "<presence/>");
    world.skip_presence("alice/laptop");
    world.expect(
        "alice/laptop",
        &format!(
            "<message from='{{alice}}'><delete xmlns='urn:whimbrel:delete-for-me:0'>\
             <message id='{}'/></delete></message>",
            ids[0]
        ),
    );
}

#[test]
fn what_cannot_be_deleted_is_refused() {
    let (mut world, ids) = written();
    let many = format!("<message id='{}'/>", ids[0]).repeat(251);
    for (attributes, inside) in [
        ("", many.as_str()),
        ("", "<message id='none'/>"),
        ("with='{bob}'", ""),
        ("with='@' until='0000000000000001'", ""),
        ("with='{bob}' until='0000000000000001'", "<message id='0000000000000001'/>"),
    ] {
        let request = format!(
            "<iq type='set' id='d'><delete xmlns='urn:whimbrel:delete-for-me:0' {attributes}>\
             {inside}</delete></iq>"
        );
        world.ask("alice/phone", &request, "<iq type='error' id='d'/>");
    }
    assert_eq!(bodies(&world, "alice").len(), 5);
}
