// What is posted to a chat: it waits in the outbox, is sealed when its turn comes, and leaves in order. What the
// server refuses is sent again where that helps; elsewhere it fails, for the user to see.

import type { Envelope } from "../content/envelope";
import { StanzaRefused } from "../connection/stanza-refused";
import { stanzaFor } from "../open/stanzas";
import { append, chatsWaiting, findWaiting, keep, remove, waitingIn, type Waiting } from "../outbox/outbox";
import { stanzaOf } from "../outbox/stanza";
import type { Contents, Context, Post, Sealed } from "../parts";
import type { AccountId, ChatId, MessageId } from "../protocol";
import { Refusal } from "../refusal";
import type { Batch } from "../store/store";
import type { LogEntry } from "./log-entry";

export interface Surroundings extends Pick<Context, "store" | "self" | "xmpp" | "say"> {
  sealed: Sealed;
  contents: Contents;
  /** Runs a task while nothing else concerns this chat. */
  exclusive<T>(chat: ChatId, task: () => Promise<T>): Promise<T>;
  /** This device is to come into the chat's group; {@link Posting.sendSoon} follows. */
  enterSoon(chat: ChatId): void;
  /** The store has no room, or has room again. */
  full(isFull: boolean): void;
}

/** But for `online`, `offline` and what is said to happen soon or later, all is for use within `exclusive`. */
export class Posting {
  readonly #around: Surroundings;
  readonly #chats = new Map<ChatId, UnderWay>();
  #isOnline = false;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  async online(isResumed: boolean): Promise<void> {
    this.#isOnline = true;
    if (!isResumed) for (const chat of this.#chats.values()) chat.sent.clear();
    for (const chat of await chatsWaiting(this.#around.store)) this.sendSoon(chat);
  }

  offline(): void {
    this.#isOnline = false;
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
    else this.sendSoon(chat);
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
    this.sendSoon(chat);
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

  sendSoon(chat: ChatId): void {
    void this.#around.exclusive(chat, () => this.#sendWaiting(chat)).catch(() => undefined);
  }

  sendLater(id: ChatId): void {
    const chat = this.#chat(id);
    const now = performance.now();
    if (now < chat.pausedUntilMs) return;
    chat.pausedUntilMs = now + SEND_AGAIN_MS;
    setTimeout(() => this.sendSoon(id), SEND_AGAIN_MS + 1);
  }

  /** What has come into the log makes room for what waits. */
  noteLogged(id: ChatId, entries: LogEntry[]): void {
    const { sent } = this.#chat(id);
    const own = entries.filter((entry) => entry.id !== undefined && sent.delete(entry.id));
    if (own.length > 0 && this.#isOnline && sent.size <= UNDER_WAY_MAX / 2) this.sendSoon(id);
  }

  async refused({ chat, id, byPeer }: { chat: ChatId; id: MessageId; byPeer: boolean }, error: StanzaRefused): Promise<void> {
    const { sent, tries } = this.#chat(chat);
    const waiting = await findWaiting(this.#around.store, chat, id);
    if (!waiting) return byPeer ? this.#refusedByPeer(chat, id, error) : undefined;
    if (!sent.delete(id)) return;
    if (error.type === "wait") return this.sendLater(chat);
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
    this.#around.enterSoon(chat);
  }

  /** None of what waits can leave. */
  async failAll(chat: ChatId, error: Refusal): Promise<void> {
    for (const { id } of await this.#unsent(chat)) await this.#fail(chat, id, error);
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
      if (!sealed) return this.#around.enterSoon(chat);
      if (sealed !== waiting) await this.#commit(chat, batch);
      await this.#send(sealed);
    }
  }

  async #unsent(chat: ChatId): Promise<Waiting[]> {
    const { sent } = this.#chat(chat);
    const all = await waitingIn(this.#around.store, chat);
    return all.filter(({ id, error }) => !sent.has(id) && !error);
  }

  async #seal(waiting: Waiting, batch: Batch): Promise<Waiting | undefined> {
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

  async #commit(chat: ChatId, batch: Batch): Promise<void> {
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

  #chat(id: ChatId): UnderWay {
    const known = this.#chats.get(id);
    if (known) return known;
    const made: UnderWay = { sent: new Map(), pausedUntilMs: 0, tries: new Map() };
    this.#chats.set(id, made);
    return made;
  }
}

type OpenWaiting = Waiting & { envelope: Envelope };

function isOpen(waiting: Waiting): waiting is OpenWaiting {
  return !(waiting.envelope instanceof Uint8Array);
}

/** What is known of a chat beside what is kept. */
interface UnderWay {
  /** What has left by this session and is not in the log, and when, by `performance.now()`. */
  sent: Map<MessageId, number>;
  /** The server takes no more for now. */
  pausedUntilMs: number;
  tries: Map<MessageId, number>;
}

const SEND_AGAIN_MS = 3_000;
/** Sealed messages of a chat that have left and are not in its log; one that never comes there counts no longer
 *  than this. */
const UNDER_WAY_MAX = 16;
const UNDER_WAY_MS_MAX = 30_000;
const TRIES_MAX = 8;
