// RFC 6121 3 and 4: who is there, told to those who may see it. Who that is the user says by an audience;
// the server keeps it as subscriptions.

import { xml, type Element } from "@xmpp/client";
import type { Desk } from "../chats/desk";
import { isAccountId } from "../content/fields";
import type { AccountId, Audience } from "../protocol";
import { PERSON, personKey, type Person } from "./people";

export class Presences {
  readonly #desk: Desk;
  readonly #online = new Map<AccountId, Set<string>>();
  readonly #notedAtMs = new Map<AccountId, number>();
  #forgetting: ReturnType<typeof setTimeout> | undefined;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** @returns whether it was one of another account's. */
  async receive(stanza: Element): Promise<boolean> {
    if (stanza.name !== "presence") return false;
    const { from = "", type } = stanza.attrs;
    const [bare = "", resource = ""] = from.split("/");
    const [account = "", domain] = bare.split("@");
    if (domain !== this.#desk.domain || !isAccountId(account) || account === this.#desk.own) return false;
    if (type === "subscribe") await this.#decide(account);
    // RFC 6121 4.7.2.1: `xa` says that nobody is there, only a service worker that fetches what waits.
    else if (type === undefined) this.#note(account, resource, stanza.getChildText("show") !== "xa");
    // XEP-0203, of the account itself: nobody is there, since then.
    else if (type === "unavailable" && resource === "") this.#noteGone(account, Date.parse(stanza.getChild("delay")?.attrs["stamp"] ?? ""));
    else if (type === "unavailable") this.#note(account, resource, false);
    return true;
  }

  /** A new session: the server tells who is there, and says nothing of those who went meanwhile. */
  begin(): void {
    const sinceMs = this.#desk.now() - TOLD_WITHIN_MS;
    clearTimeout(this.#forgetting);
    this.#forgetting = setTimeout(() => {
      for (const [account, resources] of this.#online) {
        if (resources.size === 0 || (this.#notedAtMs.get(account) ?? 0) >= sinceMs) continue;
        resources.clear();
        this.#desk.context.say({ type: "presence", account, online: false });
      }
    }, TOLD_WITHIN_MS);
  }

  close(): void {
    clearTimeout(this.#forgetting);
  }

  /** The server has the user's contacts too where it needs them, for who may add the user to groups. */
  async keep(account: AccountId): Promise<void> {
    if (this.#desk.settings.current.addable !== "contacts") return;
    await this.#put(account, (await this.#roster()).get(account));
  }

  /** Contacts that the server does not have: nobody was online when they were named, or it did not need them. */
  async keepAll(): Promise<void> {
    const people = await this.#desk.context.store.range<Person>("contacts", { prefix: [PERSON] });
    const roster = await this.#roster();
    for (const { value } of people) if (value.name?.value) await this.#put(value.account, roster.get(value.account));
  }

  /** Somebody is a contact no longer. */
  async forget(account: AccountId): Promise<void> {
    if ((await this.#roster()).has(account)) await this.#set({ jid: this.#jidOf(account), subscription: "remove" });
  }

  /** Wants to see when somebody is there, who decides. Only who may be seen may see. */
  async ask(account: AccountId): Promise<void> {
    if (this.#desk.settings.current.lastSeen === "nobody") return;
    await this.#send(account, "subscribe");
  }

  /** Asks those contacts again whom the user does not see: they may be seen, now that the user may. */
  async askAll(): Promise<void> {
    const people = await this.#desk.context.store.range<Person>("contacts", { prefix: [PERSON] });
    const roster = await this.#roster();
    for (const { value } of people) if (value.name?.value && !sees(roster.get(value.account))) await this.ask(value.account);
  }

  /** The audience is another: who does not belong to it any more sees nothing from now on. */
  async narrow(audience: Audience): Promise<void> {
    if (audience === "everybody") return;
    for (const [account, item] of await this.#roster()) {
      const { attrs } = item;
      const isSeen = attrs["subscription"] === "from" || attrs["subscription"] === "both";
      if (isSeen && !(await this.#belongs(account, audience))) await this.#send(account, "unsubscribed");
      if (audience === "nobody" && sees(item)) await this.#send(account, "unsubscribe");
    }
  }

  async #decide(account: AccountId): Promise<void> {
    const { lastSeen } = this.#desk.settings.current;
    const belongs = await this.#belongs(account, lastSeen);
    await this.#send(account, belongs ? "subscribed" : "unsubscribed");
    // Asked before, it may have said no, not knowing the user.
    const isContact = await this.#belongs(account, "contacts");
    if (belongs && isContact && !sees((await this.#roster()).get(account))) await this.ask(account);
  }

  async #belongs(account: AccountId, audience: Audience): Promise<boolean> {
    if (audience !== "contacts") return audience === "everybody";
    const person = await this.#desk.context.store.get<Person>("contacts", personKey(account));
    return Boolean(person?.name?.value);
  }

  async #roster(): Promise<Map<AccountId, Element>> {
    const roster = await this.#desk.context.xmpp.iq("get", undefined, xml("query", { xmlns: ROSTER }));
    return new Map((roster?.getChildren("item") ?? []).flatMap((item): [AccountId, Element][] => {
      const [account = "", domain] = (item.attrs["jid"] ?? "").split("@");
      return domain === this.#desk.domain && isAccountId(account) ? [[account, item]] : [];
    }));
  }

  // What other clients have written to it stays.
  #put(account: AccountId, item: Element | undefined): Promise<void> {
    const { name } = item?.attrs ?? {};
    return this.#set({ jid: this.#jidOf(account), ...(name !== undefined && { name }) }, item?.getChildren("group"));
  }

  async #set(attrs: Record<string, string>, groups: Element[] = []): Promise<void> {
    const item = xml("item", attrs, groups.map((group) => xml("group", {}, group.text())));
    await this.#desk.context.xmpp.iq("set", undefined, xml("query", { xmlns: ROSTER }, item));
  }

  #jidOf(account: AccountId): string {
    return `${account}@${this.#desk.domain}`;
  }

  #noteGone(account: AccountId, lastSeen: number): void {
    if (this.#online.get(account)?.size || Number.isNaN(lastSeen)) return;
    this.#desk.context.say({ type: "presence", account, online: false, lastSeen });
  }

  // Somebody is there while one device is.
  #note(account: AccountId, resource: string, isThere: boolean): void {
    const resources = this.#online.get(account) ?? new Set();
    const wasOnline = resources.size > 0;
    if (isThere) resources.add(resource);
    else resources.delete(resource);
    if (resources.size > RESOURCES_MAX) return;
    this.#online.set(account, resources);
    this.#notedAtMs.set(account, this.#desk.now());
    const online = resources.size > 0;
    if (online === wasOnline && isThere) return;
    const lastSeen = wasOnline && !online ? { lastSeen: this.#desk.now() } : {};
    this.#desk.context.say({ type: "presence", account, online, ...lastSeen });
  }

  async #send(account: AccountId, type: string): Promise<void> {
    // Where there is no stream the next one asks again.
    await this.#desk.context.xmpp.send(xml("presence", { to: this.#jidOf(account), type })).catch(() => undefined);
  }
}

/** The user sees whether it is there. */
function sees(item: Element | undefined): boolean {
  return item?.attrs["subscription"] === "to" || item?.attrs["subscription"] === "both";
}

const ROSTER = "jabber:iq:roster";
const RESOURCES_MAX = 64;
/** Around its beginning a session is told who is there. */
const TOLD_WITHIN_MS = 10_000;
