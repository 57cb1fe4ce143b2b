// The address of a conversation of two (docs/protocol/mls.md, "Conversations of two").

import { accountOfNumber } from "../mls/account-id";
import type { AccountId, ChatId } from "../protocol";

/** The first 60 bits of a digest over both accounts, written as accounts' ids are. */
export async function directChat(domain: string, one: AccountId, other: AccountId): Promise<ChatId> {
  const [first, second] = one < other ? [one, other] : [other, one];
  const text = new TextEncoder().encode(`whimbrel direct 1\0${domain}\0${first}\0${second}`);
  const digest = await crypto.subtle.digest("SHA-256", text);
  return accountOfNumber(new DataView(digest).getBigUint64(0) >> 4n);
}
