//! What members do is followed, and read back from storage.

use std::collections::BTreeMap;

use bytes::Bytes;
use mls_client::{Changes, Received};

use super::house::{GROUP, House, carried, device, name_of};
use crate::mls::{FollowedGroup, Refusal};

fn removal(identity: &str) -> Changes {
    Changes { add: Vec::new(), remove: vec![identity.to_owned()] }
}

#[test]
fn members_come_go_and_change_their_keys() {
    let mut house = House::of(5);
    house.agree();
    house.commit(3, &Changes::default()).unwrap();
    house.agree();
    let gone = house.devices[1].identity().to_owned();
    house.commit(0, &removal(&gone)).unwrap();
    assert_eq!(house.devices[1].epoch(GROUP), None);
    house.agree();
    house.add(2, vec![device(7, "tablet")]);
    house.agree();
}

#[test]
fn a_further_device_joins_from_outside_and_takes_its_own_place_again() {
    let mut house = House::of(3);
    for _ in 0..2 {
        let mut laptop = device(1, "laptop");
        let commit = laptop.join_externally(house.group.group_info(), &house.group.tree()).unwrap();
        let taken = house.take(&carried(&commit), &name_of(&laptop));
        if house.group.leaves().count() == 4 && house.devices.len() == 4 {
            // Another key under the same name is no return.
            let device = name_of(&laptop).to_string().into();
            assert_eq!(taken, Err(Refusal::TwoLeaves { device }));
            continue;
        }
        assert!(taken.unwrap().is_external);
        house.follow(&commit.message, usize::MAX);
        house.devices.push(laptop);
        house.agree();
    }
    let (info, tree) = (house.group.group_info().clone(), house.group.tree());
    let commit = house.devices[3].join_externally(&info, &tree).unwrap();
    let name = name_of(&house.devices[3]);
    let changed = house.take(&carried(&commit), &name).unwrap();
    assert_eq!((changed.removed, changed.added.len()), (vec![name], 0));
    house.follow(&commit.message, 3);
    house.agree();
}

#[test]
fn the_second_of_two_commits_learns_the_epoch() {
    let mut house = House::of(3);
    let names: Vec<_> = house.devices.iter().map(name_of).collect();
    let first = house.devices[0].commit(GROUP, &Changes::default()).unwrap();
    let second = house.devices[1].commit(GROUP, &removal(&names[2].to_string())).unwrap();
    house.take(&carried(&first), &names[0]).unwrap();
    let refused = house.take(&carried(&second), &names[1]);
    assert_eq!(refused, Err(Refusal::OtherEpoch { epoch: 1, current: 2 }));
    house.devices[0].accepted(GROUP).unwrap();
    house.devices[1].refused(GROUP).unwrap();
    house.follow(&first.message, 0);
    house.agree();
}

#[test]
fn messages_are_of_an_epoch_that_members_still_read() {
    let mut house = House::of(2);
    let early = house.devices[1].send(GROUP, b"early").unwrap();
    for _ in 0..4 {
        house.commit(0, &Changes::default()).unwrap();
    }
    assert_eq!(house.group.check_application(&early), Ok(1));
    let read = house.devices[0].receive(GROUP, &early).unwrap();
    let from = house.devices[1].identity().to_owned();
    assert_eq!(read, Received::Message { from, text: b"early".to_vec() });
    house.commit(0, &Changes::default()).unwrap();
    let late = Err(Refusal::OtherEpoch { epoch: 1, current: 6 });
    assert_eq!(house.group.check_application(&early), late);
}

#[test]
fn a_group_is_read_back_from_its_parts_after_each_commit() {
    let mut house = House::of(40);
    let mut stored: BTreeMap<u64, Bytes> = BTreeMap::new();
    for round in 0..12 {
        let written = house.group.changed_parts();
        let bytes: usize = written.put.iter().map(|(_, part)| part.len()).sum();
        assert!(round == 0 || bytes < 30_000, "{bytes} bytes written");
        stored.extend(written.put);
        stored.retain(|number, _| !written.remove.contains(number));
        let again = FollowedGroup::load(stored.clone().into_iter().collect()).unwrap();
        assert_eq!((again.epoch(), again.tree()), (house.group.epoch(), house.group.tree()));
        assert_eq!(again.group_info(), house.group.group_info());
        house.group = again;
        house.commit(round % 40, &Changes::default()).unwrap();
        house.agree();
    }
}
