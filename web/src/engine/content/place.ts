// Places and moments in a conversation's log.

import type { AccountId, MessageId, Order } from "../protocol";
import { authorOf } from "./contents";
import { isMessageId } from "./fields";

/** When the server took the message: its stanza-ids have the milliseconds in their upper 44 bits. */
export function momentOf(order: Order): number {
  return Number.parseInt(order.slice(0, 11), 16);
}

/** What a message is called whose own id is unknown. */
export function nameOf(author: AccountId, order: Order, originId?: string): MessageId {
  const isFit = originId !== undefined && isMessageId(originId) && authorOf(originId) === author;
  return isFit ? originId : `${author}.${order}`;
}
