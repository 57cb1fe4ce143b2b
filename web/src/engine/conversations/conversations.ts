// Conversations: what arrives is taken in order, what is posted leaves in order, and one chat's
// matters never run side by side.

import type { Element } from "@xmpp/client";
import type { Changed, Contents, Context, Conversations, Post, Sealed } from "../parts";
import type { AccountId, ChatId, MessageId } from "../protocol";
import { Refusal } from "../refusal";
import { StanzaRefused } from "../connection/stanza-refused";
import { Addresses } from "./addresses";
import { placeIn, takeEntries } from "./arrivals";
import { readLogEntry, readRefused, type LogEntry } from "./log-entry";
import { Posting } from "./posting";
import { Serial } from "./serial";

export interface Surroundings extends Pick<Context, "store" | "self" | "xmpp" | "say" | "now"> {
  sealed: Sealed;
  contents: Contents;
  /** The store has no room, or has room again. */
  full(isFull: boolean): void;
}

export class Rooms implements Conversations {
  readonly #around: Surroundings;
  readonly #chats = new Map<ChatId, Chat>();
  readonly #addresses: Addresses;
  readonly #posting: Posting;
  #isOnline = false;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#addresses = new Addresses(around);
    this.#posting = new Posting({
      ...around,
      exclusive: (chat, task) => this.exclusive(chat, task),
      enterSoon: (chat) => this.#enterSoon(chat),
    });
  }

  /** @returns whether the stanza was for a conversation, once it is kept. */
  async receive(stanza: Element): Promise<boolean> {
    const { self, now } = this.#around;
    const entry = readLogEntry(stanza, self, now());
    if (entry) {
      await this.take(entry);
      return true;
    }
    const refused = readRefused(stanza, self);
    if (!refused) return false;
    const error = new StanzaRefused(stanza);
    await this.exclusive(refused.chat, () => this.#posting.refused(refused, error));
    return true;
  }

  /** The stream has caught up: what waits may leave. */
  async online(isResumed: boolean): Promise<void> {
    this.#isOnline = true;
    await this.#posting.online(isResumed);
  }

  offline(): void {
    this.#isOnline = false;
    this.#posting.offline();
  }

  exclusive<T>(chat: ChatId, task: () => Promise<T>): Promise<T> {
    return this.#chat(chat).serial.run(task);
  }

  post(chat: ChatId, post: Post): Promise<void> {
    return this.#posting.post(chat, post);
  }

  retry(chat: ChatId, id: MessageId): Promise<void> {
    return this.#posting.retry(chat, id);
  }

  withdraw(chat: ChatId, id: MessageId): Promise<boolean> {
    return this.#posting.withdraw(chat, id);
  }

  own(): Promise<ChatId> {
    return this.#addresses.own();
  }

  direct(peer: AccountId): Promise<ChatId> {
    return this.#addresses.direct(peer);
  }

  async change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<Changed> {
    return this.#around.sealed.change(chat, add, remove);
  }

  /** Waits until nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#chats.values()].map((chat) => chat.serial.run(async () => undefined)));
  }

  async enter(chat: ChatId): Promise<void> {
    await this.#around.sealed.enter(chat, await this.#addresses.peer(chat));
  }

  /** How far this device has the chat's log. */
  place(chat: ChatId): Promise<string> {
    return placeIn(this.#around.store, chat);
  }

  /** Something in a log, or passing. @returns once it is kept. */
  take(entry: LogEntry): Promise<void> {
    const chat = this.#chat(entry.chat);
    return new Promise((done) => {
      chat.arrived.push({ entry, done });
      // What comes meanwhile is taken with it.
      if (chat.arrived.length === 1) void chat.serial.run(() => this.#takeArrived(entry.chat));
    });
  }

  async #takeArrived(id: ChatId): Promise<void> {
    const { arrived, serial } = this.#chat(id);
    let isOutside = false;
    const outside = () => {
      isOutside = true;
    };
    const some = arrived.slice(0, TAKEN_AT_ONCE_MAX);
    try {
      const events = await takeEntries({ ...this.#around, outside }, id, some.map(({ entry }) => entry));
      this.#around.full(false);
      arrived.splice(0, some.length);
      events.forEach(this.#around.say);
      for (const { done } of some) done();
      this.#posting.noteLogged(id, some.map(({ entry }) => entry));
      // While the stream catches up, what comes next may bring it in.
      if (isOutside && this.#isOnline) this.#enterSoon(id);
      // What speaks of a message waits until that stands in the log.
      if (this.#isOnline && some.some(({ entry }) => entry.what.kind === "open")) this.#posting.sendSoon(id);
      if (arrived.length > 0) void serial.run(() => this.#takeArrived(id));
    } catch (error) {
      // No room, a disk that fails, or no answer of the server: it keeps what we have not acknowledged.
      if (error instanceof Error && error.name === "StoreFull") this.#around.full(true);
      setTimeout(() => void serial.run(() => this.#takeArrived(id)), TAKE_AGAIN_MS);
    }
  }

  // Not within what is exclusive: it waits for commits that come by the log.
  #enterSoon(id: ChatId): void {
    const chat = this.#chat(id);
    if (chat.isEntering) return;
    chat.isEntering = true;
    this.enter(id)
      .finally(() => {
        // Before what waits leaves: where that is refused, it must come in again.
        chat.isEntering = false;
      })
      .then(() => this.#posting.sendSoon(id))
      .catch((error: unknown) => this.exclusive(id, () => this.#cannotEnter(id, Refusal.of(error))))
      .catch(() => undefined);
  }

  async #cannotEnter(chat: ChatId, error: Refusal): Promise<void> {
    // With the next stream it is tried again.
    if (error.name === "offline") return;
    if (error instanceof StanzaRefused && error.type === "wait") return this.#posting.sendLater(chat);
    await this.#posting.failAll(chat, error);
  }

  #chat(id: ChatId): Chat {
    const known = this.#chats.get(id);
    if (known) return known;
    const made: Chat = { serial: new Serial(), arrived: [], isEntering: false };
    this.#chats.set(id, made);
    return made;
  }
}

interface Chat {
  serial: Serial;
  arrived: { entry: LogEntry; done: () => void }[];
  isEntering: boolean;
}

const TAKEN_AT_ONCE_MAX = 64;
const TAKE_AGAIN_MS = 2_000;
