// Fills the store of an app that is not running with messages, as if they had come: for tests/browser/figures.spec.js.

import type { Registration } from "../src/engine/account/own-device";
import { Chats } from "../src/engine/chats/chats";
import { encodeEnvelope, newMessageId } from "../src/engine/content/envelope";
import { directChat } from "../src/engine/conversations/direct";
import type { Arrival, Context, Conversations } from "../src/engine/parts";
import { Refusal } from "../src/engine/refusal";
import { Store } from "../src/engine/store/store";

/** @param chat that gets `count` messages; `others` more get `countOfOthers` each. */
async function fill(chat: string, count: number, others: number, countOfOthers: number): Promise<void> {
  const store = await Store.open();
  const registration = await store.get<Registration>("meta", "registration");
  if (!registration) throw new Error("nobody is registered here");
  const { account, device, jid } = registration;
  const domain = jid.slice(jid.indexOf("@") + 1);
  const never = () => Promise.reject(new Refusal("offline", "there is no server"));
  const exclusive: Conversations["exclusive"] = (_, task) => task();
  const conversations = { exclusive, own: never, post: never, retry: never, withdraw: never, direct: never, change: never };
  const self = { account, device, domain, groups: `groups.${domain}` };
  const context = { store, self, xmpp: { iq: never, send: never }, conversations, isBrief: true, say: () => undefined, now: Date.now } as unknown as Context;
  const chats = await Chats.open(context);
  const take = async (arrivals: Arrival[]) => {
    const batch = store.batch();
    for (const one of arrivals) await chats.contents.apply(one, batch);
    await batch.commit();
  };
  const fillOne = async (id: string, peer: string, messages: number) => {
    for (let from = 1; from <= messages; from += TAKEN_AT_ONCE) {
      const length = Math.min(TAKEN_AT_ONCE, messages - from + 1);
      await take(Array.from({ length }, (_, index) => arrival(id, from + index, account, peer)));
    }
  };
  await fillOne(chat, "p3c8tz0n6vfd", count);
  for (let other = 0; other < others; other++) {
    const peer = `peer${String(other).padStart(8, "0")}`;
    const id = await directChat(domain, account, peer);
    const changes = [{ type: "created" }, { type: "added", account, affiliation: "owner" }] as const;
    await take([{ chat: id, order: orderOf(0), at: BEGAN_MS, author: peer, what: { kind: "changed", changes: [...changes] } }]);
    await fillOne(id, peer, countOfOthers);
  }
  await chats.desk.index.pack();
  chats.close();
  store.close();
}

function arrival(chat: string, number: number, own: string, peer: string): Arrival {
  const author = number % 3 ? peer : own;
  const text = `Message ${number}: the arctic tern may fly far, word${number % 1000} and word${(number * 7) % 313}`;
  const envelope = encodeEnvelope({ id: newMessageId(author), body: { kind: "text", text, mentions: [] }, forwarded: false });
  return { chat, order: orderOf(number), at: BEGAN_MS + number * 1000, author, what: { kind: "sealed", envelope } };
}

function orderOf(number: number): string {
  return `${(BEGAN_MS + number * 1000).toString(16).padStart(11, "0")}00000`;
}

const TAKEN_AT_ONCE = 64;
const BEGAN_MS = 1_700_000_000_000;
Object.assign(globalThis, { fill });
