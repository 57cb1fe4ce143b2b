// XEP-0313 Message Archive Management, XEP-0280 Message Carbons: the account's own archive as the log of its
// open conversations of two. What arrives only tells that there is something new: all is read from the
// archive, behind a cursor that is kept, so that it comes once and in one order, whoever of the own devices
// has sent it and whenever this one was away.

import { xml, type Element } from "@xmpp/client";
import type { Archives } from "../conversations/archives";
import { localOf, momentOf, orderOf, type LogEntry, type Logged } from "../conversations/log-entry";
import { Serial } from "../conversations/serial";
import { isAccountId } from "../content/fields";
import type { Context, Self } from "../parts";
import type { AccountId, Order } from "../protocol";
import { readOpen } from "./stanza";

export interface Surroundings extends Pick<Context, "store" | "self" | "xmpp" | "now"> {
  /** @returns once the entry is kept. */
  take(entry: LogEntry): Promise<void>;
}

export class AccountLog {
  readonly #around: Surroundings;
  readonly #archives: Archives;
  readonly #reading = new Serial();
  #isDue = false;
  #isOnline = false;

  constructor(around: Surroundings, archives: Archives) {
    this.#around = around;
    this.#archives = archives;
  }

  /** @returns whether the stanza was for an open conversation of two. The archive keeps it until it is read there:
   *  the server sends no page of that while it waits for much to be acknowledged. */
  async receive(stanza: Element): Promise<boolean> {
    if (stanza.name !== "message") return false;
    const carbon = this.#isOwn(stanza) && ["sent", "received"].some((side) => stanza.getChild(side, CARBONS));
    const entry = carbon ? undefined : readAccountEntry(stanza, this.#around.self, orderOf(stanza, this.#own), this.#around.now());
    if (!carbon && !entry) return false;
    if (entry?.order === "") await this.#around.take(entry);
    else void this.#read();
    return true;
  }

  async online(isResumed: boolean): Promise<void> {
    this.#isOnline = true;
    if (!isResumed) await this.#around.xmpp.iq("set", undefined, xml("enable", { xmlns: CARBONS }));
    await this.#read();
  }

  offline(): void {
    this.#isOnline = false;
  }

  /** Waits until what is known to have come is read. */
  idle(): Promise<void> {
    return this.#reading.run(async () => undefined);
  }

  /** The server has a message of ours: its place is known now. */
  acknowledged(stanza: Element): void {
    const isKept = stanza.getChild("origin-id", ORIGIN) !== undefined;
    if (isKept && stanza.name === "message" && stanza.attrs["type"] === "chat") void this.#read();
  }

  /** What comes while it reads is read behind it. What the server could not answer is asked again; where the stream
   *  ends meanwhile the next one does it. */
  async #read(): Promise<void> {
    this.#isDue = true;
    await this.#reading.run(async () => {
      if (!this.#isDue) return;
      this.#isDue = false;
      await this.#readAll();
    }).catch(() => {
      setTimeout(() => this.#isOnline && void this.#read(), READ_AGAIN_MS);
    });
  }

  async #readAll(): Promise<void> {
    const { store, self, take, now } = this.#around;
    for (;;) {
      const cursor = await store.get<Order>("meta", CURSOR);
      // A device that is new looks back for some time.
      const { messages, last, isComplete } = await this.#archives.page(undefined, cursor ?? now() - LOOKED_BACK_MS);
      await Promise.all(messages.flatMap(({ order, message }) => readAccountEntry(message, self, order, 0) ?? []).map(take));
      if (last !== undefined && last !== cursor) await store.batch().put("meta", CURSOR, last).commit();
      if (isComplete || last === undefined || last === cursor) return;
    }
  }

  /** Nobody else speaks for the own archive. */
  #isOwn({ attrs }: Element): boolean {
    return attrs["from"] === undefined || attrs["from"] === this.#own;
  }

  get #own(): string {
    const { account, domain } = this.#around.self;
    return `${account}@${domain}`;
  }
}

/** @param order empty for what passes
 *  @returns nothing for what is no message of two accounts */
export function readAccountEntry(stanza: Element, self: Self, order: Order, now: number): LogEntry | undefined {
  const { type = "normal", from, to, id } = stanza.attrs;
  if (type !== "chat" && type !== "normal") return undefined;
  const sender = accountOf(from, self);
  const receiver = accountOf(to, self) ?? self.account;
  const peer = sender === self.account ? receiver : sender;
  if (sender === undefined || peer === undefined || peer === self.account) return undefined;
  const name = stanza.getChild("origin-id", ORIGIN)?.attrs["id"] ?? id;
  return {
    chat: peer,
    peer,
    order,
    at: order === "" ? now : momentOf(order),
    sender,
    ...(name !== undefined && name.length <= ID_CHARACTERS_MAX && { id: name }),
    what: whatOf(stanza, order, self),
  };
}

function whatOf(stanza: Element, order: Order, self: Self): Logged {
  if (stanza.getChild("retracted", RETRACT) && order !== "") return { kind: "forgotten", target: order, by: "author" };
  // Only the server speaks from a bare JID: what a client sends bears its full one.
  const isByServer = accountOf(stanza.attrs["from"], self) !== undefined && !stanza.attrs["from"]?.includes("/");
  const number = stanza.getChild("number-changed", NUMBER)?.attrs["new"];
  if (isByServer && number !== undefined && /^\+\d{3,15}$/.test(number)) return { kind: "renumbered", number };
  const said = readOpen(stanza, self.domain);
  return said ? { kind: "open", said } : { kind: "nothing" };
}

function accountOf(jid: string | undefined, self: Self): AccountId | undefined {
  const local = localOf(jid?.split("/")[0], self.domain);
  return local !== undefined && isAccountId(local) ? local : undefined;
}

export const CURSOR = "account-log";
const CARBONS = "urn:xmpp:carbons:2";
const ORIGIN = "urn:xmpp:sid:0";
const RETRACT = "urn:xmpp:message-retract:1";
const NUMBER = "urn:whimbrel:number-change:0";
const READ_AGAIN_MS = 5_000;
const LOOKED_BACK_MS = 30 * 86_400_000;
const ID_CHARACTERS_MAX = 128;
