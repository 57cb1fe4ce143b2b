// RFC 9605 5.2: keys of frames from an MLS group's epochs. A key id is a random number of the sender's stay in
// the call, its leaf in the group, and the epoch's low bits. With the random number a device that comes back in
// the same epoch, and counts from nought again, does so under another key.

import { deriveKey, type FrameKey } from "./cipher";

/** What a group's epoch gives a call. */
export interface EpochKeys {
  epoch: number;
  /** MLS-Exporter("SFrame 1.0 Base Key", "", 32) */
  baseKey: Uint8Array<ArrayBuffer>;
  /** This device's leaf in the group. */
  leaf: number;
}

export class Keys {
  /** The newest one last. */
  #epochs: EpochKeys[] = [];
  readonly #keys = new Map<bigint, Promise<FrameKey>>();
  readonly #stay = BigInt(crypto.getRandomValues(new Uint32Array(1))[0]!);

  add(epoch: EpochKeys): void {
    this.#epochs = [...this.#epochs.filter((known) => known.epoch !== epoch.epoch), epoch].slice(-EPOCHS_MAX);
    const kept = this.#epochs.map((known) => lowBits(known.epoch));
    for (const kid of this.#keys.keys()) if (!kept.includes(epochOf(kid))) this.#keys.delete(kid);
  }

  /** The key id that this device seals with in an epoch it knows. */
  kidFor(epoch: number): bigint | undefined {
    const keys = this.#epochs.find((known) => known.epoch === epoch);
    return keys && (this.#stay << (LEAF_BITS + EPOCH_BITS)) | (BigInt(keys.leaf) << EPOCH_BITS) | BigInt(lowBits(epoch));
  }

  /** @returns nothing where its epoch is not known, or not any more */
  key(kid: bigint): Promise<FrameKey> | undefined {
    const known = this.#keys.get(kid);
    if (known) return known;
    const epoch = this.#epochs.findLast(({ epoch }) => lowBits(epoch) === epochOf(kid));
    if (!epoch || kid >= KID_END) return undefined;
    // Whoever is in the group could name ever new ones.
    const [oldest] = this.#keys.keys();
    if (this.#keys.size >= KEYS_MAX && oldest !== undefined) this.#keys.delete(oldest);
    const key = deriveKey(epoch.baseKey, kid);
    this.#keys.set(kid, key);
    return key;
  }
}

/** Whose frame it is: a leaf of the group. */
export function leafOf(kid: bigint): number {
  return Number((kid >> EPOCH_BITS) & ((1n << LEAF_BITS) - 1n));
}

function epochOf(kid: bigint): number {
  return Number(kid & ((1n << EPOCH_BITS) - 1n));
}

function lowBits(epoch: number): number {
  return epoch % 2 ** Number(EPOCH_BITS);
}

const EPOCH_BITS = 8n;
const LEAF_BITS = 16n;
const KID_END = 1n << (32n + LEAF_BITS + EPOCH_BITS);
/** Those who follow a commit late still send under the one before. */
const EPOCHS_MAX = 4;
const KEYS_MAX = 512;
