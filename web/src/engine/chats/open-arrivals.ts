// What a stanza of an open conversation says, as an envelope says it: then all is the same.

import type { Arrival } from "../parts";
import type { AccountId, MessageId } from "../protocol";
import { directChat } from "../conversations/direct";
import { isMessage, type Envelope } from "../content/envelope";
import { isMessageKind } from "../content/contents";
import { nameOf } from "../content/place";
import { previewOf } from "../content/view";
import { findNamed } from "../open/names";
import type { OpenMessage } from "../open/message";
import type { Ledger } from "./ledger";

/** Whether the conversation takes what is not sealed: what was encrypted from birth never does. Of one that is
 *  new it is decided here. */
export async function takesOpen({ chat }: Ledger, { author, peer }: Arrival, own: AccountId, domain: string): Promise<boolean> {
  if (chat.encryption !== undefined) return chat.encryption === "open";
  const isOfTwo = peer === undefined && author !== undefined && chat.id === (await directChat(domain, own, author));
  if (isOfTwo || chat.kind === "direct" || (peer === undefined && chat.kind === "self")) return false;
  chat.encryption = "open";
  if (peer === undefined) return true;
  chat.kind = "direct";
  chat.peer = peer;
  chat.members = { [own]: "owner", [peer]: "owner" };
  return true;
}

/** @returns nothing where it speaks of what is not here. */
export async function envelopeOf(ledger: Ledger, arrival: Arrival, author: AccountId, said: OpenMessage): Promise<Envelope | undefined> {
  const { batch, chat } = ledger;
  const id = nameOf(author, arrival.order, arrival.id);
  const envelope = { id, forwarded: false, ...(said.lifeS !== undefined && { lifeS: said.lifeS }) };
  const anybody = () => [author, ...Object.keys(chat.members).filter((account) => account !== author).slice(0, ASKED_MAX)];
  const find = (name: string, authors: AccountId[]): Promise<MessageId | undefined> => findNamed(batch, chat.id, name, authors);
  const { body } = said;
  switch (body.kind) {
    case "unreadable":
      return undefined;
    case "edit":
    case "reaction":
    case "retraction": {
      const of = await find(body.of, body.kind === "reaction" ? anybody() : [author]);
      return of === undefined ? undefined : { ...envelope, body: { ...body, of } };
    }
    case "receipt": {
      const [delivered, read] = await Promise.all([body.delivered, body.read].map((name) => placeOf(ledger, name, find, anybody())));
      const told = { ...(delivered !== undefined && { delivered }), ...(read !== undefined && { read }) };
      return { ...envelope, body: { kind: "receipt", ...told } };
    }
    default: {
      if (!isMessage(body) || !said.reply) return { ...envelope, body };
      const quoted = await find(said.reply.of, anybody());
      const known = quoted === undefined ? undefined : await ledger.find(quoted);
      if (!known?.base) return { ...envelope, body };
      const { kind, text } = previewOf(known);
      const answered = body.kind === "text" ? { ...body, text: said.reply.text } : body;
      const reply = isMessageKind(kind) ? { id: known.id, preview: { kind, text } } : undefined;
      return { ...envelope, body: answered, ...(reply && { reply }) };
    }
  }
}

async function placeOf(
  ledger: Ledger,
  name: string | undefined,
  find: (name: string, authors: AccountId[]) => Promise<MessageId | undefined>,
  authors: AccountId[],
): Promise<string | undefined> {
  const id = name === undefined ? undefined : await find(name, authors);
  const order = id === undefined ? undefined : (await ledger.find(id))?.order;
  return order && !order.startsWith("~") ? order.slice(0, 16) : undefined;
}

/** Members whose messages are looked through for a name. Rooms name them by places. */
const ASKED_MAX = 8;
