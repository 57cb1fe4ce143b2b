//! Devices put key packages into stock, others claim them (docs/protocol/mls.md).

use std::time::{SystemTime, UNIX_EPOCH};

use chat_core::chat::{Command, Input};
use chat_core::mls::NS;
use chat_core::transaction::Write;
use chat_core::xml::Element;
use data_encoding::BASE64;
use mls_client::Device;

use crate::world::World;

/// A world whose clock is the system's: by that one openmls makes lifetimes.
fn world(names: &[&str]) -> World {
    let mut world = World::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    world.now.unix_ms = u64::try_from(now).unwrap();
    for name in names {
        world.account(name);
        world.come_as_device(&format!("{name}/phone"));
    }
    world
}

fn device(world: &World, account: &str, id: &str) -> Device {
    Device::new(&world.id(account).to_string(), id).unwrap()
}

fn upload(packages: &[Vec<u8>]) -> String {
    let package = |bytes: &Vec<u8>| format!("<key-package>{}</key-package>", BASE64.encode(bytes));
    let packages: String = packages.iter().map(package).collect();
    format!("<iq type='set' id='u'><key-packages xmlns='{NS}'>{packages}</key-packages></iq>")
}

fn stock(single_use: usize, last_resort: bool) -> String {
    format!(
        "<iq type='result' id='u'><key-packages xmlns='{NS}' single-use='{single_use}' \
         last-resort='{last_resort}'/></iq>"
    )
}

fn refused(id: &str, condition: &str, name: &str) -> String {
    format!(
        "<iq type='error' id='{id}'><error>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><{name} xmlns='{NS}'/>\
         </error></iq>"
    )
}

fn claim(names: &[&str]) -> String {
    let account = |name: &&str| format!("<account jid='{{{name}}}'/>");
    let accounts: String = names.iter().map(account).collect();
    format!("<iq type='set' id='c' to='example.org'><claim xmlns='{NS}'>{accounts}</claim></iq>")
}

fn claimed(answer: &Element) -> Vec<Vec<u8>> {
    let claimed = answer.child("claimed", NS).unwrap();
    let packages = claimed.children_named("key-package", NS);
    packages.map(|package| BASE64.decode(package.text().as_bytes()).unwrap()).collect()
}

#[test]
fn each_is_given_out_once_and_the_last_resort_again() {
    let mut world = world(&["alice", "bob"]);
    let phone = device(&world, "bob", "phone");
    let packages = [phone.key_package(false), phone.key_package(false), phone.key_package(true)];
    let packages = packages.map(Result::unwrap);
    world.ask("bob/phone", &upload(&packages), &stock(2, true));
    for expected in [0, 1, 2, 2] {
        let answer = world.ask("alice/phone", &claim(&["bob"]), "<iq type='result' id='c'/>");
        assert_eq!(claimed(&answer), [packages[expected].clone()]);
        let left = 2_usize.saturating_sub(expected + 1);
        let low = format!("<message><stock-low xmlns='{NS}' single-use='{left}'/></message>");
        world.expect("bob/phone", &low);
    }
    world.crash();
    world.come_as_device("bob/phone");
    let get = format!("<iq type='get' id='u'><key-packages xmlns='{NS}'/></iq>");
    world.ask("bob/phone", &get, &stock(0, true));
}

#[test]
fn only_a_device_s_own_are_taken() {
    let mut world = world(&["alice", "bob"]);
    for (account, id) in [("alice", "phone"), ("bob", "laptop")] {
        let package = device(&world, account, id).key_package(false).unwrap();
        world.ask("bob/phone", &upload(&[package]), &refused("u", "forbidden", "foreign-leaf"));
    }
    let garbage = upload(&[b"garbage".to_vec()]);
    world.ask("bob/phone", &garbage, &refused("u", "bad-request", "malformed"));
    let mut changed = device(&world, "bob", "phone").key_package(false).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    let refusal = refused("u", "not-acceptable", "invalid-key-package");
    world.ask("bob/phone", &upload(&[changed]), &refusal);
    world.connect("bob/old");
    let own = device(&world, "bob", "old").key_package(false).unwrap();
    world.ask("bob/old", &upload(&[own]), &refused("u", "not-allowed", "device-without-id"));
}

#[test]
fn claims_are_limited() {
    let mut world = world(&["alice", "bob"]);
    for _ in 0..32 {
        world.ask("alice/phone", &claim(&["bob", "bob"]), "<iq type='result' id='c'/>");
    }
    let refusal = refused("c", "policy-violation", "too-many-claims");
    world.ask("alice/phone", &claim(&["bob"]), &refusal);
    world.now.elapsed_ms += 3600 * 1000;
    world.ask("alice/phone", &claim(&["bob"]), "<iq type='result' id='c'/>");
}

#[test]
fn a_revoked_device_has_none() {
    let mut world = world(&["alice", "bob"]);
    let package = device(&world, "bob", "phone").key_package(true).unwrap();
    world.ask("bob/phone", &upload(&[package]), &stock(0, true));
    let account = world.id("bob");
    let writes = vec![Write::RemoveKeyPackages { account, device: "phone".parse().unwrap() }];
    let command = Command::Write { account, writes, log_out: true };
    world.input(Input::Command { id: 0, command });
    let answer = world.ask("alice/phone", &claim(&["bob"]), "<iq type='result' id='c'/>");
    assert!(claimed(&answer).is_empty());
}
