// What a device missed that the server does not wait with any more (docs/protocol/groups.md, "Receiving
// messages"): it reads its groups' logs itself, from where it has them, before anything newer comes.

import { xml } from "@xmpp/client";
import type { Context } from "../parts";
import type { ChatId, Order } from "../protocol";
import { StanzaRefused } from "../connection/stanza-refused";
import type { Archives } from "./archives";
import { PLACE } from "./arrivals";
import { NS, isOrder, localOf, readLogEntry, type LogEntry } from "./log-entry";

export interface Surroundings extends Pick<Context, "store" | "self" | "xmpp"> {
  /** @returns once the entry is kept. */
  take(entry: LogEntry): Promise<void>;
  /** The account is not in these any more. */
  left(chats: ChatId[]): Promise<void>;
}

export class Gaps {
  readonly #around: Surroundings;
  readonly #archives: Archives;

  constructor(around: Surroundings, archives: Archives) {
    this.#around = around;
    this.#archives = archives;
  }

  /** @param after behind which message the server begins
   *  @param newestElsewhere the newest that this device has of what is in no group
   *  @throws {Refusal} `offline`: then it is done with the next session. */
  async close(after: string | undefined, newestElsewhere: Order = ""): Promise<void> {
    const { store } = this.#around;
    if (after === undefined || !isOrder(after)) return;
    const places = new Map(
      (await store.range<Order>("meta", { prefix: [PLACE] })).map(({ key, value }) => [(key as string[])[1] ?? "", value]),
    );
    const closed = (await store.get<Order>("meta", CLOSED)) ?? "";
    const newest = [newestElsewhere, closed, ...places.values()].reduce((one, other) => (other > one ? other : one));
    if (after <= newest) return;
    // A device that has nothing yet misses nothing.
    if (places.size > 0) await this.#readAll(places, newest);
    await store.batch().put("meta", CLOSED, after).commit();
  }

  async #readAll(places: Map<ChatId, Order>, newest: Order): Promise<void> {
    const { xmpp, self, left } = this.#around;
    const listed = await xmpp.iq("get", self.groups, xml("groups", { xmlns: NS.groups }));
    const groups = (listed?.getChildren("group") ?? []).flatMap(({ attrs }) => localOf(attrs["jid"], self.groups) ?? []);
    // Those that it came into meanwhile have nothing older for it.
    for (const chat of groups) await this.#read(chat, places.get(chat) ?? newest).catch(unlessRefused);
    await left([...places.keys()].filter((chat) => !groups.includes(chat)));
  }

  async #read(chat: ChatId, from: Order): Promise<void> {
    const { self, take } = this.#around;
    for (let place = from; ; ) {
      const { messages, last, isComplete } = await patiently(() => this.#archives.page(`${chat}@${self.groups}`, place));
      await Promise.all(messages.flatMap(({ message }) => readLogEntry(message, self, 0) ?? []).map(take));
      if (isComplete || last === undefined || last <= place) return;
      place = last;
    }
  }
}

/** The server sends no more before it knows that we have what it sent. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let waits = 0; ; waits++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof StanzaRefused) || error.type !== "wait" || waits === WAITS_MAX) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
}

/** Who is no member any more, or whose group has ended, learns it elsewhere. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof StanzaRefused) || error.type === "wait") throw error;
}

const CLOSED = "gaps-closed";
const WAIT_MS = 200;
const WAITS_MAX = 50;
