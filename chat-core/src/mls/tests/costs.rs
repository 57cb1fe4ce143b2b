//! What a commit costs the server; `cargo test --release -p chat-core costs -- --ignored
//! --nocapture`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mls_client::{Changes, Device};

use super::house::{GROUP, House, carried, device, name_of};
use crate::mls::FollowedGroup;
use crate::mls::parts::PartsChange;

/// A target of the design: a commit in a group of 500 leaves.
const COMMIT_MS_MAX: u128 = 10;

#[test]
#[ignore = "a measurement, for release builds"]
fn a_commit_among_500_leaves() {
    let mut house = House::of(1);
    for batch in 0..5 {
        let number = |at: u64| 1 + batch * 50 + at / 2;
        let members =
            (0..100).map(|at| device(number(at), if at % 2 == 0 { "phone" } else { "laptop" }));
        let members: Vec<Device> = members.collect();
        let add = members.iter().map(|member| member.key_package(false).unwrap()).collect();
        // Only founder and first member are needed: others need not follow.
        let commit = house.commit(0, &Changes { add, remove: Vec::new() }).unwrap();
        let welcome = commit.welcome.as_ref().unwrap();
        println!(
            "100 devices come: {} bytes of commit, {} of Welcome",
            commit.message.len(),
            welcome.len()
        );
        if batch == 0 {
            let tree = house.group.tree();
            let mut first = members.into_iter().next().unwrap();
            first.join(commit.welcome.as_ref().unwrap(), &tree).unwrap();
            house.devices.push(first);
        }
    }
    let mut stored = BTreeMap::new();
    let whole = keep(&mut stored, house.group.changed_parts());
    println!("{} leaves, {whole} bytes stored", house.group.leaves().count());
    let fresh = device(1, "tablet").key_package(false).unwrap();
    let gone = house.group.leaves().nth(250).unwrap().to_string();
    let (none, add) = (Changes::default(), Changes { add: vec![fresh], remove: Vec::new() });
    let remove = Changes { add: Vec::new(), remove: vec![gone] };
    for (what, by, changes) in
        [("update", 0, &none), ("update", 1, &none), ("add", 0, &add), ("remove", 1, &remove)]
    {
        report(&mut house, &mut stored, (what, by, changes));
    }
    let stored = stored.into_iter().collect();
    let (loaded, time) = timed(|| FollowedGroup::load(stored).unwrap());
    println!("load: {time:?}");
    assert_eq!(loaded.tree(), house.group.tree());
}

/// Gives how many bytes are written.
fn keep(stored: &mut BTreeMap<u64, Bytes>, change: PartsChange) -> usize {
    let bytes = change.put.iter().map(|(_, part)| part.len()).sum();
    stored.extend(change.put);
    stored.retain(|number, _| !change.remove.contains(number));
    bytes
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

fn report(
    house: &mut House,
    stored: &mut BTreeMap<u64, Bytes>,
    (what, by, changes): (&str, usize, &Changes),
) {
    let sender = name_of(&house.devices[by]);
    let commit = house.devices[by].commit(GROUP, changes).unwrap();
    let carried = carried(&commit);
    // Others may want the processor, too: the best of some is what it costs.
    let stage = || timed(|| house.group.stage(&carried, &sender).unwrap());
    let (commit_in, staged) = (0..20).map(|_| stage()).min_by_key(|(_, time)| *time).unwrap();
    let (_, applied) = timed(|| house.group.apply(commit_in));
    let (written, cut) = timed(|| house.group.changed_parts());
    let parts = written.put.len();
    let bytes = keep(stored, written);
    println!(
        "{what}: {} bytes of commit; stage {staged:?}, apply {applied:?}, parts {cut:?}: {parts} \
         parts of {bytes} bytes",
        carried.commit.len(),
    );
    assert!(staged.as_millis() <= COMMIT_MS_MAX);
    house.devices[by].accepted(GROUP).unwrap();
    house.follow(&commit.message, by);
}
