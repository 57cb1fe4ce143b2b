// Several devices of one account, each with an engine, against a real server.

import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Message } from "../src/engine/protocol";
import { Company, Person } from "./person";
import { LEFT_OUT, WHIMBREL } from "./server";

describe.skipIf(WHIMBREL === undefined)(`devices${LEFT_OUT}`, () => {
  let company: Company;
  let ada: Person;
  let bob: Person;
  beforeAll(async () => {
    company = await Company.begin(2);
    [ada, bob] = company.people as [Person, Person];
    // A page's addresses begin with its server.
    const { fetch } = globalThis;
    vi.stubGlobal("fetch", (at: string, init?: RequestInit) => fetch(new URL(at, company.server.url), init));
  }, 60_000);
  afterAll(async () => {
    vi.unstubAllGlobals();
    await company.end();
  });

  test("a linked device gets what was before, the newest first, through reloads of both", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    const texts = Array.from({ length: 60 }, (_, n) => `before ${n}`);
    for (const text of texts) await ada.say(chat, text);
    await bob.sees(chat, texts);
    await bob.call("setProfile", { name: "Bob" });
    const [first] = await bob.messages(chat);
    await bob.call("react", chat, first!.id, "👍");
    await ada.call("star", chat, first!.id, true);
    await ada.call("setContact", bob.account, { verified: true });
    await ada.call("setChat", chat, { pinned: true });
    await ada.call("setSettings", { readReceipts: false });
    const { chat: group } = await ada.call("createGroup", { name: "Harbour", description: "Boats", members: [{ account: bob.account }] });
    await ada.say(group.id, "Ahoy");
    const notes = (await ada.call("openDirect", ada.account)).id;
    await ada.say(notes, "buy bread");
    await ada.sees(notes, ["buy bread"]);
    await expect.poll(async () => (await ada.messages(chat))[0]?.reactions.length, WAIT).toBe(1);

    const tablet = await Person.link(ada);
    const seen: number[] = [];
    tablet.engine.listen((event) => {
      if (event.type === "messages" && event.chat === chat) seen.push(...event.messages.map(({ order }) => Number.parseInt(order, 16)));
    });
    // Both are reloaded while it is under way.
    await tablet.stop();
    await ada.stop();
    await tablet.start();
    await ada.start();
    for (const id of [chat, group.id, notes]) await same(id, ada, tablet);
    expect((await tablet.texts(chat)).length).toBe(60);
    await expect.poll(() => tablet.state.history, WAIT).toBeNull();
    await expect.poll(() => ada.state.history, WAIT).toBeNull();
    const chats = await tablet.call("chats");
    expect(chats.find(({ id }) => id === chat)).toMatchObject({ kind: "direct", peer: bob.account, pinned: true, name: "Bob", unread: 0 });
    expect(chats.find(({ id }) => id === group.id)).toMatchObject({ kind: "group", name: "Harbour" });
    expect(chats.find(({ id }) => id === notes)).toMatchObject({ kind: "self" });
    expect(await tablet.call("group", group.id)).toMatchObject({ description: "Boats", own: "owner" });
    expect((await tablet.call("starred")).map(({ id }) => id)).toEqual([first!.id]);
    expect(await tablet.call("contact", bob.account)).toMatchObject({ name: "Bob", verified: true });
    expect(await tablet.call("settings")).toMatchObject({ readReceipts: false });
    expect((await tablet.call("search", "before 7")).map(({ message }) => message.content)).toMatchObject([{ text: "before 7" }]);

    // From then on both get all, and say all.
    await tablet.say(group.id, "from the tablet");
    await bob.say(chat, "to both");
    for (const person of [ada, bob, tablet]) {
      await expect.poll(async () => (await person.texts(group.id)).at(-1), WAIT).toBe("from the tablet");
      await expect.poll(async () => (await person.texts(chat)).at(-1), WAIT).toBe("to both");
    }
    await tablet.stop();
  }, 60_000);
});

const WAIT = { timeout: 20_000, interval: 50 };

/** Both come to have the same messages with all that was said about them. */
async function same(chat: string, one: Person, other: Person): Promise<void> {
  const told = ({ id, order, author, at, content, reactions, starred, status }: Message) => ({ id, order, author, at, content, reactions, starred, status });
  const history = async (person: Person) => (await person.messages(chat)).map(told);
  await expect.poll(() => history(other), WAIT).toEqual(await history(one));
}
