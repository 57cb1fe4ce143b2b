// Conversations: what arrives is taken in order, what is posted leaves in order, and one chat's
// matters never run side by side.

import type { Element } from "@xmpp/client";
import type { Envelope } from "../content/envelope";
import { stanzaFor } from "../open/stanzas";
import { append, chatsWaiting, findWaiting, keep, remove, waitingIn, type Waiting } from "../outbox/outbox";
import { stanzaOf } from "../outbox/stanza";
import type { Changed, Contents, Context, Conversations, Post, Sealed } from "../parts";
import type { AccountId, ChatId, MessageId } from "../protocol";
import { Refusal } from "../refusal";
import { StanzaRefused } from "../connection/stanza-refused";
import { Addresses } from "./addresses";
import { placeIn, takeEntries } from "./arrivals";
import { readLogEntry, readRefused, type LogEntry } from "./log-entry";
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
  #isOnline = false;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#addresses = new Addresses(around);
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
    await this.exclusive(refused.chat, () => this.#refused(refused, error));
    return true;
  }

  /** The stream has caught up: what waits may leave. */
  async online(isResumed: boolean): Promise<void> {
    this.#isOnline = true;
    if (!isResumed) for (const chat of this.#chats.values()) chat.sent.clear();
    for (const chat of await chatsWaiting(this.#around.store)) this.#sendSoon(chat);
  }

  offline(): void {
    this.#isOnline = false;
  }

  exclusive<T>(chat: ChatId, task: () => Promise<T>): Promise<T> {
    return this.#chat(chat).serial.run(task);
  }

  async post(chat: ChatId, post: Post): Promise<void> {
    if (post.lasts === "passing") return this.#pass(chat, post);
    const batch = this.#around.store.batch();
    await post.rows?.(batch);
    const { lasts: _lasts, rows: _rows, ...kept } = post;
    const waiting = await append(batch, { ...kept, chat });
    // With all before it gone it is sealed at once, in the same batch.
    const isNext = this.#isOnline && this.#mayLeave(chat) && (await this.#unsent(chat)).length === 0;
    const sealed = isNext && !isOpen(waiting) ? await this.#seal(waiting, batch) : undefined;
    await this.#commit(chat, batch);
    if (sealed) await this.#send(sealed);
    else this.#sendSoon(chat);
  }

  async retry(chat: ChatId, id: MessageId): Promise<void> {
    const { store, contents, say } = this.#around;
    const batch = store.batch();
    const waiting = await findWaiting(batch, chat, id);
    if (!waiting?.error) throw new Refusal("not-found", "no message of this id has failed");
    remove(batch, waiting);
    const { error: _error, sealed: _sealed, ...fresh } = waiting;
    await append(batch, fresh);
    const events = await contents.failed(chat, id, undefined, batch);
    await this.#commit(chat, batch);
    events.forEach(say);
    this.#chat(chat).tries.delete(id);
    this.#sendSoon(chat);
  }

  async withdraw(chat: ChatId, id: MessageId): Promise<boolean> {
    const batch = this.#around.store.batch();
    const waiting = await findWaiting(batch, chat, id);
    // What is under way may be in the log already.
    if (!waiting || this.#chat(chat).sent.has(id)) return false;
    remove(batch, waiting);
    await this.#commit(chat, batch);
    return true;
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
      this.#noteLogged(id, some.map(({ entry }) => entry));
      // While the stream catches up, what comes next may bring it in.
      if (isOutside && this.#isOnline) this.#enterSoon(id);
      // What speaks of a message waits until that stands in the log.
      if (this.#isOnline && some.some(({ entry }) => entry.what.kind === "open")) this.#sendSoon(id);
      if (arrived.length > 0) void serial.run(() => this.#takeArrived(id));
    } catch (error) {
      // No room, a disk that fails, or no answer of the server: it keeps what we have not acknowledged.
      if (error instanceof Error && error.name === "StoreFull") this.#around.full(true);
      setTimeout(() => void serial.run(() => this.#takeArrived(id)), TAKE_AGAIN_MS);
    }
  }

  /** What has come into the log makes room for what waits. */
  #noteLogged(id: ChatId, entries: LogEntry[]): void {
    const { sent } = this.#chat(id);
    const own = entries.filter((entry) => entry.id !== undefined && sent.delete(entry.id));
    if (own.length > 0 && this.#isOnline && sent.size <= UNDER_WAY_MAX / 2) this.#sendSoon(id);
  }

  // The server bounds how many a member sends at once, and refuses those beyond: what is refused would come behind
  // what is not.
  #mayLeave(id: ChatId): boolean {
    const { sent, pausedUntilMs } = this.#chat(id);
    const now = performance.now();
    if (now < pausedUntilMs) return false;
    let underWay = 0;
    for (const sentMs of sent.values()) underWay += Number(now - sentMs < UNDER_WAY_MS_MAX);
    return underWay < UNDER_WAY_MAX;
  }

  #sendSoon(chat: ChatId): void {
    void this.exclusive(chat, () => this.#sendWaiting(chat)).catch(() => undefined);
  }

  async #sendWaiting(chat: ChatId): Promise<void> {
    for (const waiting of await this.#unsent(chat)) {
      if (!this.#isOnline) return;
      if (isOpen(waiting)) {
        if (await this.#sendOpen(waiting)) continue;
        return;
      }
      if (!this.#mayLeave(chat)) return;
      const batch = this.#around.store.batch();
      const sealed = waiting.sealed ? waiting : await this.#seal(waiting, batch);
      if (!sealed) return this.#enterSoon(chat);
      if (sealed !== waiting) await this.#commit(chat, batch);
      await this.#send(sealed);
    }
  }

  async #unsent(chat: ChatId): Promise<Waiting[]> {
    const { sent } = this.#chat(chat);
    const all = await waitingIn(this.#around.store, chat);
    return all.filter(({ id, error }) => !sent.has(id) && !error);
  }

  async #seal(waiting: Waiting, batch: ReturnType<Context["store"]["batch"]>): Promise<Waiting | undefined> {
    const { chat, envelope } = waiting;
    if (!(envelope instanceof Uint8Array)) return undefined;
    const bytes = await this.#around.sealed.seal(chat, envelope, batch);
    if (!bytes) return undefined;
    const sealed = { ...waiting, sealed: bytes };
    keep(batch, sealed);
    return sealed;
  }

  async #send(waiting: Waiting): Promise<void> {
    const { chat, id, sealed } = waiting;
    if (!sealed) return;
    this.#chat(chat).sent.set(id, performance.now());
    const stanza = stanzaOf(this.#roomOf(chat), sealed, waiting);
    // Where the stream has just ended it leaves by the next one.
    await this.#around.xmpp.send(stanza).catch(() => this.#chat(chat).sent.delete(id));
  }

  /** @returns whether what waits behind it may leave. */
  async #sendOpen({ chat, id, envelope }: OpenWaiting): Promise<boolean> {
    const { store, self, xmpp } = this.#around;
    try {
      const written = await stanzaFor(chat, envelope, store, self);
      if (written === "later") return false;
      if (written === "never") await this.#removeWaiting(chat, id);
      else {
        this.#chat(chat).sent.set(id, performance.now());
        await xmpp.send(written).catch(() => this.#chat(chat).sent.delete(id));
      }
    } catch (error) {
      await this.#fail(chat, id, Refusal.of(error));
    }
    return true;
  }

  async #removeWaiting(chat: ChatId, id: MessageId): Promise<void> {
    const batch = this.#around.store.batch();
    const waiting = await findWaiting(batch, chat, id);
    if (waiting) remove(batch, waiting);
    await this.#commit(chat, batch);
  }

  async #pass(chat: ChatId, post: Post): Promise<void> {
    if (!this.#isOnline) return;
    if (!(post.envelope instanceof Uint8Array)) {
      const { store, self, xmpp } = this.#around;
      const written = await stanzaFor(chat, post.envelope, store, self);
      if (typeof written !== "string") await xmpp.send(written).catch(() => undefined);
      return;
    }
    const batch = this.#around.store.batch();
    await post.rows?.(batch);
    const sealed = await this.#around.sealed.seal(chat, post.envelope, batch);
    await this.#commit(chat, batch);
    if (sealed) await this.#around.xmpp.send(stanzaOf(this.#roomOf(chat), sealed, post)).catch(() => undefined);
  }

  // Not within what is exclusive: it waits for commits that come by the log.
  #enterSoon(id: ChatId): void {
    const chat = this.#chat(id);
    if (chat.isEntering) return;
    chat.isEntering = true;
    this.#enter(id)
      .catch((error: unknown) => this.exclusive(id, () => this.#cannotEnter(id, Refusal.of(error))))
      .catch(() => undefined)
      .finally(() => {
        chat.isEntering = false;
      });
  }

  async #enter(chat: ChatId): Promise<void> {
    await this.#around.sealed.enter(chat, await this.#addresses.peer(chat));
    this.#sendSoon(chat);
  }

  async #cannotEnter(chat: ChatId, error: Refusal): Promise<void> {
    // With the next stream it is tried again.
    if (error.name === "offline") return;
    if (error instanceof StanzaRefused && error.type === "wait") return this.#sendLater(chat);
    for (const { id } of await this.#unsent(chat)) await this.#fail(chat, id, error);
  }

  async #refused({ chat, id, byPeer }: { chat: ChatId; id: MessageId; byPeer: boolean }, error: StanzaRefused): Promise<void> {
    const { sent, tries } = this.#chat(chat);
    const waiting = await findWaiting(this.#around.store, chat, id);
    if (!waiting) return byPeer ? this.#refusedByPeer(chat, id, error) : undefined;
    if (!sent.delete(id)) return;
    if (error.type === "wait") return this.#sendLater(chat);
    const tried = (tries.get(id) ?? 0) + 1;
    tries.set(id, tried);
    if (tried > TRIES_MAX) return this.#fail(chat, id, error);
    if (isOpen(waiting)) return this.#fail(chat, id, error);
    const isGroupElsewhere = error.is("other-epoch") || error.is("server-restored") || error.name === "item-not-found";
    if (!isGroupElsewhere) return this.#fail(chat, id, error);
    const { sealed: _, ...fresh } = waiting;
    const batch = this.#around.store.batch();
    keep(batch, fresh);
    await this.#commit(chat, batch);
    this.#enterSoon(chat);
  }

  /** The own archive has it already. */
  async #refusedByPeer(chat: ChatId, id: MessageId, error: Refusal): Promise<void> {
    const { store, self } = this.#around;
    const row = await store.message<{ id: string; author: AccountId }>(chat, id);
    if (row?.value.author === self.account) await this.#note(chat, id, error);
  }

  async #fail(chat: ChatId, id: MessageId, error: Refusal): Promise<void> {
    const batch = this.#around.store.batch();
    const waiting = await findWaiting(batch, chat, id);
    if (!waiting) return;
    keep(batch, { ...waiting, error: error.toError() });
    await this.#note(chat, id, error, batch);
  }

  async #note(chat: ChatId, id: MessageId, error: Refusal, batch = this.#around.store.batch()): Promise<void> {
    const events = await this.#around.contents.failed(chat, id, error.toError(), batch);
    await this.#commit(chat, batch);
    events.forEach(this.#around.say);
  }

  #sendLater(id: ChatId): void {
    const chat = this.#chat(id);
    const now = performance.now();
    if (now < chat.pausedUntilMs) return;
    chat.pausedUntilMs = now + SEND_AGAIN_MS;
    setTimeout(() => this.#sendSoon(id), SEND_AGAIN_MS + 1);
  }

  async #commit(chat: ChatId, batch: ReturnType<Context["store"]["batch"]>): Promise<void> {
    try {
      await batch.commit();
      this.#around.full(false);
    } catch (error) {
      this.#around.sealed.drop(chat);
      if (error instanceof Error && error.name === "StoreFull") this.#around.full(true);
      throw error;
    }
  }

  #roomOf(chat: ChatId): string {
    return `${chat}@${this.#around.self.groups}`;
  }

  #chat(id: ChatId): Chat {
    const known = this.#chats.get(id);
    if (known) return known;
    const made: Chat = { serial: new Serial(), arrived: [], sent: new Map(), pausedUntilMs: 0, tries: new Map(), isEntering: false };
    this.#chats.set(id, made);
    return made;
  }
}

type OpenWaiting = Waiting & { envelope: Envelope };

function isOpen(waiting: Waiting): waiting is OpenWaiting {
  return !(waiting.envelope instanceof Uint8Array);
}

/** What is known of a chat beside what is kept. */
interface Chat {
  serial: Serial;
  arrived: { entry: LogEntry; done: () => void }[];
  /** What has left by this session and is not in the log, and when, by `performance.now()`. */
  sent: Map<MessageId, number>;
  /** The server takes no more for now. */
  pausedUntilMs: number;
  tries: Map<MessageId, number>;
  isEntering: boolean;
}

const TAKEN_AT_ONCE_MAX = 64;
const TAKE_AGAIN_MS = 2_000;
const SEND_AGAIN_MS = 3_000;
/** Sealed messages of a chat that have left and are not in its log; one that never comes there counts no longer
 *  than this. */
const UNDER_WAY_MAX = 16;
const UNDER_WAY_MS_MAX = 30_000;
const TRIES_MAX = 8;
