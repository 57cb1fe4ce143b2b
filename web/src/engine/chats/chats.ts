// The chats: what arrives in them, what the user does in them, and what is kept of it.

import type { Context, Contents, Part } from "../parts";
import type { AccountId, ChatId, ChatMarks, MessageId, Order } from "../protocol";
import { encodeEnvelope, newMessageId, type Envelope, type TypingState } from "../content/envelope";
import { IDS_MAX } from "../content/limits";
import type { Media } from "../media/media";
import { isPending, later, type Row } from "../content/row";
import { Refusal } from "../refusal";
import { Index } from "../search/index";
import { SettingsBook } from "../settings/settings";
import { newChat, others, type ChatRow } from "./chat-row";
import { Log, type ContentsContext } from "./contents";
import { Desk } from "./desk";
import { Expiry } from "./expiry";
import { FIRST_PLACE, chatKey } from "./keys";
import { OwnLog } from "./own-log";
import { Pages } from "./pages";
import { Speaking } from "./speaking";
import { Telling } from "./telling";
import { Uploads } from "./uploads";

type Names =
  | "chats" | "setChat" | "openDirect" | "messages" | "clearChat" | "search" | "media" | "starred"
  | "send" | "edit" | "react" | "deleteForMe" | "deleteForEveryone" | "forward" | "star" | "vote" | "retry"
  | "markRead" | "typing" | "messageInfo" | "setDisappearing" | "uploads" | "cancelUpload" | "pauseUpload";

export interface Surroundings {
  media?: Media;
  /** Somebody came into a group. */
  newcomer?(chat: ChatId): void;
  /** Nothing tells yet whether the conversation is encrypted. */
  kindUnknown?(chat: ChatId): void;
  /** Whether somebody has a device that takes encrypted messages; nothing where nobody can tell now. */
  takesSealed?(account: AccountId): Promise<boolean | undefined>;
  /** Another of the own devices asks for the history, or gives of it. */
  history?(): void;
  /** A call of the chat began or ended. */
  called?(chat: ChatId): void;
}

export class Chats implements Part<Names> {
  readonly desk: Desk;
  readonly contents: Contents;
  readonly ownLog: OwnLog;
  readonly #surroundings: Surroundings;
  readonly #pages: Pages;
  readonly #speaking: Speaking;
  readonly #uploads: Uploads;
  readonly telling: Telling;
  readonly #expiry: Expiry;
  #warming: ReturnType<typeof setTimeout> | undefined;
  readonly #drafts = new Map<ChatId, ReturnType<typeof setTimeout>>();
  readonly #typed = new Map<ChatId, { state: TypingState; atMs: number }>();

  static async open(context: Context, surroundings: Surroundings = {}): Promise<Chats> {
    const [index, settings] = await Promise.all([Index.open(context.store), SettingsBook.open(context.store)]);
    const chats = new Chats(new Desk(context, index, settings), surroundings);
    await chats.desk.loadProfile();
    // The conversations that it needs are there once all parts are.
    if (!context.isBrief) setTimeout(() => void chats.#begin().catch(() => undefined));
    chats.#warming = setTimeout(() => void chats.desk.index.warm().catch(() => undefined), WARM_AFTER_MS);
    return chats;
  }

  private constructor(desk: Desk, surroundings: Surroundings) {
    this.desk = desk;
    this.#surroundings = surroundings;
    this.contents = new Log(desk);
    this.ownLog = new OwnLog(desk);
    this.#pages = new Pages(desk);
    this.#uploads = new Uploads(desk, surroundings.media);
    this.#speaking = new Speaking(desk, this.#uploads);
    this.#uploads.say = (...said) => this.#speaking.sayUploaded(...said);
    this.telling = new Telling(desk);
    this.#expiry = new Expiry(desk);
    desk.onNotice = (...notice) => this.#noticed(...notice);
  }

  readonly commands: Part<Names>["commands"] = {
    chats: () => this.#pages.chats(),
    setChat: (chat, change) => this.#setChat(chat, change),
    openDirect: (account) => this.#openDirect(account),
    messages: (chat, from, count) => this.#pages.messages(chat, from, count),
    clearChat: (chat) => this.#clear(chat),
    search: (words, chat) => this.#pages.search(words, chat),
    media: (chat) => this.#pages.media(chat),
    starred: () => this.#pages.starred(),
    send: (chat, draft) => {
      // A message ends what was told before it.
      this.#typed.delete(chat);
      return this.#speaking.send(chat, draft);
    },
    edit: (...said) => this.#speaking.edit(...said),
    react: (chat, id, emoji) => this.#speaking.react(chat, id, emoji),
    deleteForMe: (chat, ids) => this.#hide(chat, ids),
    deleteForEveryone: (chat, ids) => this.#speaking.deleteForEveryone(chat, ids),
    forward: (from, ids, to) => this.#speaking.forward(from, ids, to),
    star: (chat, id, starred) => this.ownLog.say({ kind: "star", chat, ids: [id], starred }),
    vote: (chat, poll, choices) => this.#speaking.vote(chat, poll, choices),
    retry: (chat, id) => this.#retry(chat, id),
    markRead: (chat, upTo) => this.#markRead(chat, upTo),
    typing: (chat, state) => this.#type(chat, state),
    messageInfo: (chat, id) => this.#pages.info(chat, id),
    setDisappearing: (chat, lifeS) => this.#speaking.setDisappearing(chat, lifeS),
    uploads: () => this.#uploads.all(),
    cancelUpload: (id) => this.#uploads.cancel(id),
    pauseUpload: (id, paused) => this.#uploads.pause(id, paused),
  };

  async online(): Promise<void> {
    await this.ownLog.drainAll();
    await this.#uploads.online();
    await this.#expiry.run();
    await this.telling.online();
  }

  async #begin(): Promise<void> {
    await this.#uploads.recover();
    await this.#expiry.run();
  }

  /** No timer runs any more. */
  close(): void {
    this.telling.offline();
    this.#expiry.stop();
    this.#uploads.close();
    clearTimeout(this.#warming);
    for (const timer of this.#drafts.values()) clearTimeout(timer);
  }

  #noticed(...[what, chat]: Parameters<ContentsContext["noticed"]>): void {
    if (what === "receipt") this.telling.soon(chat);
    if (what === "expiry") this.#expiry.noticed();
    if (what === "task") this.#drainSoon(chat, DRAIN_AFTER_MS);
    if (what === "history") this.#surroundings.history?.();
    if (what === "call") this.#surroundings.called?.(chat);
    if (what === "newcomer") this.#surroundings.newcomer?.(chat);
    if (what === "kind") this.#surroundings.kindUnknown?.(chat);
  }

  // The task's batch is on its way when it is told of.
  #drainSoon(chat: ChatId, afterMs: number): void {
    setTimeout(() => {
      this.ownLog.hasTask(chat).then(async (isKept) => {
        if (isKept) await this.ownLog.drain(chat);
        else if (afterMs < DRAIN_AFTER_MAX_MS) this.#drainSoon(chat, afterMs * 4);
      }).catch(() => undefined);
    }, afterMs);
  }

  async #setChat(chat: ChatId, change: Partial<ChatMarks>): Promise<void> {
    const { draft, ...set } = change;
    if (Object.keys(set).length > 0) await this.ownLog.say({ kind: "chat", chat, set });
    if (draft === undefined) return;
    await this.desk.change(chat, async (ledger) => {
      const stamp = { order: this.desk.pendingOrder(), id: newMessageId(this.desk.own) };
      ledger.chat.marks = { ...ledger.chat.marks, draft: later(ledger.chat.marks.draft, stamp, draft) };
    });
    // Other devices get it once the user pauses.
    clearTimeout(this.#drafts.get(chat));
    const say = () => void this.ownLog.say({ kind: "chat", chat, set: { draft } }).catch(() => undefined);
    this.#drafts.set(chat, setTimeout(say, DRAFT_AFTER_MS));
  }

  async #openDirect(account: string) {
    const { context } = this.desk;
    const { conversations } = context;
    const isSelf = account === this.desk.own;
    const isOpen = !isSelf && (await this.#isOpenWith(account));
    const id = isOpen ? account : isSelf ? await conversations.own() : await conversations.direct(account);
    if ((await context.store.get<ChatRow>("chats", chatKey(id))) === undefined) {
      await conversations.exclusive(id, async () => {
        const batch = context.store.batch();
        if ((await batch.get("chats", chatKey(id))) !== undefined) return;
        const members = { [account]: "owner", [this.desk.own]: "owner" } as const;
        const kind: Partial<ChatRow> = isSelf ? { kind: "self" } : { kind: "direct", peer: account };
        const encryption = isOpen ? "open" : "sealed";
        const made: ChatRow = { ...newChat(id, context.now()), ...kind, encryption, members };
        await batch.put("chats", chatKey(id), made).commit();
      });
    }
    const row = await this.desk.chat(id);
    if (!isOpen && row.encryption === "open") throw new Refusal("internal", "an open conversation has the address of an encrypted one");
    return this.desk.chatView(row, context.store);
  }

  /** What was open stays so while nobody can tell; a new one is encrypted, or does not leave. */
  async #isOpenWith(account: AccountId): Promise<boolean> {
    const takesSealed = await this.#surroundings.takesSealed?.(account);
    if (takesSealed !== undefined) return !takesSealed;
    const row = await this.desk.context.store.get<ChatRow>("chats", chatKey(account));
    return row?.encryption === "open";
  }

  async #clear(chat: ChatId): Promise<void> {
    const [newest] = await this.desk.context.store.range<Row>("messages", {
      prefix: [chat], after: [chat, FIRST_PLACE], before: [chat, "~"], reverse: true, count: 1,
    });
    // A sub-place is cleared with its place.
    if (newest) await this.ownLog.say({ kind: "clear", chat, upTo: newest.value.order.slice(0, 16) });
  }

  async #hide(chat: ChatId, ids: MessageId[]): Promise<void> {
    const { conversations } = this.desk.context;
    for (const id of ids) {
      await this.#uploads.drop(chat, id);
      await conversations.exclusive(chat, () => conversations.withdraw(chat, id));
    }
    for (let at = 0; at < ids.length; at += IDS_MAX) {
      await this.ownLog.say({ kind: "hide", chat, ids: ids.slice(at, at + IDS_MAX) });
    }
  }

  async #retry(chat: ChatId, id: MessageId): Promise<void> {
    if (await this.#uploads.retry(chat, id)) return;
    const { conversations } = this.desk.context;
    await conversations.exclusive(chat, () => conversations.retry(chat, id));
  }

  async #markRead(chat: ChatId, upTo: Order): Promise<void> {
    const row = await this.desk.chat(chat);
    const seen = isPending(upTo) ? row.newestForeign : upTo.slice(0, 16);
    if (row.marks.markedUnread?.value) await this.ownLog.say({ kind: "chat", chat, set: { markedUnread: false } });
    if (seen <= row.readUpTo) return;
    await this.desk.change(chat, (ledger) => ledger.readUpTo(seen));
    this.telling.soon(chat);
    // Where others are not told, own devices are.
    if (!this.desk.showsReads()) await this.ownLog.say({ kind: "read", chat, upTo: seen });
  }

  async #type(chat: ChatId, state: TypingState): Promise<void> {
    const { own, context } = this.desk;
    const row = await context.store.get<ChatRow>("chats", chatKey(chat));
    const isHeard = row && row.kind !== "self" && !row.hasLeft && row.last && others(row, own).length < TYPING_MEMBERS_MAX;
    const typed = this.#typed.get(chat) ?? { state: "paused", atMs: 0 };
    const isNews = typed.state !== state || (state !== "paused" && context.now() - typed.atMs >= TYPING_EVERY_MS);
    if (!isHeard || !isNews) return;
    this.#typed.set(chat, { state, atMs: context.now() });
    const id = newMessageId(own);
    const said: Envelope = { id, body: { kind: "typing", state }, forwarded: false };
    const envelope = row.encryption === "open" ? said : encodeEnvelope(said);
    const { conversations } = context;
    await conversations.exclusive(chat, () => conversations.post(chat, { id, envelope, lasts: "passing" }));
  }
}

/** The page shows its first chats before. */
const WARM_AFTER_MS = 5_000;
const DRAIN_AFTER_MS = 20;
const DRAIN_AFTER_MAX_MS = 5_000;
const DRAFT_AFTER_MS = 5_000;
const TYPING_EVERY_MS = 8_000;
/** In larger conversations nobody is told who types. */
const TYPING_MEMBERS_MAX = 32;
