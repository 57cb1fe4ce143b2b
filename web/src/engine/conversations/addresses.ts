// Conversations that follow from who takes part: those of two, and that of the own devices.

import type { Context } from "../parts";
import type { AccountId, ChatId } from "../protocol";
import { directChat } from "./direct";
import { findOwnGroup } from "./own-group";
import { Serial } from "./serial";

export class Addresses {
  readonly #around: Pick<Context, "store" | "self" | "xmpp">;
  readonly #finding = new Serial();

  constructor(around: Pick<Context, "store" | "self" | "xmpp">) {
    this.#around = around;
  }

  /** @throws {Refusal} `offline` where it is not known yet */
  own(): Promise<ChatId> {
    const { store, xmpp, self } = this.#around;
    return this.#finding.run(async () => {
      const kept = await store.get<ChatId>("meta", OWN_KEY);
      if (kept !== undefined) return kept;
      const found = await findOwnGroup(xmpp, self);
      await store.batch().put("meta", OWN_KEY, found).commit();
      return found;
    });
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

const OWN_KEY = "own-group";
