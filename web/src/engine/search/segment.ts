// A run of documents, packed so that it is read and looked through at once.

import type { ChatId, Order } from "../protocol";

/** A message's words. */
export interface Document {
  chat: ChatId;
  order: Order;
  words: string;
}

/** Documents as they are kept: by columns, for a few long texts are read faster than many short ones. */
export interface Segment {
  numbers: number[];
  chats: ChatId[];
  /** For each document, which of `chats`. */
  chatOf: number[];
  /** 16 digits each; sub-places cut. */
  orders: string;
  /** Each with a line's end behind it. */
  words: string;
  /** The greatest of `orders`. */
  newest: Order;
}

export type Numbered = Document & { number: number };

export function pack(documents: Numbered[]): Segment {
  const chats = [...new Set(documents.map(({ chat }) => chat))];
  const places = new Map(chats.map((chat, index) => [chat, index]));
  return {
    numbers: documents.map(({ number }) => number),
    chats,
    chatOf: documents.map(({ chat }) => places.get(chat) ?? 0),
    orders: documents.map(({ order }) => order).join(""),
    words: documents.map(({ words }) => `${words}\n`).join(""),
    newest: documents.reduce((newest, { order }) => (order > newest ? order : newest), ""),
  };
}

export function unpack(segment: Segment): Numbered[] {
  const words = segment.words.split("\n");
  return segment.numbers.map((number, index) => ({ number, ...place(segment, index), words: words[index] ?? "" }));
}

/** Finds documents that have all the needles, and are not among those that have gone. */
export function findIn(segment: Segment, needles: string[], gone: ReadonlySet<number>, found: (at: Place) => void): void {
  const [first, ...rest] = needles;
  if (first === undefined) return;
  const { words } = segment;
  let document = 0;
  let start = 0;
  for (let hit = words.indexOf(first); hit !== -1; ) {
    let end = words.indexOf("\n", start);
    while (end < hit && end !== -1) {
      document++;
      start = end + 1;
      end = words.indexOf("\n", start);
    }
    if (end === -1) return;
    const number = segment.numbers[document] ?? 0;
    if (!gone.has(number) && rest.every((needle) => isWithin(words, needle, start, end))) found(place(segment, document));
    hit = words.indexOf(first, end);
  }
}

export interface Place {
  chat: ChatId;
  order: Order;
}

/** The newest so many of all places that are found. */
export class Newest {
  readonly #count: number;
  #places: Place[] = [];
  /** What is older is not among them. */
  #oldest: Order = "";

  constructor(count: number) {
    this.#count = count;
  }

  /** Whether one of this order would be among them, as far as they are known. */
  has(order: Order): boolean {
    if (this.#places.length >= this.#count) this.#cut();
    return order > this.#oldest;
  }

  add(place: Place): void {
    if (place.order <= this.#oldest) return;
    this.#places.push(place);
    if (this.#places.length >= this.#count * 2) this.#cut();
  }

  finish(): Place[] {
    this.#cut();
    return this.#places;
  }

  #cut(): void {
    this.#places.sort((one, other) => (one.order < other.order ? 1 : -1));
    if (this.#places.length < this.#count) return;
    this.#places.length = this.#count;
    this.#oldest = this.#places.at(-1)?.order ?? "";
  }
}

function place(segment: Segment, index: number): Place {
  const chat = segment.chats[segment.chatOf[index] ?? 0] ?? "";
  return { chat, order: segment.orders.slice(index * ORDER_LENGTH, (index + 1) * ORDER_LENGTH) };
}

function isWithin(words: string, needle: string, start: number, end: number): boolean {
  return words.slice(start, end).includes(needle);
}

const ORDER_LENGTH = 16;
