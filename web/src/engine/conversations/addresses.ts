// Conversations that follow from who takes part: those of two, and that of the own devices, which is the
// account's conversation with itself.

import type { Context } from "../parts";
import type { AccountId, ChatId } from "../protocol";
import { directChat } from "./direct";

export class Addresses {
  readonly #around: Pick<Context, "store" | "self">;

  constructor(around: Pick<Context, "store" | "self">) {
    this.#around = around;
  }

  own(): Promise<ChatId> {
    return this.direct(this.#around.self.account);
  }

  async direct(peer: AccountId): Promise<ChatId> {
    const { store, self } = this.#around;
    const chat = await directChat(self.domain, self.account, peer);
    if ((await this.peer(chat)) === undefined) await store.batch().put("meta", peerKey(chat), peer).commit();
    return chat;
  }

  /** The other side, of a conversation of two that {@link direct} has named. */
  peer(chat: ChatId): Promise<AccountId | undefined> {
    return this.#around.store.get<AccountId>("meta", peerKey(chat));
  }
}

function peerKey(chat: ChatId): [string, string] {
  return ["peer", chat];
}
