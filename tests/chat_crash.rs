//! Servers that are killed, replaced and cut from power while people chat: no message that was
//! acknowledged is lost, none is there twice, conversations keep their order, and archives hold
//! what was acknowledged.
//!
//! `WHIMBREL_KILLS` sets how often (20), `WHIMBREL_SEED` repeats a run's choices.

#![cfg(target_os = "linux")]

mod process;

#[path = "chat_crash/device.rs"]
mod device;
#[path = "chat_crash/house.rs"]
mod house;
#[path = "chat_crash/ledger.rs"]
mod ledger;
#[path = "chat_crash/load.rs"]
mod load;
#[path = "chat/prosody.rs"]
mod prosody;
#[path = "chat/server.rs"]
mod server;
#[path = "support/tls.rs"]
mod tls;
#[path = "chat/wire.rs"]
mod wire;
#[path = "chat/xml.rs"]
mod xml;

use std::path::Path;
use std::thread;
use std::time::Duration;

use faulty_fs::Random;
use house::House;
use load::Load;

const KILLS: u64 = 20;
/// The longest that most servers live behind the first message that they acknowledged.
const LIFE_MS_MAX: u64 = 500;
/// One of so many lives long enough to store what is written about once a second.
const LONG: u64 = 4;
const LONG_LIFE_MS: u64 = 1500;
/// One of so many servers dies before anybody was served.
const EARLY: u64 = 5;
/// The longest that nobody listens.
const GONE_MS_MAX: u64 = 100;

#[test]
fn kills_lose_nothing_that_was_acknowledged() {
    let (mut random, kills) = start("kills");
    let mut house = House::on_a_disk();
    let load = Load::on(&house, random.next());
    for _ in 0..kills {
        live(&load, &house, &mut random);
        house.kill();
        load.set_door(None);
        thread::sleep(Duration::from_millis(random.below(GONE_MS_MAX)));
        house.start();
        load.set_door(Some(house.door()));
    }
    load.wait_for_progress(&house);
    load.end();
}

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() {
    if server::is_prosody() || !Path::new("/dev/fuse").exists() {
        return eprintln!("skipped: power cuts need Whimbrel and /dev/fuse");
    }
    let (mut random, cuts) = start("power cuts");
    let mut house = House::on_a_forgetful_disk();
    let load = Load::on(&house, random.next());
    for cut in 0..cuts {
        live(&load, &house, &mut random);
        // A disk may have written what nobody synced, in any order, or not.
        let chance = random.next();
        house.cut_power((cut % 2 == 1).then_some(chance));
        load.set_door(None);
        house.start();
        load.set_door(Some(house.door()));
    }
    load.wait_for_progress(&house);
    load.end();
}

#[test]
fn hand_overs_lose_nothing_and_refuse_nobody() {
    if server::is_prosody() {
        return eprintln!("skipped: Prosody lacks hand-overs");
    }
    let (mut random, hand_overs) = start("hand-overs");
    let mut house = House::on_a_disk();
    let load = Load::on(&house, random.next());
    for _ in 0..hand_overs.div_ceil(2) {
        live(&load, &house, &mut random);
        house.hand_over();
    }
    load.wait_for_progress(&house);
    load.end();
    assert_eq!(load.refused(), 0, "connections were refused");
}

fn start(what: &str) -> (Random, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let seed = number("WHIMBREL_SEED").unwrap_or_else(Random::seed);
    // Prosody does not promise this: there, clients lose their connections only.
    let kills = if server::is_prosody() { 0 } else { KILLS };
    let kills = number("WHIMBREL_KILLS").unwrap_or(kills);
    eprintln!("{kills} {what}, WHIMBREL_SEED={seed}");
    (Random::new(seed), kills)
}

fn live(load: &Load, house: &House, random: &mut Random) {
    if random.below(EARLY) > 0 {
        load.wait_for_progress(house);
    }
    let long = if random.below(LONG) == 0 { LONG_LIFE_MS } else { 0 };
    thread::sleep(Duration::from_millis(long + random.below(LIFE_MS_MAX)));
}
