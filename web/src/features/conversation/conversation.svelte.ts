// The messages of the conversation on screen: the part of its log that is loaded, kept up by the engine's events.
import { tick } from "svelte";
import { SvelteSet } from "svelte/reactivity";
import type { Session } from "../../app/session.svelte";
import type { ChatId, Message, MessageId, Order } from "../../engine/protocol";
import { merge, timeline, type Row } from "./timeline";

const PAGE = 60;
/** While one scrolls: each page that comes has the list measured anew. */
const NEXT_PAGE = 120;
/** With more than these, those that one has scrolled away from are let go. */
const LOADED_MAX = 1_200;

export class Conversation {
  messages: readonly Message[] = $state.raw([]);
  status: "loading" | "ready" | "failed" = $state("loading");
  hasOlder = $state(false);
  hasNewer = $state(false);
  /** Where the unread began when the conversation was opened. */
  unread: { from: Order; count: number } | null = $state.raw(null);
  reply: Message | null = $state.raw(null);
  editing: Message | null = $state.raw(null);
  readonly selected = new SvelteSet<MessageId>();
  selecting = $state(false);
  /** The newest change put messages before the others. */
  prepended = $state(false);

  readonly #made = new WeakMap<Message, Row>();
  readonly rows = $derived(timeline(this.messages, this.unread, this.#made));
  readonly #session: Session;
  readonly #id: ChatId;
  #busy: "older" | "newer" | null = null;
  #readTo: Order = "";
  /** What came while a page was on its way: it may be newer than the page. */
  #meanwhile: [changed: Message[], removed: MessageId[]][] = [];

  constructor(session: Session, id: ChatId) {
    this.#session = session;
    this.#id = id;
  }

  /** Follows the engine. @returns what ends it. */
  follow(): () => void {
    return this.#session.listen((event) => {
      if (event.type !== "messages" || event.chat !== this.#id) return;
      this.#take(event.messages, event.removed);
    });
  }

  async open(around?: MessageId): Promise<void> {
    this.status = "loading";
    this.#meanwhile = [];
    const unread = this.#session.chats.get(this.#id)?.unread ?? 0;
    try {
      const page = around
        ? await this.#session.call("messages", this.#id, { around }, PAGE)
        : await this.#session.call("messages", this.#id, unread > 0 && !this.unread ? { unread: true } : {}, PAGE);
      this.prepended = false;
      this.messages = page.messages;
      this.hasOlder = page.hasOlder;
      this.hasNewer = page.hasNewer;
      if (page.unreadFrom !== undefined) this.unread = { from: page.unreadFrom, count: unread };
      this.status = "ready";
      for (const news of this.#meanwhile.splice(0)) this.#take(...news);
    } catch {
      this.status = "failed";
    }
  }

  async loadOlder(): Promise<void> {
    const first = this.messages[0];
    if (!first || !this.hasOlder || this.#busy) return;
    await this.#load("older", { before: first.order });
  }

  async loadNewer(): Promise<void> {
    const last = this.messages.at(-1);
    if (!last || !this.hasNewer || this.#busy) return;
    await this.#load("newer", { after: last.order });
  }

  /** What the user has on screen: up to this message. */
  see(message: Message): void {
    const chat = this.#session.chats.get(this.#id);
    // That there is something unread may be told after the message itself.
    if (!chat || (chat.unread === 0 && !chat.markedUnread)) return;
    if (message.order <= this.#readTo || message.order.startsWith("~")) return;
    this.#readTo = message.order;
    this.#session.call("markRead", this.#id, message.order).catch(() => (this.#readTo = ""));
    if (chat.markedUnread) this.#session.setChat(this.#id, { markedUnread: false }).catch(() => {});
  }

  indexOf(id: MessageId): number {
    return this.messages.findIndex((message) => message.id === id);
  }

  startSelecting(first: MessageId): void {
    this.selecting = true;
    this.selected.add(first);
  }

  toggle(id: MessageId): void {
    if (!this.selected.delete(id)) this.selected.add(id);
  }

  endSelecting(): void {
    this.selecting = false;
    this.selected.clear();
  }

  async #load(direction: "older" | "newer", from: { before?: Order; after?: Order }): Promise<void> {
    this.#busy = direction;
    try {
      const page = await this.#session.call("messages", this.#id, from, NEXT_PAGE);
      this.prepended = direction === "older";
      this.messages = merge(this.messages, page.messages);
      if (direction === "older") this.hasOlder = page.hasOlder && page.messages.length > 0;
      else this.hasNewer = page.hasNewer && page.messages.length > 0;
      // The list can tell one change at an end from the other only one after the other.
      await tick();
      this.#letGo(direction);
    } catch {
      // Scrolling on asks again.
    } finally {
      this.#busy = null;
    }
  }

  #letGo(scrolled: "older" | "newer"): void {
    if (this.messages.length <= LOADED_MAX) return;
    this.prepended = scrolled === "newer";
    if (scrolled === "older") [this.messages, this.hasNewer] = [this.messages.slice(0, LOADED_MAX - NEXT_PAGE), true];
    else [this.messages, this.hasOlder] = [this.messages.slice(NEXT_PAGE - LOADED_MAX), true];
  }

  #take(changed: Message[], removed: MessageId[]): void {
    if (this.status === "loading") return void this.#meanwhile.push([changed, removed]);
    const known = new Set(this.messages.map(({ id }) => id));
    const first = this.messages[0]?.order ?? "";
    // What is outside of the loaded part comes when it is scrolled to.
    const wanted = changed.filter((message) => known.has(message.id) || (!this.hasNewer && (message.order >= first || !this.hasOlder)));
    this.prepended = false;
    this.messages = merge(this.messages, wanted, removed);
    for (const id of removed) this.selected.delete(id);
    if (this.reply && removed.includes(this.reply.id)) this.reply = null;
  }
}
