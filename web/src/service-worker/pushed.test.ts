import { expect, test } from "vitest";
import type { Chat, EngineEvent, EngineState, Notice } from "../engine/protocol";
import { Refusal } from "../engine/refusal";
import type { Run } from "./engine-run";
import { pressed } from "./pressed";
import { pushed, unreadOf } from "./pushed";

const CHAT = "w3h5t9c2m7pd";
const TEXT = JSON.stringify({ kind: "message", sender: `${CHAT}@groups.example.org` });
const notice = (change: Partial<Notice> = {}) => ({ chat: CHAT, message: "a.1", ...change }) as Notice;
const chat = (change: Partial<Chat> = {}) => ({ id: CHAT, archived: false, mutedUntil: null, mentionsMuted: false, unread: 1, mentions: 0, markedUnread: false, ...change }) as Chat;

/** A service worker whose engine says these events, and then answers. */
async function push(events: EngineEvent[], options: { isSeen?: boolean; answer?: () => Promise<void>; late?: EngineEvent[]; catchUpMs?: number } = {}) {
  const done: unknown[] = [];
  let isLeft = false;
  const around = {
    isSeen: async () => options.isSeen ?? false,
    notifications: {
      show: async (one: Notice) => void done.push(one.message),
      showWaiting: async (of: string | undefined) => void done.push(["waiting", of]),
      close: async () => undefined,
      idle: async () => undefined,
    },
    setBadge: (unread: number) => void done.push(["badge", unread]),
    end: async () => void done.push("end"),
    withEngine: async <T>(task: (run: Run) => Promise<T>) => {
      const listeners: ((event: EngineEvent) => void)[] = [];
      const say = (said: EngineEvent[]) => said.forEach((event) => listeners.forEach((listener) => listener(event)));
      const call = async (name: string) => {
        if (name === "chats") return [chat()];
        say(events);
        await (options.answer?.() ?? Promise.resolve());
        setTimeout(() => say(options.late ?? []), 5);
        return undefined;
      };
      try {
        return await task({ call: call as Run["call"], listen: (listener) => listeners.push(listener), now: async () => 0 });
      } finally {
        isLeft = true;
      }
    },
    limits: { catchUpMs: options.catchUpMs ?? 50, lingerMs: 20 },
  };
  await pushed(TEXT, around);
  expect(options.isSeen || isLeft, "the engine is let go of").toBe(true);
  return done;
}

test("what came is shown, but for what another device has read meanwhile", async () => {
  expect(await push([{ type: "notice", notice: notice() }, { type: "chat", chat: chat() }])).toEqual(["a.1", ["badge", 1]]);
  const read: EngineEvent[] = [{ type: "notice", notice: notice() }, { type: "chat", chat: chat({ unread: 0 }) }, { type: "notice", notice: notice({ message: "a.2", reaction: "👍" }) }];
  expect(await push(read)).toEqual(["a.2", ["badge", 1]]);
});

test("what comes while the engine still runs is shown too: nobody is pushed for it", async () => {
  expect(await push([], { late: [{ type: "notice", notice: notice() }] })).toEqual([["badge", 1], "a.1"]);
});

test("nothing is shown to who looks at a page, and nothing is asked", async () => {
  expect(await push([{ type: "notice", notice: notice() }], { isSeen: true })).toEqual([]);
});

test("locked, refused or too late, it says that something waits; and without an account the push service is left", async () => {
  const refused = (name: string) => ({ answer: () => Promise.reject(new Refusal(name, "no")) });
  expect(await push([], refused("locked"))).toEqual([["waiting", CHAT]]);
  expect(await push([], refused("offline"))).toEqual([["waiting", CHAT]]);
  expect(await push([], { answer: () => new Promise(() => undefined) })).toEqual([["waiting", CHAT]]);
  expect(await push([], refused("not-allowed"))).toEqual(["end"]);
});

test("a server that cannot be reached is not waited for to the end", async () => {
  const state = (connection: EngineState["connection"]) => ({ type: "state", state: { connection } }) as EngineEvent;
  const tried = [state("connecting"), state("offline")];
  const hangs = { answer: () => new Promise<void>(() => undefined), catchUpMs: 60_000 };
  expect(await push([...tried, ...tried, ...tried], hangs)).toEqual([["waiting", CHAT]]);
  const answer = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
  expect(await push([...tried, ...tried, state("connecting"), state("catching-up"), ...tried], { answer })).toEqual([["badge", 1]]);
});

test("the icon counts what is not muted, and mentions where they call", () => {
  const muted = { mutedUntil: 10, unread: 7, mentions: 2 };
  expect(unreadOf([chat({ unread: 3 }), chat({ unread: 0, markedUnread: true }), chat(muted), chat({ ...muted, mentionsMuted: true }), chat({ archived: true })], 1)).toBe(6);
});

test.each<[string, string | null, unknown[]]>([
  ["", null, ["focus", { type: "open", chat: CHAT }]],
  ["reply", " on my way ", [["markRead", CHAT, "0001"], ["send", CHAT, { content: { kind: "text", text: "on my way" } }], ["catchUp"]]],
  // Some systems show the button without a field.
  ["reply", null, ["focus", { type: "open", chat: CHAT }]],
  ["read", null, [["markRead", CHAT, "0001"], ["catchUp"]]],
  ["mute", null, [["setChat", CHAT, { mutedUntil: 8 * 3_600_000 }], ["catchUp"]]],
])("pressing %o does it", async (action, reply, expected) => {
  const done: unknown[] = [];
  const page = { focus: async () => done.push("focus"), postMessage: (said: unknown) => void done.push(said) };
  const call = async (...asked: unknown[]) => void done.push(asked);
  await pressed({ chat: CHAT, upTo: "0001" }, action, reply, {
    pages: async () => [page],
    openPage: async (url) => done.push(url),
    withEngine: (task) => task({ call: call as unknown as Run["call"], listen: () => undefined, now: async () => 0 }),
  });
  expect(done).toEqual(expected);
});

test("without a page a pressed notification opens one at its chat", async () => {
  const opened: string[] = [];
  const around = { pages: async () => [], openPage: async (url: string) => opened.push(url), withEngine: () => Promise.reject(new Error()) };
  await pressed({ chat: CHAT }, "", null, around);
  await pressed({}, "", null, around);
  expect(opened).toEqual([`/#/chat/${CHAT}`, "/"]);
});
