//! A group followed by the server, and the devices in it.

use bytes::Bytes;
use mls_client::{Changes, Commit, Device};

use crate::jid::AccountId;
use crate::mls::{Changed, CommitIn, FollowedGroup, LeafName, Refusal};

pub(super) const GROUP: &[u8] = b"group";

/// The name of account `number`'s device.
pub(super) fn name(number: u64, device: &str) -> LeafName {
    LeafName { account: AccountId::from_random(number), device: device.parse().unwrap() }
}

pub(super) fn device(number: u64, id: &str) -> Device {
    Device::new(&AccountId::from_random(number).to_string(), id).unwrap()
}

pub(super) fn name_of(device: &Device) -> LeafName {
    let (account, id) = device.identity().split_once('/').unwrap();
    LeafName { account: account.parse().unwrap(), device: id.parse().unwrap() }
}

pub(super) fn carried(commit: &Commit) -> CommitIn {
    CommitIn {
        commit: commit.message.clone().into(),
        welcome: commit.welcome.clone().map(Bytes::from),
        group_info: commit.group_info.clone().into(),
    }
}

/// The group and its devices, all in one epoch.
pub(super) struct House {
    pub(super) group: FollowedGroup,
    pub(super) devices: Vec<Device>,
}

impl House {
    /// A group of this many devices of as many accounts.
    pub(super) fn of(count: u64) -> House {
        let mut founder = device(0, "phone");
        let info = founder.create(GROUP).unwrap();
        let group = FollowedGroup::found(GROUP, info.into(), &name_of(&founder)).unwrap();
        let mut house = House { group, devices: vec![founder] };
        let others: Vec<Device> = (1..count).map(|number| device(number, "phone")).collect();
        if !others.is_empty() {
            house.add(0, others);
        }
        house
    }

    /// One device adds others, who join.
    pub(super) fn add(&mut self, by: usize, others: Vec<Device>) {
        let add = others.iter().map(|other| other.key_package(false).unwrap()).collect();
        let commit = self.commit(by, &Changes { add, remove: Vec::new() }).unwrap();
        let (welcome, tree) = (commit.welcome.unwrap(), self.group.tree());
        for mut other in others {
            other.join(&welcome, &tree).unwrap();
            self.devices.push(other);
        }
    }

    /// A device commits, and all others follow.
    pub(super) fn commit(&mut self, by: usize, changes: &Changes) -> Result<Commit, Refusal> {
        let sender = name_of(&self.devices[by]);
        let commit = self.devices[by].commit(GROUP, changes).unwrap();
        match self.take(&carried(&commit), &sender) {
            Ok(_) => self.devices[by].accepted(GROUP).unwrap(),
            Err(refusal) => {
                self.devices[by].refused(GROUP).unwrap();
                return Err(refusal);
            }
        }
        self.follow(&commit.message, by);
        Ok(commit)
    }

    /// The server takes a commit.
    pub(super) fn take(&mut self, commit: &CommitIn, by: &LeafName) -> Result<Changed, Refusal> {
        let staged = self.group.stage(commit, by)?;
        Ok(self.group.apply(staged))
    }

    pub(super) fn follow(&mut self, message: &[u8], but: usize) {
        for (at, device) in self.devices.iter_mut().enumerate() {
            if at != but && device.epoch(GROUP).is_some() {
                device.receive(GROUP, message).unwrap();
            }
        }
    }

    /// All who are members agree with the server and with one another.
    pub(super) fn agree(&self) {
        let members: Vec<_> =
            self.devices.iter().filter(|device| device.epoch(GROUP).is_some()).collect();
        let secret = members[0].exporter(GROUP, "test").unwrap();
        let names: Vec<String> = self.group.leaves().map(LeafName::to_string).collect();
        for member in &members {
            assert_eq!(member.epoch(GROUP), Some(self.group.epoch()), "{}", member.identity());
            assert_eq!(member.exporter(GROUP, "test").unwrap(), secret, "{}", member.identity());
            assert_eq!(member.members(GROUP), names, "{}", member.identity());
            assert_eq!(*member.tree(GROUP).unwrap(), *self.group.tree());
        }
        assert_eq!(names.len(), members.len());
    }
}
