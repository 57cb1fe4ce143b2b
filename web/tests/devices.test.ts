// Several devices of one account, each with an engine, against a real server.

import "fake-indexeddb/auto";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { xml } from "@xmpp/client";
import { Connection } from "../src/engine/connection/connection";
import type { Message } from "../src/engine/protocol";
import { Identity } from "../src/engine/sealed/identity";
import { Store } from "../src/engine/store/store";
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
  afterEach(() => void vi.restoreAllMocks());
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
    // What the own devices agree on comes beside the history.
    await expect.poll(async () => (await tablet.call("chats")).find(({ id }) => id === chat), WAIT).toMatchObject({ kind: "direct", peer: bob.account, pinned: true, name: "Bob", unread: 0 });
    const chats = await tablet.call("chats");
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

  test("who leaves a group leaves no leaf, by one commit of whoever is there", async () => {
    const cleo = await Person.register(company.server, company.server.number());
    const members = [bob, cleo].map(({ account }) => ({ account }));
    const { chat } = await ada.call("createGroup", { name: "Quay", description: "", members });
    await ada.say(chat.id, "all here");
    for (const person of [bob, cleo]) await person.sees(chat.id, ["all here"]);
    const watched = watchCommits();
    await cleo.call("leaveGroup", chat.id);
    await expect.poll(() => watched.taken(chat.id), WAIT).toBe(1);
    // Whoever waited longer finds it done.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(watched.taken(chat.id)).toBe(1);
    expect(watched.commits.filter((one) => one.chat === chat.id).length).toBeLessThanOrEqual(2);
    await bob.say(chat.id, "without cleo");
    await ada.sees(chat.id, ["all here", "without cleo"]);
    await cleo.stop();
  }, 60_000);

  test("a device that was silent is taken out by an admin's, and comes back by itself", async () => {
    const cleo = await Person.register(company.server, company.server.number());
    const { chat } = await ada.call("createGroup", { name: "Pier", description: "", members: [{ account: cleo.account }] });
    await ada.say(chat.id, "before");
    await cleo.sees(chat.id, ["before"]);
    await cleo.stop();
    const watched = watchCommits();
    watched.silent.add(`${cleo.account}/${cleo.device}`);
    // A day later a new stream has it looked at.
    sinceUpkeep(1);
    await ada.reload();
    await expect.poll(() => watched.taken(chat.id), { timeout: 70_000, interval: 200 }).toBe(1);
    await ada.say(chat.id, "meanwhile");
    watched.silent.clear();
    await cleo.start();
    await cleo.online();
    await expect.poll(() => watched.taken(chat.id), WAIT).toBe(2);
    await ada.say(chat.id, "after");
    await cleo.sees(chat.id, ["before", "unreadable", "after"]);
    await cleo.say(chat.id, "back");
    await ada.sees(chat.id, ["before", "meanwhile", "after", "back"]);
    await cleo.stop();
  }, 120_000);

  test("who comes back with other keys is seen, and compared no longer; a stranger among the devices hears nothing", async () => {
    const cleo = await Person.register(company.server, company.server.number());
    const { id: chat } = await ada.call("openDirect", cleo.account);
    await ada.say(chat, "hello");
    await cleo.sees(chat, ["hello"]);
    await ada.call("setContact", cleo.account, { verified: true });

    // The server's half of a link opens the account; its key is on the other device, and the secret with it.
    const again = await Person.link(cleo, true);
    expect(again.account).toBe(cleo.account);
    await expect.poll(() => again.state.unvouched, WAIT).toBe(true);
    // Its app lets it into no group. One that is not honest gets in, and is out again before anything is said.
    const watched = watchCommits();
    const honest = vi.spyOn(Identity.prototype, "vouched").mockResolvedValue(true);
    await again.reload();
    await expect.poll(() => watched.taken(chat), WAIT).toBe(1);
    honest.mockRestore();
    await ada.say(chat, "not for the stranger");
    await cleo.sees(chat, ["hello", "not for the stranger"]);
    expect(watched.taken(chat)).toBe(2);
    expect(await again.texts(chat)).not.toContain("not for the stranger");
    expect(ada.events.some(({ type }) => type === "key-changed")).toBe(false);

    await again.call("beginKeysAnew");
    expect(again.state.unvouched).toBe(false);
    await again.say(chat, "with other keys");
    await expect.poll(() => ada.events, WAIT).toContainEqual({ type: "key-changed", account: cleo.account });
    await expect.poll(async () => (await ada.texts(chat)).at(-1), WAIT).toBe("with other keys");
    expect(await ada.call("contact", cleo.account)).toMatchObject({ verified: false });
    const { messages } = await ada.call("messages", chat);
    expect(messages.map(({ content }) => content)).toContainEqual({ kind: "system", change: { type: "key-changed", account: cleo.account } });
    // What the key before vouched for has no part any more.
    await ada.say(chat, "for the new one");
    await expect.poll(async () => (await again.texts(chat)).at(-1), WAIT).toBe("for the new one");
    expect(await cleo.texts(chat)).not.toContain("for the new one");
    await Promise.all([cleo.stop(), again.stop()]);
  }, 90_000);

  test("own keys in a group are others after seven days of use", async () => {
    const { id: chat } = await ada.call("openDirect", bob.account);
    await ada.say(chat, "used");
    await expect.poll(async () => (await bob.texts(chat)).at(-1), WAIT).toBe("used");
    const watched = watchCommits();
    sinceUpkeep(8);
    await ada.reload();
    await expect.poll(() => watched.taken(chat), { timeout: 40_000, interval: 200 }).toBe(1);
    await bob.say(chat, "with others");
    await expect.poll(async () => (await ada.texts(chat)).at(-1), WAIT).toBe("with others");
  }, 60_000);
});

/** What engines ask of the server to commit, and what it answers. */
function watchCommits() {
  const { iq } = Connection.prototype;
  const commits: { chat: string; removed: boolean; isTaken: boolean }[] = [];
  /** Leaves that the server is to call silent: it would do so after thirty days. */
  const silent = new Set<string>();
  vi.spyOn(Connection.prototype, "iq").mockImplementation(async function (this: Connection, type, to, payload) {
    const chat = (to ?? "").split("@")[0] ?? "";
    const commit = payload.is("commit") ? { chat, removed: payload.getChild("remove") !== undefined, isTaken: false } : undefined;
    if (commit) commits.push(commit);
    const answer = await iq.call(this, type, to, payload);
    if (commit) commit.isTaken = true;
    if (payload.is("group") && payload.attrs["epoch"] === undefined) {
      for (const leaf of silent) answer?.append(xml("silent", { leaf, since: "2026-01-01T00:00:00Z" }));
    }
    return answer;
  });
  return { commits, silent, taken: (chat: string) => commits.filter((one) => one.chat === chat && one.isTaken).length };
}

/** What was done for groups was done so many days before: the engine's clock is the server's. */
function sinceUpkeep(days: number): void {
  const { get } = Store.prototype;
  vi.spyOn(Store.prototype, "get").mockImplementation(async function (this: Store, table, key) {
    const kept = await get.call(this, table, key);
    if (table !== "meta" || !Array.isArray(key) || key[0] !== "upkeep" || kept === undefined) return kept;
    const before = Object.entries(kept as Record<string, number>).map(([name, atMs]) => [name, atMs - days * 86_400_000]);
    return Object.fromEntries(before) as unknown;
  } as typeof get);
}

const WAIT = { timeout: 20_000, interval: 50 };

/** Both come to have the same messages with all that was said about them. */
async function same(chat: string, one: Person, other: Person): Promise<void> {
  const told = ({ id, order, author, at, content, reactions, starred, status }: Message) => ({ id, order, author, at, content, reactions, starred, status });
  const history = async (person: Person) => (await person.messages(chat)).map(told);
  await expect.poll(() => history(other), WAIT).toEqual(await history(one));
}
