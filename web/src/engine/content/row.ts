// A message as it is kept, and how what is said about it comes together. Each step takes a row and
// gives a new one; whatever the order of the steps, and however often one is repeated, the end is the
// same: of two values that exclude one another, the one later in the log counts.

import type { AccountId, ChatId, EngineError, MessageId, Order, SystemChange } from "../protocol";
import { authorOf, type MessageBody, type Quote, type TextBody } from "./contents";
import type { Annotation, Envelope } from "./envelope";

export interface Row {
  id: MessageId;
  chat: ChatId;
  author: AccountId;
  /** Empty while only what others say about the message has come. */
  order: Order;
  atMs: number;
  base?: Base;
  /** Where that came. */
  baseOrder?: Order;
  edit?: Later<TextBody>;
  reactions?: Record<AccountId, Later<string | null>>;
  votes?: Record<AccountId, Later<number[]>>;
  /** The proof by its author: it stood inside the encryption. */
  isRetracted?: true;
  /** The room says that an admin did it. */
  isModerated?: true;
  /** Deleted for the own account alone. */
  isHidden?: true;
  starred?: Later<boolean>;
  expiresAtMs?: number;
  /** Where it stands in the index of words. */
  document?: number;
  /** In an open conversation: its id attribute, by which other clients name it. */
  namedBy?: string;
  /** Of one's own that was refused. */
  error?: EngineError;
}

export type Base =
  | { type: "message"; body: MessageBody; reply?: Quote; forwarded: boolean }
  /** `isFolded`: one of a run, of which the first is shown. */
  | { type: "unreadable"; raw?: Uint8Array; isFolded?: true }
  /** It was removed from the log before it came here. */
  | { type: "tombstone" }
  | { type: "system"; change: SystemChange };

/** A value, and where in a log it was set. */
export interface Later<T> {
  order: Order;
  value: T;
  /** While it waits to be sent: by what it is known again when it comes back in its place. */
  id?: MessageId;
}

/** Where something is said, and by which message. */
export interface Stamp {
  order: Order;
  id: MessageId;
}

/** The later of two values. What waits is later than what is in the log, until it comes back from there. */
export function later<T>(one: Later<T> | undefined, stamp: Stamp, value: T): Later<T> {
  const { order, id } = stamp;
  const other = isPending(order) ? { order, value, id } : { order, value };
  const isBack = one !== undefined && isPending(one.order) && one.id === id && !isPending(order);
  return one === undefined || isBack || order > one.order ? other : one;
}

/** The later of two that are in the log, or wait here. */
export function laterOf<T>(one: Later<T> | undefined, other: Later<T> | undefined): Later<T> | undefined {
  if (!one || !other) return one ?? other;
  return other.order > one.order ? other : one;
}

/** A message of which nothing is known but its id. */
export function newRow(chat: ChatId, id: MessageId): Row {
  return { id, chat, author: authorOf(id), order: "", atMs: 0 };
}

/** The message itself comes. One that is sent twice stands where it came first. */
export function place(row: Row, order: Order, atMs: number, base: Base, lifeS?: number): Row {
  const isFirst = row.order === "" || order < row.order;
  const placed: Row = isFirst ? { ...row, order, atMs } : { ...row };
  if (!isPending(order)) delete placed.error;
  if (isBetter(base, order, row)) {
    placed.base = base;
    placed.baseOrder = order;
    delete placed.expiresAtMs;
    if (lifeS !== undefined) placed.expiresAtMs = atMs + lifeS * 1000;
  }
  return erased(placed);
}

/** What somebody says about a message, from inside the encryption. Unfit things change nothing. */
export function annotate(row: Row, author: AccountId, stamp: Stamp, annotation: Annotation): Row {
  switch (annotation.kind) {
    case "edit": {
      if (author !== row.author) return row;
      const { text, mentions, link } = annotation;
      return erased({ ...row, edit: later(row.edit, stamp, { text, mentions, link }) });
    }
    case "reaction": {
      const reactions = setLater(row.reactions, author, stamp, annotation.emoji);
      return erased({ ...row, reactions });
    }
    case "vote":
      return erased({ ...row, votes: setLater(row.votes, author, stamp, annotation.choices) });
    case "retraction":
      return author === row.author ? erased({ ...row, isRetracted: true }) : row;
    default:
      return row;
  }
}

/** The room says that an admin took it back. */
export function moderate(row: Row): Row {
  return erased({ ...row, isModerated: true });
}

/** The own account does not want to see it any more. */
export function hide(row: Row): Row {
  return erased({ ...row, isHidden: true });
}

export function star(row: Row, stamp: Stamp, starred: boolean): Row {
  return erased({ ...row, starred: later(row.starred, stamp, starred) });
}

/** The life of what was said about a message that is not there bounds how long it is kept. */
export function outlive(row: Row, { lifeS }: Pick<Envelope, "lifeS">, atMs: number): Row {
  if (row.base || lifeS === undefined) return row;
  return { ...row, expiresAtMs: Math.max(row.expiresAtMs ?? 0, atMs + lifeS * 1000) };
}

/** What is here of a message, and what another of the own devices has of it. */
export function merge(row: Row, other: Row): Row {
  const merged = other.base ? place(row, other.order, other.atMs, other.base) : { ...row };
  if (other.base && merged.base === other.base) {
    if (other.baseOrder !== undefined) merged.baseOrder = other.baseOrder;
    if (other.expiresAtMs !== undefined) merged.expiresAtMs = other.expiresAtMs;
  }
  const edit = laterOf(row.edit, other.edit);
  const starred = laterOf(row.starred, other.starred);
  if (edit) merged.edit = edit;
  if (starred) merged.starred = starred;
  if (other.reactions) merged.reactions = latestOf(row.reactions, other.reactions);
  if (other.votes) merged.votes = latestOf(row.votes, other.votes);
  for (const flag of ["isRetracted", "isModerated", "isHidden"] as const) if (other[flag]) merged[flag] = true;
  return erased(merged);
}

/** Not in the log yet: `~` and a counter. */
export function isPending(order: Order): boolean {
  return order.startsWith("~");
}

export function isGone(row: Row): boolean {
  // Nobody takes back what happened.
  if (row.base?.type === "system") return false;
  return Boolean(row.isRetracted || row.isModerated || row.base?.type === "tombstone");
}

/** Something of it is on screen. */
export function isVisible(row: Row): boolean {
  return row.base !== undefined && !row.isHidden && !(row.base.type === "unreadable" && row.base.isFolded);
}

/** The words of a message as they are now. */
export function textOf(row: Row): string {
  if (row.base?.type !== "message") return "";
  const body = row.base.body;
  if (row.edit && (body.kind === "text" || "caption" in body)) return row.edit.value.text;
  return bodyText(body);
}

/** What stands in a message in words. */
export function bodyText(body: MessageBody): string {
  switch (body.kind) {
    case "text":
      return body.text;
    case "poll":
      return [body.question, ...body.choices].join("\n");
    case "location":
    case "contact":
      return body.name;
    case "voice":
      return "";
    case "document":
      return body.caption ? `${body.caption}\n${body.file.name}` : body.file.name;
    default:
      return body.caption;
  }
}

// What was taken back or hidden is not kept: neither it nor what was said about it.
function erased(row: Row): Row {
  if (!row.isHidden && !isGone(row)) return row;
  const { reactions: _r, votes: _v, edit: _e, expiresAtMs: _x, ...rest } = row;
  if (row.isHidden) delete rest.starred;
  // What is left says that there was something.
  if (rest.base) rest.base = rest.base.type === "tombstone" ? rest.base : { type: "unreadable" };
  delete rest.baseOrder;
  return rest;
}

function isBetter(base: Base, order: Order, { base: known, baseOrder }: Row): boolean {
  if (known === undefined) return true;
  const difference = RANKS[base.type] - RANKS[known.type];
  return difference > 0 || (difference === 0 && baseOrder !== undefined && order < baseOrder);
}

function setLater<T>(values: Record<AccountId, Later<T>> | undefined, account: AccountId, stamp: Stamp, value: T) {
  return { ...values, [account]: later(values?.[account], stamp, value) };
}

function latestOf<T>(ones: Record<AccountId, Later<T>> = {}, others: Record<AccountId, Later<T>>): Record<AccountId, Later<T>> {
  const latest = { ...ones };
  for (const [account, other] of Object.entries(others)) latest[account] = laterOf(ones[account], other) ?? other;
  return latest;
}

/** Which of two versions of one message is kept. */
const RANKS: { [Type in Base["type"]]: number } = { unreadable: 0, message: 1, system: 1, tombstone: 2 };
