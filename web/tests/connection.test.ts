// Registration and the stream against a real server.

import { xml, type Element } from "@xmpp/client";
import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OwnDevice } from "../src/engine/account/own-device";
import { Connection } from "../src/engine/connection/connection";
import { ownDevice } from "./person";
import { LEFT_OUT, Server, WHIMBREL } from "./server";

/** Those that are open, to be cut as a network does. */
const sockets: WebSocket[] = [];
globalThis.WebSocket = class extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    sockets.push(this);
  }
};

describe.skipIf(WHIMBREL === undefined)(`a stream${LEFT_OUT}`, () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
  });
  afterAll(() => server.stop());

  test("by number and code, through a crash of the server", async () => {
    const [ada, bob] = await Promise.all([Device.register(server), Device.register(server)]);
    const to = bob.device.registration?.jid ?? "";
    await ada.say(to, "one");
    await expect.poll(() => bob.heard).toEqual(["one"]);
    const tokens = [ada, bob].map(({ device }) => device.registration?.token);

    await server.kill();
    await expect.poll(() => ada.state).toBe("offline");
    await expect(ada.connection.iq("get", undefined, xml("ping", { xmlns: "urn:xmpp:ping" }))).rejects.toMatchObject({ name: "offline" });
    await server.start();
    for (const { connection } of [ada, bob]) connection.wake();
    await expect.poll(() => ada.state, { timeout: 10_000 }).toBe("online");
    await ada.say(to, "two");
    await expect.poll(() => bob.heard, { timeout: 10_000 }).toEqual(["one", "two"]);

    // A cut network is no end of the session: it is resumed, and what was under way comes.
    await ada.say(to, "under way");
    for (const socket of sockets.splice(0)) socket.close();
    await expect.poll(() => [ada.resumptions, bob.resumptions], { timeout: 10_000 }).toEqual([1, 1]);
    await expect.poll(() => bob.heard, { timeout: 10_000 }).toEqual(["one", "two", "under way"]);

    // What is not handled comes again.
    bob.isBroken = true;
    await ada.say(to, "three");
    await expect.poll(() => bob.broken).toEqual(1);
    await bob.connection.stop();
    bob.isBroken = false;
    bob.connect();
    await expect.poll(() => bob.heard, { timeout: 10_000 }).toEqual(["one", "two", "under way", "three"]);
    await expect.poll(() => bob.state).toBe("online");
    expect(tokens).toEqual([ada, bob].map(({ device }) => device.registration?.token));

    await bob.device.commands.signOut();
    await expect.poll(() => bob.isRefused, { timeout: 10_000 }).toBe(true);
    await ada.connection.stop();
  }, 60_000);
});

class Device {
  state = "";
  isBroken = false;
  broken = 0;
  resumptions = 0;
  isRefused = false;
  readonly heard: string[] = [];
  readonly ids = new Set<string>();
  connection!: Connection;

  static async register(server: Server): Promise<Device> {
    const { device } = await ownDevice(server);
    const made = new Device(server, device);
    made.connect();
    await expect.poll(() => made.state).toBe("online");
    return made;
  }

  private constructor(
    readonly server: Server,
    readonly device: OwnDevice,
  ) {}

  connect(): void {
    const { account, device, domain, groups } = this.device.self;
    const { mechanism, token } = this.device.registration ?? { mechanism: "", token: "" };
    const url = `${this.server.url.replace("http", "ws")}/xmpp-websocket`;
    const keepToken = (newer: string) => this.device.keepToken(newer);
    this.connection = new Connection(
      { url, account, device, domain, groups, mechanism, token: () => this.device.registration?.token ?? token, keepToken },
      {
        receive: (stanza) => this.receive(stanza),
        online: (isResumed) => {
          if (isResumed) this.resumptions++;
        },
        state: (state) => (this.state = state),
        refused: () => (this.isRefused = true),
      },
    );
    void this.connection.run();
  }

  async receive(stanza: Element): Promise<void> {
    const body = stanza.getChildText("body");
    if (body === null) return;
    // The server may send again what it was not told to be handled: under the same id.
    const id = stanza.getChild("stanza-id", "urn:xmpp:sid:0")?.attrs["id"] ?? "";
    if (this.isBroken) {
      this.broken++;
      await new Promise(() => undefined);
    }
    if (!this.ids.has(id)) this.heard.push(body);
    this.ids.add(id);
  }

  say(to: string, text: string): Promise<void> {
    const id = crypto.randomUUID();
    return this.connection.send(xml("message", { to, type: "chat", id }, xml("body", {}, text)));
  }
}
