//! RFC 9420 as the delivery service follows it: a group's public state, from commit to commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::*;

use super::group_info::Expected;
use super::parts::{Parts, PartsChange};
use super::snapshot::Snapshot;
use super::verifier::{SUITE, Verifier};
use super::{
    ACCOUNTS_MAX, KeyPackageRef, LEAVES_MAX, LeafName, PAST_EPOCHS, Refusal, framing, group_info,
    key_package,
};

/// A group whose commits the server checks.
pub struct FollowedGroup {
    group: PublicGroup,
    snapshot: Snapshot,
    group_info: Bytes,
    leaves: BTreeMap<u32, LeafName>,
    parts: Parts,
    /// Epochs whose trees are stored, oldest first.
    trees: Vec<u64>,
    /// A Welcome leads to this epoch, so that its tree is to be stored.
    is_welcoming: bool,
}

/// A commit as its sender brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitIn {
    /// The commit, as `MLSMessage`.
    pub commit: Bytes,
    /// The Welcome for those whom it adds.
    pub welcome: Option<Bytes>,
    /// The group info of the epoch that it begins.
    pub group_info: Bytes,
}

/// A commit that fits: it counts once it is applied.
pub struct Staged {
    commit: Box<StagedCommit>,
    group_info: Bytes,
    changed: Changed,
}

/// What a commit changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The epoch that it begins.
    pub epoch: u64,
    /// Who sent it.
    pub committer: LeafName,
    /// It comes from outside: the committer is new, or has a new leaf in the place of its old one.
    pub is_external: bool,
    /// Leaves that come, by the key packages that were taken.
    pub added: Vec<(LeafName, KeyPackageRef)>,
    /// Leaves that go.
    pub removed: Vec<LeafName>,
}

impl FollowedGroup {
    /// Takes a new group from its founder: epoch 0, one leaf, and the tree in the group info.
    ///
    /// # Errors
    /// A [`Refusal`] that says what is wrong.
    pub fn found(id: &[u8], info: Bytes, founder: &LeafName) -> Result<FollowedGroup, Refusal> {
        let read = framing::group_info(&info)?;
        if read.group_id().as_slice() != id {
            return Err(Refusal::OtherGroup);
        }
        if read.epoch().as_u64() != 0 {
            return Err(Refusal::OtherEpoch { epoch: read.epoch().as_u64(), current: 0 });
        }
        let tree = read.extensions().ratchet_tree().map(|tree| tree.ratchet_tree().clone());
        let tree = tree.ok_or(Refusal::GroupInfoMismatch { reason: "it has no tree" })?;
        group_info::check_extensions(&read)?;
        let snapshot = Snapshot::default();
        let store = ProposalStore::new();
        let (group, _) = PublicGroup::from_external(&Verifier, &snapshot, tree, read, store)
            .map_err(|error| Refusal::InvalidCommit { reason: error.to_string() })?;
        if group.group_context().extensions().iter().next().is_some() {
            return Err(Refusal::ProposalNotAllowed);
        }
        let leaves = leaves_of(&group)?;
        if leaves.len() != 1 || leaves.values().any(|leaf| leaf != founder) {
            return Err(Refusal::ForeignLeaf);
        }
        Ok(FollowedGroup {
            group,
            snapshot,
            group_info: info,
            leaves,
            parts: Parts::default(),
            trees: Vec::new(),
            is_welcoming: false,
        })
    }

    /// Reads what [`Self::changed_parts`] had stored; `None` where it is not of this version.
    pub fn load(stored: Vec<(u64, Bytes)>) -> Option<FollowedGroup> {
        let is_tree = |(number, _): &(u64, Bytes)| *number >= TREES;
        let mut trees: Vec<u64> =
            stored.iter().filter(|part| is_tree(part)).map(|(number, _)| number - TREES).collect();
        trees.sort_unstable();
        let stored = stored.into_iter().filter(|part| !is_tree(part)).collect();
        let (parts, value) = Parts::join(stored)?;
        let (info, snapshot): (Vec<u8>, Vec<u8>) = postcard::from_bytes(&value).ok()?;
        let snapshot = Snapshot::read(&snapshot).ok()?;
        let group = PublicGroup::load(&snapshot, &GroupId::from_slice(&[])).ok()??;
        let leaves = leaves_of(&group).ok()?;
        let (group_info, is_welcoming) = (info.into(), false);
        Some(FollowedGroup { group, snapshot, group_info, leaves, parts, trees, is_welcoming })
    }

    /// What is to be stored since the last time.
    pub fn changed_parts(&mut self) -> PartsChange {
        let snapshot = self.snapshot.to_bytes().expect("what is in memory can be written");
        let value = (&self.group_info[..], &snapshot[..]);
        let value = postcard::to_allocvec(&value).expect("what is in memory can be written");
        let mut change = self.parts.change(&value);
        if std::mem::take(&mut self.is_welcoming) {
            let epoch = self.epoch();
            self.trees.push(epoch);
            change.put.push((TREES + epoch, self.tree()));
            if self.trees.len() > TREES_MAX {
                change.remove.push(TREES + self.trees.remove(0));
            }
        }
        change
    }

    /// The tree of an epoch to which a Welcome led, among the parts that are stored: whoever joins
    /// late still reads what was sent since.
    pub fn stored_tree(stored: Vec<(u64, Bytes)>, epoch: u64) -> Option<Bytes> {
        let wanted = TREES.checked_add(epoch)?;
        stored.into_iter().find(|(number, _)| *number == wanted).map(|(_, tree)| tree)
    }

    /// Checks a commit that a device brings. Nothing changes yet.
    ///
    /// # Errors
    /// A [`Refusal`] that says what is wrong.
    pub fn stage(&self, commit: &CommitIn, sender: &LeafName) -> Result<Staged, Refusal> {
        let message = framing::commit(&commit.commit)?;
        if message.group_id() != self.group.group_id() {
            return Err(Refusal::OtherGroup);
        }
        let (epoch, current) = (message.epoch().as_u64(), self.epoch());
        if epoch != current {
            return Err(Refusal::OtherEpoch { epoch, current });
        }
        self.check_sender(message.sender(), sender)?;
        let tag = message.confirmation_tag().cloned();
        let tag = tag.ok_or(Refusal::Malformed { expected: "commit" })?;
        let processed = self.group.process_message(&Verifier, message).map_err(refusal_of)?;
        let framed_by = processed.sender().clone();
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return Err(Refusal::Malformed { expected: "commit" });
        };
        let index = self.check_path(&staged, &framed_by, sender)?;
        let changed = self.changes(&staged, index, &framed_by, sender)?;
        check_welcome(commit.welcome.as_deref(), &changed.added)?;
        let leaf = staged.update_path_leaf_node().or(self.group.leaf(index));
        let key = leaf.ok_or(Refusal::ForeignLeaf)?.signature_key().clone();
        let context = staged.group_context();
        let expected = Expected { context, tag: &tag, committer: index, key };
        group_info::check(&commit.group_info, &expected)?;
        Ok(Staged { commit: staged, group_info: commit.group_info.clone(), changed })
    }

    /// Applies a commit that was staged in this epoch.
    pub fn apply(&mut self, staged: Staged) -> Changed {
        assert_eq!(staged.changed.epoch, self.epoch() + 1, "staged in another epoch");
        self.group
            .merge_commit(&self.snapshot, *staged.commit)
            .expect("what is in memory can be written");
        self.group_info = staged.group_info;
        self.is_welcoming = !staged.changed.added.is_empty();
        self.leaves = leaves_of(&self.group).expect("staging has read each leaf");
        staged.changed
    }

    /// Checks that an application message is for this group, and of an epoch that its members
    /// still read. Gives the epoch.
    ///
    /// # Errors
    /// A [`Refusal`] that says what is wrong.
    pub fn check_application(&self, bytes: &[u8]) -> Result<u64, Refusal> {
        let message = framing::Application::read(bytes)?;
        if *message.group != *self.group.group_id().as_slice() {
            return Err(Refusal::OtherGroup);
        }
        let (epoch, current) = (message.epoch, self.epoch());
        match (current.saturating_sub(PAST_EPOCHS)..=current).contains(&epoch) {
            true => Ok(epoch),
            false => Err(Refusal::OtherEpoch { epoch, current }),
        }
    }

    /// The group's epoch.
    pub fn epoch(&self) -> u64 {
        self.group.group_context().epoch().as_u64()
    }

    /// Its leaves, in the tree's order.
    pub fn leaves(&self) -> impl Iterator<Item = &LeafName> {
        self.leaves.values()
    }

    /// The device has a leaf.
    pub fn has(&self, leaf: &LeafName) -> bool {
        self.leaves.values().any(|known| known == leaf)
    }

    /// The group info of this epoch, as its committer brought it.
    pub fn group_info(&self) -> &Bytes {
        &self.group_info
    }

    /// The ratchet tree (RFC 9420 12.4.3.3), serialised.
    pub fn tree(&self) -> Bytes {
        let tree = self.group.export_ratchet_tree().tls_serialize_detached();
        tree.expect("what is in memory can be written").into()
    }

    /// Who frames the commit is who brings it.
    fn check_sender(&self, framed_by: &Sender, sender: &LeafName) -> Result<(), Refusal> {
        match framed_by {
            Sender::Member(index) if self.leaves.get(&index.u32()) == Some(sender) => Ok(()),
            Sender::NewMemberCommit => Ok(()),
            _ => Err(Refusal::ForeignLeaf),
        }
    }

    /// The committer's leaf stays its own. Gives the leaf's place.
    fn check_path(
        &self,
        staged: &StagedCommit,
        framed_by: &Sender,
        sender: &LeafName,
    ) -> Result<LeafNodeIndex, Refusal> {
        let leaf = staged.update_path_leaf_node();
        if leaf.is_some_and(|leaf| key_package::name_in(leaf).as_ref() != Ok(sender)) {
            return Err(Refusal::ForeignLeaf);
        }
        let Sender::Member(index) = framed_by else {
            let index = self.group.ext_commit_sender_index(staged);
            return index.map_err(|error| Refusal::InvalidCommit { reason: error.to_string() });
        };
        // A device has one key: another one is another device.
        let known = self.group.leaf(*index).map(LeafNode::signature_key);
        if leaf.is_some_and(|leaf| Some(leaf.signature_key()) != known) {
            return Err(Refusal::ForeignLeaf);
        }
        Ok(*index)
    }

    fn changes(
        &self,
        staged: &StagedCommit,
        index: LeafNodeIndex,
        framed_by: &Sender,
        sender: &LeafName,
    ) -> Result<Changed, Refusal> {
        let is_external = matches!(framed_by, Sender::NewMemberCommit);
        let mut leaves = self.leaves.clone();
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for queued in staged.queued_proposals() {
            match queued.proposal() {
                _ if queued.proposal_or_ref_type() == ProposalOrRefType::Reference => {
                    return Err(Refusal::ProposalByReference);
                }
                Proposal::Add(add) => {
                    let package = add.key_package();
                    let name = key_package::name_in(package.leaf_node())?;
                    added.push((name, KeyPackageRef::of(package)?));
                }
                Proposal::Remove(remove) => {
                    let leaf = leaves.remove(&remove.removed().u32());
                    let leaf = leaf.ok_or(Refusal::ForeignLeaf)?;
                    // From outside one replaces oneself, and nobody else.
                    if is_external && leaf != *sender {
                        return Err(Refusal::ForeignLeaf);
                    }
                    removed.push(leaf);
                }
                Proposal::ExternalInit(_) if is_external => {}
                _ => return Err(Refusal::ProposalNotAllowed),
            }
        }
        if is_external {
            leaves.insert(index.u32(), sender.clone());
        }
        let names = leaves.values().chain(added.iter().map(|(name, _)| name));
        check_size(names, leaves.len() + added.len())?;
        let (epoch, committer) = (staged.group_context().epoch().as_u64(), sender.clone());
        Ok(Changed { epoch, committer, is_external, added, removed })
    }
}

impl Staged {
    /// What the commit will change.
    pub fn changed(&self) -> &Changed {
        &self.changed
    }
}

impl fmt::Debug for FollowedGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedGroup")
            .field("epoch", &self.epoch())
            .field("leaves", &self.leaves.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("changed", &self.changed).finish_non_exhaustive()
    }
}

fn leaves_of(group: &PublicGroup) -> Result<BTreeMap<u32, LeafName>, Refusal> {
    let named = |member: Member| Ok((member.index.u32(), LeafName::of(&member.credential)?));
    group.members().map(named).collect()
}

/// Each device has one leaf, and there are not too many.
fn check_size<'a>(names: impl Iterator<Item = &'a LeafName>, leaves: usize) -> Result<(), Refusal> {
    let (mut devices, mut accounts) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if !devices.insert((name.account, name.device.as_str())) {
            return Err(Refusal::TwoLeaves { device: name.to_string().into() });
        }
        accounts.insert(name.account);
    }
    if leaves > LEAVES_MAX || accounts.len() > ACCOUNTS_MAX {
        return Err(Refusal::GroupFull { leaves_max: LEAVES_MAX, accounts_max: ACCOUNTS_MAX });
    }
    Ok(())
}

/// The Welcome is for those who come, for all of them, and there is none where nobody comes.
fn check_welcome(
    welcome: Option<&[u8]>,
    added: &[(LeafName, KeyPackageRef)],
) -> Result<(), Refusal> {
    let Some(welcome) = welcome else {
        return added.is_empty().then_some(()).ok_or(Refusal::WelcomeMismatch);
    };
    let welcome = framing::welcome(welcome)?;
    let expected: BTreeSet<_> = added.iter().map(|(_, reference)| *reference).collect();
    let named = welcome.secrets().iter();
    let named: Option<BTreeSet<_>> =
        named.map(|secret| KeyPackageRef::from_slice(secret.new_member().as_slice())).collect();
    let fits = welcome.ciphersuite() == SUITE
        && welcome.secrets().len() == added.len()
        && !added.is_empty()
        && named.as_ref() == Some(&expected);
    fits.then_some(()).ok_or(Refusal::WelcomeMismatch)
}

fn refusal_of(error: PublicProcessMessageError) -> Refusal {
    use PublicProcessMessageError as E;
    match error {
        E::ValidationError(ValidationError::InvalidSignature) => Refusal::WrongSignature,
        E::InvalidCommit(StageCommitError::MissingProposal) => Refusal::ProposalByReference,
        error => Refusal::InvalidCommit { reason: error.to_string() },
    }
}

/// Parts from this number on are trees, by epoch.
const TREES: u64 = 1 << 48;
/// Epochs with a Welcome whose trees are kept.
const TREES_MAX: usize = 16;
