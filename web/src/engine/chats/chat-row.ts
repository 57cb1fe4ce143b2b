// A conversation as it is kept, and as the list shows it.

import type { AccountId, Affiliation, Chat, ChatId, ChatMarks, FileRef, MessageId, Order, Permissions, Preview, Status } from "../protocol";
import type { GroupLook } from "../content/envelope";
import { isPending, isVisible, type Later, type Row } from "../content/row";
import { contentOf, mentions, previewOf } from "../content/view";

export interface ChatRow {
  id: ChatId;
  kind: Chat["kind"];
  peer?: AccountId;
  /** Decided at its birth, and known from what is first heard of it. Nothing changes it. */
  encryption?: "sealed" | "open";
  /** Of a group: sealed like messages, the server knows none of it. */
  look: { [Name in keyof GroupLook]?: Later<GroupLook[Name]> };
  createdAtMs: number;
  members: Record<AccountId, Affiliation>;
  permissions: Permissions;
  hasLeft: boolean;
  marks: { [Name in keyof ChatMarks]?: Later<ChatMarks[Name]> };
  /** Seen by the own account up to here; deleted for it up to there. */
  readUpTo: Order;
  clearedUpTo: Order;
  disappearing?: Later<number | null>;
  last?: { id: MessageId; order: Order; author: AccountId; preview: Preview; atMs: number };
  unread: number;
  mentions: number;
  /** What has reached all others, and what all of them have seen. */
  ticks: { delivered: Order; read: Order };
  /** Behind it there is nothing. */
  newest: Order;
  /** The newest message of somebody else, and what others were told of how far we are. */
  newestForeign: Order;
  told: { delivered: Order; read: Order };
  /** Which profile of the own account this conversation knows. */
  profileTold: string;
}

export function newChat(id: ChatId, atMs: number): ChatRow {
  return {
    id, kind: "group", look: {}, createdAtMs: atMs, members: {}, permissions: OPEN, hasLeft: false,
    marks: {}, readUpTo: "", clearedUpTo: "", unread: 0, mentions: 0, ticks: { delivered: "", read: "" },
    newest: "", newestForeign: "", told: { delivered: "", read: "" }, profileTold: "",
  };
}

/** What a chat's view depends on beside the chat. */
export interface ChatSurroundings {
  own: AccountId;
  /** The user sees whether others have read. */
  showsReads: boolean;
  /** Of the other side, in a conversation of two. */
  peer?: { name: string; avatar?: FileRef; blocked: boolean; encrypted: boolean };
}

export function chatView(row: ChatRow, around: ChatSurroundings): Chat {
  const { marks } = row;
  const chat: Chat = {
    id: row.id,
    kind: row.kind,
    name: around.peer?.name ?? row.look.name?.value ?? "",
    changedAt: row.last?.atMs ?? row.createdAtMs,
    unread: row.unread,
    mentions: row.mentions,
    disappearingS: row.disappearing?.value ?? null,
    canPost: canPost(row, around),
    hasLeft: row.hasLeft,
    isOpen: row.encryption === "open",
    pinned: marks.pinned?.value ?? false,
    archived: marks.archived?.value ?? false,
    mutedUntil: marks.mutedUntil?.value ?? null,
    mentionsMuted: marks.mentionsMuted?.value ?? false,
    markedUnread: marks.markedUnread?.value ?? false,
    draft: marks.draft?.value ?? "",
    ownColour: marks.ownColour?.value ?? null,
    otherColour: marks.otherColour?.value ?? null,
    wallpaper: marks.wallpaper?.value ?? null,
  };
  if (row.peer !== undefined) chat.peer = row.peer;
  if (chat.isOpen && around.peer?.encrypted) chat.canEncrypt = true;
  const avatar = around.peer ? around.peer.avatar : row.look.icon?.value;
  if (avatar) chat.avatar = avatar;
  if (row.last) {
    const { author, preview, atMs, order } = row.last;
    const isOwn = author === around.own;
    const status = isOwn ? statusAt(row, order, around.showsReads) : "sent";
    chat.last = { author, isOwn, preview, at: atMs, status };
  }
  return chat;
}

/** How far one's own message at this place has come. */
export function statusAt({ ticks }: ChatRow, order: Order, showsReads: boolean): Status {
  if (isPending(order)) return "sending";
  if (showsReads && order <= ticks.read) return "read";
  return order <= ticks.delivered || order <= ticks.read ? "delivered" : "sent";
}

/** Counts among the messages that were not seen. */
export function isUnread(row: Row | undefined, chat: ChatRow, own: AccountId): boolean {
  if (!row || row.author === own || isPending(row.order)) return false;
  if (row.order <= chat.readUpTo || !isVisible(row)) return false;
  const { kind } = contentOf(row);
  return kind !== "system" && kind !== "deleted";
}

/** Counts among those that mean the user. */
export function isUnreadMention(row: Row | undefined, chat: ChatRow, own: AccountId): boolean {
  return row !== undefined && isUnread(row, chat, own) && mentions(row, own);
}

export function lastOf(row: Row): NonNullable<ChatRow["last"]> {
  return { id: row.id, order: row.order, author: row.author, preview: previewOf(row), atMs: row.atMs };
}

/** The members but for the own account. */
export function others(row: ChatRow, own: AccountId): AccountId[] {
  return Object.keys(row.members).filter((account) => account !== own);
}

/** `profileTold`, where it was told before somebody came who does not know it. */
export const TOLD_TO_FEWER = "fewer";

export function isAdmin(affiliation: Affiliation | undefined): boolean {
  return affiliation === "owner" || affiliation === "admin";
}

function canPost(row: ChatRow, { own, peer }: ChatSurroundings): boolean {
  if (row.hasLeft || peer?.blocked) return false;
  return row.permissions.post === "everyone" || isAdmin(row.members[own]);
}

const OPEN: Permissions = { post: "everyone", add: "admins", edit: "everyone", requests: false };

/** The later one of two places. */
export function orderAfter(one: Order, other: Order | undefined): Order {
  return other !== undefined && other > one ? other : one;
}
