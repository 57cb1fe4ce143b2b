// Where the chats' own rows lie in the table `chats`.

import type { ChatId, MessageId, Order } from "../protocol";
import type { HistoryBody } from "../content/envelope";
import type { Key } from "../store/store";

export const CHAT = "chat";
export const RECEIPTS = "receipts";
/** Messages with files to look at: one row each, found by place. */
export const MEDIA = "media";
export const STARRED = "starred";
/** Messages that end, by when. */
export const EXPIRY = "expiry";
/** What own devices have agreed on and a chat has not taken in yet. */
export const TASK = "task";
/** Edits, reactions and votes that wait to be sent: of which message they are. */
export const POSTED = "posted";

export function chatKey(chat: ChatId): Key {
  return [CHAT, chat];
}

export function receiptsKey(chat: ChatId): Key {
  return [RECEIPTS, chat];
}

export function mediaKey(chat: ChatId, order: Order): Key {
  return [MEDIA, chat, order];
}

export function starredKey(chat: ChatId, id: MessageId): Key {
  return [STARRED, chat, id];
}

export function expiryKey(atMs: number, chat: ChatId, id: MessageId): Key {
  return [EXPIRY, atMs, chat, id];
}

export function taskKey(chat: ChatId, order: Order, id: MessageId): Key {
  return [TASK, chat, order, id];
}

export function postedKey(chat: ChatId, id: MessageId): Key {
  return [POSTED, chat, id];
}

/** Messages whose files are on their way to the server. */
export const UPLOAD = "upload";

export function uploadKey(chat: ChatId, id: MessageId): Key {
  return [UPLOAD, chat, id];
}

/** Where a message lies: one of which only others' words have come sorts before all others. */
export function messageKey(chat: ChatId, order: Order, id: MessageId): [ChatId, string] {
  return [chat, order === "" ? `!${id}` : order];
}

/** Behind what has no place, before what has. */
export const FIRST_PLACE = "\"";

/** In the table `meta`: what another of the own devices said of the history, by its place in the own log. */
export const HEARD = "history-heard";
export interface Heard {
  body: HistoryBody;
  device: string;
}
