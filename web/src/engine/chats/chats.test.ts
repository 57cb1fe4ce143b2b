import { afterEach, beforeEach, expect, test } from "vitest";
import { known } from "../contacts/people";
import { random } from "../content/random.test-support";
import { directChat } from "../conversations/direct";
import type { ChatId, Message } from "../protocol";
import { Refusal } from "../refusal";
import { Stickers } from "./stickers";
import { ADA, BOB, DOMAIN, EVE, World, type TestDevice } from "./world.test-support";

let world: World;
let ada: TestDevice;
let bob: TestDevice;
let chat: ChatId;

beforeEach(async () => {
  world = new World();
  ada = await world.device(ADA);
  bob = await world.device(BOB);
  chat = await directChat(DOMAIN, ADA, BOB);
  world.change(chat, ADA, [{ type: "created" }, { type: "added", account: BOB, affiliation: "owner" }]);
  await world.settle();
});

afterEach(() => {
  for (const device of world.devices) device.chats.close();
});

test("a message is shown at once, and again in its place; the other side sees it, and ticks come back", async () => {
  ada.isOnline = false;
  const id = await ada.do.send(chat, text("Hello Bob"));
  expect(await last(ada)).toMatchObject({ id, status: "sending", isOwn: true });
  ada.isOnline = true;
  await world.settle();
  expect(await last(ada)).toMatchObject({ id, status: "sent" });
  expect(await last(bob)).toMatchObject({ id, author: ADA, content: { kind: "text", text: "Hello Bob" } });
  expect(await chatOf(bob)).toMatchObject({ kind: "direct", peer: ADA, unread: 1, last: { preview: { text: "Hello Bob" } } });
  await tell(bob);
  expect(await last(ada)).toMatchObject({ status: "delivered" });
  await bob.do.markRead(chat, (await last(bob)).order);
  await tell(bob);
  expect(await last(ada)).toMatchObject({ status: "read" });
  expect(await chatOf(bob)).toMatchObject({ unread: 0 });
  expect(await ada.do.messageInfo(chat, id)).toMatchObject([{ account: BOB, deliveredAt: expect.any(Number), readAt: expect.any(Number) }]);
});

test("nobody follows an author who takes back too late", async () => {
  bob.retractionWithinS = 60;
  const [early, late] = [await ada.do.send(chat, text("early")), await ada.do.send(chat, text("late"))];
  await world.settle();
  await ada.do.deleteForEveryone(chat, [early]);
  await world.settle();
  world.nowMs += 61_000;
  // An app that does not look at the time itself.
  await ada.do.deleteForEveryone(chat, [late]);
  await world.settle();
  expect((await messages(bob)).map(({ content }) => content)).toMatchObject([{ kind: "deleted", by: "author" }, { kind: "text", text: "late" }]);
  await bob.do.send(chat, text("mine"));
  await world.settle();
  world.nowMs += 61_000;
  await expect(bob.do.deleteForEveryone(chat, [(await last(bob)).id])).rejects.toThrow("too late");
});

test("edits, reactions, votes, stars and retractions reach all devices, and later devices too", async () => {
  const other = await world.device(ADA);
  await withOwnRoom(ada);
  const first = await ada.do.send(chat, text("Helo"));
  const poll = await ada.do.send(chat, { content: { kind: "poll", question: "When?", choices: ["Now", "Later"], several: false } });
  const gone = await ada.do.send(chat, text("Forget this"));
  await world.settle();
  await ada.do.edit(chat, first, "Hello");
  await bob.do.react(chat, first, "👍");
  await bob.do.vote(chat, poll, [1]);
  await ada.do.star(chat, first, true);
  await ada.do.deleteForEveryone(chat, [gone]);
  await world.settle();
  await drained(other);
  const late = await world.device(BOB);
  await world.settle();
  for (const device of [ada, other, bob, late]) {
    const [one, two, three] = await messages(device);
    expect(one).toMatchObject({ content: { text: "Hello" }, editedAt: expect.any(Number), reactions: [{ emoji: "👍", accounts: [BOB] }] });
    expect(two).toMatchObject({ content: { votes: [{ account: BOB, choices: [1] }] } });
    expect(three).toMatchObject({ id: gone, content: { kind: "deleted", by: "author" } });
  }
  expect(await other.do.starred()).toMatchObject([{ id: first }]);
  expect(await bob.do.starred()).toEqual([]);
});

test("what is deleted for oneself goes on one's own devices alone, and does not come back", async () => {
  const other = await world.device(ADA);
  await withOwnRoom(ada);
  const [id] = [await bob.do.send(chat, text("Pssst")), await bob.do.send(chat, text("Second"))];
  await world.settle();
  await ada.do.deleteForMe(chat, [id]);
  await world.settle();
  await drained(other);
  // The server sends it again.
  await other.take(chat, world.log(chat));
  for (const device of [ada, other]) expect((await messages(device)).map(wordsOf)).toEqual(["Second"]);
  expect(await ada.do.search("pssst")).toEqual([]);
  expect(JSON.stringify((await ada.store.range("messages")).map(({ value }) => value))).not.toContain("Pssst");
  expect((await messages(bob)).map(wordsOf)).toEqual(["Pssst", "Second"]);
  await ada.do.clearChat(chat);
  expect(await messages(ada)).toEqual([]);
  await bob.do.send(chat, text("Third"));
  await world.settle();
  expect((await messages(ada)).map(wordsOf)).toEqual(["Third"]);
  expect((await chatOf(ada)).unread).toBe(1);
});

test("marks, settings and names are the same on all own devices, the latest counting", async () => {
  const other = await world.device(ADA);
  await withOwnRoom(ada);
  await ada.do.setChat(chat, { pinned: true, ownColour: "teal" });
  await world.settle();
  await other.do.setChat(chat, { pinned: false });
  await ada.chats.ownLog.say({ kind: "settings", set: { readReceipts: false } });
  await ada.chats.ownLog.say({ kind: "person", account: BOB, name: "Bobby" });
  await world.settle();
  await Promise.all([drained(ada), drained(other)]);
  for (const device of [ada, other]) {
    expect(await device.chats.desk.chatView(await device.chats.desk.chat(chat), device.store)).toMatchObject({ pinned: false, ownColour: "teal", name: "Bobby" });
    expect(device.chats.desk.settings.current.readReceipts).toBe(false);
  }
});

test("what others seal into a conversation cannot set what own devices agree on", async () => {
  await bob.chats.desk.say(chat, { kind: "person", account: EVE, name: "Your bank" }, {}, async () => undefined);
  await world.settle();
  expect(await ada.chats.desk.contactEvent(EVE, ada.store)).toMatchObject({ contact: { name: "" } });
});

test("a contact's new number counts, whenever what the user says of the contact comes back", async () => {
  const [old, newer] = ["+15550100002", "+15550100009"];
  await ada.chats.ownLog.say({ kind: "person", account: BOB, name: "Bobby", number: old });
  await ada.take(BOB, [{ chat: BOB, peer: BOB, order: world.nextOrder(), at: world.nowMs, author: BOB, what: { kind: "renumbered", number: newer } }]);
  await withOwnRoom(ada);
  await world.settle();
  await drained(ada);
  expect(await ada.chats.desk.contactEvent(BOB, ada.store)).toMatchObject({ contact: { name: "Bobby", number: newer } });
});

test("another key is shown in the conversation, and ends that somebody is verified", async () => {
  await ada.chats.ownLog.say({ kind: "person", account: BOB, verified: true });
  await withOwnRoom(ada);
  await ada.chats.online();
  await world.settle();
  expect(await ada.chats.desk.contactEvent(BOB, ada.store)).toMatchObject({ contact: { verified: true } });
  await ada.take(chat, [{ chat, order: world.nextOrder(), at: world.nowMs, what: { kind: "keys", accounts: [BOB] } }]);
  expect(await last(ada)).toMatchObject({ content: { kind: "system", change: { type: "key-changed", account: BOB } } });
  // Told by the app once more, and loudly, until the user knows of it or has compared again.
  expect(await ada.chats.desk.contactEvent(BOB, ada.store)).toMatchObject({ contact: { verified: false, keyChanged: true } });
  await ada.chats.ownLog.say({ kind: "person", account: BOB, verified: true });
  expect(await ada.chats.desk.contactEvent(BOB, ada.store)).not.toMatchObject({ contact: { keyChanged: true } });
});

test.each([3_600, 90 * 86_400])("messages disappear when their life of %s s is over, on all devices", async (lifeS) => {
  await ada.do.setDisappearing(chat, lifeS);
  await ada.do.send(chat, text("Soon gone"));
  await world.settle();
  expect(await last(bob)).toMatchObject({ expiresAt: world.nowMs + lifeS * 1000, content: { text: "Soon gone" } });
  world.nowMs += lifeS * 1000 - 1;
  await bob.chats.online();
  expect(await last(bob)).toMatchObject({ content: { text: "Soon gone" } });
  world.nowMs += 2;
  for (const device of [ada, bob]) {
    await device.chats.online();
    expect((await messages(device)).map(wordsOf)).toEqual([undefined]);
    expect(await device.do.search("gone")).toEqual([]);
  }
  // Who was away learns nothing of it any more.
  const late = await world.device(BOB);
  await world.settle();
  expect((await messages(late)).map((message) => message.content.kind)).toEqual(["system"]);
});

test("replies, forwards and quotes", async () => {
  const id = await ada.do.send(chat, text("What time?"));
  await world.settle();
  await bob.do.send(chat, { ...text("Nine"), reply: id });
  await world.settle();
  expect(await last(ada)).toMatchObject({ reply: { id, author: ADA, preview: { kind: "text", text: "What time?" } } });
  expect((await chatOf(ada)).mentions).toBe(1);
  await ada.do.forward(chat, [(await last(ada)).id], [chat]);
  await world.settle();
  expect(await last(bob)).toMatchObject({ forwarded: true, content: { text: "Nine" } });
});

test("names go sealed with the first message, and again when they change", async () => {
  await rename(ada, "Ada");
  await ada.do.send(chat, text("Hi"));
  await world.settle();
  expect((await chatOf(bob)).name).toBe("Ada");
  await ada.do.send(chat, text("Still me"));
  await world.settle();
  expect(world.log(chat).filter((entry) => entry.what.kind === "sealed" && hasText(entry.what.envelope, "profile"))).toHaveLength(1);
});

test("who comes into a group later learns who has written before, and of nobody else", async () => {
  const group = "gr0up0000000";
  world.change(group, ADA, [{ type: "created" }, { type: "added", account: BOB, affiliation: "member" }]);
  for (const [device, name] of [[ada, "Ada"], [bob, "Bob"]] as const) await rename(device, name);
  for (const device of [ada, bob]) await device.chats.telling.online();
  await world.settle();
  await ada.do.send(group, text("Hi"));
  await world.settle();
  const eve = await world.device(EVE);
  world.change(group, ADA, [{ type: "added", account: EVE, affiliation: "member" }]);
  const before = world.log(group).length;
  await world.settle();
  for (const device of [ada, bob]) await device.chats.telling.tell(group);
  await world.settle();
  const said = world.log(group).slice(before).filter((entry) => entry.what.kind === "sealed" && hasText(entry.what.envelope, "profile"));
  expect(said).toMatchObject([{ author: ADA }]);
  expect((await known(eve.store, ADA)).profile?.value.name).toBe("Ada");
});

test("any portions of a log, and any beginning of it twice, come to the same end", async () => {
  const next = random(11);
  const ids = [];
  for (let round = 0; round < 30; round++) {
    const device = next(2) ? ada : bob;
    const known = ids.length > 0 ? ids[next(ids.length)] : undefined;
    const kind = next(6);
    if (kind < 2 || known === undefined) ids.push(await device.do.send(chat, text(`words ${round}`)));
    else if (kind === 2) await tried(() => device.do.react(chat, known, next(3) ? "❤️" : null));
    else if (kind === 3) await tried(() => device.do.edit(chat, known, `other words ${round}`));
    else if (kind === 4 && next(2)) await tried(() => device.do.deleteForEveryone(chat, [known]));
    else await device.do.markRead(chat, (await last(device)).order);
    if (next(3) === 0) await world.settle();
    if (next(4) === 0) await tell(device);
  }
  // Nobody tells anything any more.
  for (const device of [ada, bob]) device.chats.close();
  await world.settle();
  const log = [...world.log(chat)];
  const wanted = await state(bob);
  for (let seed = 1; seed <= 12; seed++) {
    const draw = random(seed);
    const device = await world.device(BOB);
    device.isOnline = false;
    for (let at = 0; at < log.length; ) {
      const count = 1 + draw(8);
      // After a crash the log comes again from somewhere before.
      const from = draw(3) === 0 ? draw(at + 1) : at;
      await device.take(chat, log.slice(from, at + count));
      at += count;
    }
    expect(await state(device), `seed ${seed}`).toEqual(wanted);
  }
});

test("who types is told to those who are there, and is kept nowhere", async () => {
  await ada.do.send(chat, text("Hi"));
  await world.settle();
  await bob.do.typing(chat, "typing");
  await bob.do.typing(chat, "typing");
  await world.settle();
  const entries = world.log(chat).length;
  expect(world.passing).toHaveLength(1);
  expect(await ada.chats.contents.apply(world.passing[0]!, ada.store.batch())).toEqual([{ type: "typing", chat, account: BOB, state: "typing" }]);
  expect(world.log(chat)).toHaveLength(entries);
  await bob.do.send(chat, text("Hello"));
  await bob.do.typing(chat, "typing");
  await world.settle();
  expect(world.passing, "of the next message").toHaveLength(2);
});

test("pages, around a message too", async () => {
  const ids = [];
  for (let number = 0; number < 25; number++) ids.push(await ada.do.send(chat, text(`number ${number}`)));
  await world.settle();
  const newest = await bob.do.messages(chat, undefined, 10);
  expect(newest.messages.map(wordsOf)).toEqual(range(15, 25));
  expect(newest).toMatchObject({ hasOlder: true, hasNewer: false });
  const older = await bob.do.messages(chat, { before: newest.messages[0]!.order }, 10);
  expect(older.messages.map(wordsOf)).toEqual(range(5, 15));
  const around = await bob.do.messages(chat, { around: ids[12]! }, 4);
  expect(around.messages.map(wordsOf)).toEqual(range(10, 15));
  const newer = await bob.do.messages(chat, { after: older.messages.at(-1)!.order }, 50);
  expect(newer.messages.map(wordsOf)).toEqual(range(15, 25));
  await bob.do.markRead(chat, around.messages[2]!.order);
  const unread = await bob.do.messages(chat, { unread: true }, 5);
  expect(unread.messages.map(wordsOf), "as many as are asked for, below those read").toEqual(range(0, 18));
  expect(unread).toMatchObject({ unreadFrom: unread.messages[13]!.order, hasOlder: false, hasNewer: true });
  await bob.do.markRead(chat, newest.messages.at(-1)!.order);
  expect((await bob.do.messages(chat, { unread: true }, 5)).messages.map(wordsOf)).toEqual(range(20, 25));
  expect((await bob.do.search("numb 17")).map(({ message }) => message.id)).toEqual([ids[17]]);
});

function text(words: string) {
  return { content: { kind: "text" as const, text: words } };
}

function wordsOf({ content }: Message): string | undefined {
  return content.kind === "text" ? content.text : undefined;
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `number ${from + index}`);
}

async function messages(device: TestDevice): Promise<Message[]> {
  return (await device.do.messages(chat, undefined, 200)).messages;
}

async function last(device: TestDevice): Promise<Message> {
  return (await messages(device)).at(-1)!;
}

async function chatOf(device: TestDevice) {
  return (await device.do.chats()).find(({ id }) => id === chat)!;
}

/** What the device would tell by itself in a moment. */
async function tell(device: TestDevice): Promise<void> {
  await device.chats.telling.tell(chat);
  await world.settle();
}

async function drained(device: TestDevice): Promise<void> {
  await device.chats.ownLog.drainAll();
}

async function withOwnRoom(device: TestDevice): Promise<void> {
  world.change(await device.own(), ADA, [{ type: "created" }]);
  await world.settle();
}

async function rename(device: TestDevice, name: string): Promise<void> {
  const batch = device.store.batch();
  await device.chats.desk.profiles.take(batch, device.account, { name, about: "", avatar: null }, { order: "~1", id: "x" });
  await batch.commit();
}

/** What is not allowed is not done. */
async function tried(what: () => unknown): Promise<void> {
  try {
    await what();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

function hasText(bytes: Uint8Array, words: string): boolean {
  return new TextDecoder("latin1").decode(bytes).includes(words);
}

async function state(device: TestDevice) {
  const { changedAt: _, ...seen } = await chatOf(device);
  return { chat: { ...seen, draft: "" }, messages: await messages(device), found: (await device.do.search("words")).map(({ message }) => message.id) };
}

test("own stickers are the same on all own devices, and are sent without another upload", async () => {
  const other = await world.device(ADA);
  await withOwnRoom(ada);
  const stickers = [ada, other].map(({ chats }) => new Stickers(chats.desk, chats.ownLog, undefined).commands) as [Stickers["commands"], Stickers["commands"]];
  const file = { digest: "ab".repeat(32), key: new Uint8Array(32), bytes: 9, type: "image/webp", name: "" };
  const sticker = { file, width: 512, height: 400 };
  await stickers[0].keepSticker(sticker, true);
  await world.settle();
  expect(await stickers[1].stickers()).toEqual([sticker]);
  await ada.do.send(chat, { content: { kind: "sticker", caption: "", ...sticker } });
  await world.settle();
  expect(await last(bob)).toMatchObject({ content: { kind: "sticker", file: { digest: file.digest }, width: 512 } });
  await stickers[1].keepSticker(sticker, false);
  await world.settle();
  expect(await stickers[0].stickers()).toEqual([]);
});
