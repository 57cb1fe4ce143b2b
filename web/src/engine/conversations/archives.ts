// XEP-0313 Message Archive Management and XEP-0059: an archive page by page, be it the own account's or a room's.

import { xml, type Element } from "@xmpp/client";
import { isOrder } from "./log-entry";
import type { Context } from "../parts";
import type { Order } from "../protocol";

export interface Page {
  /** Oldest first. */
  messages: { order: Order; message: Element }[];
  last?: Order;
  isComplete: boolean;
}

export class Archives {
  readonly #around: Pick<Context, "self" | "xmpp">;
  readonly #pages = new Map<string, { owner: string; results: Element[] }>();

  constructor(around: Pick<Context, "self" | "xmpp">) {
    this.#around = around;
  }

  /** @returns whether the stanza was of a page. */
  receive(stanza: Element): boolean {
    const result = stanza.name === "message" ? stanza.getChild("result", MAM) : undefined;
    const owner = stanza.attrs["from"] ?? this.#own;
    const page = this.#pages.get(result?.attrs["queryid"] ?? "");
    // Nobody else speaks for an archive.
    if (result && page?.owner === owner) page.results.push(result);
    return result !== undefined && (page?.owner === owner || owner === this.#own);
  }

  /** @param room whose it is; the own account's without one
   *  @param from the place behind which it is read, or a moment in milliseconds since 1970 */
  async page(room: string | undefined, from: Order | number): Promise<Page> {
    const id = crypto.randomUUID();
    const page = { owner: room ?? this.#own, results: [] as Element[] };
    this.#pages.set(id, page);
    try {
      const fin = await this.#around.xmpp.iq("set", room, query(id, from));
      const messages = page.results.flatMap((result) => readResult(result) ?? []);
      const last = messages.at(-1)?.order;
      return { messages, isComplete: fin?.attrs["complete"] === "true", ...(last !== undefined && { last }) };
    } finally {
      this.#pages.delete(id);
    }
  }

  get #own(): string {
    const { account, domain } = this.#around.self;
    return `${account}@${domain}`;
  }
}

function readResult(result: Element): Page["messages"] {
  const order = result.attrs["id"];
  const message = result.getChild("forwarded", FORWARD)?.getChild("message");
  return message && order !== undefined && isOrder(order) ? [{ order, message }] : [];
}

function query(id: string, from: Order | number): Element {
  const set = xml("set", { xmlns: RSM }, xml("max", {}, String(MESSAGES_MAX)));
  const field = (name: string, value: string, type?: string) => xml("field", { var: name, type }, xml("value", {}, value));
  const bounds = typeof from === "number" ? field("start", new Date(from).toISOString()) : field("after-id", from);
  const form = xml("x", { xmlns: "jabber:x:data", type: "submit" }, field("FORM_TYPE", MAM, "hidden"), bounds);
  return xml("query", { xmlns: MAM, queryid: id }, form, set);
}

const MAM = "urn:xmpp:mam:2";
const FORWARD = "urn:xmpp:forward:0";
const RSM = "http://jabber.org/protocol/rsm";
const MESSAGES_MAX = 100;
