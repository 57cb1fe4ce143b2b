// What waits to be sent, in order for each chat, until the room's log has it. Its rows outlast reloads;
// the origin-id lets the server drop what it gets twice.

import type { Envelope } from "../content/envelope";
import type { ChatId, EngineError, MessageId, Order } from "../protocol";
import type { Batch, Reader } from "../store/store";

/** A row of the table `outbox`, under [chat, place]. */
export interface Waiting {
  id: MessageId;
  chat: ChatId;
  place: number;
  /** What stands inside the encryption: sealed anew where the group has gone on. Of an open conversation,
   *  what the stanza is to say. */
  envelope: Uint8Array | Envelope;
  lifeS?: number;
  retracts?: Order;
  isQuiet?: true;
  /** As it leaves. The group's state that sealed it was kept with it. */
  sealed?: Uint8Array;
  /** Refused for good; waits for the user. */
  error?: EngineError;
}

/** All that waits in a chat, in order. */
export async function waitingIn(reader: Reader, chat: ChatId): Promise<Waiting[]> {
  const rows = await reader.range<Waiting>("outbox", { prefix: [chat] });
  return rows.map((row) => row.value);
}

export async function findWaiting(reader: Reader, chat: ChatId, id: MessageId): Promise<Waiting | undefined> {
  return (await waitingIn(reader, chat)).find((waiting) => waiting.id === id);
}

/** Chats in which something waits. */
export async function chatsWaiting(reader: Reader): Promise<ChatId[]> {
  const rows = await reader.range<Waiting>("outbox");
  return [...new Set(rows.map((row) => row.value.chat))];
}

/** Behind all that waits in the chat. */
export async function append(batch: Batch, entry: Omit<Waiting, "place">): Promise<Waiting> {
  const [last] = await batch.range<Waiting>("outbox", { prefix: [entry.chat], reverse: true, count: 1 });
  const waiting = { ...entry, place: (last?.value.place ?? 0) + 1 };
  keep(batch, waiting);
  return waiting;
}

export function keep(batch: Batch, waiting: Waiting): void {
  batch.put("outbox", [waiting.chat, waiting.place], waiting);
}

export function remove(batch: Batch, { chat, place }: Waiting): void {
  batch.delete("outbox", [chat, place]);
}
