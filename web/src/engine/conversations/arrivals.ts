// What arrives in one chat: opened by its group, made into messages, and kept, all in one batch with the
// place in the log.

import { findWaiting, remove } from "../outbox/outbox";
import type { Arrival, Contents, Sealed, Self, What } from "../parts";
import type { ChatId, EngineEvent, Order } from "../protocol";
import type { Batch, Reader, Store } from "../store/store";
import type { LogEntry } from "./log-entry";

export interface Parts {
  store: Store;
  self: Self;
  sealed: Sealed;
  contents: Contents;
  /** This device cannot follow the chat's group. */
  outside(chat: ChatId): void;
}

/** Takes entries, and keeps what came of them. Those that the chat has already are passed over.
 *  @returns what is to be said
 *  @throws {StoreFull}, {Refusal} `offline`: then nothing was taken, and it can be tried again. */
export async function takeEntries(parts: Parts, chat: ChatId, entries: LogEntry[]): Promise<EngineEvent[]> {
  try {
    return await takeAll(parts, chat, entries);
  } catch (error) {
    parts.sealed.drop(chat);
    if (mustWait(error)) throw error;
  }
  // One of them is such that we make a mistake: the others are not to suffer.
  const events: EngineEvent[] = [];
  for (const entry of entries) events.push(...(await takeOrPass(parts, chat, entry)));
  return events;
}

/** How far this device has the chat's log. */
export async function placeIn(reader: Reader, chat: ChatId): Promise<Order> {
  return (await reader.get<Order>("meta", placeKey(chat))) ?? "";
}

async function takeOrPass(parts: Parts, chat: ChatId, entry: LogEntry): Promise<EngineEvent[]> {
  try {
    return await takeAll(parts, chat, [entry]);
  } catch (error) {
    parts.sealed.drop(chat);
    if (mustWait(error)) throw error;
    const batch = parts.store.batch();
    const arrival: Arrival = { ...arrivalOf(entry), what: { kind: "unreadable" } };
    const isSaid = entry.what.kind === "sealed" || entry.what.kind === "open";
    const taken = isSaid ? parts.contents.apply(arrival, batch) : takeChange(parts, entry, batch);
    const events = await taken.catch(() => []);
    if (entry.order !== "") batch.put("meta", placeKey(chat), entry.order);
    await batch.commit();
    return events;
  }
}

async function takeAll(parts: Parts, chat: ChatId, entries: LogEntry[]): Promise<EngineEvent[]> {
  const batch = parts.store.batch();
  let place = await placeIn(batch, chat);
  const events: EngineEvent[] = [];
  for (const entry of entries) {
    if (entry.order !== "" && entry.order <= place) continue;
    events.push(...(await take(parts, entry, batch)));
    if (entry.order !== "") place = entry.order;
  }
  if (place !== "") batch.put("meta", placeKey(chat), place);
  await batch.commit();
  return events;
}

// Who is in the room is known before the commit that has it so is followed.
async function take(parts: Parts, entry: LogEntry, batch: Batch): Promise<EngineEvent[]> {
  const events = await takeChange(parts, entry, batch);
  return [...events, ...(await takeWhat(parts, entry, batch))];
}

async function takeChange({ contents, sealed }: Parts, entry: LogEntry, batch: Batch): Promise<EngineEvent[]> {
  if (!entry.changed) return [];
  const { by, changes } = entry.changed;
  if (changes.some(({ type }) => type === "left" || type === "removed")) sealed.memberLeft(entry.chat);
  const author = by === undefined ? {} : { author: by };
  return contents.apply({ ...arrivalOf(entry), ...author, what: { kind: "changed", changes } }, batch);
}

async function takeWhat(parts: Parts, entry: LogEntry, batch: Batch): Promise<EngineEvent[]> {
  const { sealed, contents } = parts;
  const arrival = arrivalOf(entry);
  switch (entry.what.kind) {
    case "nothing":
    case "open": {
      const what = await openly(parts, entry, batch);
      return what ? contents.apply({ ...arrival, what }, batch) : [];
    }
    case "founded":
    case "commit": {
      const taken = await sealed.take(entry, batch);
      if (taken.kind !== "followed") return [];
      if (!taken.isIn) parts.outside(entry.chat);
      if (taken.keyChanged.length === 0) return [];
      const told = taken.keyChanged.map((account): EngineEvent => ({ type: "key-changed", account }));
      const what: What = { kind: "keys", accounts: taken.keyChanged };
      return [...told, ...(await contents.apply({ ...arrival, what }, batch))];
    }
    case "sealed": {
      const what = await open(parts, entry, arrival, batch);
      return what ? contents.apply({ ...arrival, what }, batch) : [];
    }
    default:
      return contents.apply({ ...arrival, what: entry.what }, batch);
  }
}

async function open(parts: Parts, entry: LogEntry, arrival: Arrival, batch: Batch): Promise<What | undefined> {
  if (entry.what.kind !== "sealed") return undefined;
  const { retracts, lifeS } = entry.what;
  const around = { ...(retracts !== undefined && { retracts }), ...(lifeS !== undefined && { lifeS }) };
  const taken = await parts.sealed.take(entry, batch);
  switch (taken.kind) {
    case "opened":
      arrival.author = taken.account;
      arrival.device = taken.device;
      return { kind: "sealed", envelope: taken.bytes, ...around };
    case "own":
    case "unreadable":
      if (entry.order === "") return undefined;
      return (await ofThisDevice(parts, entry, arrival, batch, around)) ?? { kind: "unreadable" };
    case "followed":
      return undefined;
  }
}

// What this device has sent it cannot open; it knows what it was.
async function ofThisDevice(
  { self }: Parts,
  { chat, id, sender }: LogEntry,
  arrival: Arrival,
  batch: Batch,
  around: { retracts?: Order; lifeS?: number },
): Promise<What | undefined> {
  if (id === undefined || sender !== self.account) return undefined;
  const waiting = await findWaiting(batch, chat, id);
  if (!(waiting?.envelope instanceof Uint8Array)) return undefined;
  remove(batch, waiting);
  arrival.device = self.device;
  return { kind: "sealed", envelope: waiting.envelope, ...around };
}

// Other clients have no words for all of it: what this device has posted counts.
async function openly({ self }: Parts, { chat, id, sender, order, what }: LogEntry, batch: Batch): Promise<What | undefined> {
  const isOwn = id !== undefined && sender === self.account && order !== "";
  const waiting = isOwn ? await findWaiting(batch, chat, id) : undefined;
  if (waiting && !(waiting.envelope instanceof Uint8Array)) {
    remove(batch, waiting);
    return { kind: "said", envelope: waiting.envelope };
  }
  return what.kind === "open" ? what : undefined;
}

function arrivalOf({ chat, order, at, sender, id, peer }: LogEntry): Omit<Arrival, "what"> & { what: What } {
  const arrival: Arrival = { chat, order, at, what: { kind: "unreadable" } };
  if (sender !== undefined) arrival.author = sender;
  if (id !== undefined) arrival.id = id;
  if (peer !== undefined) arrival.peer = peer;
  return arrival;
}

function placeKey(chat: ChatId): [string, string] {
  return [PLACE, chat];
}

/** It is no fault of what arrived: there is no room, or the server must be asked and is not there. */
function mustWait(error: unknown): boolean {
  return error instanceof Error && (error.name === "StoreFull" || error.name === "offline");
}

export const PLACE = "place";
