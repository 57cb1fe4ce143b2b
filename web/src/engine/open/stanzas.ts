// What waits in an open conversation, as it leaves: by then the log tells by which names others know the
// messages that it speaks of.

import type { Element } from "@xmpp/client";
import type { ChatRow } from "../chats/chat-row";
import { chatKey, FIRST_PLACE } from "../chats/keys";
import { isMessage, type Envelope, type Profile } from "../content/envelope";
import { isPending, type Later, type Row } from "../content/row";
import { profileKey } from "../contacts/people";
import type { Self } from "../parts";
import type { ChatId, MessageId, Order } from "../protocol";
import { Refusal } from "../refusal";
import type { Reader } from "../store/store";
import type { Place, Target } from "./message";
import { targetOf } from "./names";
import { writeOpen } from "./stanza";

/** `later`: what it speaks of is not in the log yet. `never`: others have nothing to learn by it. */
export type Written = Element | "later" | "never";

/** @throws Refusal for what cannot be said openly */
export async function stanzaFor(chat: ChatId, envelope: Envelope, reader: Reader, self: Self): Promise<Written> {
  const row = await reader.get<ChatRow>("chats", chatKey(chat));
  // What was encrypted from birth never becomes open.
  if (row?.encryption !== "open") throw new Refusal("not-allowed", "the conversation is not an open one");
  const { body, reply } = envelope;
  const place = await placeOf(row, reader, self);
  if (body.kind === "receipt") {
    const seen = await seenBefore(reader, chat, body.read ?? (place.isRoom ? undefined : body.delivered), self);
    return seen ? writeOpen(envelope, place, seen) : "never";
  }
  const of = isMessage(body) ? reply?.id : "of" in body ? body.of : undefined;
  const about = of === undefined ? undefined : await found(reader, chat, of);
  if (about && isPending(about.order)) return "later";
  if (!about && "of" in body) return "never";
  return writeOpen(envelope, place, about);
}

async function placeOf({ id, peer, kind }: ChatRow, reader: Reader, { account, domain, groups }: Self): Promise<Place> {
  if (kind !== "direct" || peer === undefined) return { to: `${id}@${groups}`, isRoom: true, domain };
  const profile = await reader.get<Later<Profile>>("contacts", profileKey(account));
  return { to: `${peer}@${domain}`, isRoom: false, domain, ...(profile && { nick: profile.value.name }) };
}

async function found(reader: Reader, chat: ChatId, id: MessageId): Promise<Target | undefined> {
  const row = (await reader.message<Row>(chat, id))?.value;
  return row && row.order !== "" ? targetOf(row) : undefined;
}

/** The newest message of others up to there: markers name what somebody else has written. */
async function seenBefore(reader: Reader, chat: ChatId, upTo: Order | undefined, { account }: Self): Promise<Target | undefined> {
  if (upTo === undefined) return undefined;
  const range = { after: [chat, FIRST_PLACE], before: [chat, `${upTo}/`], reverse: true, count: LOOKED_AT_MAX };
  const rows = await reader.range<Row>("messages", range);
  const seen = rows.find(({ value }) => value.author !== account && value.base?.type === "message");
  return seen && targetOf(seen.value);
}

const LOOKED_AT_MAX = 50;
