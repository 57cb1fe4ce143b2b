//! A device: its key, its key packages, its groups.

use std::collections::BTreeMap;
use std::fmt;

use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::*;

use crate::crypto::SUITE;
use crate::error::Error;
use crate::provider::Provider;
use crate::signer::DeviceKey;

/// A device of an account, and all that it knows.
pub struct Device {
    pub(crate) identity: String,
    pub(crate) key: DeviceKey,
    pub(crate) provider: Provider,
    pub(crate) groups: BTreeMap<Vec<u8>, MlsGroup>,
}

/// What a commit is to change. Nothing: the device's own keys.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Key packages of the devices that come.
    pub add: Vec<Vec<u8>>,
    /// Identities of the leaves that go.
    pub remove: Vec<String>,
}

/// A commit, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The epoch that it ends.
    pub epoch: u64,
    /// The commit, a PublicMessage.
    pub message: Vec<u8>,
    /// For those who come, if any do.
    pub welcome: Option<Vec<u8>>,
    /// Of the epoch that it begins, without a tree.
    pub group_info: Vec<u8>,
}

/// What a message of a group was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Somebody wrote.
    Message {
        /// The leaf's identity.
        from: String,
        /// What.
        text: Vec<u8>,
    },
    /// The group is in this epoch now.
    Epoch(u64),
    /// The device is no member any more.
    Removed,
}

impl Device {
    /// A new device with a key of its own. Its identity is `account/device`.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(account: &str, device: &str) -> Result<Device, Error> {
        Ok(Device {
            identity: format!("{account}/{device}"),
            key: DeviceKey::generate()?,
            provider: Provider::default(),
            groups: BTreeMap::new(),
        })
    }

    /// `account/device`.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Its public signature key.
    pub fn public_key(&self) -> &[u8] {
        self.key.public()
    }

    /// A key package, whose private part the device keeps.
    ///
    /// # Errors
    /// If openmls refuses.
    pub fn key_package(&self, is_last_resort: bool) -> Result<Vec<u8>, Error> {
        let mut builder = KeyPackage::builder();
        if is_last_resort {
            let capabilities =
                Capabilities::builder().extensions(vec![ExtensionType::LastResort]).build();
            builder = builder.mark_as_last_resort().leaf_node_capabilities(capabilities);
        }
        let bundle = builder
            .build(SUITE, &self.provider, &self.key, self.credential())
            .map_err(Error::refused("make a key package"))?;
        to_bytes(&MlsMessageOut::from(bundle.into_key_package()))
    }

    /// Founds a group of which it is the only member. Gives the group info of epoch 0, with the
    /// tree in it.
    ///
    /// # Errors
    /// If openmls refuses.
    pub fn create(&mut self, group: &[u8]) -> Result<Vec<u8>, Error> {
        let made = MlsGroup::builder()
            .with_group_id(GroupId::from_slice(group))
            .ciphersuite(SUITE)
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(PAST_EPOCHS)
            .sender_ratchet_configuration(ratchet())
            .replace_old_group()
            .build(&self.provider, &self.key, self.credential())
            .map_err(Error::refused("create a group"))?;
        let info = made
            .export_group_info(self.provider.crypto(), &self.key, true)
            .map_err(Error::refused("export a group info"))?;
        self.groups.insert(group.to_vec(), made);
        to_bytes(&info)
    }

    /// Makes a commit, which counts once the server has taken it: [`Self::accepted`] or
    /// [`Self::refused`] follows.
    ///
    /// # Errors
    /// If there is no such group or leaf, or openmls refuses.
    pub fn commit(&mut self, group: &[u8], changes: &Changes) -> Result<Commit, Error> {
        let key_packages = changes.add.iter().map(|bytes| self.read_key_package(bytes));
        let key_packages = key_packages.collect::<Result<Vec<_>, _>>()?;
        let (provider, key) = (&self.provider, &self.key);
        let state = self.groups.get_mut(group).ok_or_else(|| no_group(group))?;
        let leaves = changes.remove.iter().map(|identity| leaf_of(state, identity));
        let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
        let epoch = state.epoch().as_u64();
        let is_update = key_packages.is_empty() && leaves.is_empty();
        let bundle = state
            .commit_builder()
            .force_self_update(is_update)
            .propose_adds(key_packages)
            .propose_removals(leaves)
            .load_psks(provider.storage())
            .map_err(Error::refused("begin a commit"))?
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), key, |_| true)
            .map_err(Error::refused("build a commit"))?
            .stage_commit(provider)
            .map_err(Error::refused("stage a commit"))?;
        bundled(epoch, bundle)
    }

    /// The server has taken the commit.
    ///
    /// # Errors
    /// If there is no such group, or openmls refuses.
    pub fn accepted(&mut self, group: &[u8]) -> Result<(), Error> {
        let state = self.groups.get_mut(group).ok_or_else(|| no_group(group))?;
        state.merge_pending_commit(&self.provider).map_err(Error::refused("merge a commit"))
    }

    /// The server has not taken the commit: another was first.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn refused(&mut self, group: &[u8]) -> Result<(), Error> {
        let state = self.groups.get_mut(group).ok_or_else(|| no_group(group))?;
        state
            .clear_pending_commit(self.provider.storage())
            .map_err(Error::refused("clear a commit"))
    }

    /// Joins by a Welcome. Gives the group's id.
    ///
    /// # Errors
    /// If it is none for this device, or openmls refuses.
    pub fn join(&mut self, welcome: &[u8], tree: &[u8]) -> Result<Vec<u8>, Error> {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome, "Welcome")?.extract() else {
            return Err(Error::Unexpected { expected: "Welcome" });
        };
        // Lifetimes bound how long a key package may be taken, which was before now.
        let state = StagedWelcome::build_from_welcome(&self.provider, &join_config(), welcome)
            .map_err(Error::refused("read a Welcome"))?
            .with_ratchet_tree(read_tree(tree)?)
            .skip_lifetime_validation()
            .replace_old_group()
            .build()
            .and_then(|staged| staged.into_group(&self.provider))
            .map_err(Error::refused("join by a Welcome"))?;
        let group = state.group_id().to_vec();
        self.groups.insert(group.clone(), state);
        Ok(group)
    }

    /// Joins by an external commit. The device counts as a member at once; where the server does
    /// not take the commit, [`Self::forget`] follows.
    ///
    /// # Errors
    /// If these are no group info and no tree, or openmls refuses.
    pub fn join_externally(&mut self, group_info: &[u8], tree: &[u8]) -> Result<Commit, Error> {
        let MlsMessageBodyIn::GroupInfo(info) = parse(group_info, "GroupInfo")?.extract() else {
            return Err(Error::Unexpected { expected: "GroupInfo" });
        };
        let (group, epoch) = (info.group_id().to_vec(), info.epoch().as_u64());
        self.forget(&group)?;
        let (state, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(read_tree(tree)?)
            .with_config(join_config())
            .skip_lifetime_validation()
            .build_group(&self.provider, info, self.credential())
            .map_err(Error::refused("join from outside"))?
            .load_psks(self.provider.storage())
            .map_err(Error::refused("join from outside"))?
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(self.provider.rand(), self.provider.crypto(), &self.key, |_| true)
            .map_err(Error::refused("build an external commit"))?
            .finalize(&self.provider)
            .map_err(Error::refused("finish an external commit"))?;
        self.groups.insert(group, state);
        bundled(epoch, bundle)
    }

    /// Forgets a group.
    ///
    /// # Errors
    /// If the storage fails.
    pub fn forget(&mut self, group: &[u8]) -> Result<(), Error> {
        let Some(mut state) = self.groups.remove(group) else { return Ok(()) };
        state.delete(self.provider.storage()).map_err(Error::refused("forget a group"))
    }

    /// Encrypts a message: a PrivateMessage.
    ///
    /// # Errors
    /// If there is no such group, or openmls refuses.
    pub fn send(&mut self, group: &[u8], text: &[u8]) -> Result<Vec<u8>, Error> {
        let state = self.groups.get_mut(group).ok_or_else(|| no_group(group))?;
        let message = state.create_message(&self.provider, &self.key, text);
        to_bytes(&message.map_err(Error::refused("encrypt"))?)
    }

    /// Takes a message of a group: a commit or an application message.
    ///
    /// # Errors
    /// If there is no such group, or it is not valid in it.
    pub fn receive(&mut self, group: &[u8], message: &[u8]) -> Result<Received, Error> {
        let message = parse(message, "message")?
            .try_into_protocol_message()
            .map_err(|_| Error::Unexpected { expected: "message of a group" })?;
        let state = self.groups.get_mut(group).ok_or_else(|| no_group(group))?;
        let processed = state
            .process_message(&self.provider, message)
            .map_err(Error::refused("process a message"))?;
        let from = identity_of(processed.credential());
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                Ok(Received::Message { from, text: message.into_bytes() })
            }
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                state
                    .merge_staged_commit(&self.provider, *commit)
                    .map_err(Error::refused("merge a commit"))?;
                Ok(match state.is_active() {
                    true => Received::Epoch(state.epoch().as_u64()),
                    false => Received::Removed,
                })
            }
            _ => Err(Error::Unexpected { expected: "commit or application message" }),
        }
    }

    /// The epoch of a group, if it is a member.
    pub fn epoch(&self, group: &[u8]) -> Option<u64> {
        self.groups.get(group).filter(|state| state.is_active()).map(|state| state.epoch().as_u64())
    }

    /// Identities of a group's leaves, in the tree's order.
    pub fn members(&self, group: &[u8]) -> Vec<String> {
        let members = self.groups.get(group).into_iter().flat_map(|state| state.members());
        members.map(|member| identity_of(&member.credential)).collect()
    }

    /// 32 bytes that all members of the epoch agree on (RFC 9420 8.5).
    ///
    /// # Errors
    /// If there is no such group, or it is left.
    pub fn exporter(&self, group: &[u8], label: &str) -> Result<Vec<u8>, Error> {
        let state = self.groups.get(group).ok_or_else(|| no_group(group))?;
        let secret = state.export_secret(self.provider.crypto(), label, &[], 32);
        Ok(secret.map_err(Error::refused("export a secret"))?.to_vec())
    }

    /// The group's tree as the device has it.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn tree(&self, group: &[u8]) -> Result<Vec<u8>, Error> {
        let state = self.groups.get(group).ok_or_else(|| no_group(group))?;
        let tree = state.export_ratchet_tree().tls_serialize_detached();
        tree.map_err(Error::refused("export a tree"))
    }

    fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.identity.clone().into_bytes()).into(),
            signature_key: self.key.public().into(),
        }
    }

    fn read_key_package(&self, bytes: &[u8]) -> Result<KeyPackage, Error> {
        let MlsMessageBodyIn::KeyPackage(package) = parse(bytes, "KeyPackage")?.extract() else {
            return Err(Error::Unexpected { expected: "KeyPackage" });
        };
        package
            .validate(self.provider.crypto(), ProtocolVersion::Mls10)
            .map_err(Error::refused("check a key package"))
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.groups.len();
        f.debug_struct("Device")
            .field("identity", &self.identity)
            .field("groups", &groups)
            .finish_non_exhaustive()
    }
}

fn bundled(epoch: u64, bundle: CommitMessageBundle) -> Result<Commit, Error> {
    let (message, welcome, info) = bundle.into_messages();
    let info = info.ok_or(Error::Unexpected { expected: "GroupInfo" })?;
    Ok(Commit {
        epoch,
        message: to_bytes(&message)?,
        welcome: welcome.as_ref().map(to_bytes).transpose()?,
        group_info: to_bytes(&info)?,
    })
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(PAST_EPOCHS)
        .sender_ratchet_configuration(ratchet())
        .build()
}

fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER_MAX, FORWARD_MAX)
}

fn leaf_of(state: &MlsGroup, identity: &str) -> Result<LeafNodeIndex, Error> {
    let member = state.members().find(|member| identity_of(&member.credential) == identity);
    member.map(|member| member.index).ok_or_else(|| Error::NoLeaf { identity: identity.to_owned() })
}

fn identity_of(credential: &Credential) -> String {
    let basic = BasicCredential::try_from(credential.clone());
    basic.map_or_else(
        |_| String::new(),
        |basic| String::from_utf8_lossy(basic.identity()).into_owned(),
    )
}

fn to_bytes(message: &MlsMessageOut) -> Result<Vec<u8>, Error> {
    message.to_bytes().map_err(Error::refused("serialise"))
}

fn parse(bytes: &[u8], expected: &'static str) -> Result<MlsMessageIn, Error> {
    MlsMessageIn::tls_deserialize_exact(bytes).map_err(|_| Error::Unexpected { expected })
}

fn read_tree(bytes: &[u8]) -> Result<RatchetTreeIn, Error> {
    RatchetTreeIn::tls_deserialize_exact(bytes)
        .map_err(|_| Error::Unexpected { expected: "ratchet tree" })
}

fn no_group(group: &[u8]) -> Error {
    Error::NoGroup { group: String::from_utf8_lossy(group).into_owned() }
}

/// Epochs whose messages are still read behind a commit.
const PAST_EPOCHS: usize = 4;
/// Messages of one sender that may come after later ones.
const OUT_OF_ORDER_MAX: u32 = 100;
/// Messages of one sender that may be missing.
const FORWARD_MAX: u32 = 2_000;
