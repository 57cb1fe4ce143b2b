// Groups and people, as the web app asks for them, against a real server.

import { xml } from "@xmpp/client";
import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { OwnDevice } from "../src/engine/account/own-device";
import { contentParts, type ContentParts } from "../src/engine/chats/join";
import { Connection } from "../src/engine/connection/connection";
import type { Context, Conversations, Part } from "../src/engine/parts";
import type { EngineEvent } from "../src/engine/protocol";
import { Requests } from "../src/engine/groups/requests";
import { Refusal } from "../src/engine/refusal";
import type { Store } from "../src/engine/store/store";
import { ownDevice } from "./person";
import { LEFT_OUT, Server, WHIMBREL } from "./server";

describe.skipIf(WHIMBREL === undefined)(`people${LEFT_OUT}`, () => {
  let server: Server;
  let ada: Person;
  let bob: Person;
  beforeAll(async () => {
    server = await Server.start();
    [ada, bob] = await Promise.all([Person.register(server), Person.register(server)]);
  });
  afterAll(async () => {
    await Promise.all([ada?.stop(), bob?.stop()]);
    await server.stop();
  });

  test("links, requests and members of a group", async () => {
    const chat = await ada.requests.create({});
    expect(await ada.requests.show(chat)).toMatchObject({ members: { [ada.id]: "owner" }, permissions: { requests: false, post: "everyone" } });
    const link = await ada.requests.link(chat, { uses: 1, lifeS: 3600 });
    expect(link).toMatchObject({ uses: 1, expiresAt: expect.any(Number) });
    expect(await ada.requests.links(chat)).toMatchObject([{ token: link.token, uri: link.uri }]);
    const { chat: linked, token } = bob.requests.readUri(link.uri);
    expect(await bob.requests.join(linked, token)).toBe("in");
    expect((await bob.requests.show(chat)).members).toEqual({ [ada.id]: "owner", [bob.id]: "member" });
    await ada.requests.affiliate(chat, bob.id, "admin");
    await ada.requests.permit(chat, { post: "admins", requests: true });
    expect(await bob.requests.show(chat)).toMatchObject({ members: { [bob.id]: "admin" }, permissions: { post: "admins", requests: true } });
    await bob.requests.leave(chat);
    await expect(bob.requests.show(chat)).rejects.toMatchObject({ name: "registration-required" });
    expect(await bob.requests.join(chat, undefined)).toBe("waiting");
    expect(await ada.requests.waiting(chat)).toMatchObject([{ account: bob.id, since: expect.any(Number) }]);
    await ada.requests.approve(chat, bob.id);
    expect((await ada.requests.show(chat)).members).toMatchObject({ [bob.id]: "member" });
    const { invitations: [invitation] } = await ada.requests.add(chat, [{ number: "+493023125099" }]);
    expect(invitation).toMatchObject({ number: "+493023125099", uri: expect.stringContaining(chat) });
    await ada.requests.revoke(chat, invitation?.token ?? "");
    expect(await ada.requests.links(chat)).toEqual([]);
  });

  test("numbers are looked up, hidden and blocked", async () => {
    const [found, ...more] = await ada.do.lookUp([bob.number.replace("+4930", "+49 30 "), "+493023125098"]);
    expect(found).toMatchObject({ account: bob.id, number: bob.number, name: bob.number, blocked: false, encrypted: false });
    expect(more).toEqual([]);
    await ada.do.report(bob.id, "spam", { disclosed: [], block: false });
    expect(await ada.do.contact(bob.id)).toMatchObject({ blocked: false });
    await ada.do.report(bob.id, "spam", { disclosed: [], block: true });
    expect(await ada.do.contact(bob.id)).toMatchObject({ blocked: true });
    await ada.do.block(bob.id, false);
    expect(await ada.do.contact(bob.id)).toMatchObject({ blocked: false });
    await bob.do.setSettings({ discoverable: false });
    expect(await ada.do.lookUp([bob.number])).toEqual([]);
  });

  test("who is there is told to those who may see it", async () => {
    await bob.do.setSettings({ lastSeen: "everybody" });
    await ada.do.setContact(bob.id, { name: "Bob" });
    await expect.poll(() => ada.events).toContainEqual({ type: "presence", account: bob.id, online: true });
    await bob.do.setSettings({ lastSeen: "nobody" });
    await expect.poll(() => ada.events).toContainEqual(expect.objectContaining({ type: "presence", account: bob.id, online: false }));
  });

  test("last seen is for contacts, whoever names the other first", async () => {
    const [cem, dea] = await Promise.all([Person.register(server), Person.register(server)]);
    const seen = (by: Person, other: Person) => by.events.filter((event) => event.type === "presence" && event.account === other.id).at(-1);
    await cem.do.setContact(dea.id, { name: "Dea" });
    await dea.connection.iq("get", undefined, xml("ping", { xmlns: "urn:xmpp:ping" }));
    expect(seen(cem, dea)).toBeUndefined();
    await dea.do.setContact(cem.id, { name: "Cem" });
    await expect.poll(() => [seen(cem, dea), seen(dea, cem)]).toMatchObject([{ online: true }, { online: true }]);
    await dea.do.setSettings({ lastSeen: "nobody" });
    await expect.poll(() => [seen(cem, dea), seen(dea, cem)]).toMatchObject([{ online: false }, { online: false }]);
    await dea.do.setSettings({ lastSeen: "contacts" });
    await expect.poll(() => [seen(cem, dea), seen(dea, cem)]).toMatchObject([{ online: true }, { online: true }]);
    await dea.do.setContact(cem.id, { name: "" });
    await expect.poll(() => seen(cem, dea)).toMatchObject({ online: false });
    await Promise.all([cem.stop(), dea.stop()]);
  });
});

/** A device without conversations. */
class Person {
  state = "";
  readonly events: EngineEvent[] = [];
  readonly requests: Requests;
  readonly connection: Connection;
  parts!: ContentParts;

  static async register(server: Server): Promise<Person> {
    const { device, store, number } = await ownDevice(server);
    const person = new Person(server, device, number);
    person.parts = await contentParts(person.#context(store));
    void person.connection.run();
    await vi.waitUntil(() => person.state === "online", { timeout: 10_000 });
    await person.connection.send(xml("presence"));
    return person;
  }

  private constructor(
    server: Server,
    readonly device: OwnDevice,
    readonly number: string,
  ) {
    this.connection = new Connection(
      {
        ...device.self,
        url: `${server.url.replace("http", "ws")}/xmpp-websocket`,
        mechanism: device.registration?.mechanism ?? "",
        token: () => device.registration?.token ?? "",
        keepToken: (newer) => device.keepToken(newer),
      },
      {
        receive: async (stanza) => {
          for (const part of this.parts.all) await part.receive?.(stanza);
        },
        online: () => undefined,
        state: (state) => (this.state = state),
        refused: () => undefined,
      },
    );
    this.requests = new Requests(this.connection, device.self);
  }

  get id(): string {
    return this.device.self.account;
  }

  get do(): Part<Names>["commands"] {
    return Object.assign({}, ...this.parts.all.map(({ commands }) => commands)) as Part<Names>["commands"];
  }

  async stop(): Promise<void> {
    this.parts.close();
    await this.connection.stop();
  }

  #context(store: Store): Context {
    const unknown = () => Promise.reject(new Refusal("offline", "there are no conversations here"));
    const conversations: Conversations = {
      exclusive: (_, task) => task(),
      enter: unknown,
      // What is said is kept here, and goes nowhere.
      own: async () => this.id,
      post: async (_, { rows }) => {
        const batch = store.batch();
        await rows?.(batch);
        await batch.commit();
      },
      retry: unknown, withdraw: unknown, direct: unknown, change: unknown,
    };
    const say = (event: EngineEvent) => void this.events.push(event);
    return { store, self: this.device.self, xmpp: this.connection, conversations, say, now: Date.now };
  }
}

type Names = "lookUp" | "contact" | "setContact" | "block" | "report" | "setSettings";
