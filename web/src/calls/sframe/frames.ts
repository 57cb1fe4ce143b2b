// Frames as they leave and arrive: what a codec's packets need stays clear before the SFrame, and is
// authenticated with it.

import { joined, openFrame, sealFrame } from "./cipher";
import { decodeHeader } from "./header";
import { leafOf, type Keys } from "./keys";

export type Kind = "audio" | "video";

/** One for all that a device sends: their counters are of the same keys. */
export class Sealer {
  readonly #keys: Keys;
  #kid: bigint | undefined;
  /** Goes on through all epochs: none is ever used twice with a key. */
  #counter = 0n;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** Seals under this epoch's key from now on. */
  use(epoch: number): void {
    this.#kid = this.#keys.kidFor(epoch);
  }

  /** @returns nothing where there is no key: then nothing leaves. */
  async seal(kind: Kind, frame: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const [kid, counter] = [this.#kid, this.#counter];
    if (kid === undefined) return undefined;
    this.#counter += 1n;
    const key = await this.#keys.key(kid);
    const clear = frame.subarray(0, clearBytes(kind, frame));
    return key && joined(clear, await sealFrame(key, kid, counter, clear, frame.subarray(clear.length)));
  }
}

export class Opener {
  readonly #keys: Keys;
  readonly #seen = new Map<bigint, Seen>();

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** @returns nothing for what nobody of the group has sealed, or what was there already */
  async open(kind: Kind, frame: Uint8Array<ArrayBuffer>): Promise<{ leaf: number; frame: Uint8Array<ArrayBuffer> } | undefined> {
    const clear = frame.subarray(0, clearBytes(kind, frame));
    const sealed = frame.subarray(clear.length);
    const header = decodeHeader(sealed);
    const key = header && (await this.#keys.key(header.kid));
    if (!header || !key) return undefined;
    try {
      const plain = await openFrame(key, header, clear, sealed);
      return this.#isNew(header.kid, header.counter) ? { leaf: leafOf(header.kid), frame: joined(clear, plain) } : undefined;
    } catch {
      return undefined;
    }
  }

  // Whoever forwards frames could forward them again.
  #isNew(kid: bigint, counter: bigint): boolean {
    const seen = this.#seen.get(kid) ?? new Seen();
    this.#seen.delete(kid);
    this.#seen.set(kid, seen);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > SENDERS_MAX && oldest !== undefined) this.#seen.delete(oldest);
    return seen.add(counter);
  }
}

/** The newest counters of a key. */
class Seen {
  #counters = new Set<bigint>();
  #newest = 0n;

  add(counter: bigint): boolean {
    if (this.#counters.has(counter) || counter + COUNTERS_KEPT < this.#newest) return false;
    this.#counters.add(counter);
    if (counter > this.#newest) this.#newest = counter;
    if (this.#counters.size >= 2 * Number(COUNTERS_KEPT)) {
      this.#counters = new Set([...this.#counters].filter((kept) => kept + COUNTERS_KEPT >= this.#newest));
    }
    return true;
  }
}

/** RFC 6386 9.1: whoever cuts a VP8 frame into packets, or forwards them, reads whether it is a key frame, and a key
 *  frame's size. Opus is opaque to both. */
function clearBytes(kind: Kind, frame: Uint8Array): number {
  if (kind === "audio") return 0;
  const isKey = ((frame[0] ?? 0) & 1) === 0;
  return isKey ? VP8_KEY_FRAME_HEADER_BYTES : VP8_FRAME_TAG_BYTES;
}

const VP8_KEY_FRAME_HEADER_BYTES = 10;
const VP8_FRAME_TAG_BYTES = 1;
const COUNTERS_KEPT = 1024n;
const SENDERS_MAX = 512;
