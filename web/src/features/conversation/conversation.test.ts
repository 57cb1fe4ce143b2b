import { expect, test } from "vitest";
import type { Session } from "../../app/session.svelte";
import type { Message, Order, Page } from "../../engine/protocol";
import { Conversation } from "./conversation.svelte";

const COUNT = 3_000;
const UNREAD_FROM = 2_000;
const orderOf = (number: number) => String(number).padStart(5, "0");
const all = Array.from({ length: COUNT }, (_, i) => ({
  id: `${i}`, chat: "c", order: orderOf(i), author: "p", isOwn: false, at: i * 1_000, status: "sent",
  content: { kind: "text", text: `${i}`, mentions: [] }, forwarded: false, reactions: [], starred: false,
})) as Message[];

/** An engine that has all of them. */
function page(from: { before?: Order; after?: Order; unread?: true }, count: number): Page {
  if (from.unread) return { ...page({ after: orderOf(UNREAD_FROM - 21) }, count), unreadFrom: orderOf(UNREAD_FROM) };
  const at = from.after === undefined ? (from.before === undefined ? COUNT : Number(from.before)) - count : Number(from.after) + 1;
  const messages = all.slice(Math.max(0, at), Math.max(0, at + count));
  return { messages, hasOlder: messages[0]?.id !== "0", hasNewer: messages.at(-1)?.id !== `${COUNT - 1}` };
}

function begun(chats = new Map()) {
  const call = async (_: string, __: string, from: object, count: number) => page(from, count);
  return new Conversation({ call, chats } as unknown as Session, "c");
}

/** What is loaded: from which on, and to which one, with none left out. */
function loaded({ messages }: Conversation): [first: number, last: number] {
  const numbers = messages.map(({ id }) => Number(id));
  expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i));
  return [numbers[0]!, numbers.at(-1)!];
}

test("far up, what lies below is let go, and comes again on the way down", async () => {
  const conversation = begun();
  await conversation.open();
  while (conversation.hasOlder) await conversation.loadOlder();
  const [first, last] = loaded(conversation);
  expect([first, last < 1_300, conversation.hasNewer]).toEqual([0, true, true]);
  while (conversation.hasNewer) await conversation.loadNewer();
  const [top, bottom] = loaded(conversation);
  expect([top > 1_700, bottom, conversation.hasOlder]).toEqual([true, COUNT - 1, true]);
});

test("it opens where the unread begin, also when they are many; from there one gets to the newest at once", async () => {
  const conversation = begun(new Map([["c", { unread: COUNT - UNREAD_FROM }]]));
  await conversation.open();
  const marks = conversation.rows.filter(({ unread }) => unread !== null);
  expect(marks).toMatchObject([{ unread: 1_000, message: { id: `${UNREAD_FROM}` } }]);
  expect(conversation.hasNewer).toBe(true);
  await conversation.open();
  expect([loaded(conversation)[1], conversation.hasNewer]).toEqual([COUNT - 1, false]);
});
