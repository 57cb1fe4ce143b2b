// Calls and events between the page and the engine in its worker, typed by protocol.ts.

import type { Commands, EngineError, EngineEvent, EngineState } from "./protocol";
import { Refusal } from "./refusal";

/** The engine as the page sees it. */
export interface Engine {
  /** The newest one; each change is a `state` event too. */
  readonly state: EngineState;
  /** @throws {Refusal} an {@link EngineError}. */
  call<N extends CommandName>(name: N, ...args: Parameters<Commands[N]>): Promise<Answer<N>>;
  /** @returns what ends it. */
  on<T extends EngineEvent["type"]>(type: T, listener: (event: EventOf<T>) => void): () => void;
}

export type CommandName = keyof Commands;
export type Answer<N extends CommandName> = ReturnType<Commands[N]>;
export type EventOf<T extends EngineEvent["type"]> = Extract<EngineEvent, { type: T }>;

/** What does the calls: the engine, or the way to one in another tab. */
export interface Callee {
  call(name: CommandName, args: unknown[]): Promise<unknown>;
  /** All events from now on, the present state first. */
  listen(listener: (event: EngineEvent) => void): void;
}

/** One end of what joins page and worker. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (message: MessageEvent) => void): void;
}

/** Starts this page's engine. @returns once it has said where it stands. */
export async function connect(): Promise<Engine> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" });
  return connectTo(worker);
}

/** @returns once the engine behind the port has said where it stands. */
export function connectTo(port: Port): Promise<Engine> {
  const engine = new RemoteEngine(port);
  return engine.ready;
}

/** Answers the calls that come by a port, and says events there. */
export function serve(port: Port, callee: Callee): void {
  port.addEventListener("message", ({ data }: MessageEvent<CallMessage>) => {
    const { id, name, args } = data;
    callee.call(name, args).then(
      (answer) => port.postMessage({ kind: "answer", id, answer } satisfies ReplyMessage),
      (error: unknown) => {
        port.postMessage({ kind: "refused", id, error: Refusal.of(error).toError() } satisfies ReplyMessage);
      },
    );
  });
  callee.listen((event) => port.postMessage({ kind: "event", event } satisfies ReplyMessage));
}

class RemoteEngine implements Engine {
  readonly ready: Promise<Engine>;
  readonly #port: Port;
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Map<string, Set<(event: EngineEvent) => void>>();
  #state: EngineState | undefined;
  #calls = 0;

  constructor(port: Port) {
    this.#port = port;
    this.ready = new Promise((resolve) => {
      const end = this.on("state", () => {
        end();
        resolve(this);
      });
    });
    port.addEventListener("message", ({ data }: MessageEvent<ReplyMessage>) => this.#receive(data));
  }

  get state(): EngineState {
    if (!this.#state) throw new Error("the engine has not said where it stands");
    return this.#state;
  }

  call<N extends CommandName>(name: N, ...args: Parameters<Commands[N]>): Promise<Answer<N>> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (answer) => resolve(answer as Answer<N>), reject });
      this.#port.postMessage({ id, name, args } satisfies CallMessage);
    });
  }

  on<T extends EngineEvent["type"]>(type: T, listener: (event: EventOf<T>) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    const entry = (event: EngineEvent) => listener(event as EventOf<T>);
    listeners.add(entry);
    return () => listeners.delete(entry);
  }

  #receive(message: ReplyMessage): void {
    if (message.kind === "event") return this.#say(message.event);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === "answer") waiting?.resolve(message.answer);
    else waiting?.reject(Refusal.from(message.error));
  }

  #say(event: EngineEvent): void {
    if (event.type === "state") this.#state = event.state;
    for (const listener of this.#listeners.get(event.type) ?? []) listener(event);
  }
}

interface CallMessage {
  id: number;
  name: CommandName;
  args: unknown[];
}

type ReplyMessage =
  | { kind: "answer"; id: number; answer: unknown }
  | { kind: "refused"; id: number; error: EngineError }
  | { kind: "event"; event: EngineEvent };
