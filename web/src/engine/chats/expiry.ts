// Messages that disappear: each goes when its life is over, by the engine's clock, also where the app
// slept meanwhile.

import type { ChatId, MessageId } from "../protocol";
import type { Desk } from "./desk";
import { EXPIRY } from "./keys";

export class Expiry {
  readonly #desk: Desk;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRunning = false;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** Removes what has ended, and waits for the next. */
  async run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (const chat of await this.#due()) await this.#remove(chat);
    } finally {
      this.#isRunning = false;
      await this.#wait();
    }
  }

  /** A message that ends has come. Its batch may still be on its way. */
  noticed(): void {
    this.#waitFor(NOTICED_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  async #due(): Promise<Set<ChatId>> {
    const { store, now } = this.#desk.context;
    const rows = await store.range("chats", { prefix: [EXPIRY], before: [EXPIRY, now() + 1], count: AT_ONCE_MAX });
    return new Set(rows.map(({ key }) => (key as [string, number, ChatId, MessageId])[2]));
  }

  #remove(chat: ChatId): Promise<void> {
    return this.#desk.change(chat, async (ledger) => {
      const before = [EXPIRY, this.#desk.now() + 1];
      for (const { key } of await ledger.batch.range("chats", { prefix: [EXPIRY], before, count: AT_ONCE_MAX })) {
        const [, , of, id] = key as [string, number, ChatId, MessageId];
        if (of !== chat) continue;
        // Where the message is another by now, the row is a leftover.
        const row = await ledger.find(id);
        if (row?.expiresAtMs !== undefined && row.expiresAtMs <= this.#desk.now()) await ledger.remove(id);
        ledger.batch.delete("chats", key);
      }
    });
  }

  async #wait(): Promise<void> {
    const [next] = await this.#desk.context.store.range("chats", { prefix: [EXPIRY], count: 1 });
    if (next) this.#waitFor((next.key as [string, number])[1] - this.#desk.now());
  }

  // Timers stand still while a device sleeps, and cannot be set for months: it is looked again.
  #waitFor(delayMs: number): void {
    clearTimeout(this.#timer);
    const delay = Math.min(Math.max(delayMs, 0), LOOKED_EVERY_MS);
    this.#timer = setTimeout(() => void this.run().catch(() => this.#waitFor(LOOKED_EVERY_MS)), delay);
  }
}

const AT_ONCE_MAX = 500;
const NOTICED_MS = 200;
const LOOKED_EVERY_MS = 30_000;
