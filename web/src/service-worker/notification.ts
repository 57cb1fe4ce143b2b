// How a chat's notification reads: one for each chat, with its newest lines.

import type { ChatId, Notice, Order } from "../engine/protocol";
import { plainText } from "../features/message/formatting";
import type { NoticeWords } from "./messages";

/** What a notification carries with it, so that the next one can go on from there. */
export interface Carried {
  chat: ChatId;
  /** The newest message that it tells of. */
  upTo: Order;
  lines: Line[];
  /** Of all messages that it tells of. */
  count: number;
}

interface Line {
  /** A message, or a reaction to one. */
  of: string;
  text: string;
}

/** The options of `showNotification`, of which TypeScript knows a part. */
export interface Shown extends NotificationOptions {
  data: Carried;
  actions?: { action: string; title: string; type?: "text" }[];
  image?: string;
  renotify?: boolean;
  timestamp?: number;
}

export interface Pictures { icon?: string; image?: string }

/** @returns what is shown now, or nothing where it is shown already. */
export function notificationOf(notice: Notice, words: NoticeWords, before: Carried | undefined, pictures: Pictures, actionsMax: number) {
  const of = notice.reaction ? `${notice.message} ${notice.author.account} ${notice.reaction}` : notice.message;
  const lines = before?.lines ?? [];
  if (lines.some((line) => line.of === of)) return undefined;
  const count = (before?.count ?? 0) + 1;
  const all = [...lines, { of, text: lineOf(notice, words) }].slice(-LINES_MAX);
  const upTo = before && before.upTo > notice.order ? before.upTo : notice.order;
  const options: Shown = {
    // Without words one line says it all.
    body: notice.content || notice.reaction ? all.map(({ text }) => text).join("\n") : unworded(notice, words, count),
    tag: notice.chat,
    renotify: true,
    silent: notice.isSilent,
    timestamp: notice.at,
    lang: words.language,
    dir: "auto",
    badge: BADGE,
    icon: pictures.icon ?? ICON,
    ...(pictures.image !== undefined && { image: pictures.image }),
    actions: actionsOf(words).slice(0, actionsMax),
    data: { chat: notice.chat, upTo, lines: all, count },
  };
  return { title: notice.name || words.app, options };
}

/** What can be said without reading anything. */
export function waitingNotification(chat: ChatId | undefined, words: NoticeWords): { title: string; options: NotificationOptions } {
  return {
    title: words.app,
    options: { body: words.newMessage, tag: chat ?? WAITING, lang: words.language, badge: BADGE, icon: ICON, data: { chat } },
  };
}

function lineOf(notice: Notice, words: NoticeWords): string {
  const said = saidOf(notice, words);
  return notice.kind === "group" ? `${notice.author.name || words.nameless}: ${said}` : said;
}

function saidOf({ content, reaction }: Notice, words: NoticeWords): string {
  const { kind, text } = content?.preview ?? { kind: "text", text: "" };
  const said = (text && plainText(text)) || words.kinds[kind] || (content ? "" : words.newMessage);
  if (reaction === undefined) return said;
  return fill(words.reacted, { emoji: reaction, text: content ? said : "" }).replace(/[:：]\s*$/, "");
}

function unworded({ kind, author }: Notice, words: NoticeWords, count: number): string {
  const said = count > 1 ? fill(words.newMessages, { count: String(count) }) : words.newMessage;
  return kind === "group" && count === 1 ? `${author.name || words.nameless}: ${said}` : said;
}

function actionsOf(words: NoticeWords): NonNullable<Shown["actions"]> {
  return [
    { action: "reply", type: "text", title: words.reply },
    { action: "read", title: words.read },
    { action: "mute", title: words.mute },
  ];
}

function fill(template: string, values: Record<string, string>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}

/** Of a notification that names no chat. */
export const WAITING = "waiting";
const LINES_MAX = 5;
const BADGE = "/icons/badge.png";
const ICON = "/icons/icon-192.png";
