import { afterEach, beforeEach, expect, test } from "vitest";
import { ADA, BOB, DOMAIN, World, type TestDevice } from "../chats/world.test-support";
import { directChat } from "../conversations/direct";
import type { ChatId, ChatMarks, Notice } from "../protocol";
import { isServerMuted } from "../push/push";

const GROUP = "w3h5t9c2m7pd";
const ALWAYS = Date.UTC(9999, 11, 31);
let world: World;
let ada: TestDevice;
let bob: TestDevice;
let chat: ChatId;

beforeEach(async () => {
  world = new World();
  ada = await world.device(ADA);
  bob = await world.device(BOB);
  chat = await directChat(DOMAIN, ADA, BOB);
  const both = [{ type: "created" }, { type: "added", account: BOB, affiliation: "owner" }] as const;
  world.change(chat, ADA, [...both]);
  world.change(GROUP, ADA, [...both, { type: "named", name: "Saturday count" }]);
  await world.settle();
});

afterEach(() => {
  for (const device of world.devices) device.chats.close();
});

test("others' messages and reactions to one's own call; one's own, and others' to others, do not", async () => {
  const sent = await ada.do.send(chat, { content: { kind: "text", text: "the tide is out" } });
  expect(await heard(bob)).toMatchObject([
    { chat, kind: "direct", message: sent, author: { account: ADA }, content: { preview: { kind: "text", text: "the tide is out" } }, isMention: false, isSilent: false },
  ]);
  await bob.do.react(chat, sent, "👍");
  expect(await heard(ada)).toMatchObject([{ message: sent, reaction: "👍", author: { account: BOB } }]);
  expect(await heard(bob)).toEqual([]);
});

test("names stand for ids in what is shown, and nothing of it is where previews are off", async () => {
  await ada.do.send(GROUP, { content: { kind: "text", text: `come, @${BOB}!`, mentions: [BOB] } });
  const [notice] = await heard(bob);
  expect(notice).toMatchObject({ kind: "group", isMention: true, content: { preview: { text: "come, @…!" } } });
  await ownLog(bob, { sounds: false, previews: false, doNotDisturbUntil: null });
  await ada.do.send(chat, { content: { kind: "text", text: "a secret" } });
  const [closed] = await heard(bob);
  expect(closed).toMatchObject({ chat, isSilent: true });
  expect(closed).not.toHaveProperty("content");
});

test("muted chats call nobody, but for mentions in groups as long as these are not muted too", async () => {
  const say = async (mentions: string[]) => {
    await ada.do.send(GROUP, { content: { kind: "text", text: "x", mentions } });
    await ada.do.send(chat, { content: { kind: "text", text: "x", mentions } });
    return (await heard(bob)).map((notice) => notice.chat).sort();
  };
  const both = [chat, GROUP].sort();
  expect(await say([])).toEqual(both);
  for (const id of both) await bob.do.setChat(id, { mutedUntil: ALWAYS });
  expect(await say([])).toEqual([]);
  expect(await say([BOB])).toEqual([GROUP]);
  await bob.do.setChat(GROUP, { mentionsMuted: true });
  expect(await say([BOB])).toEqual([]);
  for (const id of both) await bob.do.setChat(id, { mutedUntil: world.nowMs - 1 });
  expect(await say([])).toEqual(both);
  await ownLog(bob, { sounds: true, previews: true, doNotDisturbUntil: world.nowMs + 3_600_000 });
  expect(await say([BOB])).toEqual([]);
});

test.each<[Partial<ChatMarks> & { kind?: "direct" }, boolean]>([
  [{}, false],
  [{ mutedUntil: ALWAYS }, false],
  [{ mutedUntil: ALWAYS, mentionsMuted: true }, true],
  [{ mutedUntil: ALWAYS, kind: "direct" }, true],
  // The server's has no end.
  [{ mutedUntil: 8 * 3_600_000, kind: "direct" }, false],
])("the server mutes what is muted for good and as a whole: %o", (chat, expected) => {
  expect(isServerMuted({ kind: "group", mutedUntil: null, mentionsMuted: false, ...chat }, 0)).toBe(expected);
});

/** What has called since the last time. */
async function heard(device: TestDevice): Promise<Notice[]> {
  await world.settle();
  const notices = device.events.flatMap((event) => (event.type === "notice" ? [event.notice] : []));
  device.events.length = 0;
  return notices;
}

async function ownLog(device: TestDevice, notifications: { sounds: boolean; previews: boolean; doNotDisturbUntil: number | null }) {
  await device.chats.ownLog.say({ kind: "settings", set: { notifications } });
}
