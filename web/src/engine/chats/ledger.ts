// One step of a conversation: messages are looked up and changed, and with them whatever depends on
// them: counters, the last line, what is found by kind, by end and by words. Nothing is read whole.

import type { ChatId, EngineEvent, MessageId, Order } from "../protocol";
import { isPending, isVisible, newRow, textOf, type Row } from "../content/row";
import { contentOf, viewOf } from "../content/view";
import type { Index } from "../search/index";
import type { Batch, Reader } from "../store/store";
import { isUnread, isUnreadMention, lastOf, newChat, statusAt, type ChatRow } from "./chat-row";
import { FIRST_PLACE, chatKey, expiryKey, mediaKey, messageKey, starredKey } from "./keys";

/** What a step needs to know. */
export interface LedgerContext {
  own: string;
  index: Index;
  showsReads(): boolean;
  chatEvent(chat: ChatRow, reader: Reader): Promise<EngineEvent>;
}

/** A message, or a reaction to one. */
export interface News { id: MessageId; reaction?: { emoji: string; by: string } }

export class Ledger {
  readonly batch: Batch;
  /** Changed in place; written by {@link close}. */
  chat: ChatRow;
  readonly #context: LedgerContext;
  readonly #rows = new Map<MessageId, { before: Row | undefined; after: Row | undefined }>();
  readonly #shown = new Set<MessageId>();
  /** What came that the user may want to be called for. */
  readonly news: News[] = [];
  /** A chat of which nothing was known. */
  readonly isNew: boolean;

  static async open(batch: Batch, id: ChatId, atMs: number, context: LedgerContext): Promise<Ledger> {
    const chat = await batch.get<ChatRow>("chats", chatKey(id));
    return new Ledger(batch, chat ? { ...chat } : newChat(id, atMs), chat === undefined, context);
  }

  private constructor(batch: Batch, chat: ChatRow, isNew: boolean, context: LedgerContext) {
    this.batch = batch;
    this.chat = chat;
    this.isNew = isNew;
    this.#context = context;
  }

  /** @returns undefined where nothing is known of it. */
  async find(id: MessageId): Promise<Row | undefined> {
    const changed = this.#rows.get(id);
    if (changed) return changed.after;
    const row = (await this.batch.message<Row>(this.chat.id, id))?.value;
    this.#rows.set(id, { before: row, after: row });
    return row;
  }

  async row(id: MessageId): Promise<Row> {
    return (await this.find(id)) ?? newRow(this.chat.id, id);
  }

  /** The message that stands there in the log. */
  async at(order: Order): Promise<Row | undefined> {
    if (order > this.chat.newest) return undefined;
    const row = await this.batch.get<Row>("messages", [this.chat.id, order]);
    if (!row) return undefined;
    if (!this.#rows.has(row.id)) this.#rows.set(row.id, { before: row, after: row });
    return this.#rows.get(row.id)?.after;
  }

  put(row: Row): void {
    const known = this.#rows.get(row.id);
    if (known) known.after = row;
    else this.#rows.set(row.id, { before: undefined, after: row });
  }

  /** Without a trace. */
  async remove(id: MessageId): Promise<void> {
    await this.find(id);
    const known = this.#rows.get(id);
    if (known) known.after = undefined;
  }

  /** Its view is another, though it is the same: it has come further. */
  async show(id: MessageId): Promise<void> {
    if (await this.find(id)) this.#shown.add(id);
  }

  /** What was seen is another: the rest is counted. */
  async readUpTo(order: Order): Promise<void> {
    if (order <= this.chat.readUpTo) return;
    this.chat.readUpTo = order;
    const after: [string, string] = [this.chat.id, order];
    const rows = await this.batch.range<Row>("messages", { prefix: [this.chat.id], after, count: UNREAD_MAX });
    // What changes within this step is counted when it closes.
    const counted = rows.map(({ value }) => this.#rows.get(value.id)?.before ?? value);
    this.chat.unread = counted.filter((row) => isUnread(row, this.chat, this.#context.own)).length;
    this.chat.mentions = counted.filter((row) => isUnreadMention(row, this.chat, this.#context.own)).length;
  }

  /** Deletes what stands up to there, for the own account. */
  async clearUpTo(order: Order): Promise<void> {
    if (order <= this.chat.clearedUpTo) return;
    this.chat.clearedUpTo = order;
    for (;;) {
      const within = { after: [this.chat.id, FIRST_PLACE], before: [this.chat.id, `${order}/`] };
      const rows = await this.batch.range<Row>("messages", { ...within, count: CLEARED_AT_ONCE });
      if (rows.length === 0) break;
      for (const { value } of rows) await this.remove(value.id);
      await this.#write();
    }
    await this.readUpTo(order);
  }

  /** Writes what has changed. @returns what the pages are told once it is kept. */
  async close(): Promise<EngineEvent[]> {
    await this.#write();
    const changed = [...this.#changed.values(), ...this.#shownRows()];
    const messages = await Promise.all(changed.filter(isVisible).map((row) => this.#view(row)));
    const removed = [...this.#removed];
    const events: EngineEvent[] = [];
    if (messages.length > 0 || removed.length > 0) {
      events.push({ type: "messages", chat: this.chat.id, messages, removed });
    }
    this.batch.put("chats", chatKey(this.chat.id), this.chat);
    events.push(await this.#context.chatEvent(this.chat, this.batch));
    return events;
  }

  readonly #changed = new Map<MessageId, Row>();
  readonly #removed = new Set<MessageId>();

  async #write(): Promise<void> {
    let isLastStale = false;
    for (const [id, { before, after }] of this.#rows) {
      if (before === after) continue;
      const kept = this.#index(before, after);
      this.#store(before, kept);
      this.#count(before, -1);
      this.#count(kept, 1);
      isLastStale = this.#noteLast(before, kept) || isLastStale;
      this.#rows.set(id, { before: kept, after: kept });
      if (kept && isVisible(kept)) this.#changed.set(id, kept);
      else this.#changed.delete(id);
      if (before && isVisible(before) && !(kept && isVisible(kept))) this.#removed.add(id);
    }
    if (isLastStale) await this.#findLast();
  }

  #store(before: Row | undefined, after: Row | undefined): void {
    if (after && !isPending(after.order) && after.order > this.chat.newest) this.chat.newest = after.order;
    const { batch } = this;
    const { id } = this.chat;
    const old = before && messageKey(id, before.order, before.id);
    const key = after && messageKey(id, after.order, after.id);
    if (old && old[1] !== key?.[1]) batch.delete("messages", old);
    if (after && key) batch.put("messages", key, after);
    this.#mark(hasMedia(before), hasMedia(after), (row) => mediaKey(id, row.order), before, after);
    this.#mark(isStarred(before), isStarred(after), (row) => starredKey(id, row.id), before, after);
    this.#mark(ends(before), ends(after), (row) => expiryKey(row.expiresAtMs ?? 0, id, row.id), before, after);
  }

  // A row elsewhere by which the message is found: it goes and comes with what it tells.
  #mark(was: boolean, is: boolean, keyOf: (row: Row) => ReturnType<typeof mediaKey>, before?: Row, after?: Row): void {
    const old = was && before ? keyOf(before) : undefined;
    const key = is && after ? keyOf(after) : undefined;
    if (old && JSON.stringify(old) !== JSON.stringify(key)) this.batch.delete("chats", old);
    if (key && after) this.batch.put("chats", key, after.order);
  }

  #index(before: Row | undefined, after: Row | undefined): Row | undefined {
    const { index } = this.#context;
    const isSame = before?.order === after?.order && wordsOf(before) === wordsOf(after);
    if (isSame) return after;
    if (before?.document !== undefined) index.remove(this.batch, before.document);
    if (!after) return undefined;
    const { document: _, ...rest } = after;
    const document = index.add(this.batch, { chat: after.chat, order: after.order, text: wordsOf(after) });
    return document === undefined ? rest : { ...rest, document };
  }

  #count(row: Row | undefined, difference: 1 | -1): void {
    const { own } = this.#context;
    if (isUnread(row, this.chat, own)) this.chat.unread = Math.max(0, this.chat.unread + difference);
    if (isUnreadMention(row, this.chat, own)) this.chat.mentions = Math.max(0, this.chat.mentions + difference);
  }

  /** @returns whether another one is the last now. */
  #noteLast(before: Row | undefined, after: Row | undefined): boolean {
    const { last } = this.chat;
    const isNewest = after && isVisible(after) && after.order !== "" && (!last || after.order >= last.order);
    if (after && isNewest) this.chat.last = lastOf(after);
    if (!last || last.id !== (before ?? after)?.id) return false;
    // It has gone, or taken its place in the log before others.
    return !isNewest;
  }

  async #findLast(): Promise<void> {
    const range = { prefix: [this.chat.id], after: [this.chat.id, FIRST_PLACE], reverse: true, count: LAST_LOOKED_AT };
    const rows = await this.batch.range<Row>("messages", range);
    const last = rows.find(({ value }) => isVisible(value));
    if (last) this.chat.last = lastOf(last.value);
    else delete this.chat.last;
  }

  #shownRows(): Row[] {
    const shown = [...this.#shown].filter((id) => !this.#changed.has(id) && !this.#removed.has(id));
    return shown.flatMap((id) => this.#rows.get(id)?.after ?? []);
  }

  async #view(row: Row) {
    const reply = row.base?.type === "message" ? row.base.reply : undefined;
    const quoted = reply && (await this.find(reply.id));
    const statusOf = (order: Order) => statusAt(this.chat, order, this.#context.showsReads());
    return viewOf(row, { own: this.#context.own, statusOf, quoted: () => quoted });
  }
}

function wordsOf(row: Row | undefined): string {
  return row && isVisible(row) && row.base?.type === "message" ? textOf(row) : "";
}

function hasMedia(row: Row | undefined): boolean {
  if (!row || !isVisible(row) || row.order === "") return false;
  const { kind } = contentOf(row);
  return kind === "photo" || kind === "film" || kind === "gif" || kind === "document";
}

function isStarred(row: Row | undefined): boolean {
  return row?.starred?.value === true && isVisible(row);
}

function ends(row: Row | undefined): boolean {
  return row?.expiresAtMs !== undefined;
}

/** Unseen messages that are counted one by one. */
const UNREAD_MAX = 1_000;
const CLEARED_AT_ONCE = 500;
/** Rows in which the last visible one is looked for. */
const LAST_LOOKED_AT = 50;
