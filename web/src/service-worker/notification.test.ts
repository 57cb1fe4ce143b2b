import { expect, test } from "vitest";
import type { Notice } from "../engine/protocol";
import { notificationOf, waitingNotification } from "./notification";
import { STANDARD } from "./words";

const words = { ...STANDARD, kinds: { photo: "Photo", voice: "Voice message" } };

function notice(change: Partial<Notice> = {}): Notice {
  return {
    chat: "w3h5t9c2m7pd", name: "Ada", kind: "direct", message: "k7qm2xw4p9ab.1", order: "0001", at: 1, isMention: false, isSilent: false,
    author: { account: "k7qm2xw4p9ab", name: "Ada" }, content: { preview: { kind: "text", text: "the *tide* is out" } }, ...change,
  };
}

const body = (one: Notice, before?: Parameters<typeof notificationOf>[2]) => notificationOf(one, words, before, {}, 2)?.options.body;

test.each<[Partial<Notice>, string]>([
  [{}, "the tide is out"],
  [{ kind: "group", name: "Count" }, "Ada: the tide is out"],
  [{ content: { preview: { kind: "photo", text: "" } } }, "Photo"],
  [{ content: { preview: { kind: "photo", text: "at the hide" } } }, "at the hide"],
  [{ reaction: "👍" }, "Reacted with 👍: the tide is out"],
  [{ reaction: "👍", content: { preview: { kind: "voice", text: "" } } }, "Reacted with 👍: Voice message"],
])("%o reads %s", (change, expected) => {
  expect(body(notice(change))).toBe(expected);
});

test("without previews nothing that was said is in it", () => {
  const { content: _, ...closed } = notice();
  expect(body(closed)).toBe("New message");
  expect(body({ ...closed, kind: "group" })).toBe("Ada: New message");
  expect(body({ ...closed, reaction: "👍" })).toBe("Reacted with 👍");
  const first = notificationOf(closed, words, undefined, {}, 2)!.options;
  expect(JSON.stringify(first)).not.toContain("tide");
  expect(body({ ...closed, message: "k7qm2xw4p9ab.2" }, first.data)).toBe("New messages: 2");
});

test("the newest lines of a chat stand in one notification, each once", () => {
  let before: Parameters<typeof notificationOf>[2];
  for (let index = 1; index <= 7; index++) {
    const next = notice({ message: `k7qm2xw4p9ab.${index}`, order: `000${index}`, content: { preview: { kind: "text", text: `line ${index}` } } });
    const shown = notificationOf(next, words, before, {}, 2)!;
    before = shown.options.data;
    expect(shown.options).toMatchObject({ tag: "w3h5t9c2m7pd", actions: [{ action: "reply" }, { action: "read" }] });
    expect(notificationOf(next, words, before, {}, 2)).toBeUndefined();
  }
  expect(before).toMatchObject({ count: 7, upTo: "0007" });
  expect(before!.lines.map(({ text }) => text)).toEqual(["line 3", "line 4", "line 5", "line 6", "line 7"]);
});

test("what waits unread stands under its chat, where that is known", () => {
  expect(waitingNotification("w3h5t9c2m7pd", words)).toMatchObject({ title: "Whimbrel", options: { body: "New message", tag: "w3h5t9c2m7pd" } });
  expect(waitingNotification(undefined, words).options.tag).toBe("waiting");
});
