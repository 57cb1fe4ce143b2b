// What is looked through, as far as it is in memory: segments are read when a search comes to them, the newest
// first, so that the first search need not wait for all.

import type { Order } from "../protocol";
import type { Store } from "../store/store";
import type { Document, Numbered, Segment } from "./segment";

/** Where a segment lies, and what is known of it before it is read. */
export interface SegmentPlace {
  number: number;
  /** The greatest of its orders. */
  newest: Order;
}

export class Loaded {
  readonly tail: Map<number, Numbered>;
  readonly gone: Set<number>;
  readonly #store: Store;
  readonly #places: SegmentPlace[];
  readonly #segments = new Map<number, Promise<Segment | undefined>>();

  static async read(store: Store): Promise<Loaded> {
    const [places, tail, gone] = await Promise.all([
      segmentPlaces(store),
      store.range<Document>("search", { prefix: [TAIL] }),
      store.range<true>("search", { prefix: [GONE] }),
    ]);
    const numbered = tail.map(({ key, value }) => ({ number: numberOf(key), ...value }));
    return new Loaded(store, places, numbered, gone.map(({ key }) => numberOf(key)));
  }

  private constructor(store: Store, places: SegmentPlace[], tail: Numbered[], gone: number[]) {
    this.#store = store;
    this.#places = places.sort((one, other) => (one.newest < other.newest ? 1 : -1));
    this.tail = new Map(tail.map((document) => [document.number, document]));
    this.gone = new Set(gone);
  }

  /** The newest first, until one is not wanted: then those behind it are not either. */
  async *segments(isWanted: (newest: Order) => boolean): AsyncGenerator<Segment> {
    for (let at = 0; at < this.#places.length; at += READ_AT_ONCE) {
      const next = this.#places.slice(at, at + READ_AT_ONCE);
      const wanted = next.filter(({ newest }) => isWanted(newest));
      for (const segment of await Promise.all(wanted.map(({ number }) => this.#segment(number)))) if (segment) yield segment;
      if (wanted.length < next.length) return;
    }
  }

  #segment(number: number): Promise<Segment | undefined> {
    const known = this.#segments.get(number);
    if (known) return known;
    const read = this.#store.get<Segment>("search", [SEGMENT, number]);
    this.#segments.set(number, read);
    read.catch(() => this.#segments.delete(number));
    return read;
  }
}

/** All segments, in the order of their numbers. */
export async function segmentPlaces(store: Store): Promise<SegmentPlace[]> {
  const kept = await store.get<SegmentPlace[]>("search", DIRECTORY);
  if (kept) return kept;
  const segments = await store.range<Segment>("search", { prefix: [SEGMENT] });
  return segments.map(({ key, value }) => ({ number: numberOf(key), newest: value.newest }));
}

export function numberOf(key: unknown): number {
  return Number((key as [string, number])[1]);
}

export const TAIL = "tail";
export const SEGMENT = "segment";
export const GONE = "gone";
/** Where the {@link SegmentPlace}s are kept. */
export const DIRECTORY: [string, number] = ["directory", 0];
const READ_AT_ONCE = 16;
