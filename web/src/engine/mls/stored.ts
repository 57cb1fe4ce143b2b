// A group's state as bytes, in parts: a message rewrites only the secrets of its epoch, and those as
// few as can be: handshakes are open here, so of each leaf only the ratchet of application messages
// is ever used. Of a past epoch the leaves' names and keys are enough.

import { decodeGroupContext, groupContextEncoder } from "ts-mls/groupContext.js";
import { decodeKeySchedule, keyScheduleEncoder } from "ts-mls/keySchedule.js";
import { decodePrivateKeyPath, privateKeyPathEncoder } from "ts-mls/privateKeyPath.js";
import { decodeRatchetTree, ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { encode, type BufferEncoder } from "ts-mls/codec/tlsEncoder.js";
import type { Decoder, EpochReceiverData, GenerationSecret, RatchetTree, SecretTree } from "ts-mls";
import { Reader, Writer } from "./bytes";
import { PAST_EPOCHS } from "./state";
import type { Device, GroupState, OwnKeyPackage, StoredGroup } from "./types";
import { decodeKeyPackage, encodeKeyPackage } from "ts-mls/keyPackage.js";

/** The parts that changed since `before`; all of them without it. */
export function store(state: GroupState, before?: GroupState): Partial<StoredGroup> {
  const { mls } = state;
  const parts: Partial<StoredGroup> = {};
  const isSameEpoch = before?.epoch === state.epoch && before.isRemoved === state.isRemoved;
  if (!isSameEpoch || before.mls.ratchetTree !== mls.ratchetTree) parts.epoch = epochBytes(state);
  if (before?.mls.secretTree !== mls.secretTree) parts.secrets = new Writer().counted(secretBytes(mls.secretTree)).done();
  if (before?.mls.historicalReceiverData !== mls.historicalReceiverData) parts.past = pastBytes(mls.historicalReceiverData);
  return parts;
}

/** @throws MlsError where the bytes are not of {@link store} */
export function load(device: Device, stored: StoredGroup): GroupState {
  const reader = new Reader(stored.epoch, WHAT);
  if (reader.uint(1) !== VERSION) throw reader.malformed();
  const isRemoved = reader.uint(1) === 1;
  const groupContext = decoded(reader, decodeGroupContext);
  const secrets = new Reader(stored.secrets, WHAT);
  return {
    group: new TextDecoder().decode(groupContext.groupId),
    epoch: Number(groupContext.epoch),
    isRemoved,
    mls: {
      groupContext,
      keySchedule: decoded(reader, decodeKeySchedule),
      ratchetTree: decoded(reader, decodeRatchetTree),
      privatePath: decoded(reader, decodePrivateKeyPath),
      confirmationTag: reader.counted(),
      groupActiveState: { kind: isRemoved ? "removedFromGroup" : "active" },
      secretTree: readSecrets(secrets.counted()),
      historicalReceiverData: readPast(new Reader(stored.past, WHAT)),
      signaturePrivateKey: device.privateKey,
      unappliedProposals: {},
    },
  };
}

/** A key package of this device, with its private keys. */
export function storeKeyPackage(own: OwnKeyPackage): Uint8Array {
  const { ref, isLastResort, notAfterS, keyPackage, privateKeys } = own;
  const writer = new Writer().uint(1, VERSION).uint(1, isLastResort ? 1 : 0).uint(8, notAfterS);
  writer.counted(new TextEncoder().encode(ref)).counted(encodeKeyPackage(keyPackage));
  return writer.counted(privateKeys.initPrivateKey).counted(privateKeys.hpkePrivateKey).done();
}

/** @throws MlsError */
export function loadKeyPackage(device: Device, bytes: Uint8Array): OwnKeyPackage {
  const reader = new Reader(bytes, "key package");
  if (reader.uint(1) !== VERSION) throw reader.malformed();
  return {
    isLastResort: reader.uint(1) === 1,
    notAfterS: reader.uint(8),
    ref: new TextDecoder().decode(reader.counted()),
    keyPackage: decoded(reader, decodeKeyPackage),
    privateKeys: {
      initPrivateKey: reader.counted(),
      hpkePrivateKey: reader.counted(),
      signaturePrivateKey: device.privateKey,
    },
  };
}

function epochBytes({ mls, isRemoved }: GroupState): Uint8Array {
  const writer = new Writer().uint(1, VERSION).uint(1, isRemoved ? 1 : 0);
  writer.counted(encoded(groupContextEncoder, mls.groupContext));
  writer.counted(encoded(keyScheduleEncoder, mls.keySchedule));
  writer.counted(encoded(ratchetTreeEncoder, mls.ratchetTree));
  writer.counted(encoded(privateKeyPathEncoder, mls.privatePath));
  return writer.counted(mls.confirmationTag).done();
}

/** Of each leaf: generation, secret, and the secrets of messages that did not come. */
function secretBytes(tree: SecretTree): Uint8Array {
  const ratchets = tree.filter((_, at) => at % 2 === 0).map((node) => node.application);
  const skipped = ratchets.map(({ unusedGenerations }) => Object.entries(unusedGenerations));
  const count = skipped.reduce((sum, entries) => sum + entries.length, 0);
  const bytes = new Uint8Array(ratchets.length * (6 + SECRET_BYTES) + count * (4 + SECRET_BYTES));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (generation: number, secret: Uint8Array) => {
    view.setUint32(at, generation);
    bytes.set(secret, at + 4);
    at += 4 + SECRET_BYTES;
  };
  ratchets.forEach((ratchet, leaf) => {
    put(ratchet.generation, ratchet.secret);
    view.setUint16(at, skipped[leaf]!.length);
    at += 2;
    for (const [generation, secret] of skipped[leaf]!) put(Number(generation), secret);
  });
  return bytes;
}

function readSecrets(bytes: Uint8Array): SecretTree {
  const reader = new Reader(bytes, WHAT);
  const tree: SecretTree = [];
  while (!reader.isDone()) {
    const [generation, secret] = [reader.uint(4), reader.bytes(SECRET_BYTES)];
    const unusedGenerations: GenerationSecret["unusedGenerations"] = {};
    for (let count = reader.uint(2); count > 0; count--) {
      const skipped = reader.uint(4);
      unusedGenerations[skipped] = reader.bytes(SECRET_BYTES);
    }
    if (tree.length > 0) tree.push(UNUSED_NODE);
    tree.push({ handshake: UNUSED, application: { secret, generation, unusedGenerations } });
  }
  return tree;
}

function pastBytes(past: Map<bigint, EpochReceiverData>): Uint8Array {
  const epochs = [...past].slice(-PAST_EPOCHS);
  const writer = new Writer().uint(1, epochs.length);
  for (const [epoch, data] of epochs) {
    writer.uint(8, epoch).counted(encoded(groupContextEncoder, data.groupContext));
    writer.counted(data.senderDataSecret).counted(secretBytes(data.secretTree)).counted(leafBytes(data.ratchetTree));
  }
  return writer.done();
}

function readPast(reader: Reader): Map<bigint, EpochReceiverData> {
  const past = new Map<bigint, EpochReceiverData>();
  for (let count = reader.uint(1); count > 0; count--) {
    past.set(reader.bigUint(), {
      groupContext: decoded(reader, decodeGroupContext),
      senderDataSecret: reader.counted(),
      secretTree: readSecrets(reader.counted()),
      ratchetTree: readLeaves(new Reader(reader.counted(), WHAT)),
      resumptionPsk: new Uint8Array(),
    });
  }
  return past;
}

/** Of each leaf: its credential's identity, none where it is blank, and its signature key. */
function leafBytes(tree: RatchetTree): Uint8Array {
  const writer = new Writer();
  for (let at = 0; at < tree.length; at += 2) {
    const node = tree[at];
    const leaf = node?.nodeType === "leaf" ? node.leaf : undefined;
    const credential = leaf?.credential;
    const identity = credential && "identity" in credential ? credential.identity : new Uint8Array();
    writer.uint(1, identity.length).bytes(identity);
    if (leaf && identity.length > 0) writer.bytes(leaf.signaturePublicKey);
  }
  return writer.done();
}

function readLeaves(reader: Reader): RatchetTree {
  const tree: RatchetTree = [];
  while (!reader.isDone()) {
    if (tree.length > 0) tree.push(undefined);
    const identity = reader.bytes(reader.uint(1));
    // The rest of a leaf belongs to its epoch's handshakes, which are over.
    const leaf = { credential: { credentialType: "basic", identity }, signaturePublicKey: EMPTY as Uint8Array };
    if (identity.length > 0) leaf.signaturePublicKey = reader.bytes(KEY_BYTES);
    tree.push(identity.length > 0 ? ({ nodeType: "leaf", leaf } as RatchetTree[number]) : undefined);
  }
  return tree;
}

function encoded<T>(encoder: BufferEncoder<T>, value: T): Uint8Array {
  return encode(encoder)(value);
}

function decoded<T>(reader: Reader, decoder: Decoder<T>): T {
  const value = decoder(reader.counted(), 0);
  if (!value) throw reader.malformed();
  return value[0];
}

const WHAT = "state of a group";
const VERSION = 1;
const SECRET_BYTES = 32;
const KEY_BYTES = 32;
const EMPTY = new Uint8Array();
const UNUSED: GenerationSecret = { secret: EMPTY, generation: 0, unusedGenerations: {} };
const UNUSED_NODE = { handshake: UNUSED, application: UNUSED };
