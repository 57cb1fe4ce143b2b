//! RFC 9420: whatever comes for a followed group, it is taken or refused, and what is taken is
//! read back from its parts.
#![no_main]

use std::cell::RefCell;

use bytes::Bytes;
use chat_core::jid::AccountId;
use chat_core::mls::device_list::DeviceList;
use chat_core::mls::framing::Application;
use chat_core::mls::{CommitIn, FollowedGroup, LeafName, NewKeyPackage};
use libfuzzer_sys::fuzz_target;
use mls_client::{Changes, Device};

const GROUP: &[u8] = b"group";

/// Two devices and the group that the server follows; made once, for keys are random.
struct House {
    group: FollowedGroup,
    sender: LeafName,
    good: CommitIn,
}

thread_local! {
    static HOUSE: RefCell<House> = RefCell::new(house());
}

fuzz_target!(|bytes: &[u8]| {
    let whole = Bytes::copy_from_slice(bytes);
    HOUSE.with_borrow(|house| {
        let sender = &house.sender;
        drop(NewKeyPackage::check(&whole, sender, 1_800_000_000));
        drop(Application::read(bytes));
        drop(house.group.check_application(bytes));
        drop(DeviceList::read(bytes));
        drop(FollowedGroup::found(GROUP, whole.clone(), sender).map(check));
        drop(FollowedGroup::load(vec![
            (0, Bytes::from(1_u64.to_be_bytes().to_vec())),
            (1, whole.clone()),
        ]));
        let good = &house.good;
        for commit in [
            CommitIn { commit: whole.clone(), ..good.clone() },
            CommitIn { commit: changed(&good.commit, bytes), ..good.clone() },
            CommitIn { group_info: whole.clone(), ..good.clone() },
            CommitIn { group_info: changed(&good.group_info, bytes), ..good.clone() },
            CommitIn { welcome: Some(whole), ..good.clone() },
        ] {
            let staged = house.group.stage(&commit, sender);
            let is_good = commit.commit[..signed(&commit)] == good.commit[..signed(good)]
                && commit.group_info == good.group_info
                && commit.welcome == good.welcome;
            assert!(staged.is_err() || is_good, "taken: {commit:?}");
        }
    });
});

/// The membership tag at the end is for members.
fn signed(commit: &CommitIn) -> usize {
    commit.commit.len().saturating_sub(32)
}

/// The good bytes with some changed: a place of two bytes, then what to exclusive-or from there.
fn changed(good: &Bytes, bytes: &[u8]) -> Bytes {
    let [high, low, mask @ ..] = bytes else { return good.clone() };
    let place = usize::from(u16::from_be_bytes([*high, *low])) % good.len();
    let mut changed = good.to_vec();
    for (byte, mask) in changed[place..].iter_mut().zip(mask) {
        *byte ^= mask;
    }
    changed.into()
}

fn check(mut group: FollowedGroup) {
    let stored = group.changed_parts().put;
    let again = FollowedGroup::load(stored).expect("what was stored is read");
    assert_eq!((again.epoch(), again.tree()), (group.epoch(), group.tree()));
}

fn house() -> House {
    let account = AccountId::from_random(1);
    let sender = LeafName { account, device: "phone".parse().unwrap() };
    let mut device = Device::new(&account.to_string(), "phone").unwrap();
    let info = device.create(GROUP).unwrap();
    let group = FollowedGroup::found(GROUP, info.into(), &sender).unwrap();
    let commit = device.commit(GROUP, &Changes::default()).unwrap();
    let good = CommitIn {
        commit: commit.message.into(),
        welcome: None,
        group_info: commit.group_info.into(),
    };
    House { group, sender, good }
}
