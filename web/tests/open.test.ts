// Open conversations: people with the app, and one with another XMPP client, against a real server.

import { xml, type Element } from "@xmpp/client";
import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { textOf } from "../src/engine/conversations/log-entry";
import { encodeDeviceList, newAccountKey } from "../src/engine/mls/device-list";
import type { ChatId, Message } from "../src/engine/protocol";
import { Person } from "./person";
import { LEFT_OUT, Server, WHIMBREL } from "./server";
import { Stranger } from "./stranger";

describe.skipIf(WHIMBREL === undefined)(`open conversations${LEFT_OUT}`, () => {
  let server: Server;
  let ada: Person;
  let bob: Person;
  let sam: Stranger;
  beforeAll(async () => {
    server = await Server.start();
    [ada, bob, sam] = await Promise.all([
      Person.register(server, "+493023125031"),
      Person.register(server, "+493023125032"),
      Stranger.arrive(server, "+493023125033"),
    ]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([ada, bob, sam].map((person) => person?.stop()));
    await server.stop();
  });

  test("a group with somebody who has another client", async () => {
    await ada.call("setProfile", { name: "Ada" });
    const members = [{ account: bob.account }, { account: sam.account }];
    const { chat, absent } = await ada.call("createGroup", { name: "Allotment", description: "Who waters?", members, isOpen: true });
    expect(absent).toEqual([]);
    expect(chat).toMatchObject({ name: "Allotment", isOpen: true, kind: "group" });
    const room = `${chat.id}@groups.localhost`;
    await expect.poll(async () => (await bob.call("chats")).find(({ id }) => id === chat.id)).toMatchObject({ name: "Allotment", isOpen: true });
    await sam.join(room, "Sam");

    await ada.say(chat.id, "I water on Monday");
    const heard = await sam.hears("I water on Monday");
    expect(heard.attrs).toMatchObject({ type: "groupchat", from: `${room}/Ada` });
    await bob.sees(chat.id, ["I water on Monday"]);

    await sam.send(room, "groupchat", "s1", "I take Tuesday");
    for (const person of [ada, bob]) await person.sees(chat.id, ["I water on Monday", "I take Tuesday"]);
    expect((await ada.call("contact", sam.account)).name).toBe("Sam");
    const [monday, tuesday] = await ada.messages(chat.id);
    if (!monday || !tuesday) throw new Error("two messages were seen");

    // Replies, reactions and corrections, both ways.
    await sam.send(room, "groupchat", "s3", reaction(stanzaId(heard), "🌱"));
    await sam.send(room, "groupchat", "s4", "> I water on Monday\nThanks!", ...reply(stanzaId(heard), 20));
    await sam.send(room, "groupchat", "s5", "I take Wednesday", xml("replace", { xmlns: "urn:xmpp:message-correct:0", id: "s1" }));
    await bob.sees(chat.id, ["I water on Monday", "I take Wednesday", "Thanks!"]);
    const [first, second, third] = await bob.messages(chat.id);
    expect(first?.reactions).toEqual([{ emoji: "🌱", accounts: [sam.account] }]);
    expect(second?.editedAt).toEqual(expect.any(Number));
    expect(third?.reply).toMatchObject({ id: monday.id, author: ada.account, preview: { text: "I water on Monday" } });

    await bob.call("react", chat.id, tuesday.id, "👍");
    const reacted = await sam.finds((message) => message.getChild("reactions", "urn:xmpp:reactions:0") !== undefined && isFrom(message, bob));
    expect(reacted.getChild("reactions")?.attrs["id"]).toBe(tuesday.order);
    await bob.call("send", chat.id, { content: { kind: "text", text: "Good" }, reply: tuesday.id });
    const replied = await sam.hears("> I take Wednesday\nGood");
    expect(replied.getChild("reply", "urn:xmpp:reply:0")?.attrs["id"]).toBe(tuesday.order);
    await ada.call("edit", chat.id, monday.id, "I water on Sunday");
    expect((await sam.hears("I water on Sunday")).getChild("replace")?.attrs["id"]).toBe(heard.attrs["id"]);

    // What is read shows, and what is taken back goes.
    await sam.send(room, "groupchat", "s6", xml("displayed", { xmlns: "urn:xmpp:chat-markers:0", id: stanzaId(heard) }));
    const readBy = async () => (await ada.call("messageInfo", chat.id, monday.id)).find(({ account }) => account === sam.account)?.readAt;
    await expect.poll(readBy, { timeout: 10_000 }).toEqual(expect.any(Number));
    await bob.call("markRead", chat.id, tuesday.order);
    await sam.finds((message) => message.getChild("displayed") !== undefined && isFrom(message, bob));
    await ada.call("deleteForEveryone", chat.id, [monday.id]);
    await bob.sees(chat.id, ["deleted", "I take Wednesday", "Thanks!", "Good"]);
    await expect.poll(async () => (await ada.messages(chat.id)).map(told)).toEqual((await bob.messages(chat.id)).map(told));
  }, 60_000);

  test("two of whom one has another client", async () => {
    const chat = await ada.call("openDirect", sam.account);
    expect(chat).toMatchObject({ isOpen: true, kind: "direct", peer: sam.account });
    await ada.say(chat.id, "Hello Sam");
    const hello = await sam.hears("Hello Sam");
    expect(hello.attrs).toMatchObject({ type: "chat", id: expect.stringContaining(ada.account) });
    expect(hello.attrs["from"]).toMatch(`${ada.account}@localhost/`);
    expect(hello.getChildText("nick")).toBe("Ada");

    await sam.send(`${ada.account}@localhost`, "chat", "d0", xml("composing", { xmlns: "http://jabber.org/protocol/chatstates" }));
    await expect.poll(() => ada.events).toContainEqual({ type: "typing", chat: chat.id, account: sam.account, state: "typing" });
    await sam.send(`${ada.account}@localhost`, "chat", "d1", "Hello Ada");
    await sam.send(`${ada.account}@localhost`, "chat", "d2", received(hello.attrs["id"]));
    await sam.send(`${ada.account}@localhost`, "chat", "d3", reaction(hello.attrs["id"] ?? "", "👋"));
    await ada.sees(chat.id, ["Hello Sam", "Hello Ada"]);
    await expect.poll(async () => (await ada.messages(chat.id))[0]).toMatchObject({ status: "delivered", reactions: [{ emoji: "👋" }] });
    const [, answer] = await ada.messages(chat.id);
    await ada.call("react", chat.id, answer?.id ?? "", "🎉");
    expect((await sam.finds((message) => isTold(message, "reactions"))).getChild("reactions")?.attrs["id"]).toBe("d1");
    await ada.call("markRead", chat.id, answer?.order ?? "");
    expect((await sam.finds((message) => isTold(message, "displayed"))).getChild("displayed")?.attrs["id"]).toBe("d1");

    // A file that lies open: shown where it is the own server's.
    const url = "http://localhost/upload/x/garden.jpg";
    await sam.send(`${ada.account}@localhost`, "chat", "d4", url, xml("x", { xmlns: "jabber:x:oob" }, xml("url", {}, url)));
    await ada.sees(chat.id, ["Hello Sam", "Hello Ada", "photo"]);

    // Ours is put where anybody reads it who has its address, and what is written beside it is said apart.
    const file = new Blob(["plain peas"], { type: "text/plain" });
    await ada.call("send", chat.id, { content: { kind: "document", file, name: "seeds.txt", caption: "What I have" } });
    await sam.hears("What I have");
    const shared = await sam.finds((message) => message.getChild("file-sharing") !== undefined);
    const { pathname } = new URL(shared.getChild("x")?.getChildText("url") ?? "");
    expect(shared.getChildText("body")).toContain(pathname);
    expect(await (await fetch(`${server.url}${pathname}`)).text()).toBe("plain peas");
    const all = ["Hello Sam", "Hello Ada", "photo", "document", "What I have"];
    await ada.sees(chat.id, all);

    const tablet = await Person.link(ada);
    await tablet.sees(chat.id, all);
    await tablet.say(chat.id, "From the tablet");
    await ada.sees(chat.id, [...all, "From the tablet"]);
    expect((await ada.messages(chat.id)).at(-1)?.isOwn).toBe(true);
    await tablet.call("signOut");
    await ada.online();
  }, 60_000);

  test("what comes while nobody is there, and through a crash, is there once and in order", async () => {
    const chat = (await ada.call("openDirect", sam.account)).id;
    const before = await ada.texts(chat);
    await ada.stop();
    const away = Array.from({ length: 120 }, (_, n) => `while away ${n}`);
    for (const [n, text] of away.entries()) await sam.send(`${ada.account}@localhost`, "chat", `a${n}`, text);
    await ada.start();
    await ada.say(chat, "I am back");
    await ada.sees(chat, [...before, ...away, "I am back"]);
    await server.kill();
    await expect.poll(() => ada.state.connection, { timeout: 20_000 }).not.toBe("online");
    await ada.say(chat, "through the crash");
    await server.start();
    for (const person of [ada, bob]) person.engine.wake();
    await ada.sees(chat, [...before, ...away, "I am back", "through the crash"]);
    await expect.poll(async () => (await ada.messages(chat)).every(({ status }) => status !== "sending"), { timeout: 20_000 }).toBe(true);
    await sam.stop();
    await sam.start();
    for (const person of [ada, bob]) await person.online();
  }, 60_000);

  test("what is encrypted stays so, and one who takes encrypted messages gets no open ones", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    expect(await ada.call("openDirect", bob.account)).toMatchObject({ isOpen: false });
    await ada.say(chat, "sealed");
    await bob.sees(chat, ["sealed"]);
    // The own account of somebody with the app, by another client: that is a conversation beside it.
    await sam.send(`${bob.account}@localhost`, "chat", "b1", "an open one");
    const open = async (): Promise<ChatId | undefined> => (await bob.call("chats")).find(({ isOpen, peer }) => isOpen && peer === sam.account)?.id;
    await expect.poll(open, { timeout: 10_000 }).toBe(sam.account);
    expect(await bob.texts(chat)).toEqual(["sealed"]);
    // With keys of their own there is an encrypted conversation beside the open one, which says so.
    const list = { account: sam.account, counter: 1, madeAtS: 1, devices: [] };
    await sam.ask("set", undefined, xml("device-list", { xmlns: "urn:whimbrel:mls:0" }, textOf(encodeDeviceList(newAccountKey(), list))));
    const beside = await ada.call("openDirect", sam.account);
    expect(beside).toMatchObject({ isOpen: false, peer: sam.account });
    expect(beside.id).not.toBe(sam.account);
    expect((await ada.call("chats")).find(({ id }) => id === sam.account)).toMatchObject({ isOpen: true, canEncrypt: true });
    await expect(ada.call("send", sam.account, { content: { kind: "poll", question: "?", choices: ["a", "b"], several: false } })).rejects.toMatchObject({ name: "not-allowed" });
  }, 30_000);

  test("a contact's new number is known without a word", async () => {
    await ada.call("lookUp", [bob.number]);
    await bob.call("setSettings", { lastSeen: "everybody" });
    await ada.call("setContact", bob.account, { name: "Bob" });
    await expect.poll(() => ada.events, { timeout: 10_000 }).toContainEqual({ type: "presence", account: bob.account, online: true });
    const number = "+493023125039";
    await bob.call("requestCode", number);
    await bob.call("changeNumber", number, await server.code(number), true);
    await expect.poll(async () => (await ada.call("contact", bob.account)).number, { timeout: 10_000 }).toBe(number);
    expect((await ada.call("chats")).some(({ id }) => id === bob.account)).toBe(false);
  }, 30_000);

  test("since when a contact is gone is known to who comes later", async () => {
    await ada.call("setContact", bob.account, { name: "Bob" });
    await bob.call("setContact", ada.account, { name: "Ada" });
    const seen = () => ada.events.filter((event) => event.type === "presence" && event.account === bob.account).at(-1);
    await expect.poll(seen, { timeout: 10_000 }).toMatchObject({ online: true });
    await ada.stop();
    const before = Date.now();
    await bob.stop();
    await ada.start();
    await expect.poll(seen, { timeout: 10_000 }).toMatchObject({ online: false, lastSeen: expect.any(Number) });
    expect(Math.abs((seen() as { lastSeen: number }).lastSeen - before)).toBeLessThan(10_000);
  }, 30_000);
});

function stanzaId(message: Element): string {
  return message.getChild("stanza-id", "urn:xmpp:sid:0")?.attrs["id"] ?? "";
}

/** Between two. */
function isTold(message: Element, name: string): boolean {
  return message.attrs["type"] === "chat" && message.getChild(name) !== undefined;
}

function isFrom(message: Element, { account }: Person): boolean {
  return message.getChild("x")?.getChild("item")?.attrs["jid"] === `${account}@localhost`;
}

function reply(id: string, end: number): Element[] {
  const quoted = xml("fallback", { xmlns: "urn:xmpp:fallback:0", for: "urn:xmpp:reply:0" }, xml("body", { start: 0, end }));
  return [xml("reply", { xmlns: "urn:xmpp:reply:0", id }), quoted];
}

function reaction(id: string, emoji: string): Element {
  return xml("reactions", { xmlns: "urn:xmpp:reactions:0", id }, xml("reaction", {}, emoji));
}

function received(id: string | undefined): Element {
  return xml("received", { xmlns: "urn:xmpp:receipts", id });
}

function told({ id, order, author, content }: Message) {
  return { id, order, author, content };
}
