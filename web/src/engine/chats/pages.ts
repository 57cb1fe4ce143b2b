// A chat's messages by pages, and those that are found by what they are. Each reads by an index, and
// no more than it shows.

import type { ChatId, Hit, Message, MessageId, Order, Page, Receipt } from "../protocol";
import { Refusal } from "../refusal";
import { isVisible, type Row } from "../content/row";
import { viewOf } from "../content/view";
import { isUnread, others, statusAt, type ChatRow } from "./chat-row";
import type { Desk } from "./desk";
import { CHAT, FIRST_PLACE, MEDIA, STARRED, chatKey, receiptsKey } from "./keys";
import { receiptsOf, type Receipts } from "./receipts";

type From = { before?: Order; after?: Order; around?: MessageId; unread?: true };

export class Pages {
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  async messages(chat: ChatId, from: From = {}, count = PAGE): Promise<Page> {
    const wanted = Math.min(Math.max(1, count), PAGE_MAX);
    if (from.around !== undefined) return this.#around(chat, from.around, wanted);
    if (from.unread) return this.#unread(chat, wanted);
    if (from.after !== undefined) {
      const { rows, hasMore } = await this.#visible(chat, { after: from.after }, wanted);
      const [older] = await this.#rows(chat, { before: `${from.after}/` }, 1);
      return { messages: await this.views(rows), hasOlder: older !== undefined, hasNewer: hasMore };
    }
    const bound = from.before === undefined ? {} : { before: from.before };
    const { rows, hasMore } = await this.#visible(chat, { ...bound, reverse: true }, wanted);
    return { messages: await this.views(rows.reverse()), hasOlder: hasMore, hasNewer: from.before !== undefined };
  }

  async media(chat: ChatId): Promise<Message[]> {
    const { store } = this.#desk.context;
    const places = await store.range<Order>("chats", { prefix: [MEDIA, chat], reverse: true, count: FOUND_MAX });
    return this.views(await this.#at(places.map(({ value }) => ({ chat, order: value }))));
  }

  async starred(): Promise<Message[]> {
    const places = await this.#desk.context.store.range<Order>("chats", { prefix: [STARRED], count: FOUND_MAX });
    const rows = await this.#at(places.map(({ key, value }) => ({ chat: (key as string[])[1] ?? "", order: value })));
    rows.sort((one, other) => (one.order < other.order ? 1 : -1));
    return this.views(rows);
  }

  async search(words: string, chat?: ChatId): Promise<Hit[]> {
    const rows = await this.#at(await this.#desk.index.find(words, chat, HITS_MAX));
    const messages = await this.views(rows);
    const names = new Map<ChatId, string>();
    for (const { chat } of rows) {
      if (!names.has(chat)) names.set(chat, (await this.#desk.chatView(await this.#desk.chat(chat), this.#desk.context.store)).name);
    }
    return messages.map((message) => ({ message, chatName: names.get(message.chat) ?? "" }));
  }

  async chats() {
    const rows = await this.#desk.context.store.range<ChatRow>("chats", { prefix: [CHAT] });
    const shown = rows.filter(({ value }) => value.kind !== "direct" || value.last || value.marks.draft?.value);
    return Promise.all(shown.map(({ value }) => this.#desk.chatView(value, this.#desk.context.store)));
  }

  async info(chat: ChatId, id: MessageId): Promise<Receipt[]> {
    const { own, context } = this.#desk;
    const [row, message] = await Promise.all([this.#desk.chat(chat), this.#desk.message(chat, id)]);
    const receipts = (await context.store.get<Receipts>("chats", receiptsKey(chat))) ?? {};
    return receiptsOf(receipts, others(row, own), message.order, this.#desk.showsReads());
  }

  async views(rows: Row[]): Promise<Message[]> {
    const { store } = this.#desk.context;
    const chats = new Map<ChatId, ChatRow | undefined>();
    for (const { chat } of rows) if (!chats.has(chat)) chats.set(chat, await store.get<ChatRow>("chats", chatKey(chat)));
    return Promise.all(rows.map(async (row) => {
      const reply = row.base?.type === "message" ? row.base.reply : undefined;
      const quoted = reply && (await store.message<Row>(row.chat, reply.id))?.value;
      const chat = chats.get(row.chat);
      const statusOf = (order: Order) => (chat ? statusAt(chat, order, this.#desk.showsReads()) : "sent");
      return viewOf(row, { own: this.#desk.own, statusOf, quoted: () => quoted });
    }));
  }

  async #around(chat: ChatId, id: MessageId, count: number): Promise<Page> {
    const middle = await this.#desk.message(chat, id);
    if (!isVisible(middle)) throw new Refusal("not-found", "there is no such message");
    const older = await this.#visible(chat, { before: middle.order, reverse: true }, Math.floor(count / 2));
    const newer = await this.#visible(chat, { after: middle.order }, Math.ceil(count / 2));
    const rows = [...older.rows.reverse(), middle, ...newer.rows];
    return { messages: await this.views(rows), hasOlder: older.hasMore, hasNewer: newer.hasMore };
  }

  async #unread(chat: ChatId, count: number): Promise<Page> {
    const row = await this.#desk.chat(chat);
    const read = await this.#visible(chat, row.readUpTo === "" ? {} : { after: row.readUpTo }, count);
    const at = read.rows.findIndex((one) => isUnread(one, row, this.#desk.own));
    const first = read.rows[at];
    if (!first) return this.messages(chat, {}, count);
    const newer = read.rows.slice(at);
    const older = await this.#visible(chat, { before: first.order, reverse: true }, Math.max(READ_MIN, count - newer.length));
    const messages = await this.views([...older.rows.reverse(), ...newer]);
    return { messages, hasOlder: older.hasMore, hasNewer: read.hasMore, unreadFrom: first.order };
  }

  // Those that are hidden are passed over.
  async #visible(chat: ChatId, bound: Bound, count: number): Promise<{ rows: Row[]; hasMore: boolean }> {
    const rows: Row[] = [];
    let from = bound;
    for (;;) {
      const read = await this.#rows(chat, from, count + 1);
      rows.push(...read.filter(isVisible));
      const last = read.at(-1);
      if (read.length <= count || rows.length > count || !last) break;
      from = bound.reverse ? { ...bound, before: last.order } : { ...bound, after: last.order };
    }
    return { rows: rows.slice(0, count), hasMore: rows.length > count };
  }

  async #rows(chat: ChatId, { before, after, reverse }: Bound, count: number): Promise<Row[]> {
    const range = {
      prefix: [chat],
      after: [chat, after ?? FIRST_PLACE],
      ...(before !== undefined && { before: [chat, before] }),
      ...(reverse && { reverse }),
      count,
    };
    return (await this.#desk.context.store.range<Row>("messages", range)).map(({ value }) => value);
  }

  async #at(places: { chat: ChatId; order: Order }[]): Promise<Row[]> {
    const { store } = this.#desk.context;
    const rows = await Promise.all(places.map(({ chat, order }) => store.get<Row>("messages", [chat, order])));
    return rows.filter((row): row is Row => row !== undefined && isVisible(row));
  }
}

interface Bound {
  before?: Order;
  after?: Order;
  reverse?: boolean;
}

/** Messages of a page, unless it is said, and at most. */
const PAGE = 50;
const PAGE_MAX = 500;
/** What was read already stands above the unread. */
const READ_MIN = 20;
/** Of media and stars, the newest. */
const FOUND_MAX = 1_000;
const HITS_MAX = 50;
