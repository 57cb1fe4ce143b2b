// How messages stand under one another: days, the mark before the unread, and runs of one author.
import type { Message, Order } from "../../engine/protocol";
import { daysBetween } from "../../languages/format";

export interface Row {
  message: Message;
  /** Set on a day's first message. */
  day: number | null;
  /** Set where the unread begin: how many there are. */
  unread: number | null;
  /** First and last of a run of one author. */
  first: boolean;
  last: boolean;
}

/** A run ends after a pause as long as this. */
const RUN_PAUSE_MS = 5 * 60_000;

/** @param made the rows of before: one that says the same stays the same object, and is not drawn anew. */
export function timeline(messages: readonly Message[], unread?: { from: Order; count: number } | null, made = new WeakMap<Message, Row>()): Row[] {
  return messages.map((message, i) => {
    const before = messages[i - 1];
    const after = messages[i + 1];
    const isUnreadStart = unread != null && message.order >= unread.from && (!before || before.order < unread.from);
    const row = {
      message,
      day: before && daysBetween(before.at, message.at) === 0 ? null : message.at,
      unread: isUnreadStart ? unread.count : null,
      first: isUnreadStart || !before || !isRun(before, message),
      last: !after || !isRun(message, after) || (unread != null && after.order >= unread.from && message.order < unread.from),
    };
    const known = made.get(message);
    if (known && isSame(known, row)) return known;
    made.set(message, row);
    return row;
  });
}

function isSame(one: Row, other: Row): boolean {
  return one.day === other.day && one.unread === other.unread && one.first === other.first && one.last === other.last;
}

/** The two lists as one, in order; the second's messages take the place of the first's. */
export function merge(messages: readonly Message[], changed: readonly Message[], removed: readonly string[] = []): Message[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  for (const message of changed) byId.set(message.id, message);
  for (const id of removed) byId.delete(id);
  return [...byId.values()].sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));
}

function isRun(before: Message, after: Message): boolean {
  return (
    before.author === after.author &&
    before.content.kind !== "system" &&
    after.content.kind !== "system" &&
    after.at - before.at < RUN_PAUSE_MS &&
    daysBetween(before.at, after.at) === 0
  );
}
