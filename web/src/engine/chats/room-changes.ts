// What happens to a room, by its log (docs/protocol/groups.md, `<change/>`): what the chat is from
// then on, and what people read of it.

import { directChat } from "../conversations/direct";
import type { RoomChange } from "../parts";
import type { AccountId, Affiliation, Order, SystemChange } from "../protocol";
import { others, type ChatRow } from "./chat-row";

/** The chat after a change. */
export function changed(chat: ChatRow, by: AccountId | undefined, change: RoomChange, own: AccountId, order: Order): ChatRow {
  switch (change.type) {
    case "created":
      return withMember(chat, by, "owner", own);
    case "added":
    case "affiliated":
      return withMember(chat, change.account, change.affiliation, own);
    case "joined":
      return withMember(chat, change.account, "member", own);
    case "removed":
    case "left":
      return withoutMember(chat, change.account, own);
    case "destroyed":
      return { ...chat, hasLeft: true };
    case "permissions":
      return { ...chat, permissions: { ...chat.permissions, ...change.permissions } };
    case "named":
    case "described": {
      // Where messages are sealed, so is this; what stands here is of other clients' making.
      if (chat.encryption !== "open") return chat;
      const value = change.type === "named" ? { name: { order, value: change.name } } : { description: { order, value: change.description } };
      return { ...chat, look: { ...chat.look, ...value } };
    }
    case "icon":
      return chat;
  }
}

/** What kind of conversation it is, by who is in it. */
export async function ofItsKind(chat: ChatRow, own: AccountId, domain: string): Promise<ChatRow> {
  const [peer, ...more] = others(chat, own);
  if (peer !== undefined && more.length === 0 && (await directChat(domain, own, peer)) === chat.id) {
    return { ...chat, kind: "direct", peer };
  }
  if (chat.kind === "direct") return chat;
  return { ...chat, kind: chat.id === (await directChat(domain, own, own)) ? "self" : "group" };
}

/** What people read: changes of one kind by one member are one line. */
export function linesOf(by: AccountId | undefined, changes: RoomChange[], isOpen: boolean): { author: AccountId; change: SystemChange }[] {
  const lines: { author: AccountId; change: SystemChange }[] = [];
  for (const change of changes) {
    const author = by ?? ("account" in change ? change.account : undefined);
    if (author === undefined) continue;
    const line = lineOf(author, change, isOpen);
    const last = lines.at(-1)?.change;
    if (line && last && "accounts" in last && "accounts" in line && last.type === line.type) {
      last.accounts.push(...line.accounts);
    } else if (line) lines.push({ author, change: line });
  }
  return lines;
}

function lineOf(by: AccountId, change: RoomChange, isOpen: boolean): SystemChange | undefined {
  switch (change.type) {
    case "created":
      return { type: "created", by };
    case "destroyed":
      return { type: "ended", by };
    case "left":
      return { type: "left", by: change.account };
    case "joined":
      return { type: "joined-by-link", by: change.account };
    case "added":
    case "removed":
      return { type: change.type, by, accounts: [change.account] };
    case "affiliated":
      return { type: "affiliated", by, account: change.account, affiliation: change.affiliation };
    case "permissions":
      return { type: "permissions", by };
    case "named":
      return isOpen ? { type: "named", by, name: change.name } : undefined;
    case "described":
    case "icon":
      return isOpen ? { type: change.type, by } : undefined;
  }
}

function withMember(chat: ChatRow, account: AccountId | undefined, affiliation: Affiliation, own: AccountId): ChatRow {
  if (account === undefined) return chat;
  const members = { ...chat.members, [account]: affiliation };
  return { ...chat, members, hasLeft: account === own ? false : chat.hasLeft };
}

function withoutMember(chat: ChatRow, account: AccountId, own: AccountId): ChatRow {
  const { [account]: _, ...members } = chat.members;
  return { ...chat, members, hasLeft: account === own ? true : chat.hasLeft };
}
