// Devices with stores of their own and one server between them that knows of logs alone: for tests of
// what becomes of what is said.

import "fake-indexeddb/auto";
import { directChat } from "../conversations/direct";
import type { Arrival, Changed, Context, Conversations, Post, RoomChange } from "../parts";
import type { AccountId, ChatId, EngineEvent, MessageId, Order } from "../protocol";
import { Store } from "../store/store";
import { Chats, type Surroundings } from "./chats";

export const ADA = "k7qm2xw4p9ab";
export const BOB = "p3c8tz0n6vfd";
export const EVE = "9dkv4mr7s2ye";
export const DOMAIN = "example.org";

/** The server: a log for each room. */
export class World {
  nowMs = 1_790_000_000_000;
  readonly logs = new Map<ChatId, Arrival[]>();
  readonly devices: TestDevice[] = [];
  /** Opened: they all get along. */
  readonly passing: Arrival[] = [];
  #counter = 0;

  async device(account: AccountId, surroundings: Partial<Surroundings> = {}): Promise<TestDevice> {
    const device = await TestDevice.open(this, account, surroundings);
    this.devices.push(device);
    return device;
  }

  nextOrder(): Order {
    this.nowMs += 1;
    return this.nowMs.toString(16).padStart(11, "0") + (this.#counter++ % 0x100000).toString(16).padStart(5, "0");
  }

  log(chat: ChatId): Arrival[] {
    const log = this.logs.get(chat) ?? [];
    this.logs.set(chat, log);
    return log;
  }

  change(chat: ChatId, author: AccountId, changes: RoomChange[]): void {
    const order = this.nextOrder();
    this.log(chat).push({ chat, order, at: this.nowMs, author, what: { kind: "changed", changes } });
  }

  post(author: AccountId, chat: ChatId, { id, envelope, lifeS, retracts, lasts }: Post): void {
    const outside = { ...(lifeS !== undefined && { lifeS }), ...(retracts !== undefined && { retracts }) };
    if (!(envelope instanceof Uint8Array)) throw new TypeError("nothing is open here");
    const what = { kind: "sealed", envelope, ...outside } as const;
    if (lasts === "passing") this.passing.push({ chat, order: "", at: this.nowMs, author, id, what });
    else this.log(chat).push({ chat, order: this.nextOrder(), at: this.nowMs, author, id, what });
    // XEP-0424: whoever comes later finds a tombstone.
    const log = this.log(chat);
    const at = log.findIndex((entry) => entry.order === retracts && entry.author === author);
    const gone = log[at];
    if (gone) log[at] = { ...gone, what: { kind: "forgotten", target: gone.order, by: "author" } };
  }

  /** Everybody catches up, until nothing is left. */
  async settle(): Promise<void> {
    for (let isNews = true; isNews; ) {
      isNews = false;
      for (const device of this.devices) isNews = (await device.catchUp()) || isNews;
    }
  }
}

export class TestDevice implements Conversations {
  readonly events: EngineEvent[] = [];
  chats!: Chats;
  isOnline = true;
  retractionWithinS: number | undefined;
  readonly #places = new Map<ChatId, number>();
  readonly #waiting: { chat: ChatId; post: Post }[] = [];
  readonly #queues = new Map<ChatId, Promise<unknown>>();

  static async open(world: World, account: AccountId, surroundings: Partial<Surroundings>): Promise<TestDevice> {
    const device = new TestDevice(world, account, await Store.open(crypto.randomUUID()));
    device.chats = await Chats.open(device.context, surroundings);
    return device;
  }

  private constructor(
    readonly world: World,
    readonly account: AccountId,
    readonly store: Store,
  ) {}

  get context(): Context {
    return {
      store: this.store,
      self: { account: this.account, device: crypto.randomUUID(), domain: DOMAIN, groups: `groups.${DOMAIN}` },
      xmpp: { iq: async () => undefined, send: async () => undefined },
      conversations: this,
      say: (event) => this.events.push(event),
      now: () => this.world.nowMs,
      retractionWithinS: () => this.retractionWithinS,
    };
  }

  get do() {
    return this.chats.commands;
  }

  enter = async () => undefined;

  /** @returns whether there was something new. */
  async catchUp(): Promise<boolean> {
    if (!this.isOnline) return false;
    const waiting = this.#waiting.splice(0);
    for (const { chat, post } of waiting) this.world.post(this.account, chat, post);
    let isNews = waiting.length > 0;
    for (const [chat, log] of this.world.logs) {
      const place = this.#places.get(chat) ?? 0;
      if (place < log.length) isNews = true;
      await this.take(chat, log.slice(place));
      this.#places.set(chat, log.length);
    }
    return isNews;
  }

  /** Takes entries of a log, as they come. */
  async take(chat: ChatId, entries: Arrival[]): Promise<void> {
    await this.exclusive(chat, async () => {
      const batch = this.store.batch();
      const events: EngineEvent[] = [];
      for (const entry of entries) events.push(...(await this.chats.contents.apply(entry, batch)));
      await batch.commit();
      this.events.push(...events);
    });
  }

  exclusive<T>(chat: ChatId, task: () => Promise<T>): Promise<T> {
    const done = (this.#queues.get(chat) ?? Promise.resolve()).then(task);
    this.#queues.set(chat, done.catch(() => undefined));
    return done;
  }

  async post(chat: ChatId, post: Post): Promise<void> {
    const batch = this.store.batch();
    await post.rows?.(batch);
    await batch.commit();
    this.#waiting.push({ chat, post });
  }

  async retry(): Promise<void> {}

  async withdraw(chat: ChatId, id: MessageId): Promise<boolean> {
    const at = this.#waiting.findIndex((waiting) => waiting.chat === chat && waiting.post.id === id);
    return at >= 0 && this.#waiting.splice(at, 1).length > 0;
  }

  own(): Promise<ChatId> {
    return this.direct(this.account);
  }

  direct(peer: AccountId): Promise<ChatId> {
    return directChat(DOMAIN, this.account, peer);
  }

  async change(): Promise<Changed> {
    return { absent: [], reserved: [] };
  }
}
