// One writer per browser: each tab's worker asks for a Web Lock, whoever has it runs the engine, and
// the others send it their calls by a BroadcastChannel and hear its events. When the writer's tab goes,
// the next one has the lock. The service worker is one of them for a while, and goes by itself.

import type { EngineError, EngineEvent, EngineState } from "./protocol";
import { Refusal } from "./refusal";
import type { Callee, CommandName } from "./rpc";

/** Of the Web Locks API what is needed: it holds the lock until the task ends. */
export interface Locks {
  request(name: string, options: { signal: AbortSignal }, task: () => Promise<void>): Promise<unknown>;
}

export interface Channel {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (message: MessageEvent) => void): void;
}

/** What the engine of an app with a lock gets from the tab that wrote before, and gives to the others. */
export interface Handed {
  key?: CryptoKey;
  handOn(key: CryptoKey | undefined): void;
}

export class Leader implements Callee {
  readonly #tab = crypto.randomUUID();
  readonly #channel: Channel;
  readonly #start: (handed: Handed) => Promise<Writer>;
  readonly #waiting = new AbortController();
  readonly #listeners: ((event: EngineEvent) => void)[] = [];
  readonly #calls = new Map<number, Call>();
  #count = 0;
  #state: EngineState | undefined;
  /** The tab that writes, as far as is known. */
  #writer: string | undefined;
  #engine: Callee | undefined;
  #leave: () => void = () => undefined;
  #ended: Promise<unknown>;
  #hasLeft = false;
  /** Of the store, where the app has a lock and the user has opened it: in memory alone. */
  #key: CryptoKey | undefined;
  readonly #takesKey: boolean;

  /** @param start runs the engine, if ever this tab is to write.
   *  @param takesKey of an app with a lock: whether this one may go on with what a tab had opened. */
  constructor(locks: Locks, channel: Channel, start: (handed: Handed) => Promise<Writer>, takesKey = true) {
    this.#takesKey = takesKey;
    this.#channel = channel;
    this.#start = start;
    channel.addEventListener("message", ({ data }: MessageEvent<Message>) => this.#receive(data));
    this.#post({ kind: "hello", from: this.#tab });
    // Whoever leaves while it waits for the lock is told so by an error.
    this.#ended = locks.request(LOCK, { signal: this.#waiting.signal }, () => this.#write()).catch(() => undefined);
  }

  /** Lets go of what this one does as a tab. What is under way may be cut. @returns once another may write. */
  async leave(): Promise<void> {
    this.#waiting.abort();
    this.#leave();
    await this.#ended;
  }

  listen(listener: (event: EngineEvent) => void): void {
    this.#listeners.push(listener);
    if (this.#state) listener({ type: "state", state: this.#state });
  }

  call(name: CommandName, args: unknown[]): Promise<unknown> {
    if (this.#engine) return this.#engine.call(name, args);
    return new Promise((resolve, reject) => {
      const id = ++this.#count;
      const call: Call = { name, args, resolve, reject, isUnderWay: false };
      this.#calls.set(id, call);
      if (this.#writer !== undefined) this.#forward(id, call);
    });
  }

  // The lock is this tab's as long as it lives, or until it leaves.
  async #write(): Promise<void> {
    const left = new Promise<void>((resolve) => {
      this.#leave = resolve;
    });
    const handed: Handed = { handOn: (key) => this.#handOn(key), ...(this.#key ? { key: this.#key } : {}) };
    const started: Writer = await this.#start(handed).catch((error: unknown) => new Broken(Refusal.of(error)));
    this.#engine = started;
    this.#writer = this.#tab;
    this.#interrupt();
    this.#engine.listen((event) => {
      this.#say(event, "writer");
      this.#post({ kind: "event", event });
    });
    this.#post({ kind: "writer", from: this.#tab });
    for (const [id, { name, args, resolve, reject }] of this.#calls) {
      this.#calls.delete(id);
      this.#engine.call(name, args).then(resolve, reject);
    }
    await left;
    this.#engine = undefined;
    await started.stop?.();
    this.#hasLeft = true;
  }

  #receive(message: Message): void {
    switch (message.kind) {
      case "hello":
        return this.#greet(message.from);
      case "writer":
        return this.#follow(message.from);
      case "event":
        if (message.to !== undefined && message.to !== this.#tab) return;
        return this.#engine ? undefined : this.#say(message.event, "follower");
      case "key":
        if (this.#takesKey && (message.to === undefined || message.to === this.#tab)) this.#key = message.key;
        return;
      case "call":
        return this.#answer(message);
      case "answer":
        return message.to === this.#tab ? this.#end(message) : undefined;
    }
  }

  #greet(to: string): void {
    if (!this.#engine) return;
    this.#post({ kind: "writer", from: this.#tab });
    if (this.#state) this.#post({ kind: "event", event: { type: "state", state: this.#state }, to });
    if (this.#key) this.#post({ kind: "key", key: this.#key, to });
  }

  #handOn(key: CryptoKey | undefined): void {
    this.#key = key;
    this.#post({ kind: "key", key });
  }

  #follow(writer: string): void {
    if (this.#engine) return;
    if (this.#writer !== writer) this.#interrupt();
    this.#writer = writer;
    for (const [id, call] of this.#calls) if (!call.isUnderWay) this.#forward(id, call);
  }

  /** The tab that did the work is gone. What only asks is asked again; of the rest nobody knows whether it was done. */
  #interrupt(): void {
    for (const [id, call] of this.#calls) {
      if (!call.isUnderWay) continue;
      call.isUnderWay = false;
      if (ASKING.has(call.name)) continue;
      this.#calls.delete(id);
      call.reject(new Refusal("interrupted", "the tab that was doing it was closed"));
    }
  }

  #forward(id: number, call: Call): void {
    call.isUnderWay = true;
    this.#post({ kind: "call", from: this.#tab, id, name: call.name, args: call.args });
  }

  #answer({ from, id, name, args }: Message & { kind: "call" }): void {
    if (!this.#engine) return;
    this.#engine.call(name, args).then(
      (answer) => this.#post({ kind: "answer", to: from, id, answer }),
      (error: unknown) => this.#post({ kind: "answer", to: from, id, error: Refusal.of(error).toError() }),
    );
  }

  #end({ id, answer, error }: Message & { kind: "answer" }): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(Refusal.from(error));
    else call?.resolve(answer);
  }

  #say(event: EngineEvent, tab: EngineState["tab"]): void {
    const said: EngineEvent = event.type === "state" ? { type: "state", state: { ...event.state, tab } } : event;
    if (said.type === "state") this.#state = said.state;
    for (const listener of this.#listeners) listener(said);
  }

  #post(message: Message): void {
    // What ends later has nobody to be told to: the channel may be closed.
    if (!this.#hasLeft) this.#channel.postMessage(message);
  }
}

/** What stands in for an engine that cannot start, in a browser without storage for example. */
class Broken implements Callee {
  readonly #refusal: Refusal;

  constructor(refusal: Refusal) {
    this.#refusal = refusal;
  }

  call(): Promise<never> {
    return Promise.reject(this.#refusal);
  }

  listen(listener: (event: EngineEvent) => void): void {
    listener({ type: "state", state: { account: null, connection: "offline", tab: "writer", full: false, history: null } });
  }
}

/** What can write, and end it. */
export type Writer = Callee & { stop?(): Promise<void> };

interface Call {
  name: CommandName;
  args: unknown[];
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
  isUnderWay: boolean;
}

type Message =
  /** A new tab asks who writes. */
  | { kind: "hello"; from: string }
  | { kind: "writer"; from: string }
  | { kind: "event"; event: EngineEvent; to?: string }
  | { kind: "key"; key: CryptoKey | undefined; to?: string }
  | { kind: "call"; from: string; id: number; name: CommandName; args: unknown[] }
  | { kind: "answer"; to: string; id: number; answer?: unknown; error?: EngineError };

/** Commands that change nothing. */
const ASKING: ReadonlySet<CommandName> = new Set<CommandName>([
  "devices", "settings", "storageUse", "chats", "openDirect", "messages", "search", "media", "starred", "messageInfo", "fileUrl",
  "group", "joinRequests", "pushKey", "catchUp", "contacts", "lookUp", "contact", "safetyNumber",
]);
const LOCK = "whimbrel-writer";
