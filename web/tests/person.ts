// Somebody with an engine of their own, as a page uses it; several of them on one server; and a registration
// alone, for tests of what lies below an engine.

import "./tus-in-node";
import { expect, vi } from "vitest";
import { OwnDevice } from "../src/engine/account/own-device";
import { Engine } from "../src/engine/engine";
import type { AccountId, ChatId, Commands, EngineEvent, EngineState, Message } from "../src/engine/protocol";
import type { Answer, CommandName } from "../src/engine/rpc";
import { Store } from "../src/engine/store/store";
import { Server } from "./server";

/** A server with people on it, for all tests of a file. */
export class Company {
  static async begin(count: number): Promise<Company> {
    const server = await Server.start();
    const numbers = Array.from({ length: count }, () => server.number());
    return new Company(server, await Promise.all(numbers.map((number) => Person.register(server, number))));
  }

  private constructor(
    readonly server: Server,
    readonly people: Person[],
  ) {}

  async end(): Promise<void> {
    await Promise.all(this.people.map((person) => person.stop()));
    await this.server.stop();
  }
}

/** A registration without an engine: nobody hears of what becomes of it. */
export async function ownDevice(server: Server, number = server.number()): Promise<{ device: OwnDevice; store: Store; number: string }> {
  const store = await Store.open(number);
  const device = await OwnDevice.load(store, { origin: server.url, deviceName: "Test" }, {
    registered: async () => undefined,
    changed: () => undefined,
    ended: async () => undefined,
    share: async () => "",
    withdraw: async () => undefined,
    certifiedDevices: async () => new Set(),
  });
  await device.commands.requestCode(number);
  expect(await device.commands.register(number, await server.code(number))).toEqual({ created: true });
  return { device, store, number };
}

export class Person {
  engine!: Engine;
  state!: EngineState;
  readonly events: EngineEvent[] = [];
  #said: (event: EngineEvent) => void = () => undefined;

  static async register(server: Server, number: string): Promise<Person> {
    const person = new Person(server, number);
    await person.start();
    await person.call("requestCode", number);
    await person.call("register", number, await server.code(number));
    await person.online();
    return person;
  }

  /** Another device of somebody's, by the link that the first one shows.
   *  @param withoutSecret all that the server knows of it */
  static async link(other: Person, withoutSecret = false): Promise<Person> {
    const { link: shown } = await other.call("createLink");
    const link = withoutSecret ? shown.slice(0, shown.indexOf("#")) : shown;
    const person = new Person(other.server, other.number);
    await person.start();
    await person.call("registerByLink", link);
    await person.online();
    return person;
  }

  /** A device of somebody's that has nothing of the others, as one by number and PIN: there is one code a minute. */
  static async again(other: Person): Promise<Person> {
    const { link } = await other.call("createLink");
    const person = new Person(other.server, other.number);
    await person.start();
    await person.call("registerByLink", link.replace(/#.*/, ""));
    expect(person.account).toBe(other.account);
    await person.online();
    return person;
  }

  private constructor(
    readonly server: Server,
    readonly number: string,
    readonly store = crypto.randomUUID(),
  ) {}

  get device(): string {
    return this.state.account?.device ?? "";
  }

  get account(): AccountId {
    if (!this.state.account) throw new Error(`${this.number} is not registered`);
    return this.state.account.id;
  }

  async start(): Promise<void> {
    this.engine = await Engine.start({ origin: this.server.url, deviceName: "Test", storeName: this.store });
    this.engine.listen((event) => {
      if (event.type === "state") this.state = event.state;
      this.events.push(event);
      this.#said(event);
    });
  }

  async reload(): Promise<void> {
    await this.stop();
    await this.start();
    await this.online();
  }

  async online(): Promise<void> {
    await vi.waitUntil(() => this.state.connection === "online", { timeout: WAIT_MS });
  }

  call<N extends CommandName>(name: N, ...args: Parameters<Commands[N]>): Promise<Answer<N>> {
    return this.engine.call(name, args) as Promise<Answer<N>>;
  }

  say(chat: ChatId, text: string): Promise<string> {
    return this.call("send", chat, { content: { kind: "text", text } });
  }

  async messages(chat: ChatId): Promise<Message[]> {
    const { messages } = await this.call("messages", chat, undefined, 1_000);
    return messages.filter(({ content }) => content.kind !== "system");
  }

  /** What stands in the chat, as text, oldest first. */
  async texts(chat: ChatId): Promise<string[]> {
    return (await this.messages(chat)).map(({ content }) => (content.kind === "text" ? content.text : content.kind));
  }

  /** Waits until the chat says this. */
  async sees(chat: ChatId, texts: string[]): Promise<void> {
    await expect.poll(() => this.texts(chat), { timeout: WAIT_MS, interval: 50 }).toEqual(texts);
  }

  /** @returns when a message with this text is said by an event. */
  hears(text: string): Promise<number> {
    return new Promise((resolve) => {
      this.#said = (event) => {
        if (event.type !== "messages") return;
        const isIt = ({ content }: Message) => content.kind === "text" && content.text === text;
        if (event.messages.some(isIt)) resolve(performance.now());
      };
    });
  }

  stop(): Promise<void> {
    return this.engine.stop();
  }
}

const WAIT_MS = 20_000;
