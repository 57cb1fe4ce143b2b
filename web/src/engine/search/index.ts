// The words of all messages, sealed like all that is kept. New documents lie one by one behind the
// segments; a while later they are packed. What is looked through is held in memory once somebody
// has searched.

import { isOrder } from "../content/fields";
import type { ChatId, Order } from "../protocol";
import type { Batch, Store } from "../store/store";
import { DIRECTORY, GONE, Loaded, numberOf, SEGMENT, segmentPlaces, TAIL } from "./loaded";
import { findIn, Newest, pack, unpack, type Document, type Numbered, type Place, type Segment } from "./segment";
import { needlesOf, wordsOf } from "./words";

export class Index {
  readonly #store: Store;
  #newest: number;
  #loaded: Loaded | undefined;
  /** While it is read: what changes meanwhile may not be in what is read. */
  #loading: { done: Promise<Loaded>; added: Numbered[]; removed: number[] } | undefined;
  #packing: Promise<void> = Promise.resolve();
  /** Since it was packed last. */
  #changes = 0;

  static async open(store: Store): Promise<Index> {
    const newest = async (kind: string) => {
      const [row] = await store.range<unknown>("search", { prefix: [kind], reverse: true, count: 1 });
      return Number((row?.key as [string, number] | undefined)?.[1] ?? 0);
    };
    return new Index(store, Math.max(await newest(TAIL), (await newest(SEGMENT)) + SEGMENT_DOCUMENTS, await newest(GONE)));
  }

  private constructor(store: Store, newest: number) {
    this.#store = store;
    this.#newest = newest;
  }

  /** @returns the document's number: {@link remove} wants it. */
  add(batch: Batch, { chat, order, text }: { chat: ChatId; order: Order; text: string }): number | undefined {
    const words = wordsOf(text);
    if (words === "" || !isOrder(order)) return undefined;
    const number = ++this.#newest;
    const document: Document = { chat, order, words };
    batch.put("search", [TAIL, number], document);
    this.#loaded?.tail.set(number, { number, ...document });
    this.#loading?.added.push({ number, ...document });
    this.#noteChange();
    return number;
  }

  remove(batch: Batch, number: number): void {
    batch.put("search", [GONE, number], true);
    this.#loaded?.gone.add(number);
    this.#loading?.removed.push(number);
    this.#noteChange();
  }

  /** The places of messages with all these words, the newest first. Without a word nothing is found, and what is
   *  looked through is fetched: somebody is about to search. */
  async find(question: string, chat: ChatId | undefined, count: number): Promise<Place[]> {
    const needles = needlesOf(question);
    if (needles.length === 0) {
      void this.warm().catch(() => undefined);
      return [];
    }
    const loaded = await this.#load();
    const { tail, gone } = loaded;
    const newest = new Newest(count);
    const found = (place: Place) => {
      if (chat === undefined || place.chat === chat) newest.add(place);
    };
    for (const { number, words, chat, order } of tail.values()) {
      if (!gone.has(number) && needles.every((needle) => words.includes(needle))) found({ chat, order });
    }
    for await (const segment of loaded.segments((order) => newest.has(order))) {
      if (chat === undefined || segment.chats.includes(chat)) findIn(segment, needles, gone, found);
    }
    return newest.finish();
  }

  /** Has in memory what is looked through, so that the first search is as quick as the others. */
  async warm(): Promise<void> {
    for await (const _ of (await this.#load()).segments(() => true));
  }

  /** Packs what came, and takes out what has gone: its words are then nowhere any more. */
  pack(): Promise<void> {
    this.#packing = this.#packing.then(() => this.#pack());
    return this.#packing;
  }

  /** Gives the memory back. */
  forget(): void {
    this.#loaded = undefined;
    this.#loading = undefined;
  }

  #noteChange(): void {
    // Nobody waits for it: what is not packed is found all the same.
    if (++this.#changes % SEGMENT_DOCUMENTS === 0) void this.pack().catch(() => undefined);
  }

  async #load(): Promise<Loaded> {
    if (this.#loaded) return this.#loaded;
    this.#loading ??= { done: Loaded.read(this.#store), added: [], removed: [] };
    const loading = this.#loading;
    try {
      const loaded = await loading.done;
      if (this.#loading !== loading) return loaded;
      for (const document of loading.added) loaded.tail.set(document.number, document);
      for (const number of loading.removed) loaded.gone.add(number);
      this.#loaded = loaded;
      return loaded;
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
  }

  async #pack(): Promise<void> {
    const gone = new Set((await this.#store.range<true>("search", { prefix: [GONE] })).map(({ key }) => numberOf(key)));
    const tail = await this.#store.range<Document>("search", { prefix: [TAIL] });
    if (tail.length < SEGMENT_DOCUMENTS && gone.size === 0) return;
    const batch = this.#store.batch();
    for (const number of gone) batch.delete("search", [GONE, number]);
    const places = new Map((await segmentPlaces(this.#store)).map(({ number, newest }) => [number, newest]));
    const put = (number: number, segment: Segment) => {
      batch.put("search", [SEGMENT, number], segment);
      places.set(number, segment.newest);
    };
    for (const number of await this.#purge(batch, gone, put)) places.delete(number);
    const documents = tail.map(({ key, value }) => ({ number: numberOf(key), ...value }));
    const kept = documents.filter(({ number }) => !gone.has(number));
    for (const { number } of documents) if (gone.has(number)) batch.delete("search", [TAIL, number]);
    for (let at = 0; at + SEGMENT_DOCUMENTS <= kept.length; at += SEGMENT_DOCUMENTS) {
      const run = kept.slice(at, at + SEGMENT_DOCUMENTS);
      for (const { number } of run) batch.delete("search", [TAIL, number]);
      put(run[0]?.number ?? 0, pack(run));
    }
    batch.put("search", DIRECTORY, [...places].map(([number, newest]) => ({ number, newest })));
    await batch.commit();
    if (this.#loaded || this.#loading) {
      this.forget();
      await this.#load();
    }
  }

  /** Writes the segments anew that hold what has gone. @returns those of which nothing is left. */
  async #purge(batch: Batch, gone: ReadonlySet<number>, put: (number: number, segment: Segment) => void): Promise<number[]> {
    const empty: number[] = [];
    if (gone.size === 0) return empty;
    for (const { key, value } of await this.#store.range<Segment>("search", { prefix: [SEGMENT] })) {
      if (!value.numbers.some((number) => gone.has(number))) continue;
      const kept = unpack(value).filter(({ number }) => !gone.has(number));
      if (kept.length > 0) put(numberOf(key), pack(kept));
      else {
        batch.delete("search", key);
        empty.push(numberOf(key));
      }
    }
    return empty;
  }
}

/** Documents of one segment. */
const SEGMENT_DOCUMENTS = 512;
