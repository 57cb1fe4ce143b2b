// Others learn how far this device is: batched, and only while there is a stream, since what counts is
// the last word (docs/protocol/envelope.md, "Receipts").

import type { ChatId } from "../protocol";
import { orderAfter, others, TOLD_TO_FEWER, type ChatRow } from "./chat-row";
import type { Desk } from "./desk";
import { CHAT } from "./keys";

export class Telling {
  readonly #desk: Desk;
  readonly #timers = new Map<ChatId, ReturnType<typeof setTimeout>>();
  #isOnline = false;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  async online(): Promise<void> {
    this.#isOnline = true;
    for (const { value } of await this.#desk.context.store.range<ChatRow>("chats", { prefix: [CHAT] })) {
      if (this.#due(value) || this.#owesProfile(value)) this.soon(value.id);
    }
  }

  offline(): void {
    this.#isOnline = false;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** What comes until then is told with it. */
  soon(chat: ChatId): void {
    if (!this.#isOnline || this.#timers.has(chat)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(chat);
      // What is not told now is told with the next message, or after the next log-in.
      void this.tell(chat).catch(() => undefined);
    }, DELAY_MS);
    this.#timers.set(chat, timer);
  }

  tell(chat: ChatId): Promise<void> {
    return this.#desk.context.conversations.exclusive(chat, async () => {
      const row = await this.#desk.chat(chat);
      if (this.#owesProfile(row)) await this.#desk.sayWithin(chat, { kind: "profile" }, {}, async () => undefined);
      const due = this.#due(row);
      if (!due) return;
      await this.#desk.sayWithin(chat, { kind: "receipt", ...due }, { serverLifeS: KEPT_S }, async ({ chat }) => {
        chat.told = { delivered: orderAfter(chat.told.delivered, due.delivered), read: orderAfter(chat.told.read, due.read) };
      });
    });
  }

  /** Whoever comes into a group says once who it is, for it may never write. Newcomers learn who was there before
   *  them; in larger groups they do with the next message. */
  #owesProfile(chat: ChatRow): boolean {
    const members = others(chat, this.#desk.own).length + 1;
    const isNew = chat.profileTold === "" && chat.kind === "group" && chat.encryption === "sealed" && members > 1;
    if (isNew && !chat.hasLeft && this.#desk.profile.name !== "") return true;
    return chat.profileTold === TOLD_TO_FEWER && !chat.hasLeft && members <= DELIVERED_MEMBERS_MAX;
  }

  #due(chat: ChatRow): { delivered?: string; read?: string } | undefined {
    const members = others(chat, this.#desk.own).length + 1;
    if (chat.kind === "self" || chat.hasLeft || members < 2) return undefined;
    const isRead = this.#desk.showsReads() && chat.readUpTo > chat.told.read;
    const read = isRead ? { read: chat.readUpTo } : {};
    // Who has seen something has got it.
    const reached = orderAfter(chat.told.delivered, read.read);
    // No client of another making tells a room that something has come.
    const isTold = chat.encryption !== "open" || chat.kind === "direct";
    const isDelivered = isTold && members <= DELIVERED_MEMBERS_MAX && chat.newestForeign > reached;
    if (!isRead && !isDelivered) return undefined;
    return { ...read, ...(isDelivered && { delivered: chat.newestForeign }) };
  }
}

const DELAY_MS = 1_000;
/** The server forgets receipts after 30 days. */
const KEPT_S = 30 * 86_400;
/** In larger conversations only what was read is told, and nobody is introduced. */
const DELIVERED_MEMBERS_MAX = 32;
