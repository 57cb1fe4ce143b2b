// RFC 9420 6.3 and 15: messages sealed for an epoch, and what an epoch's members agree on.

import { decodeMlsMessage, encodeMlsMessage, mlsExporter, createApplicationMessage, type PrivateMessage } from "ts-mls";
import { unprotectPrivateMessage } from "ts-mls/messageProtection.js";
import { decryptSenderData } from "ts-mls/privateMessage.js";
import { CONFIG, leafAt, step, unwrap, wrap } from "./state";
import { isEqual, suite } from "./suite";
import { MlsError, type GroupState, type Opened } from "./types";

/** Seals bytes for the group. The state must be stored before the message leaves: what it was made
 *  from must never be used again.
 *  @throws MlsError */
export async function seal(state: GroupState, bytes: Uint8Array): Promise<{ state: GroupState; message: Uint8Array }> {
  if (state.isRemoved) throw new MlsError("not-member", "the device is no member any more");
  if (bytes.length > MESSAGE_BYTES_MAX) throw new MlsError("malformed", `a message of ${bytes.length} bytes is too large`);
  const impl = await suite();
  const paddingConfig = { kind: "padUntilLength", padUntilLength: padded(bytes.length + FRAME_BYTES) } as const;
  const sealed = await createApplicationMessage(unwrap(state, { ...CONFIG, paddingConfig }), bytes, impl);
  const { privateMessage } = sealed;
  const message = encodeMlsMessage({ version: "mls10", wireformat: "mls_private_message", privateMessage });
  return { state: wrap(sealed.newState), message };
}

/** Opens a message of another device.
 *  @throws MlsError */
export async function open(state: GroupState, message: Uint8Array): Promise<Opened> {
  const read = decoded(state, message);
  const epoch = epochOf(state, read);
  const impl = await suite();
  const opened = await step("open a message", () =>
    unprotectPrivateMessage(
      epoch.senderDataSecret, read, epoch.secretTree, epoch.ratchetTree, epoch.groupContext, CONFIG.keyRetentionConfig, impl,
    ),
  );
  const { content } = opened.content;
  if (content.contentType !== "application" || content.sender.senderType !== "member") {
    throw new MlsError("malformed", "this is no application message");
  }
  const { account, device, publicKey } = leafAt(epoch.ratchetTree, content.sender.leafIndex);
  const next = withSecrets(state, read.epoch, opened.tree);
  return { state: next, bytes: content.applicationData, account, device, publicKey, epoch: Number(read.epoch) };
}

/** This device has sealed the message itself: it cannot open it, and need not.
 *  @throws MlsError */
export async function isOwn(state: GroupState, message: Uint8Array): Promise<boolean> {
  const read = decoded(state, message);
  const epoch = epochOf(state, read);
  const impl = await suite();
  const sender = await step("read a message's sender", () => decryptSenderData(read, epoch.senderDataSecret, impl));
  const own = leafAt(state.mls.ratchetTree, state.mls.privatePath.leafIndex);
  if (!sender) return false;
  const leaf = leafAt(epoch.ratchetTree, sender.leafIndex);
  return leaf.account === own.account && leaf.device === own.device;
}

/** The epoch that a message is sealed for.
 *  @throws MlsError */
export function messageEpoch(message: Uint8Array): number {
  return Number(read(message).epoch);
}

/** RFC 9420 8.5: a secret that all members of the epoch agree on. */
export async function exporter(state: GroupState, label: string, context: Uint8Array, length: number): Promise<Uint8Array> {
  return mlsExporter(state.mls.keySchedule.exporterSecret, label, context, length, await suite());
}

interface Epoch {
  senderDataSecret: Uint8Array;
  secretTree: GroupState["mls"]["secretTree"];
  ratchetTree: GroupState["mls"]["ratchetTree"];
  groupContext: GroupState["mls"]["groupContext"];
}

function epochOf({ mls }: GroupState, { epoch }: PrivateMessage): Epoch {
  if (epoch === mls.groupContext.epoch) return { ...mls, senderDataSecret: mls.keySchedule.senderDataSecret };
  const past = mls.historicalReceiverData.get(epoch);
  if (past) return past;
  const isFuture = epoch > mls.groupContext.epoch;
  throw new MlsError(isFuture ? "other-epoch" : "too-old", `a message of epoch ${epoch}; the group is in ${mls.groupContext.epoch}`);
}

function withSecrets(state: GroupState, epoch: bigint, secretTree: Epoch["secretTree"]): GroupState {
  const { mls } = state;
  if (epoch === mls.groupContext.epoch) return { ...state, mls: { ...mls, secretTree } };
  const past = new Map(mls.historicalReceiverData);
  const known = past.get(epoch);
  if (known) past.set(epoch, { ...known, secretTree });
  return { ...state, mls: { ...mls, historicalReceiverData: past } };
}

function decoded(state: GroupState, message: Uint8Array): PrivateMessage {
  const privateMessage = read(message);
  if (!isEqual(privateMessage.groupId, state.mls.groupContext.groupId)) {
    throw new MlsError("other-group", "a message of another group");
  }
  return privateMessage;
}

function read(bytes: Uint8Array): PrivateMessage {
  let message;
  try {
    message = decodeMlsMessage(bytes, 0);
  } catch (cause) {
    throw new MlsError("malformed", "this is no message", { cause });
  }
  if (message?.[0].wireformat !== "mls_private_message" || message[1] !== bytes.length) {
    throw new MlsError("malformed", "this is no message");
  }
  if (message[0].privateMessage.contentType !== "application") {
    throw new MlsError("malformed", "this is no application message");
  }
  return message[0].privateMessage;
}

/** Lengths say much of what a message is: it is padded to the next power of two at first, then, so
 *  that little is wasted, to the next of sixteen steps between two of them. */
function padded(bytes: number): number {
  if (bytes <= PADDED_BYTES_MIN) return PADDED_BYTES_MIN;
  const power = 2 ** Math.ceil(Math.log2(bytes));
  const pieces = power <= 4_096 ? power : power / 32;
  return Math.ceil(bytes / pieces) * pieces;
}

const PADDED_BYTES_MIN = 256;
/** What stands beside the bytes: their length and the signature with its own. */
const FRAME_BYTES = 4 + 66;
/** The server takes 128 KiB, in base64 and with what MLS adds. */
export const MESSAGE_BYTES_MAX = 64 * 1024;
