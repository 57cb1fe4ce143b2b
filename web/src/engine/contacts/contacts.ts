// People: looking them up by their numbers (docs/protocol/contact-lookup.md), what the user calls them,
// XEP-0191 Blocking Command and XEP-0377 Blocking Command Reports.

import { xml, type Element } from "@xmpp/client";
import type { Desk } from "../chats/desk";
import type { OwnLog } from "../chats/own-log";
import { CHAT, chatKey } from "../chats/keys";
import { directChat } from "../conversations/direct";
import type { ChatRow } from "../chats/chat-row";
import { isAccountId } from "../content/fields";
import type { Context, Part } from "../parts";
import type { AccountId, ChatId, Contact, MessageId } from "../protocol";
import { Refusal } from "../refusal";
import type { Row } from "../content/row";
import { previewOf } from "../content/view";
import { BLOCKED, FOUND, PERSON, blockedKey, contactView, doubtedKey, encryptedKey, known, personKey, takePerson, type Person } from "./people";
import { Presences } from "./presences";

type Names = "contacts" | "lookUp" | "contact" | "setContact" | "noteKeyChange" | "block" | "report";

export class Contacts implements Part<Names> {
  readonly #context: Context;
  readonly #desk: Desk;
  readonly #ownLog: OwnLog;
  readonly presences: Presences;

  constructor(desk: Desk, ownLog: OwnLog) {
    this.#context = desk.context;
    this.#desk = desk;
    this.#ownLog = ownLog;
    this.presences = new Presences(desk);
  }

  readonly commands: Part<Names>["commands"] = {
    contacts: () => this.#list(),
    lookUp: (numbers) => this.lookUp(numbers),
    contact: (account) => this.#contact(account),
    setContact: (account, change) => this.#set(account, change),
    noteKeyChange: (account) => this.#noteKeyChange(account),
    block: (account, blocked) => this.#block(account, blocked),
    report: (account, reason, report) => this.#report(account, reason, report),
  };

  async receive(stanza: Element): Promise<boolean> {
    if (await this.presences.receive(stanza)) return true;
    return this.#receivePush(stanza);
  }

  async online(isResumed: boolean): Promise<void> {
    if (isResumed) return;
    this.presences.begin();
    await this.#readBlocked();
    if (this.#desk.settings.current.addable === "contacts") await this.presences.keepAll();
  }

  /** Those who are found, by requests of at most 100 numbers. */
  async lookUp(numbers: string[]): Promise<Contact[]> {
    const found: Contact[] = [];
    for (let at = 0; at < numbers.length; at += NUMBERS_MAX) {
      for (const { account, number } of await this.#ask(numbers.slice(at, at + NUMBERS_MAX))) {
        await this.#keep(async (batch) => {
          // Of the least weight: what own devices agree on counts more.
          await takePerson(batch, account, { number }, FOUND);
        });
        this.#context.say(await this.#desk.contactEvent(account, this.#context.store));
        found.push(await this.#contact(account));
      }
    }
    return found;
  }

  async #ask(numbers: string[]): Promise<{ account: AccountId; number: string }[]> {
    const asked = numbers.map((number) => xml("number", {}, number.slice(0, NUMBER_CHARACTERS_MAX)));
    const answer = await this.#context.xmpp.iq("get", this.#context.self.domain, xml("lookup", { xmlns: LOOKUP }, asked));
    return (answer?.getChildren("contact") ?? []).slice(0, NUMBERS_MAX).flatMap(({ attrs }) => {
      const account = this.#accountOf(attrs["jid"]);
      const number = attrs["number"]?.slice(0, NUMBER_CHARACTERS_MAX);
      return account === undefined || number === undefined ? [] : [{ account, number }];
    });
  }

  async #list(): Promise<Contact[]> {
    const { store } = this.#context;
    const people = await store.range<Person>("contacts", { prefix: [PERSON] });
    const chats = await store.range<ChatRow>("chats", { prefix: [CHAT] });
    const accounts = new Set(people.map(({ value }) => value.account));
    for (const { value } of chats) if (value.peer !== undefined && value.last) accounts.add(value.peer);
    accounts.delete(this.#desk.own);
    const contacts = await Promise.all([...accounts].map(async (account) => contactView(account, await known(store, account))));
    return contacts.sort((one, other) => one.name.localeCompare(other.name));
  }

  async #contact(account: AccountId): Promise<Contact> {
    checkAccount(account);
    const { store } = this.#context;
    if ((await store.get("contacts", encryptedKey(account))) !== true) await this.#askDevices(account);
    return contactView(account, await known(store, account));
  }

  /** Whether the account has a device that takes sealed messages; nothing where nobody can tell now. */
  async takesSealed(account: AccountId): Promise<boolean | undefined> {
    checkAccount(account);
    // Whoever once took them goes on to: the server's word does not make a conversation open.
    if ((await known(this.#context.store, account)).isEncrypted) return true;
    return this.#askDevices(account);
  }

  /** An account without a device list cannot take sealed messages. Offline nothing is learned. */
  async #askDevices(account: AccountId): Promise<boolean | undefined> {
    try {
      await this.#context.xmpp.iq("get", this.#jidOf(account), xml("device-list", { xmlns: MLS }));
      await this.#keep(async (batch) => void batch.put("contacts", encryptedKey(account), true));
      await this.#desk.contactEvent(account, this.#context.store);
      return true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.name === "item-not-found" ? false : undefined;
    }
  }

  async #set(account: AccountId, change: { name?: string; verified?: boolean }): Promise<void> {
    checkAccount(account);
    const person = await this.#context.store.get<Person>("contacts", personKey(account));
    // The number that it was found by goes along, so that other devices have it.
    const number = person?.number?.value;
    await this.#ownLog.say({ kind: "person", account, ...change, ...(number !== undefined && { number }) });
    if (change.name === undefined) return;
    // Offline it is told the server by the next session.
    if (change.name === "") return this.presences.forget(account).catch(unlessRefused);
    await this.presences.keep(account).catch(unlessRefused);
    await this.presences.ask(account);
  }

  async #noteKeyChange(account: AccountId): Promise<void> {
    checkAccount(account);
    await this.#keep(async (batch) => void batch.delete("contacts", doubtedKey(account)));
    this.#context.say(await this.#desk.contactEvent(account, this.#context.store));
  }

  async #block(account: AccountId, blocked: boolean, report?: Element): Promise<void> {
    checkAccount(account);
    const item = xml("item", { jid: this.#jidOf(account) }, report);
    await this.#context.xmpp.iq("set", undefined, xml(blocked ? "block" : "unblock", { xmlns: BLOCKING }, item));
    await this.#note(account, blocked);
  }

  /** The server's operator gets what the user chooses to disclose, in the user's words: it could not read it itself. */
  async #report(account: AccountId, reason: "spam" | "abuse", { disclosed, chat, block }: { disclosed: MessageId[]; chat?: ChatId; block: boolean }): Promise<void> {
    const { isBlocked } = await known(this.#context.store, account);
    const rows = chat === undefined ? [] : await Promise.all(disclosed.slice(0, DISCLOSED_MAX).map((id) => this.#desk.message(chat, id)));
    // An open conversation of two lies in the own archive.
    const by = chat === account ? this.#jidOf(this.#desk.own) : `${chat}@${this.#context.self.groups}`;
    const ids = rows.map(({ order }) => xml("stanza-id", { xmlns: STANZA_ID, by, id: order }));
    const text = rows.map(disclosure).join("\n").slice(0, TEXT_CHARACTERS_MAX);
    const told = text === "" ? undefined : xml("text", {}, text);
    await this.#block(account, true, xml("report", { xmlns: REPORTING, reason: `urn:xmpp:reporting:${reason}` }, ids, told));
    // XEP-0377 reports by blocking.
    if (!block && !isBlocked) await this.#block(account, false);
  }

  async #readBlocked(): Promise<void> {
    const list = await this.#context.xmpp.iq("get", undefined, xml("blocklist", { xmlns: BLOCKING }));
    const blocked = this.#accountsIn(list);
    const rows = await this.#context.store.range<boolean>("contacts", { prefix: [BLOCKED] });
    const before = new Set(rows.map(({ key }) => (key as string[])[1] ?? ""));
    for (const account of before) if (!blocked.has(account)) await this.#note(account, false);
    for (const account of blocked) if (!before.has(account)) await this.#note(account, true);
  }

  /** XEP-0191 3.3: another device has blocked somebody. */
  async #receivePush(stanza: Element): Promise<boolean> {
    const from = stanza.attrs["from"];
    const isOwn = from === undefined || this.#accountOf(from) === this.#desk.own;
    const push = stanza.name === "iq" ? (stanza.getChild("block", BLOCKING) ?? stanza.getChild("unblock", BLOCKING)) : undefined;
    if (!push || !isOwn || stanza.attrs["type"] !== "set") return false;
    if (push.getChildElements().length === 0) await this.#readBlocked();
    for (const account of this.#accountsIn(push)) await this.#note(account, push.name === "block");
    return true;
  }

  async #note(account: AccountId, isBlocked: boolean): Promise<void> {
    await this.#keep(async (batch) => {
      if (isBlocked) batch.put("contacts", blockedKey(account), true);
      else batch.delete("contacts", blockedKey(account));
    });
    const { store, say } = this.#context;
    say(await this.#desk.contactEvent(account, store));
    // Who is blocked is not written to.
    const chat = await store.get<ChatRow>("chats", chatKey(await directChat(this.#desk.domain, this.#desk.own, account)));
    if (chat) say(await this.#desk.chatEvent(chat, store));
  }

  async #keep(change: (batch: ReturnType<Context["store"]["batch"]>) => Promise<void>): Promise<void> {
    const batch = this.#context.store.batch();
    await change(batch);
    await batch.commit();
  }

  #accountsIn(list: Element | undefined): Set<AccountId> {
    const accounts = (list?.getChildren("item") ?? []).map((item) => this.#accountOf(item.attrs["jid"]));
    return new Set(accounts.filter((account) => account !== undefined));
  }

  #accountOf(jid: string | undefined): AccountId | undefined {
    const [local, domain] = (jid ?? "").split("/")[0]?.split("@") ?? [];
    return domain === this.#context.self.domain && local !== undefined && isAccountId(local) ? local : undefined;
  }

  #jidOf(account: AccountId): string {
    return `${account}@${this.#context.self.domain}`;
  }
}

function disclosure(row: Row): string {
  const { kind, text } = previewOf(row);
  return `${row.author}: [${kind}] ${text}`;
}

/** What the server refuses, or cannot be told now, is told another time. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof Refusal)) throw error;
}

function checkAccount(account: AccountId): void {
  if (!isAccountId(account)) throw new Refusal("not-found", "there is no such account");
}

const LOOKUP = "urn:whimbrel:contact-lookup:0";
const MLS = "urn:whimbrel:mls:0";
const BLOCKING = "urn:xmpp:blocking";
const REPORTING = "urn:xmpp:reporting:1";
const STANZA_ID = "urn:xmpp:sid:0";
/** Of one request. */
const NUMBERS_MAX = 100;
const NUMBER_CHARACTERS_MAX = 32;
/** What the server keeps of a report (XEP-0377). */
const DISCLOSED_MAX = 64;
const TEXT_CHARACTERS_MAX = 2_000;
