// What a message of an open conversation says: plain XMPP, as any client writes it. It names other messages
// as stanzas do; `names.ts` knows which these are.

import type { MessageBody } from "../content/contents";
import type { Annotation } from "../content/envelope";
import type { AccountId, MessageId, Order } from "../protocol";

export interface OpenMessage {
  /** By which others name it: the id attribute and the origin-id (XEP-0359). */
  names: string[];
  body: OpenBody;
  /** XEP-0461. `text` is what is left without the quotation for clients that know no replies. */
  reply?: { of: string; text: string };
  /** XEP-0466. */
  lifeS?: number;
  /** XEP-0172, or the name that a room shows. */
  nick?: string;
}

/** As in an envelope, but for how messages are named. */
export type OpenBody =
  | MessageBody
  | Renamed<Extract<Annotation, { kind: "edit" | "reaction" | "retraction" }>>
  | Extract<Annotation, { kind: "typing" | "disappearing" }>
  /** Everything up to the named messages. */
  | { kind: "receipt"; delivered?: string; read?: string }
  /** By some other encryption than ours. */
  | { kind: "unreadable" };

type Renamed<A> = A extends { of: MessageId } ? Omit<A, "of"> & { of: string } : never;

/** A message that another one is about. */
export interface Target {
  id: MessageId;
  author: AccountId;
  /** In the room's log, or the account's. */
  order: Order;
  /** Its id attribute. */
  name: string;
  /** What it says, for clients that know no replies. */
  text: string;
}

/** Where a message goes. */
export interface Place {
  /** A bare JID. */
  to: string;
  isRoom: boolean;
  /** The own domain: accounts' JIDs are of it. */
  domain: string;
  /** XEP-0172: told where no room shows it. */
  nick?: string;
}
