// A kept message as the page shows it.

import type { AccountId, Content, Message, MessageId, Order, Preview, Status } from "../protocol";
import { authorOf, isMessageKind, type MessageBody } from "./contents";
import { decodeEnvelope, isMessage, isUnreadable } from "./envelope";
import { cutText } from "./fields";
import { PREVIEW_BYTES_MAX } from "./limits";
import { isGone, isPending, textOf, type Later, type Row } from "./row";

/** What a message's view depends on beside the message. */
export interface Surroundings {
  own: AccountId;
  /** How far the message at this place in the log has come. */
  statusOf(order: Order): Status;
  /** The message that a reply answers, if it is here. */
  quoted(id: MessageId): Row | undefined;
}

export function viewOf(row: Row, around: Surroundings): Message {
  const isOwn = row.author === around.own;
  const content = contentOf(row);
  const message: Message = {
    id: row.id,
    chat: row.chat,
    order: row.order,
    author: row.author,
    isOwn,
    at: row.atMs,
    status: isOwn ? statusOf(row, around) : "sent",
    content,
    forwarded: row.base?.type === "message" && row.base.forwarded,
    reactions: reactionsOf(row),
    starred: row.starred?.value ?? false,
  };
  if (content.kind === "deleted") return message;
  const reply = row.base?.type === "message" ? row.base.reply : undefined;
  if (reply) {
    const known = around.quoted(reply.id);
    // What its author wrote counts more than what the one who answers says of it.
    const preview = known ? previewOf(known) : reply.preview;
    message.reply = { id: reply.id, author: authorOf(reply.id), preview };
  }
  if (isEdited(row) && row.edit) message.editedAt = momentOfLater(row.edit, row.atMs);
  if (row.expiresAtMs !== undefined) message.expiresAt = row.expiresAtMs;
  if (row.error) message.error = row.error;
  return message;
}

export function contentOf(row: Row): Content {
  if (isGone(row) && row.isRetracted) return { kind: "deleted", by: "author" };
  if (isGone(row) && row.isModerated) return { kind: "deleted", by: "admin" };
  switch (row.base?.type) {
    case "tombstone":
      return { kind: "deleted", by: "operator" };
    case "system":
      return { kind: "system", change: row.base.change };
    case "message":
      return bodyOf(row.base.body, row);
    case "unreadable":
      return readAgain(row, row.base.raw);
    case undefined:
      return { kind: "unreadable" };
  }
}

/** One line of it. */
export function previewOf(row: Row): Preview {
  const { kind } = contentOf(row);
  const isWithText = isMessageKind(kind) && !isGone(row);
  return { kind, text: isWithText ? cutText(textOf(row), PREVIEW_BYTES_MAX) : "" };
}

/** The account is meant: it is mentioned, or answered. */
export function mentions(row: Row, account: AccountId): boolean {
  if (row.base?.type !== "message" || isGone(row)) return false;
  const { body, reply } = row.base;
  const named = row.edit?.value.mentions ?? (body.kind === "text" ? body.mentions : []);
  return named.includes(account) || (reply !== undefined && authorOf(reply.id) === account);
}

function bodyOf(body: MessageBody, row: Row): Content {
  if (body.kind === "poll") return { ...body, votes: votesOf(body, row) };
  if (!row.edit) return body;
  const { text, mentions, link } = row.edit.value;
  if (body.kind === "text") return { kind: "text", text, mentions, ...(link && { link }) };
  return "caption" in body ? { ...body, caption: text } : body;
}

// Kept by an older version of the app, which could not read it.
function readAgain(row: Row, raw: Uint8Array | undefined): Content {
  if (!raw) return { kind: "unreadable" };
  const decoded = decodeEnvelope(raw, row.author);
  if (isUnreadable(decoded)) return { kind: "unreadable", isNewer: true };
  return isMessage(decoded.body) ? bodyOf(decoded.body, row) : { kind: "unreadable" };
}

function votesOf(poll: MessageBody & { kind: "poll" }, row: Row) {
  const isFit = (choices: number[]) =>
    choices.every((choice) => choice < poll.choices.length) && (poll.several || choices.length <= 1);
  return entries(row.votes)
    .filter(([, { value }]) => value.length > 0 && isFit(value))
    .map(([account, { value }]) => ({ account, choices: value }));
}

function reactionsOf(row: Row): Message["reactions"] {
  const byEmoji = new Map<string, AccountId[]>();
  const given = entries(row.reactions).sort(([, one], [, other]) => (one.order < other.order ? -1 : 1));
  for (const [account, { value }] of given) {
    if (value !== null) byEmoji.set(value, [...(byEmoji.get(value) ?? []), account]);
  }
  return [...byEmoji].map(([emoji, accounts]) => ({ emoji, accounts }));
}

function isEdited(row: Row): boolean {
  const body = row.base?.type === "message" ? row.base.body : undefined;
  return row.edit !== undefined && body !== undefined && (body.kind === "text" || "caption" in body);
}

function statusOf(row: Row, around: Surroundings): Status {
  if (row.error) return "failed";
  return isPending(row.order) ? "sending" : around.statusOf(row.order);
}

function momentOfLater({ order }: Later<unknown>, missing: number): number {
  return isPending(order) ? missing : Number.parseInt(order.slice(0, 11), 16);
}

function entries<T>(values: Record<string, T> | undefined): [string, T][] {
  return Object.entries(values ?? {});
}
