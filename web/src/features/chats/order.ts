// Which chats are shown, and in which order.
import type { Chat } from "../../engine/protocol";

export type Filter = "all" | "unread" | "groups";

/** Pinned ones before, then the newest. */
export function orderChats(chats: Chat[]): Chat[] {
  return chats.toSorted((a, b) => Number(b.pinned) - Number(a.pinned) || b.changedAt - a.changedAt || (a.id < b.id ? -1 : 1));
}

export function isUnread(chat: Chat): boolean {
  return chat.unread > 0 || chat.markedUnread;
}

export function isMuted(chat: Pick<Chat, "mutedUntil">, now: number): boolean {
  return chat.mutedUntil !== null && chat.mutedUntil > now;
}

/** @param words what is searched for in the names: all of it must be there, case and accents aside. */
export function chooseChats(chats: Chat[], options: { archived: boolean; filter: Filter; words?: string }): Chat[] {
  const wanted = plain(options.words ?? "");
  return chats.filter((chat) => {
    // Who searches by name wants the archived too.
    if (wanted) return wanted.split(/\s+/).every((word) => plain(chat.name).includes(word));
    if (chat.archived !== options.archived) return false;
    if (options.filter === "unread") return isUnread(chat);
    return options.filter === "groups" ? chat.kind === "group" : true;
  });
}

export function plain(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase().trim();
}
