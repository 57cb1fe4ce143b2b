// What people do with messages and groups, by engines against a real server.

import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Chat, Message } from "../src/engine/protocol";
import { Company, type Person } from "./person";
import { LEFT_OUT, WHIMBREL } from "./server";

describe.skipIf(WHIMBREL === undefined)(`contents${LEFT_OUT}`, () => {
  let company: Company;
  let ada: Person;
  let bob: Person;
  let cleo: Person;
  beforeAll(async () => {
    company = await Company.begin(3);
    [ada, bob, cleo] = company.people as [Person, Person, Person];
  }, 60_000);
  afterAll(() => company.end());

  test("what is said about messages reaches the other side", async () => {
    await ada.call("setProfile", { name: "Ada" });
    expect(ada.state.account?.name).toBe("Ada");
    const { id: chat } = await ada.call("openDirect", bob.account);
    const [first, gone] = [await ada.say(chat, "Helo"), await ada.say(chat, "Never mind")];
    await bob.sees(chat, ["Helo", "Never mind"]);
    await expect.poll(async () => (await chatOf(bob, chat)).name).toBe("Ada");
    await ada.call("edit", chat, first, "Hello");
    await bob.call("react", chat, first, "👋");
    await bob.call("send", chat, { content: { kind: "text", text: "Hi" }, reply: first });
    await ada.call("deleteForEveryone", chat, [gone]);
    for (const person of [ada, bob]) {
      await expect.poll(() => person.texts(chat), WAIT).toEqual(["Hello", "deleted", "Hi"]);
      await expect.poll(async () => (await messageOf(person, chat, first)).reactions, WAIT).toEqual([{ emoji: "👋", accounts: [bob.account] }]);
      expect(await messageOf(person, chat, gone)).toMatchObject({ content: { kind: "deleted", by: "author" } });
      expect((await person.messages(chat))[2]?.reply).toMatchObject({ id: first, author: ada.account });
    }
    expect(await chatOf(ada, chat)).toMatchObject({ unread: 1, mentions: 1 });
    expect((await messageOf(ada, chat, first)).status).not.toBe("read");
    await bob.call("markRead", chat, (await bob.messages(chat)).at(-1)!.order);
    await expect.poll(async () => (await messageOf(ada, chat, first)).status, WAIT).toBe("read");
    expect(await ada.call("messageInfo", chat, first)).toMatchObject([{ account: bob.account, readAt: expect.any(Number) }]);
    await ada.call("markRead", chat, (await ada.messages(chat)).at(-1)!.order);
    expect((await chatOf(ada, chat)).unread).toBe(0);
    await bob.call("typing", chat, "typing");
    await expect.poll(() => ada.events, WAIT).toContainEqual({ type: "typing", chat, account: bob.account, state: "typing" });
  }, 60_000);

  test("marks, names, stars, notes, and what is deleted for oneself", async () => {
    const { id: chat } = await ada.call("openDirect", bob.account);
    const [first] = await ada.messages(chat);
    await ada.call("setChat", chat, { pinned: true, wallpaper: "dunes" });
    await ada.call("setContact", bob.account, { name: "Bobby" });
    await ada.call("star", chat, first!.id, true);
    await ada.call("setSettings", { disappearingS: 86_400 });
    const notes = await ada.call("openDirect", ada.account);
    await ada.say(notes.id, "buy bread");
    // Back from the own log each has its place there, and counts as before.
    await expect.poll(async () => (await ada.messages(notes.id))[0]?.status, WAIT).toBe("sent");
    expect(await chatOf(ada, chat)).toMatchObject({ pinned: true, wallpaper: "dunes", name: "Bobby" });
    expect(await chatOf(ada, notes.id)).toMatchObject({ kind: "self", unread: 0 });
    expect(await ada.call("starred")).toMatchObject([{ id: first!.id }]);
    expect(await ada.call("settings")).toMatchObject({ disappearingS: 86_400 });
    await ada.call("deleteForMe", chat, [first!.id]);
    await expect.poll(() => ada.texts(chat), WAIT).toEqual(["deleted", "Hi"]);
    expect(await bob.texts(chat)).toEqual(["Hello", "deleted", "Hi"]);
    await ada.call("setSettings", { disappearingS: null });
  }, 60_000);

  test("who comes by a link reads what comes, and learns what the group is called", async () => {
    const group = { name: "Harbour", description: "Boats", members: [{ account: bob.account }] };
    const { chat } = await ada.call("createGroup", group);
    await expect.poll(async () => (await chatOf(bob, chat.id)).name, WAIT).toBe("Harbour");
    const { uri } = await ada.call("createInvitation", chat.id, { uses: 1 });
    await cleo.call("joinByInvitation", uri);
    await expect.poll(async () => (await chatOf(cleo, chat.id)).name, WAIT).toBe("Harbour");
    await cleo.say(chat.id, "Ahoy");
    for (const person of [ada, bob]) await person.sees(chat.id, ["Ahoy"]);
    await bob.call("editGroup", chat.id, { name: "The harbour" });
    await expect.poll(async () => (await chatOf(cleo, chat.id)).name, WAIT).toBe("The harbour");
    expect(await cleo.call("group", chat.id)).toMatchObject({ description: "Boats", own: "member" });
    await ada.call("setAffiliation", chat.id, bob.account, "admin");
    await expect.poll(async () => (await bob.call("group", chat.id)).own, WAIT).toBe("admin");
    await bob.call("deleteForEveryone", chat.id, [(await bob.messages(chat.id))[0]!.id]);
    for (const person of [ada, bob, cleo]) {
      await expect.poll(async () => (await person.messages(chat.id))[0]?.content, WAIT).toEqual({ kind: "deleted", by: "admin" });
    }
    await bob.call("removeMember", chat.id, cleo.account);
    await expect.poll(() => chatOf(cleo, chat.id), WAIT).toMatchObject({ hasLeft: true, canPost: false });
    await ada.say(chat.id, "Without Cleo");
    await bob.sees(chat.id, ["deleted", "Without Cleo"]);
    expect(await cleo.texts(chat.id)).toEqual(["deleted"]);
    await bob.call("leaveGroup", chat.id);
    await expect.poll(async () => (await ada.call("group", chat.id)).members, WAIT).toEqual([{ account: ada.account, affiliation: "owner" }]);
    await ada.say(chat.id, "Alone");
    await ada.sees(chat.id, ["deleted", "Without Cleo", "Alone"]);
  }, 60_000);

  test("messages disappear everywhere", async () => {
    const { id: chat } = await bob.call("openDirect", cleo.account);
    await bob.call("setDisappearing", chat, 5);
    await bob.say(chat, "Soon gone");
    await cleo.sees(chat, ["Soon gone"]);
    for (const person of [bob, cleo]) await expect.poll(() => person.texts(chat), { timeout: 10_000 }).toEqual([]);
  }, 60_000);
});

const WAIT = { timeout: 20_000, interval: 100 };

async function chatOf(person: Person, chat: string): Promise<Chat> {
  return (await person.call("chats")).find(({ id }) => id === chat) ?? ({} as Chat);
}

async function messageOf(person: Person, chat: string, id: string): Promise<Message> {
  return (await person.messages(chat)).find((message) => message.id === id) ?? ({} as Message);
}
