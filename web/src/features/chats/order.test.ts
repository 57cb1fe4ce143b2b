import { expect, test } from "vitest";
import type { Chat } from "../../engine/protocol";
import { chooseChats, isMuted, orderChats, type Filter } from "./order";

const chat = (id: string, change: Partial<Chat> = {}): Chat => ({
  id, name: id, kind: "direct", changedAt: 1, unread: 0, mentions: 0, disappearingS: null, canPost: true, hasLeft: false, isOpen: false,
  pinned: false, archived: false, mutedUntil: null, mentionsMuted: false, markedUnread: false, draft: "", ownColour: null, otherColour: null, wallpaper: null, ...change,
});
const chats = [
  chat("Ada", { changedAt: 5 }),
  chat("Zoë Müller", { changedAt: 3, pinned: true }),
  chat("Family", { changedAt: 9, kind: "group", unread: 2 }),
  chat("Old", { archived: true, changedAt: 99 }),
  chat("Later", { markedUnread: true }),
];

function check(options: { archived?: boolean; filter?: Filter; words?: string }, expected: string[]) {
  expect(orderChats(chooseChats(chats, { archived: false, filter: "all", ...options })).map(({ id }) => id)).toEqual(expected);
}

test("pinned first, then the newest", () => check({}, ["Zoë Müller", "Family", "Ada", "Later"]));
test("unread are those marked so too", () => check({ filter: "unread" }, ["Family", "Later"]));
test("groups", () => check({ filter: "groups" }, ["Family"]));
test("the archive", () => check({ archived: true }, ["Old"]));
test("a name is found without its accents", () => check({ words: "muller zoe" }, ["Zoë Müller"]));
test("a name is found in the archive", () => check({ words: "OLD" }, ["Old"]));

test("a mute ends", () => {
  expect(isMuted(chat("a", { mutedUntil: 10 }), 9)).toBe(true);
  expect(isMuted(chat("a", { mutedUntil: 10 }), 10)).toBe(false);
});
