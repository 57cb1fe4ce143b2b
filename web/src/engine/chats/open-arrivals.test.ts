import "fake-indexeddb/auto";
import { expect, test } from "vitest";
import { directChat } from "../conversations/direct";
import type { Arrival } from "../parts";
import type { OpenBody } from "../open/message";
import { ADA, BOB, DOMAIN, World, type TestDevice } from "./world.test-support";

const ROOM = "w3h5t9c2m7pd";

/** What others say in plain words, at this place. */
function said(chat: string, at: number, author: string, body: OpenBody, names = [`n${at}`]): Arrival {
  const order = `1a0c4506c00000${at.toString(16).padStart(2, "0")}`;
  return { chat, order, at: 0, author, id: names[0]!, what: { kind: "open", said: { names, body } } };
}

test("what was encrypted from birth takes nothing that is not sealed", async () => {
  const { ada } = await two();
  const sealed = await directChat(DOMAIN, ADA, BOB);
  await ada.take(sealed, [said(sealed, 1, BOB, text("plain"))]);
  await ada.do.openDirect(BOB);
  await ada.take(sealed, [said(sealed, 2, BOB, text("plain again"))]);
  expect((await ada.do.messages(sealed)).messages).toEqual([]);
  expect((await ada.do.openDirect(BOB)).isOpen).toBe(false);
  expect((await ada.do.chats()).every(({ isOpen }) => !isOpen)).toBe(true);
});

test("others' names are found, and nobody speaks for somebody else", async () => {
  const { ada } = await two();
  await ada.take(ROOM, [
    said(ROOM, 1, BOB, text("one")),
    said(ROOM, 2, ADA, text("two"), ["n1"]),
    said(ROOM, 3, BOB, { kind: "edit", of: "n1", text: "one, corrected", mentions: [] }),
    said(ROOM, 4, BOB, { kind: "reaction", of: "1a0c4506c0000002", emoji: "👍" }),
    said(ROOM, 5, BOB, { kind: "retraction", of: "1a0c4506c0000002" }),
    said(ROOM, 6, BOB, { kind: "edit", of: "nobody's", text: "lost", mentions: [] }),
    said(ROOM, 7, BOB, { kind: "unreadable" }),
  ]);
  const shown = (await ada.do.messages(ROOM)).messages.map(({ content, reactions }) => [content.kind === "text" ? content.text : content.kind, reactions.length]);
  expect(shown).toEqual([["one, corrected", 0], ["two", 1], ["unreadable", 0]]);
  expect(await ada.do.chats()).toMatchObject([{ id: ROOM, isOpen: true, kind: "group" }]);
});

test("of two, the open conversation is named by the other side", async () => {
  const { ada } = await two();
  const first = { ...said(BOB, 1, BOB, text("hello")), peer: BOB };
  await ada.take(BOB, [first, first]);
  expect(await ada.do.chats()).toMatchObject([{ id: BOB, isOpen: true, kind: "direct", peer: BOB, unread: 1 }]);
  await expect(ada.do.send(BOB, { content: { kind: "poll", question: "?", choices: ["a", "b"], several: false } })).rejects.toMatchObject({ name: "not-allowed" });
});

function text(words: string): OpenBody {
  return { kind: "text", text: words, mentions: [] };
}

async function two(): Promise<{ ada: TestDevice; bob: TestDevice }> {
  const world = new World();
  return { ada: await world.device(ADA), bob: await world.device(BOB) };
}
