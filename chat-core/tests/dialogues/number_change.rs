//! Contacts are told of a new number, as docs/protocol/accounts.md has it.

use chat_core::chat::{Command, Input};
use chat_core::features::number_change::{NumberChange, told};
use chat_core::jid::AccountId;
use chat_core::transaction::{Answer, Query};

use crate::world::World;

/// Alice lets Bob see her presence, and Carol sees hers alone.
fn acquainted() -> World {
    let mut world = World::with(&["alice", "bob", "carol"]);
    for (asks, shows) in [("bob", "alice"), ("alice", "carol")] {
        let subscribe = format!("<presence to='{{{shows}}}' type='subscribe'/>");
        world.send(&format!("{asks}/phone"), &subscribe);
        let subscribed = format!("<presence to='{{{asks}}}' type='subscribed'/>");
        world.send(&format!("{shows}/phone"), &subscribed);
    }
    for name in ["alice/phone", "bob/phone", "carol/phone"] {
        world.clear(name);
    }
    world
}

fn change(world: &World) -> NumberChange {
    let (old, new) = (Some("+15550100123".into()), "+15550100124".into());
    NumberChange { from: world.jid("alice"), old, new }
}

fn tell(world: &mut World, name: &str) {
    let (account, change) = (world.id(name), Box::new(change(world)));
    world.input(Input::Command { id: 7, command: Command::TellNumber { account, change } });
}

fn told_by_alice(world: &World) -> Vec<AccountId> {
    let query = Query::Account(world.id("alice"));
    let Ok(Answer::Account(Some(stored))) = world.disk.answer(&query) else { panic!() };
    told(&stored.records, &world.jid("alice"))
}

const TOLD: &str = "<message from='{alice}' to='{bob}'><body>☎ +15550100123 → +15550100124</body>\
    <number-changed xmlns='urn:whimbrel:number-change:0' old='+15550100123' new='+15550100124'/>\
    <stanza-id xmlns='urn:xmpp:sid:0' by='{bob}' id='*'/></message>";

#[test]
fn those_who_see_ones_presence_are_told() {
    let mut world = acquainted();
    assert_eq!(told_by_alice(&world), [world.id("bob")]);
    let block =
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{bob}'/></block></iq>";
    world.send("alice/phone", block);
    assert_eq!(told_by_alice(&world), []);
}

#[test]
fn a_contact_is_told_and_its_archive_keeps_it() {
    let mut world = acquainted();
    tell(&mut world, "bob");
    world.expect("bob/phone", TOLD);
    world.expect_nothing("alice/phone");
    assert_eq!(world.disk.archive(world.id("bob")).len(), 1);
    assert_eq!(world.disk.archive(world.id("alice")).len(), 0);
}

#[test]
fn a_contact_that_is_away_learns_it_later() {
    let mut world = acquainted();
    world.pass(1);
    world.crash();
    tell(&mut world, "bob");
    world.connect("bob/phone");
    world.send("bob/phone", "<presence/>");
    world.skip_presence("bob/phone");
    world.expect("bob/phone", TOLD);
}

#[test]
fn who_blocks_the_sender_is_not_told() {
    let mut world = acquainted();
    let block =
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{alice}'/></block></iq>";
    world.send("bob/phone", block);
    world.clear("bob/phone");
    tell(&mut world, "bob");
    world.expect_nothing("bob/phone");
    assert_eq!(world.disk.archive(world.id("bob")).len(), 0);
}
