//! Calls in conversations of two: who hangs up ends them for both.

use chat_core::xml::Element;

use super::client::Client;
use crate::world::{self, World};

const CALLS: &str = "urn:whimbrel:call:0";

/// Two who have a conversation, and its address.
fn two() -> (World, [Client; 2], String) {
    let mut config = world::config();
    config.calls = true;
    let mut world = World::configured(config);
    for name in ["alice", "bob"] {
        world.account(name);
    }
    let mut clients = ["alice/phone", "bob/phone"].map(|name| Client::new(&mut world, name));
    let (alice, bob) = (world.id("alice"), world.id("bob"));
    let room = chat_core::rooms::direct_address(&world::config(), alice, bob);
    let room = room.expect("groups are there").to_string();
    clients[0].found_direct(&mut world, &room, "bob").expect("an answer");
    world.clear("alice/phone");
    world.clear("bob/phone");
    (world, clients, room)
}

fn ask(world: &mut World, name: &str, room: &str, payload: &str) -> Element {
    world.send(name, &format!("<iq type='set' id='q' to='{room}'>{payload}</iq>"));
    let mut got = std::iter::from_fn(|| world.receive(name));
    got.find(|got| got.name() == "iq").expect("an answer")
}

fn join(world: &mut World, name: &str, room: &str) -> Result<String, Element> {
    let join = format!("<join xmlns='{CALLS}'><publish>v=0</publish></join>");
    let answer = ask(world, name, room, &join);
    let call = answer.child("joined", CALLS).and_then(|joined| joined.child("call", CALLS));
    let id = call.and_then(|call| call.attr("id")).map(str::to_owned);
    id.ok_or(answer)
}

#[test]
fn who_hangs_up_ends_it_for_both() {
    let (mut world, _clients, room) = two();
    let call = join(&mut world, "alice/phone", &room).unwrap();
    let began = format!("<message><call xmlns='{CALLS}' id='{call}'><began/></call></message>");
    world.expect("bob/phone", &began);
    assert_eq!(join(&mut world, "bob/phone", &room).unwrap(), call);
    world.clear("alice/phone");
    world.pass(30);
    ask(&mut world, "bob/phone", &room, &format!("<leave xmlns='{CALLS}' call='{call}'/>"));
    let out = format!("<message><call xmlns='{CALLS}'><out reason='success'/></call></message>");
    world.expect("alice/phone", &out);
    let ended = format!("<message><call xmlns='{CALLS}'><ended length='30'/></call></message>");
    world.expect("alice/phone", &ended);
    assert!(world.in_calls.is_empty());
}

#[test]
fn who_declines_ends_it_and_who_is_blocked_does_not_call() {
    let (mut world, _clients, room) = two();
    let call = join(&mut world, "alice/phone", &room).unwrap();
    ask(&mut world, "bob/phone", &room, &format!("<decline xmlns='{CALLS}' call='{call}'/>"));
    assert!(world.in_calls.is_empty());
    world.send(
        "bob/phone",
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{alice}'/></block></iq>",
    );
    world.clear("bob/phone");
    assert!(join(&mut world, "alice/phone", &room).is_err());
    world.expect_nothing("bob/phone");
}

#[test]
fn nobody_calls_itself() {
    let (mut world, mut clients, _) = two();
    let alice = world.id("alice");
    let own = chat_core::rooms::direct_address(&world::config(), alice, alice).unwrap().to_string();
    clients[0].found_direct(&mut world, &own, "alice").expect("an answer");
    assert!(join(&mut world, "alice/phone", &own).is_err());
}
