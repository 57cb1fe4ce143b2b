// People with an engine each, against a real server.

import "fake-indexeddb/auto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Message } from "../src/engine/protocol";
import { Company, Person } from "./person";
import { LEFT_OUT, WHIMBREL } from "./server";

describe.skipIf(WHIMBREL === undefined)(`engines${LEFT_OUT}`, () => {
  let company: Company;
  let ada: Person;
  let bob: Person;
  let cleo: Person;
  beforeAll(async () => {
    company = await Company.begin(3);
    [ada, bob, cleo] = company.people as [Person, Person, Person];
  }, 60_000);
  afterAll(() => company.end());

  test("two find one another by number, and write both ways", async () => {
    const [found] = await ada.call("lookUp", [bob.number]);
    expect(found?.account).toBe(bob.account);
    const chat = (await ada.call("openDirect", bob.account)).id;
    await ada.say(chat, "plain as day 1");
    await bob.sees(chat, ["plain as day 1"]);
    expect((await bob.call("openDirect", ada.account)).id).toBe(chat);
    await bob.say(chat, "plain as day 2");
    await ada.sees(chat, ["plain as day 1", "plain as day 2"]);

    const texts = Array.from({ length: 10 }, (_, n) => n);
    await Promise.all(texts.flatMap((n) => [ada.say(chat, `ada ${n}`), bob.say(chat, `bob ${n}`)]));
    await expect.poll(async () => (await ada.texts(chat)).length, { timeout: 20_000 }).toBe(22);
    await same(chat, ada, bob);
    // Each one's own are in the order in which they were sent.
    expect((await ada.texts(chat)).filter((text) => text.startsWith("bob"))).toEqual(texts.map((n) => `bob ${n}`));
  }, 60_000);

  test("a name that one gives oneself", async () => {
    await ada.call("setProfile", { name: "Ada" });
    await expect.poll(() => ada.state.account?.name, { timeout: 10_000 }).toBe("Ada");
  });

  test("two who write first at once end in one conversation", async () => {
    const chats = await Promise.all([bob.call("openDirect", cleo.account), cleo.call("openDirect", bob.account)]);
    const chat = chats[0].id;
    expect(chats[1].id).toBe(chat);
    await Promise.all([bob.say(chat, "from bob"), cleo.say(chat, "from cleo")]);
    for (const person of [bob, cleo]) {
      await expect.poll(async () => (await person.texts(chat)).toSorted(), { timeout: 20_000 }).toEqual(["from bob", "from cleo"]);
    }
    await same(chat, bob, cleo);
  }, 60_000);

  test("a group; who was away catches up in order", async () => {
    await cleo.call("setProfile", { name: "Cleo" });
    const members = [bob, cleo].map(({ account }) => ({ account }));
    const { chat } = await ada.call("createGroup", { name: "Harbour", description: "", members });
    await ada.say(chat.id, "welcome");
    for (const person of [ada, bob, cleo]) await person.sees(chat.id, ["welcome"]);
    await expect.poll(async () => (await cleo.call("chats")).find(({ id }) => id === chat.id)?.name, { timeout: 10_000 }).toBe("Harbour");
    // Who has not written yet is known all the same.
    await expect.poll(async () => (await ada.call("contact", cleo.account)).name, { timeout: 10_000 }).toBe("Cleo");

    await cleo.stop();
    await bob.say(chat.id, "where is cleo?");
    await ada.say(chat.id, "away");
    await bob.sees(chat.id, ["welcome", "where is cleo?", "away"]);
    await cleo.start();
    await cleo.sees(chat.id, ["welcome", "where is cleo?", "away"]);
    await cleo.say(chat.id, "back");
    for (const person of [ada, bob]) await person.sees(chat.id, ["welcome", "where is cleo?", "away", "back"]);
    await same(chat.id, ada, bob, cleo);
  }, 60_000);

  test("who does not let others add them comes by a link", async () => {
    await cleo.call("setSettings", { addable: "contacts" });
    const members = [bob, cleo].map(({ account }) => ({ account }));
    const { chat, absent, invitations } = await ada.call("createGroup", { name: "Quay", description: "", members });
    expect({ absent, accounts: invitations.map(({ account }) => account) }).toEqual({ absent: [], accounts: [cleo.account] });
    const inIt = async () => (await ada.call("group", chat.id)).members.map(({ account }) => account).toSorted();
    expect(await inIt()).toEqual([ada.account, bob.account].toSorted());
    await cleo.call("joinByInvitation", invitations[0]?.uri ?? "");
    expect(await inIt()).toEqual([ada.account, bob.account, cleo.account].toSorted());
    await cleo.call("setContact", bob.account, { name: "Bob" });
    const { invitations: none } = await bob.call("createGroup", { name: "Pier", description: "", members: [{ account: cleo.account }] });
    expect(none).toEqual([]);
    await cleo.call("setSettings", { addable: "everybody" });
  }, 60_000);

  test("a linked device takes part from then on", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    const tablet = await Person.link(ada);
    expect(tablet.account).toBe(ada.account);
    await expect.poll(async () => (await ada.call("devices")).map(({ isCertified }) => isCertified), { timeout: 20_000 }).toEqual([true, true]);
    const said = async (person: Person) => (await person.texts(chat)).filter((text) => text.startsWith("tablet:"));
    // It has joined once it can say something.
    await tablet.say(chat, "tablet: hello");
    for (const person of [ada, bob, tablet]) await expect.poll(() => said(person), { timeout: 20_000 }).toEqual(["tablet: hello"]);
    await bob.say(chat, "tablet: hello to both");
    await ada.say(chat, "tablet: hello to myself");
    const all = ["tablet: hello", "tablet: hello to both", "tablet: hello to myself"];
    for (const person of [ada, bob, tablet]) await expect.poll(() => said(person), { timeout: 20_000 }).toEqual(all);
    expect(bob.events.some(({ type }) => type === "key-changed")).toBe(false);
    const [own, other] = await Promise.all([ada.call("safetyNumber", bob.account), bob.call("safetyNumber", ada.account)]);
    expect(own).toEqual(other);
    expect(own.digits.replaceAll(" ", "")).toMatch(/^\d{60}$/);

    await tablet.call("signOut");
    expect(tablet.state.account).toBeNull();
    await expect.poll(async () => (await ada.call("devices")).map(({ isCertified }) => isCertified), { timeout: 20_000 }).toEqual([true]);
    await bob.say(chat, "tablet: not for the tablet");
    for (const person of [ada, bob]) await expect.poll(() => said(person), { timeout: 20_000 }).toEqual([...all, "tablet: not for the tablet"]);
  }, 60_000);

  test("nothing is lost or doubled when the server is killed", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    const before = await ada.texts(chat);
    const texts = Array.from({ length: 12 }, (_, n) => `through the crash ${n}`);
    for (const [n, text] of texts.entries()) {
      await ada.say(chat, text);
      if (n === 5) await company.server.kill();
    }
    await expect.poll(() => ada.state.connection, { timeout: 20_000 }).not.toBe("online");
    await company.server.start();
    for (const person of [ada, bob, cleo]) person.engine.wake();
    for (const person of [ada, bob]) await person.sees(chat, [...before, ...texts]);
    await same(chat, ada, bob);
  }, 60_000);

  test("what is written without a server outlasts a reload", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    const before = await bob.texts(chat);
    await company.server.kill();
    await expect.poll(() => ada.state.connection, { timeout: 20_000 }).not.toBe("online");
    await ada.say(chat, "written offline 1");
    await ada.say(chat, "written offline 2");
    await ada.stop();
    await ada.start();
    await ada.say(chat, "written offline 3");
    await company.server.start();
    for (const person of [ada, bob, cleo]) person.engine.wake();
    await bob.sees(chat, [...before, ...[1, 2, 3].map((n) => `written offline ${n}`)]);
    await same(chat, ada, bob);
  }, 60_000);

  test("send to the other's event, in milliseconds", async ({ annotate }) => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    const times: number[] = [];
    for (let n = 0; n < 60; n++) {
      const heard = bob.hears(`timed ${n}`);
      const began = performance.now();
      await ada.say(chat, `timed ${n}`);
      times.push((await heard) - began);
    }
    times.sort((one, other) => one - other);
    const at = (part: number) => (times[Math.floor(times.length * part)] ?? 0).toFixed(1);
    await annotate(`p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(0.99)} ms`);
  }, 60_000);

  test("the server's disk holds nothing of it", () => {
    const files = readdirSync(company.server.folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    const decoder = new TextDecoder("latin1");
    for (const { name, parentPath } of files) {
      const content = decoder.decode(readFileSync(join(parentPath, name)));
      for (const said of ["plain as day", "through the crash", "where is cleo", "Harbour"]) {
        expect(content.includes(said), `${said} in ${name}`).toBe(false);
      }
    }
    expect(files.length).toBeGreaterThan(1);
  });
});

/** All come to have the same messages in the same order. */
async function same(chat: string, ...people: Person[]): Promise<void> {
  const told = ({ id, order, author, at, content }: Message) => ({ id, order, author, at, content });
  const [first, ...others] = people;
  const history = async (person?: Person) => ((await person?.messages(chat)) ?? []).map(told);
  // What waits has another order than it will have.
  await expect.poll(async () => (await history(first)).some(({ order }) => order.startsWith("~")), { timeout: 10_000 }).toBe(false);
  for (const other of others) await expect.poll(() => history(other), { timeout: 10_000 }).toEqual(await history(first));
}
