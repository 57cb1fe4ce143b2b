// docs/protocol/web-push.md: this browser's subscription at the server; and, by docs/protocol/groups.md
// `<mute/>`, the rooms that it is not to be told of.

import { xml } from "@xmpp/client";
import { CHAT } from "../chats/keys";
import type { ChatRow } from "../chats/chat-row";
import { StanzaRefused } from "../connection/stanza-refused";
import type { Context, Part } from "../parts";
import type { Chat, ChatId, EngineEvent, PushSubscriptionKeys } from "../protocol";
import { Refusal } from "../refusal";

type Names = "pushKey" | "subscribePush" | "unsubscribePush";

export class Push implements Part<Names> {
  readonly #context: Context;
  /** Chats as they were last heard of: muted for the server, or not. */
  readonly #heard = new Map<ChatId, boolean>();
  #telling: Promise<void> = Promise.resolve();

  constructor(context: Context) {
    this.#context = context;
  }

  readonly commands: Part<Names>["commands"] = {
    pushKey: () => this.#key(),
    subscribePush: (subscription) => this.#subscribe(subscription),
    unsubscribePush: () => this.#unsubscribe(),
  };

  async online(isResumed: boolean): Promise<void> {
    if (isResumed) return;
    const told = await this.#context.store.range<boolean>("meta", { prefix: [MUTED] });
    const muted = new Set(told.flatMap(({ key, value }) => (value ? [(key as string[])[1]] : [])));
    for (const { value: chat } of await this.#context.store.range<ChatRow>("chats", { prefix: [CHAT] })) {
      if (isServerMuted(viewOf(chat), this.#context.now()) !== muted.has(chat.id)) this.#muteSoon(chat.id);
    }
  }

  /** A chat has changed: it may be muted, or heard again. */
  hear(event: EngineEvent): void {
    if (event.type !== "chat") return;
    const isMuted = isServerMuted(event.chat, this.#context.now());
    if (this.#heard.get(event.chat.id) === isMuted) return;
    this.#heard.set(event.chat.id, isMuted);
    this.#muteSoon(event.chat.id);
  }

  async #key(): Promise<string> {
    const answer = await this.#context.xmpp.iq("get", undefined, xml("key", { xmlns: NS }));
    const key = answer?.text() ?? "";
    if (!/^[\w-]{87}$/.test(key)) throw new Refusal("internal", "the server has no key for push services");
    return key;
  }

  async #subscribe({ endpoint, p256dh, auth }: PushSubscriptionKeys): Promise<void> {
    const former = await this.#endpoint();
    await this.#context.xmpp.iq("set", undefined, xml("subscribe", { xmlns: NS, endpoint, p256dh, auth }));
    await this.#context.store.batch().put("meta", ENDPOINT, endpoint).commit();
    if (former !== undefined && former !== endpoint) await this.#end(former);
  }

  async #unsubscribe(): Promise<void> {
    const endpoint = await this.#endpoint();
    if (endpoint === undefined) return;
    await this.#end(endpoint);
    await this.#context.store.batch().delete("meta", ENDPOINT).commit();
  }

  async #end(endpoint: string): Promise<void> {
    try {
      await this.#context.xmpp.iq("set", undefined, xml("unsubscribe", { xmlns: NS, endpoint }));
    } catch (error) {
      if (!(error instanceof StanzaRefused) || error.name !== "item-not-found") throw error;
    }
  }

  #endpoint(): Promise<string | undefined> {
    return this.#context.store.get<string>("meta", ENDPOINT);
  }

  // One after the other, so that of two changes the later one is told last.
  #muteSoon(chat: ChatId): void {
    // Without a stream, and where the room does not know it, the next log-in tries again.
    this.#telling = this.#telling.then(() => this.#mute(chat)).catch(() => undefined);
  }

  async #mute(id: ChatId): Promise<void> {
    const { store, self, xmpp, now } = this.#context;
    const chat = await store.get<ChatRow>("chats", [CHAT, id]);
    if (!chat || chat.kind === "self" || chat.hasLeft || !chat.last) return;
    // An open conversation of two has no room.
    if (chat.kind === "direct" && chat.encryption === "open") return;
    const isMuted = isServerMuted(viewOf(chat), now());
    const told = await store.get<boolean>("meta", mutedKey(id));
    if ((told ?? false) === isMuted) return;
    const mute = xml("mute", { xmlns: GROUPS, ...(!isMuted && { off: "true" }) });
    await xmpp.iq("set", `${id}@${self.groups}`, mute);
    await store.batch().put("meta", mutedKey(id), isMuted).commit();
  }
}

/** The server's mute has no end, and it does not see who is mentioned: it is told of what is muted for good
 *  and as a whole. Of the rest the browser is told, and shows nothing. */
export function isServerMuted({ kind, mutedUntil, mentionsMuted }: Mutable, now: number): boolean {
  const isWhole = kind === "direct" || (kind === "group" && mentionsMuted);
  return isWhole && mutedUntil !== null && mutedUntil > now + FOR_GOOD_MS;
}

type Mutable = Pick<Chat, "kind" | "mutedUntil" | "mentionsMuted">;

function viewOf({ kind, marks }: ChatRow): Mutable {
  return { kind, mutedUntil: marks.mutedUntil?.value ?? null, mentionsMuted: marks.mentionsMuted?.value ?? false };
}

function mutedKey(chat: ChatId): [string, ChatId] {
  return [MUTED, chat];
}

const NS = "urn:whimbrel:web-push:0";
const GROUPS = "urn:whimbrel:groups:0";
const ENDPOINT = "push-endpoint";
const MUTED = "muted";
/** "Always" is many years. */
const FOR_GOOD_MS = 366 * 86_400_000;
