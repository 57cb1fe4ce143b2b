// Which chats have a call, as far as their logs tell: kept, so that a device that comes back asks those alone.

import type { ChatId, Order } from "../protocol";
import type { Batch, Reader } from "../store/store";

export function noteCall(batch: Batch, chat: ChatId, began: Order, hasEnded: boolean): void {
  if (hasEnded) batch.delete("meta", [LASTING, chat]);
  else batch.put("meta", [LASTING, chat], began);
}

export async function lastingIn(reader: Reader): Promise<ChatId[]> {
  const rows = await reader.range<Order>("meta", { prefix: [LASTING] });
  return rows.flatMap(({ key }) => (Array.isArray(key) ? [String(key[1])] : []));
}

const LASTING = "call";
