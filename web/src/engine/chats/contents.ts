// What arrives in a conversation's log becomes messages. Whatever a peer sends, this comes to an end:
// what is unfit changes nothing, or stands there as unreadable.

import { noteCall } from "../calls/lasting";
import type { LoggedCall } from "../conversations/log-entry";
import type { Arrival, Contents, RoomChange } from "../parts";
import type { AccountId, ChatId, EngineError, EngineEvent, MessageId, Order } from "../protocol";
import { doubtedKey, Profiles, takeAgreed, takeNick, takePerson, type Known } from "../contacts/people";
import {
  decodeEnvelope, isMessage, isOwn, isUnreadable, type Annotation, type Envelope, type OwnBody, type Unreadable,
} from "../content/envelope";
import { authorOf } from "../content/contents";
import { isMessageId } from "../content/fields";
import { nameOf } from "../content/place";
import { isPastRetraction } from "../content/retraction";
import { annotate, isPending, later, moderate, outlive, place, type Base, type Row, type Stamp } from "../content/row";
import type { SettingsBook } from "../settings/settings";
import { noticesOf } from "../notices/notices";
import type { Batch } from "../store/store";
import { isAdmin, orderAfter, others, TOLD_TO_FEWER, type ChatRow } from "./chat-row";
import { nameOfProfile } from "./desk";
import { keepNames } from "../open/names";
import type { OpenMessage } from "../open/message";
import { HEARD, postedKey, receiptsKey, taskKey, type Heard } from "./keys";
import { Ledger, type LedgerContext } from "./ledger";
import { envelopeOf, takesOpen } from "./open-arrivals";
import { addReceipt, ticksOf, type Receipts } from "./receipts";
import { changed, linesOf, ofItsKind } from "./room-changes";
import { takeSticker } from "./stickers";

export interface ContentsContext extends LedgerContext {
  domain: string;
  /** This one's id. */
  device: string;
  now(): number;
  retractionWithinS(): number | undefined;
  settings: SettingsBook;
  profiles: Profiles;
  person(account: AccountId, batch: Batch): Promise<Known>;
  contactEvent(account: AccountId, batch: Batch): Promise<EngineEvent>;
  /** Something came that others are to be told of, that ends, or that own devices have agreed on. */
  noticed(what: "receipt" | "expiry" | "task" | "newcomer" | "kind" | "history" | "call", chat: ChatId): void;
}

export class Log implements Contents {
  readonly #context: ContentsContext;

  constructor(context: ContentsContext) {
    this.#context = context;
  }

  async apply(arrival: Arrival, batch: Batch): Promise<EngineEvent[]> {
    const { chat, order, at, what, author } = arrival;
    if (order === "") return this.#pass(arrival);
    if (what.kind === "renumbered") return author === undefined ? [] : this.#renumber(author, what.number, order, batch);
    const ledger = await Ledger.open(batch, chat, at, this.#context);
    // The own devices' one is known by its address, whoever began its row.
    if (Object.keys(ledger.chat.members).length === 0) ledger.chat = await ofItsKind(ledger.chat, this.#context.own, this.#context.domain);
    const events: EngineEvent[] = [];
    const isPlain = what.kind === "open" || arrival.peer !== undefined;
    if (isPlain && !(await takesOpen(ledger, arrival, this.#context.own, this.#context.domain))) return [];
    switch (what.kind) {
      case "sealed":
        ledger.chat.encryption ??= "sealed";
        if (author !== undefined) events.push(...(await this.#take(ledger, arrival, author, what.envelope)));
        break;
      case "open":
        if (author !== undefined) events.push(...(await this.#takeOpen(ledger, arrival, author, what.said)));
        break;
      case "said":
        if (author !== undefined) events.push(...(await this.#takeEnvelope(ledger, arrival, author, what.envelope)));
        break;
      case "unreadable":
        if (author !== undefined) await this.#place(ledger, arrival, nameOf(author, order, arrival.id), unopened(ledger.chat));
        break;
      case "automatic":
        if (author !== undefined) await this.#place(ledger, arrival, nameOf(author, order, arrival.id), automatic(what.text));
        break;
      case "call":
        await this.#takeCall(ledger, arrival, what.call);
        break;
      case "forgotten":
        await this.#forget(ledger, arrival, what);
        break;
      case "keys":
        events.push(...(await this.#keysChanged(ledger, arrival, what.accounts)));
        break;
      case "changed":
        await this.#change(ledger, arrival, what.changes);
    }
    return [...events, ...(await ledger.close()), ...(await noticesOf(ledger, this.#context))];
  }

  async failed(chat: ChatId, id: MessageId, error: EngineError | undefined, batch: Batch): Promise<EngineEvent[]> {
    const ledger = await Ledger.open(batch, chat, this.#context.now(), this.#context);
    const row = await ledger.find(id);
    if (row) {
      const { error: _, ...rest } = row;
      ledger.put(error ? { ...rest, error } : rest);
    } else if (error) await undo(ledger, id);
    return ledger.close();
  }

  async #renumber(author: AccountId, number: string, order: Order, batch: Batch): Promise<EngineEvent[]> {
    if ((await this.#context.person(author, batch)).person.number === undefined) return [];
    await takePerson(batch, author, { number }, { order, id: "" });
    return [await this.#context.contactEvent(author, batch)];
  }

  // Nothing of it is kept.
  #pass({ chat, author, what }: Arrival): EngineEvent[] {
    if (author === undefined || author === this.#context.own) return [];
    if (what.kind === "open" && what.said.body.kind === "typing") return [{ type: "typing", chat, account: author, state: what.said.body.state }];
    if (what.kind !== "sealed") return [];
    const decoded = decodeEnvelope(what.envelope, author);
    if (isUnreadable(decoded) || decoded.body.kind !== "typing") return [];
    return [{ type: "typing", chat, account: author, state: decoded.body.state }];
  }

  async #take(ledger: Ledger, arrival: Arrival, author: AccountId, bytes: Uint8Array): Promise<EngineEvent[]> {
    const decoded = decodeEnvelope(bytes, author);
    if (isUnreadable(decoded)) {
      await this.#takeUnreadable(ledger, arrival, author, bytes, decoded);
      return [];
    }
    return this.#takeEnvelope(ledger, arrival, author, decoded);
  }

  async #takeOpen(ledger: Ledger, arrival: Arrival, author: AccountId, said: OpenMessage): Promise<EngineEvent[]> {
    const { batch } = ledger;
    const events: EngineEvent[] = [];
    if (said.nick !== undefined && author !== this.#context.own && (await takeNick(batch, author, said.nick))) {
      events.push(await this.#context.contactEvent(author, batch));
    }
    const envelope = await envelopeOf(ledger, arrival, author, said);
    if (!envelope) {
      if (said.body.kind === "unreadable") await this.#place(ledger, arrival, nameOf(author, arrival.order, arrival.id), { type: "unreadable" });
      return events;
    }
    events.push(...(await this.#takeEnvelope(ledger, arrival, author, envelope)));
    const row = isMessage(envelope.body) ? await ledger.find(envelope.id) : undefined;
    const [namedBy] = said.names;
    if (row && namedBy !== undefined && row.author === author) {
      keepNames(batch, row, said.names);
      if (namedBy !== row.id) ledger.put({ ...row, namedBy });
    }
    return events;
  }

  async #takeEnvelope(ledger: Ledger, arrival: Arrival, author: AccountId, decoded: Envelope): Promise<EngineEvent[]> {
    const { body, id, profile } = decoded;
    const { batch } = ledger;
    const stamp = { order: arrival.order, id };
    const events: EngineEvent[] = [];
    // The own one is told to conversations as each may see it; own devices tell it one another whole.
    const isToldWhole = author !== this.#context.own || ledger.chat.kind === "self";
    if (profile && isToldWhole && (await this.#context.profiles.take(batch, author, profile, stamp))) {
      events.push(await this.#context.contactEvent(author, batch));
    }
    // Another of the own devices has told it.
    if (profile && author === this.#context.own) ledger.chat.profileTold = nameOfProfile(profile);
    if (isMessage(body)) {
      const { reply, forwarded, lifeS } = decoded;
      const base: Base = { type: "message", body, forwarded, ...(reply && { reply }) };
      await this.#place(ledger, arrival, id, base, lifeS);
    } else if (isOwn(body)) {
      if (ledger.chat.kind === "self" && author === this.#context.own) events.push(...(await this.#agree(batch, body, stamp, arrival.device)));
    } else await this.#annotate(ledger, arrival, decoded, body, author);
    return events;
  }

  async #takeUnreadable(ledger: Ledger, arrival: Arrival, author: AccountId, bytes: Uint8Array, decoded: Unreadable) {
    if (decoded.isQuiet) return;
    const id = decoded.id ?? nameOf(author, arrival.order, arrival.id);
    await this.#place(ledger, arrival, id, { type: "unreadable", ...(decoded.isNewer && { raw: bytes }) });
  }

  async #place(ledger: Ledger, { order, at }: Arrival, id: MessageId, base: Base, lifeS?: number): Promise<void> {
    const { chat } = ledger;
    if (order <= chat.clearedUpTo) return;
    if (lifeS !== undefined && at + lifeS * 1000 <= this.#context.now()) return ledger.remove(id);
    if (await this.#isBlocked(ledger, authorOf(id))) return;
    const there = await ledger.at(order);
    if (there && there.id !== id) {
      // One of them cannot be read, since it was opened before, or lies about its name: the other counts.
      if (base.type !== "message" || there.base?.type === "message") return;
      await ledger.remove(there.id);
    }
    const before = await ledger.row(id);
    const row = place(before, order, at, base, lifeS);
    ledger.put(row);
    if (!before.base && base.type === "message") ledger.news.push({ id });
    if (row.expiresAtMs !== undefined) this.#context.noticed("expiry", chat.id);
    if (row.author === this.#context.own || base.type !== "message" || order <= chat.newestForeign) return;
    chat.newestForeign = order;
    this.#context.noticed("receipt", chat.id);
  }

  /** XEP-0191 knows no rooms: in a conversation of two this device sees to it. */
  async #isBlocked({ chat, batch }: Ledger, author: AccountId): Promise<boolean> {
    return chat.kind === "direct" && chat.peer === author && (await this.#context.person(author, batch)).isBlocked;
  }

  async #annotate(ledger: Ledger, arrival: Arrival, envelope: Envelope, body: Annotation, author: AccountId): Promise<void> {
    const { chat, batch } = ledger;
    const { order, at } = arrival;
    const stamp = { order, id: envelope.id };
    switch (body.kind) {
      case "edit":
      case "reaction":
      case "vote":
      case "retraction": {
        const before = await ledger.row(body.of);
        const isLate = body.kind === "retraction" && isPastRetraction({ at: before.atMs, order: before.order }, this.#context.retractionWithinS(), at);
        const row = isLate ? before : annotate(before, author, stamp, body);
        if (body.kind === "reaction" && body.emoji !== null) ledger.news.push({ id: body.of, reaction: { emoji: body.emoji, by: author } });
        ledger.put(outlive(row, envelope, at));
        batch.delete("chats", postedKey(chat.id, envelope.id));
        break;
      }
      case "receipt":
        if (author !== this.#context.own) return this.#noteReceipt(ledger, author, body, at);
        // By another of the own devices, or this one: it is told already.
        if (body.read !== undefined) await ledger.readUpTo(body.read);
        chat.told = { delivered: orderAfter(chat.told.delivered, body.delivered), read: orderAfter(chat.told.read, body.read) };
        break;
      case "disappearing":
        chat.disappearing = later(chat.disappearing, stamp, body.lifeS);
        await this.#placeLine(ledger, arrival, envelope.id, { type: "disappearing", by: author, lifeS: body.lifeS });
        break;
      case "group":
        await this.#look(ledger, arrival, envelope.id, body, author);
        break;
      case "ask":
        this.#context.noticed("newcomer", chat.id);
        break;
      case "profile":
      case "typing":
    }
  }

  async #look(ledger: Ledger, arrival: Arrival, id: MessageId, body: Annotation & { kind: "group" }, author: AccountId) {
    const { chat } = ledger;
    if (chat.kind === "direct" || !mayEdit(chat, author)) return;
    // Nothing is said to hold from later on than it was said.
    const since = body.since !== undefined && body.since < arrival.order ? body.since : arrival.order;
    const stamp = { order: since, id };
    const look = { ...chat.look };
    if (body.name !== undefined) look.name = later(look.name, stamp, body.name);
    if (body.description !== undefined) look.description = later(look.description, stamp, body.description);
    if (body.icon !== undefined) look.icon = later(look.icon, stamp, body.icon);
    ledger.chat = await ofItsKind({ ...chat, look }, this.#context.own, this.#context.domain);
    if (body.since !== undefined) return;
    if (body.name !== undefined) await this.#placeLine(ledger, arrival, id, { type: "named", by: author, name: body.name });
    else await this.#placeLine(ledger, arrival, id, { type: body.icon === undefined ? "described" : "icon", by: author });
  }

  #placeLine(ledger: Ledger, arrival: Arrival, id: MessageId, change: (Base & { type: "system" })["change"]): Promise<void> {
    return this.#place(ledger, arrival, id, { type: "system", change });
  }

  async #noteReceipt(ledger: Ledger, author: AccountId, body: Annotation & { kind: "receipt" }, at: number): Promise<void> {
    const { chat, batch } = ledger;
    const kept = (await batch.get<Receipts>("chats", receiptsKey(chat.id))) ?? {};
    const receipts = addReceipt(kept, author, body, at);
    batch.put("chats", receiptsKey(chat.id), receipts);
    await retick(ledger, receipts, this.#context.own);
  }

  async #forget(ledger: Ledger, arrival: Arrival, what: { target: string; by: "author" | "admin" | "operator" }): Promise<void> {
    const { author, at, id } = arrival;
    const known = await ledger.at(what.target);
    if (!known && (author === undefined || what.target !== arrival.order)) return;
    const name = known?.id ?? nameOf(author ?? "", what.target, id);
    const row = known ?? (isMessageId(name) ? await ledger.row(name) : undefined);
    if (!row || what.target <= ledger.chat.clearedUpTo) return;
    const gone = place(row, what.target, known?.atMs ?? at, { type: "tombstone" });
    ledger.put(what.by === "admin" ? moderate(gone) : gone);
  }

  /** One line a call: what its end says stands where it began. */
  async #takeCall(ledger: Ledger, arrival: Arrival, { began, by, isVideo, rings, ended }: LoggedCall): Promise<void> {
    const { chat, batch } = ledger;
    noteCall(batch, chat.id, began, ended !== undefined);
    this.#context.noticed("call", chat.id);
    const change = { type: "call", by, isVideo, lengthS: ended?.lengthS ?? 0, ...(ended && { ending: ended.ending }) } as const;
    const known = ended && (await ledger.at(began));
    if (known) return ledger.put({ ...known, base: { type: "system", change } });
    const id = `${by}.${arrival.order}`;
    await this.#placeLine(ledger, arrival, id, change);
    if (rings && !ended) ledger.news.push({ id });
  }

  async #change(ledger: Ledger, arrival: Arrival, changes: RoomChange[]): Promise<void> {
    const { own, domain } = this.#context;
    const { author: by, order } = arrival;
    let chat = ledger.chat;
    for (const change of changes) chat = changed(chat, by, change, own, order);
    ledger.chat = await ofItsKind(chat, own, domain);
    if (chat.encryption === undefined) this.#context.noticed("kind", chat.id);
    const receipts = await ledger.batch.get<Receipts>("chats", receiptsKey(chat.id));
    if (receipts) await retick(ledger, receipts, own);
    if (ledger.chat.kind !== "group") return;
    const isComing = (change: RoomChange) => (change.type === "added" || change.type === "joined") && change.account !== own;
    if (chat.encryption !== "open" && chat.profileTold !== "" && changes.some(isComing)) {
      ledger.chat = { ...ledger.chat, profileTold: TOLD_TO_FEWER };
      this.#context.noticed("receipt", chat.id);
    }
    for (const [index, { author, change }] of linesOf(by, changes, chat.encryption === "open").slice(0, LINES_MAX).entries()) {
      const suborder = index === 0 ? order : `${order}.${index}`;
      await this.#place(ledger, { ...arrival, order: suborder }, `${author}.${suborder}`, { type: "system", change });
    }
  }

  /** Shown in the conversation; and whoever was compared is to be compared again. */
  async #keysChanged(ledger: Ledger, arrival: Arrival, accounts: AccountId[]): Promise<EngineEvent[]> {
    const events: EngineEvent[] = [];
    for (const [index, account] of accounts.slice(0, LINES_MAX).entries()) {
      // Behind the lines of who came by the same entry.
      const order = `${arrival.order}.keys${index}`;
      const id = `${account}.${order}`;
      await this.#placeLine(ledger, { ...arrival, order }, id, { type: "key-changed", account });
      const { person } = await this.#context.person(account, ledger.batch);
      if (person.verified?.value) ledger.batch.put("contacts", doubtedKey(account), true);
      await takePerson(ledger.batch, account, { verified: false }, { order, id });
      events.push(await this.#context.contactEvent(account, ledger.batch));
    }
    return events;
  }

  async #agree(batch: Batch, body: OwnBody, stamp: Stamp, device = ""): Promise<EngineEvent[]> {
    switch (body.kind) {
      case "settings":
        return this.#context.settings.take(batch, body.set, stamp);
      case "person":
        await takeAgreed(batch, body, stamp);
        return [await this.#context.contactEvent(body.account, batch)];
      case "tray":
        await takeSticker(batch, body, stamp);
        return [];
      case "history-ask":
      case "history":
        if (body.device !== this.#context.device || device === this.#context.device) return [];
        batch.put("meta", [HEARD, stamp.order], { body, device } satisfies Heard);
        this.#context.noticed("history", "");
        return [];
      default:
        // The chat is another's matter now: it takes it in by itself.
        batch.put("chats", taskKey(body.chat, stamp.order, stamp.id), { body, stamp });
        this.#context.noticed("task", body.chat);
        return [];
    }
  }
}

/** How far all others are is another: so are the ticks of the messages between. */
async function retick(ledger: Ledger, receipts: Receipts, own: AccountId): Promise<void> {
  const { chat, batch } = ledger;
  const before = chat.ticks;
  chat.ticks = ticksOf(receipts, others(chat, own));
  for (const kind of ["delivered", "read"] as const) {
    if (chat.ticks[kind] <= before[kind]) continue;
    const range = { after: [chat.id, before[kind] || "0"], before: [chat.id, `${chat.ticks[kind]}/`] };
    const rows = await batch.range<Row>("messages", { ...range, reverse: true, count: RETICKED_MAX });
    for (const { value } of rows) if (value.author === own) await ledger.show(value.id);
  }
}

/** What was refused and has no bubble of its own: as if it had not been said. */
async function undo(ledger: Ledger, id: MessageId): Promise<void> {
  const { batch, chat } = ledger;
  const of = await batch.get<MessageId>("chats", postedKey(chat.id, id));
  const row = of === undefined ? undefined : await ledger.find(of);
  if (!row) return;
  const isIts = (value: { order: string; id?: string } | undefined) => value !== undefined && isPending(value.order) && value.id === id;
  const rest = { ...row };
  if (isIts(rest.edit)) delete rest.edit;
  for (const kind of ["reactions", "votes"] as const) {
    const left = Object.entries(rest[kind] ?? {}).filter(([, value]) => !isIts(value));
    if (rest[kind]) Object.assign(rest, { [kind]: Object.fromEntries(left) });
  }
  ledger.put(rest);
  batch.delete("chats", postedKey(chat.id, id));
}

// A device that comes later cannot open what was before it, much of which was not to be seen at all.
function unopened({ last }: ChatRow): Base {
  return last?.preview.kind === "unreadable" ? { type: "unreadable", isFolded: true } : { type: "unreadable" };
}

function automatic(text: string): Base {
  return { type: "message", body: { kind: "text", text, mentions: [] }, forwarded: false };
}

function mayEdit(chat: ChatRow, author: AccountId): boolean {
  return chat.permissions.edit === "everyone" || isAdmin(chat.members[author]);
}

/** Lines of one change. */
const LINES_MAX = 16;
/** Messages whose ticks are told anew. */
const RETICKED_MAX = 100;

