// What one device has of the account's conversations, portion by portion, for another of its devices: messages
// with their files' keys, chats with their marks, people, settings, and which keys contacts had. What makes
// up the device itself stays: groups' secrets, what waits to be sent.

import type { ChatRow } from "../chats/chat-row";
import { CHAT, FIRST_PLACE, chatKey, receiptsKey } from "../chats/keys";
import { STICKER, type StickerBody } from "../chats/stickers";
import type { Receipts } from "../chats/receipts";
import { PERSON, PROFILE, type Person } from "../contacts/people";
import type { Profile } from "../content/envelope";
import { placeIn } from "../conversations/arrivals";
import { isPending, type Later, type Row } from "../content/row";
import type { DeviceList } from "../mls";
import type { AccountId, ChatId, Order } from "../protocol";
import { keysSeen } from "../sealed/peers";
import { SETTINGS, type KeptSettings } from "../settings/settings";
import { encode } from "../store/cbor";
import type { Reader } from "../store/store";

/** A later app that adds fields keeps the number; who does not know it passes over the portion. */
export const PORTION_VERSION = 1;

export interface Portion {
  v: number;
  /** In the first one. */
  about?: About;
  chats: ChatPortion[];
}

export interface About {
  settings: KeptSettings;
  people: Person[];
  stickers: Later<StickerBody>[];
  profiles: { account: AccountId; profile: Later<Profile> }[];
  /** Contacts' device lists as they were last seen: whoever shows another key is noticed. */
  keys: DeviceList[];
}

export interface ChatPortion {
  chat: Omit<ChatRow, "last">;
  /** With the newest messages: how far the log is known, and what others told of how far they are. */
  place?: Order;
  receipts?: Receipts;
  /** The newest first. */
  rows: Row[];
}

/** How far the reading is: chats that have more, and before which place. */
export interface Reading {
  isBegun: boolean;
  rest: { chat: ChatId; before?: Order }[];
}

/** All chats, those with the newest messages first. */
export async function beginReading(reader: Reader): Promise<Reading> {
  const chats = (await reader.range<ChatRow>("chats", { prefix: [CHAT] })).map(({ value }) => value);
  chats.sort((one, other) => (other.last?.atMs ?? 0) - (one.last?.atMs ?? 0));
  return { isBegun: false, rest: chats.map(({ id }) => ({ chat: id })) };
}

/** The next portion: of each chat its newest messages, then, chat by chat, what was before.
 *  @returns also how far it is then */
export async function nextPortion(reader: Reader, { isBegun, rest }: Reading): Promise<{ portion: Portion; next: Reading }> {
  const portion: Portion = { v: PORTION_VERSION, chats: [] };
  if (!isBegun) portion.about = await about(reader);
  const queue = [...rest];
  for (let [rows, bytes] = [0, 0]; rows < ROWS_MAX && bytes < BYTES_WANTED; ) {
    const place = queue.shift();
    if (!place) break;
    const { taken, before } = await chatPortion(reader, place);
    if (!taken) continue;
    portion.chats.push(taken);
    rows += taken.rows.length;
    bytes += encode(taken).length;
    if (before !== undefined) queue.push({ chat: place.chat, before });
  }
  return { portion, next: { isBegun: true, rest: queue } };
}

async function chatPortion(reader: Reader, { chat, before }: Reading["rest"][number]): Promise<{ taken?: ChatPortion; before?: Order }> {
  const row = await reader.get<ChatRow>("chats", chatKey(chat));
  if (!row) return {};
  const count = before === undefined ? NEWEST : OLDER;
  // What waits has no place yet, and comes by the log.
  const range = { prefix: [chat], after: [chat, FIRST_PLACE], before: [chat, before ?? "~"], reverse: true, count };
  const read = (await reader.range<Row>("messages", range)).map(({ value }) => value);
  const { last: _, ...rest } = row;
  const taken: ChatPortion = { chat: rest, rows: read.map(settled) };
  if (before === undefined) {
    taken.place = await placeIn(reader, chat);
    taken.receipts = (await reader.get<Receipts>("chats", receiptsKey(chat))) ?? {};
  }
  const oldest = read.at(-1);
  return read.length === count && oldest ? { taken, before: oldest.order } : { taken };
}

async function about(reader: Reader): Promise<About> {
  const people = await reader.range<Person>("contacts", { prefix: [PERSON] });
  const profiles = await reader.range<Later<Profile>>("contacts", { prefix: [PROFILE] });
  const stickers = await reader.range<Later<StickerBody>>("meta", { prefix: [STICKER] });
  return {
    stickers: stickers.map(({ value }) => value),
    settings: (await reader.get<KeptSettings>("meta", SETTINGS)) ?? {},
    people: people.map(({ value }) => value),
    profiles: profiles.map(({ key, value }) => ({ account: (key as string[])[1] ?? "", profile: value })),
    keys: await keysSeen(reader),
  };
}

/** Without what is this device's own matter: where its words are found, and what waits to be sent. */
function settled(row: Row): Row {
  const { document: _d, error: _e, edit, starred, reactions, votes, ...rest } = row;
  const kept: Row = rest;
  if (edit && !isPending(edit.order)) kept.edit = edit;
  if (starred) kept.starred = starred;
  if (reactions) kept.reactions = inPlace(reactions);
  if (votes) kept.votes = inPlace(votes);
  return kept;
}

function inPlace<T>(values: Record<AccountId, Later<T>>): Record<AccountId, Later<T>> {
  return Object.fromEntries(Object.entries(values).filter(([, { order }]) => !isPending(order)));
}

/** Messages of each chat that come first, and at once when its turn comes again. */
const NEWEST = 30;
const OLDER = 500;
/** Of one portion; the last chat's messages may go beyond. */
const ROWS_MAX = 1_000;
const BYTES_WANTED = 512 * 1024;
