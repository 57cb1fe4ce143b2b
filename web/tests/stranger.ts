// Somebody with another XMPP client: a bare @xmpp/client, which knows nothing of the app.

import { client, xml, type Client, type Element } from "@xmpp/client";
import { execFileSync } from "node:child_process";
import { vi } from "vitest";
import { WHIMBREL, type Server } from "./server";

export class Stranger {
  readonly messages: Element[] = [];
  readonly #client: Client;

  /** An account that an operator made, and a client of it. */
  static async arrive(server: Server, number: string): Promise<Stranger> {
    const args = ["account", "add", number, "--password", PASSWORD, "-c", "config.toml"];
    const jid = execFileSync(WHIMBREL ?? "", args, { cwd: server.folder, encoding: "utf8" }).trim();
    const stranger = new Stranger(server, jid);
    await stranger.start();
    return stranger;
  }

  private constructor(
    server: Server,
    readonly jid: string,
  ) {
    const [username = "", domain = ""] = jid.split("@");
    this.#client = client({ service: `${server.url.replace("http", "ws")}/xmpp-websocket`, domain, username, password: PASSWORD, resource: "other" });
    this.#client.on("error", () => undefined);
    this.#client.on("stanza", (stanza) => {
      if (stanza.name === "message") this.messages.push(stanza);
    });
  }

  get account(): string {
    return this.jid.split("@")[0] ?? "";
  }

  async start(): Promise<void> {
    await this.#client.start();
    await this.#client.send(xml("presence"));
  }

  async stop(): Promise<void> {
    await this.#client.stop();
  }

  send(to: string, type: "chat" | "groupchat", id: string, ...content: (Element | string)[]): Promise<void> {
    const parts = content.map((part) => (typeof part === "string" ? xml("body", {}, part) : part));
    return this.#client.send(xml("message", { to, type, id }, parts));
  }

  async ask(type: "get" | "set", to: string | undefined, payload: Element): Promise<Element> {
    return this.#client.iqCaller.request(xml("iq", { type, to }, payload));
  }

  /** Joins a room (XEP-0045). */
  async join(room: string, nick: string): Promise<void> {
    await this.#client.send(xml("presence", { to: `${room}/${nick}` }, xml("x", { xmlns: "http://jabber.org/protocol/muc" })));
  }

  /** Waits until a message of this body has come. */
  async hears(body: string): Promise<Element> {
    return this.finds((message) => message.getChildText("body") === body);
  }

  async finds(isIt: (message: Element) => boolean): Promise<Element> {
    return vi.waitUntil(() => this.messages.find(isIt), { timeout: 20_000 });
  }
}

const PASSWORD = "correct horse";
