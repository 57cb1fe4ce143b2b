// What pages and the service worker say to one another, beside files (engine/media/asked.ts).

import type { ChatId, Notice } from "../engine/protocol";

/** From a page. */
export type ToWorker =
  /** Something came by the page's engine: it is shown where no page is seen. */
  | { type: "notice"; notice: Notice }
  /** What notifications are written with, in the user's language. */
  | { type: "words"; words: NoticeWords }
  /** Answered by the port: what was shared with the app, once. */
  | { type: "shared" }
  /** The user wants the newer version now. */
  | { type: "take-over" };

/** From the service worker: a notification was pressed. */
export interface OpenChat {
  type: "open";
  chat: ChatId;
}

/** What another app has shared with this one. */
export interface Shared {
  text: string;
  files: File[];
}

/** `{…}` stands for what is put in. */
export interface NoticeWords {
  language: string;
  app: string;
  newMessage: string;
  /** With `{count}`. */
  newMessages: string;
  /** With `{emoji}` and `{text}`. */
  reacted: string;
  reply: string;
  read: string;
  mute: string;
  /** Of whom neither name nor number is known. */
  nameless: string;
  kinds: Record<string, string>;
}
