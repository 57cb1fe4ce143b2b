// RFC 9420 11 and 12: founding, joining, and commits.

import {
  createCommit, createGroup, createGroupInfoWithExternalPub, createGroupInfoWithExternalPubAndRatchetTree,
  decodeMlsMessage, emptyPskIndex, encodeMlsMessage, joinGroup, joinGroupExternal, processPublicMessage,
  type GroupInfo, type MLSMessage, type Proposal, type PublicMessage, type RatchetTree,
} from "ts-mls";
import { decodeRatchetTree } from "ts-mls/ratchetTree.js";
import { hex } from "./bytes";
import { checkLifetime, newKeyPackage, readKeyPackage } from "./key-packages";
import { CONFIG, isSameLeaf, leafAt, leavesIn, step, unwrap, wrap } from "./state";
import { isEqual, suite } from "./suite";
import { leafOf } from "./credential";
import { MlsError, type Commit, type Device, type GroupState, type Leaf, type OwnKeyPackage, type Processed } from "./types";

/** Founds a group of which the device is the only member. The group info has the tree in it. */
export async function found(device: Device, group: string, nowS: number): Promise<{ state: GroupState; groupInfo: Uint8Array }> {
  const impl = await suite();
  const { own } = await newKeyPackage(device, nowS);
  const made = await createGroup(new TextEncoder().encode(group), own.keyPackage, own.privateKeys, [], impl, CONFIG);
  const groupInfo = await createGroupInfoWithExternalPubAndRatchetTree(made, [], impl);
  return { state: wrap(made), groupInfo: encoded(groupInfo) };
}

/** Joins by a Welcome with the tree of its epoch. `used` is the key package that it takes: a
 *  single-use one is not to be kept.
 *  @throws MlsError */
export async function joinByWelcome(
  packages: OwnKeyPackage[], welcome: Uint8Array, tree: Uint8Array, group: string,
): Promise<{ state: GroupState; used: OwnKeyPackage }> {
  const message = decoded(welcome, "mls_welcome").welcome;
  const refs = new Set(message.secrets.map((secret) => hex(secret.newMember)));
  const used = packages.find((own) => refs.has(own.ref));
  if (!used) throw new MlsError("not-for-this-device", "none of this device's key packages is in the Welcome");
  const impl = await suite();
  const joined = await step("join by a Welcome", () =>
    joinGroup(message, used.keyPackage, used.privateKeys, emptyPskIndex, impl, decodedTree(tree), undefined, CONFIG),
  );
  const state = checked(wrap(joined));
  if (state.group !== group) throw new MlsError("other-group", `the Welcome leads to ${state.group}`);
  return { state, used };
}

/** The commit by which the device comes from outside, in the place of the leaf that it may have.
 *  @throws MlsError */
export async function joinExternally(
  device: Device, groupInfo: Uint8Array, tree: Uint8Array, group: string, nowS: number,
): Promise<Commit> {
  const info = decoded(groupInfo, "mls_group_info").groupInfo;
  if (new TextDecoder().decode(info.groupContext.groupId) !== group) {
    throw new MlsError("other-group", "the group info is of another group");
  }
  const before = decodedTree(tree);
  const impl = await suite();
  const { own } = await newKeyPackage(device, nowS);
  return step("join from outside", async () => {
    const self: Leaf = { account: device.account, device: device.id, publicKey: device.publicKey };
    const isBack = leavesIn(before).some(([, leaf]) => isSameLeaf(leaf, self));
    const { publicMessage, newState } = await joinGroupExternal(
      info, own.keyPackage, own.privateKeys, isBack, impl, before, CONFIG,
    );
    const begun = await createGroupInfoWithExternalPub(newState, [], impl);
    const handshake = encodeMlsMessage({ version: "mls10", wireformat: "mls_public_message", publicMessage });
    return { state: checked(wrap(newState)), handshake, groupInfo: encoded(begun) };
  });
}

/** What a commit is to change. Nothing: the device's own keys. */
export interface Changes {
  /** Key packages of devices that come, as they were claimed. */
  add?: Uint8Array[];
  /** Leaves that go. */
  remove?: Pick<Leaf, "account" | "device">[];
}

/** Makes a commit. It counts once the server has taken it.
 *  @throws MlsError */
export async function commit(state: GroupState, changes: Changes, nowS: number): Promise<Commit> {
  if (state.isRemoved) throw new MlsError("not-member", "the device is no member any more");
  const leaves = leavesIn(state.mls.ratchetTree);
  const removed = (changes.remove ?? []).map(({ account, device }): Proposal => {
    const found = leaves.find(([, leaf]) => leaf.account === account && leaf.device === device);
    if (!found) throw new MlsError("invalid", `the group has no leaf of ${account}/${device}`);
    return { proposalType: "remove", remove: { removed: found[0] } };
  });
  const read = await Promise.all((changes.add ?? []).map((bytes) => readKeyPackage(bytes, nowS)));
  for (const { keyPackage } of read) checkLifetime(keyPackage, nowS);
  const added = read.map(({ keyPackage }): Proposal => ({ proposalType: "add", add: { keyPackage } }));
  const impl = await suite();
  return step("make a commit", async () => {
    const made = await createCommit(
      { state: unwrap(state), cipherSuite: impl },
      { wireAsPublicMessage: true, extraProposals: [...removed, ...added] },
    );
    const info = await createGroupInfoWithExternalPub(made.newState, [], impl);
    const welcome = made.welcome && encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome: made.welcome });
    return { state: checked(wrap(made.newState)), handshake: encodeMlsMessage(made.commit), welcome, groupInfo: encoded(info) };
  });
}

/** Follows a commit of another device.
 *  @param atS when the server took it, in seconds since 1970
 *  @throws MlsError; `other-epoch` where it is not for this one */
export async function process(state: GroupState, handshake: Uint8Array, atS: number): Promise<Processed> {
  const { publicMessage } = decoded(handshake, "mls_public_message");
  const proposals = checkForm(state, publicMessage);
  const before = leavesIn(state.mls.ratchetTree);
  for (const proposal of proposals) {
    if (proposal.proposalType === "add") checkLifetime(proposal.add.keyPackage, atS);
  }
  const impl = await suite();
  const { newState } = await step("follow a commit", () =>
    processPublicMessage(unwrap(state), publicMessage, emptyPskIndex, impl),
  );
  const next = checked(wrap(newState));
  const [committer, isExternal] = committerOf(state, publicMessage);
  checkPath(publicMessage, committer);
  const removed = proposals.flatMap((one) =>
    one.proposalType === "remove" ? before.filter(([index]) => index === one.remove.removed).map(([, leaf]) => leaf) : [],
  );
  if (isExternal && removed.some((leaf) => !isSameLeaf(leaf, committer))) {
    throw new MlsError("invalid", "who comes from outside removes another's leaf");
  }
  const added = proposals.flatMap((one) => (one.proposalType === "add" ? [leafOf(one.add.keyPackage.leafNode)] : []));
  return { state: next, committer, isExternal, added, removed };
}

/** The epoch that a commit ends, and whether this device made it.
 *  @throws MlsError */
export function commitEpoch(handshake: Uint8Array): number {
  return Number(decoded(handshake, "mls_public_message").publicMessage.content.epoch);
}

/** docs/protocol/mls.md: proposals stand in their commit, and are of three kinds. */
function checkForm(state: GroupState, { content }: PublicMessage): Proposal[] {
  if (!isEqual(content.groupId, state.mls.groupContext.groupId)) throw new MlsError("other-group", "a commit of another group");
  if (content.epoch !== state.mls.groupContext.epoch) {
    throw new MlsError("other-epoch", `a commit of epoch ${content.epoch}; the group is in ${state.epoch}`);
  }
  if (content.contentType !== "commit") throw new MlsError("malformed", "this is no commit");
  return content.commit.proposals.map((one) => {
    if (one.proposalOrRefType !== "proposal" || !KINDS.has(one.proposal.proposalType)) {
      throw new MlsError("invalid", "a proposal of a kind that is not used");
    }
    return one.proposal;
  });
}

function committerOf(state: GroupState, { content }: PublicMessage): [Leaf, isExternal: boolean] {
  if (content.sender.senderType === "member") return [leafAt(state.mls.ratchetTree, content.sender.leafIndex), false];
  if (content.sender.senderType !== "new_member_commit" || content.contentType !== "commit" || !content.commit.path) {
    throw new MlsError("invalid", "a commit of no member");
  }
  return [leafOf(content.commit.path.leafNode), true];
}

/** A device keeps its name and its key: another one is another device. */
function checkPath({ content }: PublicMessage, committer: Leaf): void {
  if (content.contentType !== "commit" || !content.commit.path) return;
  const leaf = leafOf(content.commit.path.leafNode);
  if (!isSameLeaf(leaf, committer) || !isEqual(leaf.publicKey, committer.publicKey)) {
    throw new MlsError("invalid", `${committer.account} takes the name or the key of another device`);
  }
}

/** Each device has one leaf. */
function checked(state: GroupState): GroupState {
  const names = leavesIn(state.mls.ratchetTree).map(([, leaf]) => `${leaf.account}/${leaf.device}`);
  if (new Set(names).size !== names.length) throw new MlsError("invalid", "a device has two leaves");
  return state;
}

function encoded(groupInfo: GroupInfo): Uint8Array {
  return encodeMlsMessage({ version: "mls10", wireformat: "mls_group_info", groupInfo });
}

function decoded<W extends MLSMessage["wireformat"]>(bytes: Uint8Array, wireformat: W): MLSMessage & { wireformat: W } {
  let message;
  try {
    message = decodeMlsMessage(bytes, 0);
  } catch (cause) {
    throw new MlsError("malformed", `this is no ${wireformat}`, { cause });
  }
  if (message?.[0].wireformat !== wireformat || message[1] !== bytes.length) {
    throw new MlsError("malformed", `this is no ${wireformat}`);
  }
  return message[0] as MLSMessage & { wireformat: W };
}

function decodedTree(bytes: Uint8Array): RatchetTree {
  let tree;
  try {
    tree = decodeRatchetTree(bytes, 0);
  } catch (cause) {
    throw new MlsError("malformed", "this is no tree", { cause });
  }
  if (tree?.[1] !== bytes.length) throw new MlsError("malformed", "this is no tree");
  return tree[0];
}

const KINDS = new Set<Proposal["proposalType"]>(["add", "remove", "external_init"]);
