// A group's state between our steps and those of ts-mls.

import type { ClientConfig, ClientState } from "ts-mls";
import { authenticationService, equality, leafOf } from "./credential";
import { MlsError, type GroupState, type Leaf } from "./types";

export function wrap({ clientConfig: _, ...mls }: ClientState): GroupState {
  const group = new TextDecoder().decode(mls.groupContext.groupId);
  const epoch = Number(mls.groupContext.epoch);
  if (!Number.isSafeInteger(epoch)) throw new MlsError("invalid", `epoch ${mls.groupContext.epoch}`);
  return { group, epoch, isRemoved: mls.groupActiveState.kind !== "active", mls };
}

export function unwrap(state: GroupState, config: ClientConfig = CONFIG): ClientState {
  return { ...state.mls, clientConfig: config };
}

/** The group's devices, in the tree's order.
 *  @throws MlsError where a leaf is not of our form */
export function members(state: GroupState): Leaf[] {
  return leavesIn(state.mls.ratchetTree).map(([, leaf]) => leaf);
}

/** Devices by their places in the tree, and this one's. */
export function leaves(state: GroupState): { own: number; all: [index: number, leaf: Leaf][] } {
  return { own: state.mls.privatePath.leafIndex, all: leavesIn(state.mls.ratchetTree) };
}

export function leavesIn(tree: ClientState["ratchetTree"]): [index: number, leaf: Leaf][] {
  return tree.flatMap((node, at) => (node?.nodeType === "leaf" ? [[at / 2, leafOf(node.leaf)] as [number, Leaf]] : []));
}

export function leafAt(tree: ClientState["ratchetTree"], index: number): Leaf {
  const node = tree[2 * index];
  if (node?.nodeType !== "leaf") throw new MlsError("invalid", `there is no leaf ${index}`);
  return leafOf(node.leaf);
}

/** Messages that members have sealed in this epoch, as far as this device has seen them. */
export function messagesInEpoch(state: GroupState): number {
  return state.mls.secretTree.reduce((sum, node) => sum + node.application.generation, 0);
}

export function isSameLeaf(one: Leaf, other: Leaf): boolean {
  return one.account === other.account && one.device === other.device;
}

/** Runs a step of ts-mls, whose refusals are errors of many kinds. */
export async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof MlsError) throw cause;
    throw new MlsError("invalid", `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Epochs behind the newest one whose messages are still opened: as many as the server takes. */
export const PAST_EPOCHS = 4;

export const CONFIG: ClientConfig = {
  authService: authenticationService,
  keyPackageEqualityConfig: equality,
  keyRetentionConfig: {
    retainKeysForEpochs: PAST_EPOCHS,
    // Messages of one sender that may come after later ones, and that may be missing.
    retainKeysForGenerations: 128,
    maximumForwardRatchetSteps: 2_000,
  },
  // Lifetimes are checked by key-packages.ts, against the moment of the commit: trees and logs are
  // full of leaves that came by key packages which have run out since. Nor does the library look at them
  // when we add (patches/): it would ask this device's clock, which may be hours off.
  lifetimeConfig: { maximumTotalLifetime: 0n, validateLifetimeOnReceive: false },
  // messages.ts pads each message by its length.
  paddingConfig: { kind: "padUntilLength", padUntilLength: 0 },
};
