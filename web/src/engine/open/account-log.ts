// XEP-0313 Message Archive Management, XEP-0280 Message Carbons: the account's own archive as the log of its
// open conversations of two. What arrives only tells that there is something new: all is read from the
// archive, behind a cursor that is kept, so that it comes once and in one order, whoever of the own devices
// has sent it and whenever this one was away.

import { xml, type Element } from "@xmpp/client";
import { localOf, isOrder, momentOf, orderOf, type LogEntry, type Logged } from "../conversations/log-entry";
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
  readonly #reading = new Serial();
  #isDue = false;
  #page: { id: string; results: Element[] } | undefined;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** @returns whether the stanza was for an open conversation of two, or of the archive, once all is kept. */
  async receive(stanza: Element): Promise<boolean> {
    if (stanza.name !== "message") return false;
    if (this.#takeResult(stanza)) return true;
    const carbon = this.#isOwn(stanza) && ["sent", "received"].some((side) => stanza.getChild(side, CARBONS));
    const entry = carbon ? undefined : readAccountEntry(stanza, this.#around.self, orderOf(stanza, this.#own), this.#around.now());
    if (!carbon && !entry) return false;
    if (entry?.order === "") await this.#around.take(entry);
    else await this.#read();
    return true;
  }

  async online(isResumed: boolean): Promise<void> {
    if (!isResumed) await this.#around.xmpp.iq("set", undefined, xml("enable", { xmlns: CARBONS }));
    await this.#read();
  }

  /** The server has a message of ours: its place is known now. */
  acknowledged(stanza: Element): void {
    const isKept = stanza.getChild("origin-id", ORIGIN) !== undefined;
    if (isKept && stanza.name === "message" && stanza.attrs["type"] === "chat") void this.#read();
  }

  /** What comes while it reads is read behind it. Where the stream ends meanwhile the next one does it. */
  async #read(): Promise<void> {
    this.#isDue = true;
    await this.#reading.run(async () => {
      if (!this.#isDue) return;
      this.#isDue = false;
      await this.#readAll();
    }).catch(() => undefined);
  }

  async #readAll(): Promise<void> {
    const { store, take } = this.#around;
    for (;;) {
      const cursor = await store.get<Order>("meta", CURSOR);
      const { entries, last, isComplete } = await this.#readPage(cursor);
      await Promise.all(entries.map(take));
      if (last !== undefined && last !== cursor) await store.batch().put("meta", CURSOR, last).commit();
      if (isComplete || last === undefined || last === cursor) return;
    }
  }

  async #readPage(cursor: Order | undefined): Promise<{ entries: LogEntry[]; last?: Order; isComplete: boolean }> {
    const { xmpp, self, now } = this.#around;
    const id = crypto.randomUUID();
    const page = { id, results: [] as Element[] };
    this.#page = page;
    try {
      const fin = await xmpp.iq("set", undefined, pageAfter(id, cursor, now()));
      const entries = page.results.flatMap((result) => readResult(result, self) ?? []);
      const last = page.results.map(({ attrs }) => attrs["id"]).filter((order) => order !== undefined && isOrder(order)).at(-1);
      return { entries, isComplete: fin?.attrs["complete"] === "true", ...(last !== undefined && { last }) };
    } finally {
      this.#page = undefined;
    }
  }

  #takeResult(stanza: Element): boolean {
    const result = this.#isOwn(stanza) ? stanza.getChild("result", MAM) : undefined;
    if (!result) return false;
    if (this.#page && result.attrs["queryid"] === this.#page.id) this.#page.results.push(result);
    return true;
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

function readResult(result: Element, self: Self): LogEntry | undefined {
  const order = result.attrs["id"];
  const message = result.getChild("forwarded", FORWARD)?.getChild("message");
  return message && order !== undefined && isOrder(order) ? readAccountEntry(message, self, order, 0) : undefined;
}

/** A device that is new looks back for some time. */
function pageAfter(id: string, cursor: Order | undefined, now: number): Element {
  const after = cursor === undefined ? undefined : xml("after", {}, cursor);
  const field = (name: string, value: string, type?: string) => xml("field", { var: name, type }, xml("value", {}, value));
  const since = new Date(now - LOOKED_BACK_MS).toISOString();
  const form = after ? undefined : xml("x", { xmlns: "jabber:x:data", type: "submit" }, field("FORM_TYPE", MAM, "hidden"), field("start", since));
  return xml("query", { xmlns: MAM, queryid: id }, form, xml("set", { xmlns: "http://jabber.org/protocol/rsm" }, xml("max", {}, String(PAGE)), after));
}

function accountOf(jid: string | undefined, self: Self): AccountId | undefined {
  const local = localOf(jid?.split("/")[0], self.domain);
  return local !== undefined && isAccountId(local) ? local : undefined;
}

const CURSOR = "account-log";
const MAM = "urn:xmpp:mam:2";
const CARBONS = "urn:xmpp:carbons:2";
const FORWARD = "urn:xmpp:forward:0";
const ORIGIN = "urn:xmpp:sid:0";
const RETRACT = "urn:xmpp:message-retract:1";
const NUMBER = "urn:whimbrel:number-change:0";
const PAGE = 100;
const LOOKED_BACK_MS = 30 * 86_400_000;
const ID_CHARACTERS_MAX = 128;
