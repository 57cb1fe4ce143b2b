//! An account's list of devices is kept, and handed out (docs/protocol/mls.md).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chat_core::mls::NS;
use data_encoding::BASE64;

use crate::world::World;

/// A list without devices, as the account's key signs it.
fn list(world: &World, account: &str, counter: u64) -> String {
    let key = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let mut bytes = vec![0, 1];
    bytes.extend(world.id(account).as_u64().to_be_bytes());
    bytes.extend(key.public_key().as_ref());
    bytes.extend(counter.to_be_bytes());
    bytes.extend([0; 8 + 2]);
    let signature = key.sign(&[b"whimbrel device list 1\0", &bytes[..]].concat());
    bytes.extend(signature.as_ref());
    BASE64.encode(&bytes)
}

fn put(list: &str) -> String {
    format!("<iq type='set' id='p'><device-list xmlns='{NS}'>{list}</device-list></iq>")
}

#[test]
fn the_newest_is_kept_and_handed_out() {
    let mut world = World::with(&["alice", "bob"]);
    world.come("alice/laptop");
    world.clear("alice/phone");
    let first = list(&world, "alice", 3);
    world.ask("alice/phone", &put(&first), "<iq type='result' id='p'/>");
    let shown = format!("<device-list xmlns='{NS}' counter='3'>{first}</device-list>");
    world.expect("alice/laptop", &format!("<message type='headline'>{shown}</message>"));
    world.expect_nothing("alice/phone");
    world.crash();
    world.come("alice/phone");
    world.come("bob/phone");
    let get = format!("<iq type='get' id='g' to='{{alice}}'><device-list xmlns='{NS}'/></iq>");
    world.ask("bob/phone", &get, &format!("<iq type='result' id='g'>{shown}</iq>"));
}

#[test]
fn its_counter_rises_and_it_is_the_account_s_own() {
    let mut world = World::with(&["alice", "bob"]);
    let (third, foreign) = (list(&world, "alice", 3), list(&world, "bob", 4));
    world.ask("alice/phone", &put(&third), "<iq type='result' id='p'/>");
    let refused = format!(
        "<iq type='error' id='p'><error><conflict \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><counter-not-rising xmlns='{NS}' \
         counter='3'/></error></iq>"
    );
    world.ask("alice/phone", &put(&third), &refused);
    let foreign_leaf = format!(
        "<iq type='error' id='p'><error><forbidden \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><foreign-leaf xmlns='{NS}'/></error></iq>"
    );
    world.ask("alice/phone", &put(&foreign), &foreign_leaf);
}
