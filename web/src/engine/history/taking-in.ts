// What another of the own devices had is taken in beside what is here. Whatever comes twice, or has come by the
// log meanwhile, changes nothing: of two values the later one counts, as in the log.

import { orderAfter, type ChatRow } from "../chats/chat-row";
import type { Desk } from "../chats/desk";
import { FIRST_PLACE, receiptsKey } from "../chats/keys";
import type { Ledger } from "../chats/ledger";
import { ofItsKind } from "../chats/room-changes";
import { takeSticker } from "../chats/stickers";
import { mergeReceipts, type Receipts } from "../chats/receipts";
import { takePerson, type Person } from "../contacts/people";
import { isPending, laterOf, merge, type Later, type Row, type Stamp } from "../content/row";
import { learnKeys } from "../sealed/peers";
import type { Order } from "../protocol";
import type { Batch } from "../store/store";
import { PORTION_VERSION, type About, type ChatPortion, type Portion } from "./portions";

/** @returns chats of which something came. */
export async function takeIn(desk: Desk, portion: Portion): Promise<string[]> {
  if (portion.v !== PORTION_VERSION) return [];
  if (portion.about) await takeAbout(desk, portion.about);
  for (const chat of portion.chats) await takeChat(desk, chat);
  return portion.chats.map(({ chat }) => chat.id);
}

async function takeAbout(desk: Desk, { settings, people, stickers, profiles, keys }: About): Promise<void> {
  const { context } = desk;
  const batch = context.store.batch();
  const changed = new Set<string>();
  for (const [name, { order, value }] of Object.entries(settings)) {
    if (!isPending(order)) desk.settings.take(batch, { [name]: value }, { order, id: "" });
  }
  for (const person of people) {
    await takeOnePerson(batch, person);
    changed.add(person.account);
  }
  for (const { order, value } of stickers) if (!isPending(order)) await takeSticker(batch, value, { order, id: "" });
  for (const { account, profile } of profiles) {
    if (!isPending(profile.order)) await desk.profiles.take(batch, account, profile.value, { order: profile.order, id: "" });
    changed.add(account);
  }
  const differing = await learnKeys(batch, keys);
  // Whoever was compared had another key then.
  for (const account of differing) await takePerson(batch, account, { verified: false }, { order: desk.pendingOrder(), id: "" });
  await batch.commit();
  context.say({ type: "settings", settings: desk.settings.current });
  for (const account of changed) context.say(await desk.contactEvent(account, context.store));
  for (const account of differing) context.say({ type: "key-changed", account });
}

async function takeOnePerson(batch: Batch, { account, name, number, verified }: Person): Promise<void> {
  const stamp = ({ order }: Later<unknown>): Stamp => ({ order, id: "" });
  if (name && !isPending(name.order)) await takePerson(batch, account, { name: name.value }, stamp(name));
  if (number && !isPending(number.order)) await takePerson(batch, account, { number: number.value }, stamp(number));
  if (verified && !isPending(verified.order)) await takePerson(batch, account, { verified: verified.value }, stamp(verified));
}

async function takeChat(desk: Desk, { chat, place, receipts, rows }: ChatPortion): Promise<void> {
  const { conversations } = desk.context;
  // How a conversation of two is entered follows from who is in it.
  if (chat.peer !== undefined) await conversations.direct(chat.peer);
  for (let at = 0; at === 0 || at < rows.length; at += AT_ONCE) {
    await desk.change(chat.id, async (ledger) => {
      if (at === 0) {
        await takeChatRow(ledger, chat);
        ledger.chat = await ofItsKind(ledger.chat, desk.own, desk.domain);
        if (receipts) await takeReceipts(ledger, receipts);
        if (place !== undefined) await removeUnopened(ledger, place);
      }
      for (const row of rows.slice(at, at + AT_ONCE)) await takeRow(ledger, row, desk.now());
    });
  }
}

async function takeChatRow(ledger: Ledger, other: Omit<ChatRow, "last">): Promise<void> {
  const { chat } = ledger;
  // By the log this device knows what has changed since it came, and nothing of what was before.
  const isUnknown = ledger.isNew || Object.keys(chat.members).length === 0;
  const { kind, peer, members, permissions, hasLeft } = isUnknown ? other : chat;
  const encryption = chat.encryption ?? other.encryption;
  const disappearing = laterOf(chat.disappearing, other.disappearing);
  ledger.chat = {
    ...chat,
    kind, members, permissions, hasLeft, ...(peer !== undefined && { peer }),
    createdAtMs: Math.min(chat.createdAtMs, other.createdAtMs),
    look: latest(chat.look, other.look),
    marks: latest(chat.marks, other.marks),
    ...(disappearing && { disappearing }),
    ...(encryption && { encryption }),
    ticks: { delivered: orderAfter(chat.ticks.delivered, other.ticks.delivered), read: orderAfter(chat.ticks.read, other.ticks.read) },
    told: { delivered: orderAfter(chat.told.delivered, other.told.delivered), read: orderAfter(chat.told.read, other.told.read) },
    newestForeign: orderAfter(chat.newestForeign, other.newestForeign),
    profileTold: chat.profileTold || other.profileTold,
  };
  await ledger.clearUpTo(other.clearedUpTo);
  await ledger.readUpTo(other.readUpTo);
}

async function takeReceipts(ledger: Ledger, receipts: Receipts): Promise<void> {
  const key = receiptsKey(ledger.chat.id);
  const kept = await ledger.batch.get<Receipts>("chats", key);
  ledger.batch.put("chats", key, mergeReceipts(kept ?? {}, receipts));
}

/** The other device has read all up to there: what was to be seen of it comes from there. */
async function removeUnopened(ledger: Ledger, place: Order): Promise<void> {
  const range = { after: [ledger.chat.id, FIRST_PLACE], before: [ledger.chat.id, `${place}/`] };
  for (const { value } of await ledger.batch.range<Row>("messages", range)) {
    if (value.base?.type === "unreadable" && value.base.raw === undefined) await ledger.remove(value.id);
  }
}

async function takeRow(ledger: Ledger, other: Row, nowMs: number): Promise<void> {
  if (other.chat !== ledger.chat.id || other.order === "" || isPending(other.order)) return;
  if (other.order <= ledger.chat.clearedUpTo || (other.expiresAtMs ?? Infinity) <= nowMs) return;
  const there = await ledger.at(other.order);
  if (there && there.id !== other.id) {
    // What could not be opened here has another name where its own is not known.
    if (there.base?.type !== "unreadable") return;
    await ledger.remove(there.id);
  }
  ledger.put(merge(await ledger.row(other.id), other));
}

/** Of each field the later one. */
function latest<T extends object>(one: T, other: T): T {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  const value = (from: T, name: string) => (from as Record<string, Later<unknown> | undefined>)[name];
  const settled = (kept: Later<unknown> | undefined) => (kept && isPending(kept.order) ? undefined : kept);
  return Object.fromEntries([...names].flatMap((name) => {
    const kept = laterOf(value(one, name), settled(value(other, name)));
    return kept ? [[name, kept]] : [];
  })) as T;
}

/** Messages of one step. */
const AT_ONCE = 200;
