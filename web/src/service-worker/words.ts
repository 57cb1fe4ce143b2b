// The words of notifications: a page leaves them here, for the service worker does not know the user's language.

import type { NoticeWords } from "./messages";

export async function keepWords(words: NoticeWords): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.put(PLACE, Response.json(words));
}

export async function keptWords(): Promise<NoticeWords> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(PLACE);
  return kept ? { ...STANDARD, ...((await kept.json()) as NoticeWords) } : STANDARD;
}

export const CACHE = "whimbrel-words";
const PLACE = "/words";

export const STANDARD: NoticeWords = {
  language: "en",
  app: "Whimbrel",
  newMessage: "New message",
  newMessages: "New messages: {count}",
  reacted: "Reacted with {emoji}: {text}",
  reply: "Reply",
  read: "Mark as read",
  mute: "Mute for 8 hours",
  nameless: "Someone",
  kinds: {},
};
