//! What a member or a stranger must not do: each attempt has its name, and changes nothing.

use bytes::Bytes;
use mls_client::Changes;

use super::house::{GROUP, House, carried, device, name, name_of};
use crate::mls::{CommitIn, FollowedGroup, Refusal};

fn malformed(expected: &'static str) -> Refusal {
    Refusal::Malformed { expected }
}

/// A commit of the house's second device, which is not taken.
fn commit(house: &mut House, changes: &Changes) -> CommitIn {
    let commit = house.devices[1].commit(GROUP, changes).unwrap();
    house.devices[1].refused(GROUP).unwrap();
    carried(&commit)
}

fn check(house: &House, commit: &CommitIn, refusal: &Refusal) {
    let sender = name_of(&house.devices[1]);
    assert_eq!(house.group.stage(commit, &sender).map(|_| ()).as_ref(), Err(refusal));
}

#[test]
fn garbage_is_no_commit() {
    let mut house = House::of(3);
    let good = commit(&mut house, &Changes::default());
    let wrong = malformed("PublicMessage with a commit");
    for bytes in [&b""[..], b"garbage", &good.commit[1..], &good.commit[..good.commit.len() - 1]] {
        let bad = CommitIn { commit: Bytes::copy_from_slice(bytes), ..good.clone() };
        check(&house, &bad, &wrong);
    }
    let message = house.devices[1].send(GROUP, b"hello").unwrap();
    check(&house, &CommitIn { commit: message.into(), ..good }, &wrong);
}

#[test]
fn no_changed_byte_of_a_commit_is_taken() {
    let mut house = House::of(4);
    let good = commit(&mut house, &Changes::default());
    let sender = name_of(&house.devices[1]);
    for at in 0..good.commit.len() {
        let mut bytes = good.commit.to_vec();
        bytes[at] ^= 1;
        let bad = CommitIn { commit: bytes.into(), ..good.clone() };
        // Behind the signed part stand confirmation and membership tag. The first is in the group
        // info too; the second is for members, who can check it.
        let is_membership_tag = at + 32 >= good.commit.len();
        let refused = house.group.stage(&bad, &sender).is_err();
        assert!(refused || is_membership_tag, "byte {at} of {}", good.commit.len());
    }
    assert!(house.group.stage(&good, &sender).is_ok());
}

#[test]
fn another_s_commit_is_not_one_s_own() {
    let mut house = House::of(3);
    let good = commit(&mut house, &Changes::default());
    for thief in [name_of(&house.devices[2]), name(9, "phone")] {
        assert_eq!(house.group.stage(&good, &thief).map(drop), Err(Refusal::ForeignLeaf));
    }
}

#[test]
fn a_commit_is_taken_once() {
    let mut house = House::of(3);
    let good = commit(&mut house, &Changes::default());
    let sender = name_of(&house.devices[1]);
    house.take(&good, &sender).unwrap();
    check(&house, &good, &Refusal::OtherEpoch { epoch: 1, current: 2 });
}

#[test]
fn a_commit_of_another_group_is_refused() {
    let mut house = House::of(2);
    house.devices[1].create(b"other").unwrap();
    let other = house.devices[1].commit(b"other", &Changes::default()).unwrap();
    check(&house, &carried(&other), &Refusal::OtherGroup);
}

#[test]
fn a_device_has_one_leaf() {
    let mut house = House::of(3);
    let twin = device(2, "phone");
    let add = vec![twin.key_package(false).unwrap()];
    let bad = commit(&mut house, &Changes { add, remove: Vec::new() });
    let device = name_of(&twin).to_string().into();
    check(&house, &bad, &Refusal::TwoLeaves { device });
}

#[test]
fn a_leaf_names_a_device() {
    let mut house = House::of(2);
    let nobody = mls_client::Device::new("nobody", "phone").unwrap();
    let add = vec![nobody.key_package(false).unwrap()];
    let bad = commit(&mut house, &Changes { add, remove: Vec::new() });
    check(&house, &bad, &Refusal::ForeignLeaf);
}

#[test]
fn a_stranger_does_not_come_under_another_s_name() {
    let house = House::of(3);
    let mut stranger = device(9, "phone");
    let commit = stranger.join_externally(house.group.group_info(), &house.group.tree()).unwrap();
    let refused = house.group.stage(&carried(&commit), &name(1, "laptop"));
    assert_eq!(refused.map(drop), Err(Refusal::ForeignLeaf));
}

#[test]
fn the_welcome_is_for_those_who_come() {
    let mut house = House::of(2);
    let [one, two] = [4, 5].map(|number| device(number, "phone").key_package(false).unwrap());
    let first = commit(&mut house, &Changes { add: vec![one], remove: Vec::new() });
    let second = commit(&mut house, &Changes { add: vec![two], remove: Vec::new() });
    let none = commit(&mut house, &Changes::default());
    for (commit, welcome) in [(&first, &None), (&first, &second.welcome), (&none, &first.welcome)] {
        let bad = CommitIn { welcome: welcome.clone(), ..commit.clone() };
        check(&house, &bad, &Refusal::WelcomeMismatch);
    }
}

#[test]
fn the_group_info_is_the_commit_s() {
    let mut house = House::of(3);
    let first = commit(&mut house, &Changes::default());
    let second = commit(&mut house, &Changes::default());
    let bad = CommitIn { group_info: second.group_info, ..first.clone() };
    check(&house, &bad, &Refusal::GroupInfoMismatch { reason: "another group context" });
    let mut bytes = first.group_info.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let bad = CommitIn { group_info: bytes.into(), ..first.clone() };
    check(&house, &bad, &Refusal::WrongSignature);
    let bad = CommitIn { group_info: Bytes::new(), ..first };
    check(&house, &bad, &malformed("GroupInfo"));
}

#[test]
fn a_founder_founds_alone_and_in_its_own_name() {
    let house = House::of(3);
    let mut founder = device(0, "phone");
    let info: Bytes = founder.create(GROUP).unwrap().into();
    let found = |info: &Bytes, id: &[u8], name| FollowedGroup::found(id, info.clone(), &name);
    let own = name_of(&founder);
    let refused = |made: Result<FollowedGroup, Refusal>| made.map(drop).unwrap_err();
    assert_eq!(refused(found(&info, b"other", own.clone())), Refusal::OtherGroup);
    assert_eq!(refused(found(&info, GROUP, name(1, "phone"))), Refusal::ForeignLeaf);
    let grown = house.group.group_info();
    let epoch = Refusal::OtherEpoch { epoch: 1, current: 0 };
    assert_eq!(refused(found(grown, GROUP, own.clone())), epoch);
    assert!(found(&info, GROUP, own).is_ok());
}
