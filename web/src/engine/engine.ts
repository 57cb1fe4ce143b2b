// The engine: builds the parts and joins them; the only place that sees all of them.

import type { Element } from "@xmpp/client";
import { OwnDevice, type Place } from "./account/own-device";
import { Clock } from "./clock";
import { Connection } from "./connection/connection";
import { Rooms } from "./conversations/conversations";
import type { LogEntry } from "./conversations/log-entry";
import { AppLock } from "./lock/app-lock";
import type { Context, Xmpp } from "./parts";
import type { EngineEvent, EngineState, Order } from "./protocol";
import { Archives } from "./conversations/archives";
import { Gaps } from "./conversations/gaps";
import { AccountLog, CURSOR } from "./open/account-log";
import { Refusal } from "./refusal";
import type { Callee, CommandName } from "./rpc";
import { makeParts, type Parts } from "./session";
import { Keys } from "./store/keys";
import { Store } from "./store/store";

export interface Options extends Place {
  /** Of the database. */
  storeName?: string;
  /** See {@link Context.isBrief}. */
  isBrief?: boolean;
  /** For tests: milliseconds since 1970. */
  now?: () => number;
  /** Of an app with a lock: what the tab had that wrote before, and how another tab gets it. */
  key?: CryptoKey;
  handOn?(key: CryptoKey | undefined): void;
}

export class Engine implements Callee {
  readonly #options: Options;
  readonly #listeners: ((event: EngineEvent) => void)[] = [];
  readonly #keys: Keys;
  #lock!: AppLock;
  #store: Store | undefined;
  #clock: Clock | undefined;
  #device: OwnDevice | undefined;
  #session: Session | undefined;
  #state: EngineState = { account: null, connection: "offline", tab: "writer", full: false, history: null };

  /** Opens what is kept, and goes online if this device is registered. */
  static async start(options: Options): Promise<Engine> {
    const engine = new Engine(options);
    await engine.#begin(options.key);
    return engine;
  }

  private constructor(options: Options) {
    this.#options = options;
    this.#keys = new Keys(options.storeName);
  }

  async call(name: CommandName, args: unknown[]): Promise<unknown> {
    const handlers = { ...this.#lock.commands, ...this.#device?.commands, ...this.#session?.commands } as Partial<Record<CommandName, AnyHandler>>;
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (handler) return handler(...args);
    if (this.#lock.isLocked) throw new Refusal("locked", "the app is locked");
    throw this.#session
      ? new Refusal("internal", `no part takes ${name}`)
      : new Refusal("not-allowed", "this device is not registered");
  }

  listen(listener: (event: EngineEvent) => void): void {
    this.#listeners.push(listener);
    listener({ type: "state", state: this.#state });
  }

  /** The network may be back. */
  wake(): void {
    this.#session?.connection.wake();
  }

  /** Ends all that runs; what is kept stays. */
  async stop(): Promise<void> {
    this.#lock.stop();
    // Once it is closed nothing is written: who comes next has it alone.
    await Promise.race([this.#endSession(), new Promise((late) => setTimeout(late, STOP_MS_MAX))]);
    this.#store?.close();
  }

  /** Opens what is kept, unless it is locked. @param key where another tab had it. */
  async #begin(key?: CryptoKey): Promise<void> {
    const { handOn = () => undefined } = this.#options;
    this.#lock = await AppLock.load(this.#keys, key !== undefined, {
      now: () => this.#now(),
      open: (key) => this.#open(key),
      close: () => this.#close(),
      handOn,
      show: (lock) => this.#showLock(lock),
      forget: () => this.#forget(),
    });
    if (!this.#lock.isLocked) await this.#open(key);
  }

  async #open(key?: CryptoKey): Promise<void> {
    this.#store = await Store.open(this.#options.storeName, key);
    const clock = await Clock.load(this.#store, () => this.#now());
    this.#clock = clock;
    clock.changed = () => this.#show({ clockAheadMs: clock.aheadMs });
    clock.changed();
    this.#device = await OwnDevice.load(this.#store, this.#options, {
      dated: (date) => clock.heard(date),
      registered: () => this.#beginSession(),
      changed: () => this.#showAccount(),
      ended: () => this.#forget(),
      share: async () => {
        if (!this.#session) throw new Refusal("not-allowed", "this device is not registered");
        return this.#session.parts.sealed.share();
      },
      withdraw: async (devices) => this.#session?.parts.sealed.withdraw(devices),
      certifiedDevices: async () => (await this.#session?.parts.sealed.certifiedDevices()) ?? new Set(),
    });
    if (this.#device.registration) await this.#beginSession();
    else this.#showAccount();
  }

  async #beginSession(): Promise<void> {
    const clock = this.#clock;
    if (!this.#store || !this.#device || !clock) return;
    const session = await Session.begin({
      store: this.#store,
      device: this.#device,
      origin: this.#options.origin,
      now: () => clock.now(),
      isBrief: this.#options.isBrief ?? false,
      say: (event) => this.#hear(event),
      show: (change) => this.#show(change),
      refused: () => void this.#refused(),
    });
    this.#session = session;
    this.#showAccount();
    session.start();
    void this.#device?.refresh().catch(() => undefined);
  }

  async #endSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.stop();
  }

  // Revoked by another device, or not used for too long. What is kept waits for a new registration.
  async #refused(): Promise<void> {
    await this.#endSession();
    this.#device?.refused();
    this.#show({ account: null, connection: "offline" });
  }

  /** Ends all that needs the store, and closes it. */
  async #close(): Promise<void> {
    await this.#endSession();
    this.#device = undefined;
    this.#store?.close();
    this.#store = undefined;
  }

  /** Removes all that is kept, the lock included, and begins anew. */
  async #forget(): Promise<void> {
    await this.#close();
    await this.#keys.forget();
    this.#lock.stop();
    this.#options.handOn?.(undefined);
    await this.#begin();
    this.#show({ account: null, connection: "offline" });
  }

  #showLock(lock: EngineState["lock"]): void {
    this.#show(lock?.isLocked ? { lock, account: null, connection: "offline" } : { lock });
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #showAccount(): void {
    const account = (!this.#lock.isLocked && this.#device?.state) || null;
    const profile = this.#session?.parts.profile();
    this.#show({ account: account && { ...account, ...profile } });
  }

  #show(change: Partial<EngineState>): void {
    const names = Object.keys(change) as (keyof EngineState)[];
    if (names.every((name) => name !== "account" && this.#state[name] === change[name])) return;
    this.#state = { ...this.#state, ...change };
    this.#say({ type: "state", state: this.#state });
  }

  #hear(event: EngineEvent): void {
    if (this.#lock.isLocked) return;
    this.#say(event);
    this.#session?.parts.push.hear(event);
    // Its name or picture may be another.
    if (event.type === "contact" && event.contact.account === this.#state.account?.id) this.#showAccount();
  }

  #say(event: EngineEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

interface Around {
  store: Store;
  device: OwnDevice;
  origin: string;
  now: () => number;
  isBrief: boolean;
  say(event: EngineEvent): void;
  show(change: Partial<EngineState>): void;
  refused(): void;
}

/** What there is from registration to sign-out. */
class Session {
  readonly connection: Connection;
  readonly parts: Parts;
  readonly commands: Record<string, AnyHandler>;
  readonly #rooms: Rooms;
  readonly #accountLog: AccountLog;
  readonly #archives: Archives;
  readonly #gaps: Gaps;
  readonly #around: Around;
  #isResumed = false;
  #running: Promise<void> | undefined;

  static async begin(around: Around): Promise<Session> {
    const { self } = around.device;
    // What the parts and the rooms need of one another is there once all are made.
    const made: { rooms?: Rooms; connection?: Connection } = {};
    const xmpp: Xmpp = {
      iq: (type, to, payload) => there(made.connection).iq(type, to, payload),
      send: (stanza) => there(made.connection).send(stanza),
    };
    const { store, say, now, isBrief } = around;
    const retractionWithinS = () => around.device.state?.retractionWithinS;
    const base = { store, self, xmpp, say, now, retractionWithinS, isBrief };
    const context: Context = {
      ...base,
      get conversations() {
        return there(made.rooms);
      },
    };
    const { origin, device } = around;
    const token = async (bytes: number, expires?: number) => (await device.api.uploadToken(bytes, expires)).token;
    const parts = await makeParts(context, { origin, token, refer: (...which) => device.api.refer(...which) }, device.api, (change) => around.show(change));
    const full = (isFull: boolean) => around.show({ full: isFull });
    made.rooms = new Rooms({ ...base, sealed: parts.sealed, contents: parts.contents, full });
    const { rooms } = made;
    const take = (entry: LogEntry) => rooms.take(entry);
    const archives = new Archives(base);
    const accountLog = new AccountLog({ ...base, take }, archives);
    const gaps = new Gaps({ ...base, take, left: (chats) => parts.notIn(chats) }, archives);
    const session = new Session(around, parts, rooms, { accountLog, archives, gaps });
    made.connection = session.connection;
    return session;
  }

  private constructor(around: Around, parts: Parts, rooms: Rooms, { accountLog, archives, gaps }: { accountLog: AccountLog; archives: Archives; gaps: Gaps }) {
    this.#around = around;
    this.parts = parts;
    this.#rooms = rooms;
    this.#accountLog = accountLog;
    this.#archives = archives;
    this.#gaps = gaps;
    const own = { catchUp: () => this.connection.caughtUp().then(() => this.#accountLog.idle()) };
    this.commands = Object.assign(own, ...parts.all.map((part) => part.commands)) as Record<string, AnyHandler>;
    const { device, origin } = around;
    this.connection = new Connection(
      {
        ...device.self,
        url: `${origin.replace(/^http/, "ws")}/xmpp-websocket`,
        mechanism: device.registration?.mechanism ?? "",
        token: () => device.registration?.token ?? "",
        keepToken: (token) => device.keepToken(token),
        isAway: around.isBrief,
      },
      {
        receive: (stanza) => this.#receive(stanza),
        acknowledged: (stanza) => this.#accountLog.acknowledged(stanza),
        beginning: async (after) => this.#gaps.close(after, await around.store.get<Order>("meta", CURSOR)),
        online: (isResumed) => this.#online(isResumed),
        state: (state) => this.#stand(state),
        refused: () => around.refused(),
      },
    );
  }

  start(): void {
    this.#running = this.connection.run();
  }

  async stop(): Promise<void> {
    await this.connection.stop();
    await this.#running;
    await this.#rooms.idle();
    this.parts.close();
  }

  async #receive(stanza: Element): Promise<void> {
    if (this.#archives.receive(stanza) || this.parts.calls.receive(stanza)) return;
    if (await this.#rooms.receive(stanza)) return;
    if (await this.#accountLog.receive(stanza)) return;
    if (await this.parts.sealed.receive(stanza)) return;
    for (const part of this.parts.all) {
      if (await part.receive?.(stanza)) return;
    }
  }

  #online(isResumed: boolean): void {
    this.#isResumed = isResumed;
    void this.#accountLog.online(isResumed).catch(() => undefined);
    const tell = async () => {
      await this.parts.sealed.online();
      this.#around.show({ unvouched: !this.parts.sealed.isVouched() });
      for (const part of this.parts.all) await part.online?.(isResumed);
    };
    // Where the stream ends meanwhile the next one does it again.
    tell().catch(() => undefined);
  }

  async #caughtUp(): Promise<void> {
    const isResumed = this.#isResumed;
    await this.#rooms.online(isResumed);
    if (isResumed) return;
    await this.parts.sealed.enterAll();
    await this.parts.history?.online(await this.parts.sealed.certifiedDevices());
  }

  #stand(state: EngineState["connection"]): void {
    if (state === "online") void this.#caughtUp().catch(() => undefined);
    if (state === "offline") for (const log of [this.#rooms, this.#accountLog]) log.offline();
    this.#around.show({ connection: state });
  }
}

function there<T>(part: T | undefined): T {
  if (!part) throw new Error("the session is not begun");
  return part;
}

/** What hangs is not waited for. */
const STOP_MS_MAX = 3_000;

// Which arguments a command takes is checked where it is called: rpc.ts.
type AnyHandler = (...args: unknown[]) => unknown;
