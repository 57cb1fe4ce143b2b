// One entry of a conversation's log, as this device understands it: what was inside the encryption,
// or what the server says outside.

import type { AccountId, Affiliation, MessageId, Order } from "../protocol";
import { authorOf } from "./contents";
import { decodeEnvelope, isUnreadable, type Envelope, type Unreadable } from "./envelope";
import { isMessageId } from "./fields";

export type Entry = { order: Order; atMs: number } & (
  | { type: "envelope"; author: AccountId; envelope: Envelope }
  /** Sealed for an epoch that this device is not in, nonsense, or of a newer app: then `raw` is kept. */
  | { type: "unreadable"; author: AccountId; id: MessageId; isNewer: boolean; raw?: Uint8Array }
  /** What the server put in a message's place (XEP-0424, XEP-0425). */
  | { type: "tombstone"; author: AccountId; id: MessageId; isModerated: boolean }
  /** The room says that an admin took back the message that stands there (XEP-0425). */
  | { type: "moderation"; of: Order }
  /** The room says what happened to it. */
  | { type: "change"; by: AccountId | null; changes: Change[] }
  /** Nothing that anybody would see. */
  | { type: "nothing" }
);

/** One part of a `<change/>` (docs/protocol/groups.md). */
export type Change =
  | { type: "created" | "described" | "icon" | "permissions" | "destroyed" }
  | { type: "added"; account: AccountId; affiliation: Affiliation }
  | { type: "affiliated"; account: AccountId; affiliation: Affiliation }
  | { type: "joined" | "removed" | "left"; account: AccountId }
  | { type: "named"; name: string };

/** What a sealed message of the log said.
 *  @param author whom MLS names as its sender
 *  @param originId the outer id: names what cannot be read */
export function entryOf(bytes: Uint8Array, author: AccountId, order: Order, originId?: string): Entry {
  const decoded = decodeEnvelope(bytes, author);
  const place = { order, atMs: momentOf(order) };
  if (!isUnreadable(decoded)) return { ...place, type: "envelope", author, envelope: decoded };
  return ofUnreadable(decoded, place, author, bytes, originId);
}

/** A sealed message of the log that this device could not open. */
export function unopened(author: AccountId, order: Order, originId?: string): Entry {
  const id = nameOf(author, order, originId);
  return { order, atMs: momentOf(order), type: "unreadable", author, id, isNewer: false };
}

/** When the server took the message: its stanza-ids have the milliseconds in their upper 44 bits. */
export function momentOf(order: Order): number {
  return Number.parseInt(order.slice(0, 11), 16);
}

/** The first order that the server gives at a moment or later. */
export function orderAt(atMs: number): Order {
  return `${Math.max(0, Math.floor(atMs)).toString(16).padStart(11, "0")}00000`;
}

/** What a message is called whose own id is unknown. */
export function nameOf(author: AccountId, order: Order, originId?: string): MessageId {
  const isFit = originId !== undefined && isMessageId(originId) && authorOf(originId) === author;
  return isFit ? originId : `${author}.${order}`;
}

function ofUnreadable(
  { isNewer, isQuiet, id }: Unreadable,
  place: { order: Order; atMs: number },
  author: AccountId,
  bytes: Uint8Array,
  originId?: string,
): Entry {
  if (isQuiet) return { ...place, type: "nothing" };
  const name = id ?? nameOf(author, place.order, originId);
  return { ...place, type: "unreadable", author, id: name, isNewer, raw: isNewer ? bytes : undefined };
}
