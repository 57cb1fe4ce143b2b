// Which message a stanza means. In a room messages are named by the room's stanza-ids, between two by their
// authors' attributes; corrections name them by these in both. What our own app writes has the same name
// everywhere.

import { isMessageId, isOrder } from "../content/fields";
import type { Row } from "../content/row";
import { textOf } from "../content/row";
import type { AccountId, ChatId, MessageId } from "../protocol";
import type { Batch, Key, Reader } from "../store/store";
import type { Target } from "./message";

/** The message of that name.
 *  @param authors whose it may be */
export async function findNamed(reader: Reader, chat: ChatId, name: string, authors: AccountId[]): Promise<MessageId | undefined> {
  if (isMessageId(name)) return name;
  for (const author of authors) {
    const known = await reader.get<MessageId>("chats", namedKey(chat, author, name));
    if (known !== undefined) return known;
  }
  if (!isOrder(name)) return undefined;
  return (await reader.get<Row>("messages", [chat, name]))?.id;
}

export function keepNames(batch: Batch, { chat, author, id }: Row, names: string[]): void {
  for (const name of names) if (name !== id) batch.put("chats", namedKey(chat, author, name), id);
}

/** A message as stanzas name it. */
export function targetOf(row: Row): Target {
  return { id: row.id, author: row.author, order: row.order, name: row.namedBy ?? row.id, text: textOf(row) };
}

function namedKey(chat: ChatId, author: AccountId, name: string): Key {
  return ["named", chat, author, name];
}
