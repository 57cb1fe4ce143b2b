//! Who wants to come into a group asks its admins, where it is so set (docs/protocol/groups.md,
//! "Invitations").

use chat_core::xml::Element;

use crate::world::World;

const GROUPS: &str = "urn:whimbrel:groups:0";

/// Asks, and gives the answer's one child; messages that come meanwhile are passed over.
fn ask(world: &mut World, name: &str, to: &str, payload: &str) -> Element {
    let client = format!("{name}/phone");
    world.clear(&client);
    world.send(&client, &format!("<iq type='set' id='q' to='{to}'>{payload}</iq>"));
    while let Some(got) = world.receive(&client) {
        if got.name() == "iq" {
            let last = got.children().last();
            return last.cloned().unwrap_or(got);
        }
    }
    panic!("there is an answer");
}

/// Alice's group, of herself; her client takes what groups say.
fn group(world: &mut World) -> String {
    ask(world, "alice", "groups.example.org", &format!("<enable xmlns='{GROUPS}'/>"));
    let create = format!("<create xmlns='{GROUPS}'><name>Family</name></create>");
    ask(world, "alice", "groups.example.org", &create).attr("jid").expect("a group").to_owned()
}

fn link(world: &mut World, group: &str) -> String {
    let link = ask(world, "alice", group, &format!("<invite xmlns='{GROUPS}'/>"));
    format!("<join xmlns='{GROUPS}' token='{}'/>", link.attr("token").expect("a link"))
}

fn take_requests(world: &mut World, group: &str) {
    ask(
        world,
        "alice",
        group,
        &format!("<edit xmlns='{GROUPS}'><permissions requests='true'/></edit>"),
    );
}

#[test]
fn who_asks_waits_for_an_admin() {
    let mut world = World::with(&["alice", "bob"]);
    let group = group(&mut world);
    let join = format!("<join xmlns='{GROUPS}'/>");
    assert_eq!(ask(&mut world, "bob", &group, &join).name(), "error");
    take_requests(&mut world, &group);
    world.clear("alice/phone");
    assert!(ask(&mut world, "bob", &group, &join).is("waiting", GROUPS));
    let request = format!("<request xmlns='{GROUPS}' jid='{{bob}}'/>");
    world.expect("alice/phone", &format!("<message type='headline'>{request}</message>"));
    let approve = format!("<approve xmlns='{GROUPS}' jid='{}'/>", world.jid("bob"));
    ask(&mut world, "alice", &group, &approve);
    assert!(ask(&mut world, "bob", &group, &join).is("group", GROUPS));
}

#[test]
fn links_lead_to_the_admins_too_but_for_whom_a_member_wanted_to_add() {
    let mut world = World::with(&["alice", "bob", "carol", "dave"]);
    let group = group(&mut world);
    let older = link(&mut world, &group);
    take_requests(&mut world, &group);
    let newer = link(&mut world, &group);
    assert!(ask(&mut world, "bob", &group, &older).is("waiting", GROUPS));
    assert!(ask(&mut world, "carol", &group, &newer).is("waiting", GROUPS));
    let nobody = format!("<addable xmlns='{GROUPS}' by='nobody'/>");
    world.ask(
        "dave/phone",
        &format!("<iq type='set' id='b'>{nobody}</iq>"),
        "<iq type='result' id='b'/>",
    );
    let add = format!("<add xmlns='{GROUPS}'><member jid='{}'/></add>", world.jid("dave"));
    let added = ask(&mut world, "alice", &group, &add);
    let token = added.child("invitation", GROUPS).and_then(|it| it.attr("token")).expect("a link");
    let join = format!("<join xmlns='{GROUPS}' token='{token}'/>");
    assert!(ask(&mut world, "dave", &group, &join).is("group", GROUPS));
}
