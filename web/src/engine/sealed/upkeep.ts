// What is done for groups by and by: leaves of devices that went or were silent for long are removed, and the
// own keys in them are renewed. Any device that is there does it, so that each waits a while by chance, looks
// whether another was faster, and tries once.

import { xml } from "@xmpp/client";
import { chatKey } from "../chats/keys";
import { isAdmin, type ChatRow } from "../chats/chat-row";
import { NS } from "../conversations/log-entry";
import { members, messagesInEpoch, type GroupState, type Leaf } from "../mls";
import type { Context } from "../parts";
import type { ChatId } from "../protocol";
import type { Identity } from "./identity";
import { nameOf, type States } from "./states";
import type { Steps } from "./steps";

/** When a chat was looked at, and when the own keys in its group were last others, in milliseconds since 1970. */
interface Kept {
  lookedAtMs: number;
  renewedAtMs: number;
}

export class Upkeep {
  readonly #context: Context;
  readonly #identity: Identity;
  readonly #states: States;
  readonly #steps: Steps;
  readonly #timers = new Map<ChatId | typeof ALL, ReturnType<typeof setTimeout>>();
  readonly #used = new Set<ChatId>();
  #publishedAtMs: number;
  #isOpen = true;

  constructor(context: Context, identity: Identity, states: States, steps: Steps) {
    this.#context = context;
    this.#identity = identity;
    this.#states = states;
    this.#steps = steps;
    this.#publishedAtMs = context.now();
  }

  /** From now on, each hour, what was not looked at for a day is. */
  begin(): void {
    this.#later(ALL, by(FIRST_WAIT_MS_MAX), () => this.run());
  }

  /** A member has gone, and its leaves are left. */
  soon(chat: ChatId): void {
    if (!this.#timers.has(chat)) this.#later(chat, by(WAIT_MS_MAX), () => this.look(chat));
  }

  /** This device uses its keys in the group: from then on they grow old. */
  used(chat: ChatId): void {
    if (this.#used.has(chat)) return;
    this.#used.add(chat);
    this.#kept(chat).catch(() => this.#used.delete(chat));
  }

  /** Looks at whatever is due. */
  async run(): Promise<void> {
    const { now, store } = this.#context;
    this.#later(ALL, RUN_EACH_MS, () => this.run());
    if (now() - this.#publishedAtMs >= LOOK_EACH_MS) {
      await this.#identity.publish();
      this.#publishedAtMs = now();
    }
    for (const chat of await this.#states.chats(store)) {
      if (!this.#isOpen) return;
      const { lookedAtMs } = await this.#kept(chat);
      if (now() - lookedAtMs >= LOOK_EACH_MS) await this.look(chat).catch(() => undefined);
    }
  }

  /** Does what the group needs, if another has not. */
  async look(chat: ChatId): Promise<void> {
    const { now } = this.#context;
    const state = await this.#states.get(chat, this.#context.store);
    if (!state || state.isRemoved) return;
    const kept = await this.#kept(chat);
    const over = await this.#over(chat, state);
    // What nobody has used since needs no other keys.
    const isDue = now() - kept.renewedAtMs >= RENEW_AFTER_MS && messagesInEpoch(state) > 0;
    const isDone = over.length > 0 || isDue ? await this.#steps.tidy(chat, state.epoch, over) : false;
    await this.#keep(chat, { lookedAtMs: now(), renewedAtMs: isDone ? now() : kept.renewedAtMs });
  }

  close(): void {
    this.#isOpen = false;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Leaves that are to go, of those that the server names: only it knows who is a member, and who logs in. */
  async #over(chat: ChatId, state: GroupState): Promise<Leaf[]> {
    const { xmpp, self, store } = this.#context;
    const shown = await xmpp.iq("get", `${chat}@${self.groups}`, xml("group", { xmlns: NS.mls }));
    const named = (kind: string) => new Set(shown?.getChildren(kind).map(({ attrs }) => attrs["leaf"] ?? ""));
    const [gone, silent] = [named("gone"), named("silent")];
    const row = await store.get<ChatRow>("chats", chatKey(chat));
    const leaves = members(state);
    return leaves.filter((leaf) => {
      if (leaf.account === self.account && leaf.device === self.device) return false;
      if (gone.has(nameOf(leaf))) return true;
      if (!silent.has(nameOf(leaf))) return false;
      // In a conversation of two somebody without a leaf would be added again with the next message.
      const isLast = !leaves.some((other) => other.account === leaf.account && other !== leaf && !silent.has(nameOf(other)));
      if (isLast && row?.kind !== "group") return false;
      return leaf.account === self.account || isAdmin(row?.members[self.account]);
    });
  }

  #later(what: ChatId | typeof ALL, afterMs: number, task: () => Promise<void>): void {
    if (!this.#isOpen) return;
    clearTimeout(this.#timers.get(what));
    const timer = setTimeout(() => {
      this.#timers.delete(what);
      // Without a stream it is done another time.
      task().catch(() => undefined);
    }, afterMs);
    this.#timers.set(what, timer);
  }

  async #kept(chat: ChatId): Promise<Kept> {
    const kept = await this.#context.store.get<Kept>("meta", [UPKEEP, chat]);
    if (kept) return kept;
    const now = this.#context.now();
    const first = { lookedAtMs: 0, renewedAtMs: now };
    await this.#keep(chat, first);
    return first;
  }

  async #keep(chat: ChatId, kept: Kept): Promise<void> {
    await this.#context.store.batch().put("meta", [UPKEEP, chat], kept).commit();
  }
}

function by(msMax: number): number {
  return Math.random() * msMax;
}

const UPKEEP = "upkeep";
const ALL = Symbol("all");
const FIRST_WAIT_MS_MAX = 15_000;
const WAIT_MS_MAX = 5_000;
const RUN_EACH_MS = 3_600_000;
const LOOK_EACH_MS = 86_400_000;
/** Own keys in a group that is used are renewed after seven days. */
const RENEW_AFTER_MS = 7 * 86_400_000;
