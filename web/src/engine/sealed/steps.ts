// Steps of a conversation's group that the server must take: founding, joining from outside, commits. One
// at a time for each chat: it is kept as pending before the server is asked, and tried again where another
// was first.

import { xml, type Element } from "@xmpp/client";
import { StanzaRefused } from "../connection/stanza-refused";
import { NS, bytesOf, textOf } from "../conversations/log-entry";
import { Serial } from "../conversations/serial";
import { commit, found, joinExternally, members, messagesInEpoch, MlsError, readKeyPackage, type Commit, type GroupState, type Leaf } from "../mls";
import type { Changed, Context } from "../parts";
import type { AccountId, ChatId } from "../protocol";
import { Refusal } from "../refusal";
import type { Batch } from "../store/store";
import type { Identity } from "./identity";
import type { Peers } from "./peers";
import { nameOf, type States } from "./states";

export class Steps {
  readonly #context: Context;
  readonly #identity: Identity;
  readonly #states: States;
  readonly #peers: Peers;
  /** Set by who sees to it: leaves are left of accounts that are no members any more. */
  onGone: (chat: ChatId) => void = () => undefined;
  readonly #stepping = new Map<ChatId, Serial>();

  constructor(context: Context, identity: Identity, states: States, peers: Peers) {
    this.#context = context;
    this.#identity = identity;
    this.#states = states;
    this.#peers = peers;
  }

  enter(chat: ChatId, peer?: AccountId): Promise<void> {
    return this.#steps(chat).run(() => this.#enter(chat, peer));
  }

  change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<Changed> {
    return this.#steps(chat).run(() => this.#change(chat, add, remove));
  }

  /** Joins the groups that this device is not in: those from before it was linked, or that it could not follow. */
  async enterAll(): Promise<void> {
    const { xmpp, self, store } = this.#context;
    const listed = await xmpp.iq("get", self.groups, xml("groups", { xmlns: NS.groups }));
    for (const group of listed?.getChildren("group") ?? []) {
      const [chat, domain] = (group.attrs["jid"] ?? "").split("@");
      if (!chat || domain !== self.groups) continue;
      const state = await this.#states.get(chat, store);
      // Who was silent for long was removed, and comes back.
      if (state && !state.isRemoved) continue;
      // One that is open, or not founded yet, is none of ours.
      await this.#steps(chat).run(() => this.#enterFounded(chat)).catch(() => undefined);
    }
  }

  /** Removes leaves, and renews the own keys, if the group is still in this epoch. Tried once.
   *  @returns false where another was faster */
  tidy(chat: ChatId, epoch: number, over: Leaf[]): Promise<boolean> {
    return this.#steps(chat).run(async () => {
      const state = await this.#current(chat);
      if (!state || state.isRemoved || state.epoch !== epoch) return false;
      const step = await made(() => commit(state, { remove: over }, this.#nowS()));
      if (!(await this.#request(chat, step, [], []))) return false;
      await this.#within(chat, (batch) => this.#states.noteStrangers(chat, [], over, batch));
      return true;
    });
  }

  /** Own devices that are not vouched for any more leave the groups. */
  async expel(): Promise<void> {
    const { self, store } = this.#context;
    const list = await this.#peers.refresh(self.account);
    for (const chat of list ? await this.#states.chats(store) : []) {
      const state = await this.#current(chat);
      const own = state && !state.isRemoved ? members(state).filter((leaf) => leaf.account === self.account && leaf.device !== self.device) : [];
      const strangers = await this.#peers.strangers(own);
      if (strangers.length === 0) continue;
      await this.#within(chat, (batch) => this.#states.noteStrangers(chat, strangers, [], batch));
      // Where another device is faster, or it fails, it is done before the next message.
      await this.#steps(chat).run(() => this.#complete(chat, undefined)).catch(() => false);
    }
  }

  async #enterFounded(chat: ChatId): Promise<void> {
    if (await this.#ask(chat, xml("group", { xmlns: NS.mls }))) await this.#enter(chat);
  }

  async #enter(chat: ChatId, peer?: AccountId): Promise<void> {
    // The others would open nothing of it, and have it out with their next commit.
    if (!(await this.#identity.vouched())) throw new Refusal("not-vouched", "the account's key does not vouch for this device");
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const state = await this.#current(chat);
      if (!state || state.isRemoved) {
        if (!(await this.#begin(chat, peer))) continue;
      }
      if (await this.#complete(chat, peer)) return;
    }
    throw new Refusal("conflict", "others were faster each time");
  }

  async #change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<Changed> {
    if (!(await this.#current(chat))) await this.#enter(chat);
    const claimed = await this.#claim(add);
    const absent = add.filter((account) => !claimed.some((one) => one.account === account));
    const reserved: AccountId[] = [];
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const state = await this.#current(chat);
      if (!state) throw new Refusal("not-found", "this device is not in the group");
      const packages = claimed.filter(({ account }) => !reserved.includes(account));
      const coming = [...new Set(packages.map(({ account }) => account))];
      const leaving = members(state).filter((leaf) => remove.includes(leaf.account));
      if (packages.length === 0 && leaving.length === 0) return { absent, reserved };
      const step = await made(() => commit(state, { add: packages.map(({ bytes }) => bytes), remove: leaving }, this.#nowS()));
      try {
        if (await this.#request(chat, step, coming, remove)) return { absent, reserved };
      } catch (error) {
        const named = this.#notAddable(error).filter((account) => coming.includes(account));
        if (named.length === 0) throw error;
        reserved.push(...named);
      }
    }
    throw new Refusal("conflict", "others were faster each time");
  }

  /** Those who do not let this account add them (docs/protocol/groups.md, "Who may add an account"). */
  #notAddable(error: unknown): AccountId[] {
    if (!(error instanceof StanzaRefused) || !error.is("not-addable")) return [];
    const locals = error.application?.getChildren("member").map(({ attrs }) => (attrs["jid"] ?? "").split("@")) ?? [];
    return locals.flatMap(([account, domain]) => (account !== undefined && domain === this.#context.self.domain ? [account] : []));
  }

  /** Founds the group, or joins it from outside. @returns false where it is to be tried again. */
  async #begin(chat: ChatId, peer: AccountId | undefined): Promise<boolean> {
    const shown = await this.#ask(chat, xml("group", { xmlns: NS.mls }));
    if (!shown) return this.#found(chat, peer);
    const info = bytesOf(shown.getChild("group-info"));
    const tree = bytesOf(shown.getChild("tree"));
    if (!info || !tree) throw new Refusal("internal", "the server shows a group without its tree");
    const step = await made(() => joinExternally(this.#identity.device, info, tree, this.#room(chat), this.#nowS()));
    if (!(await this.#request(chat, step, [], []))) return false;
    await this.#within(chat, (batch) => this.#peers.check(this.#states, chat, step.state, batch));
    return true;
  }

  async #found(chat: ChatId, peer: AccountId | undefined): Promise<boolean> {
    const { state, groupInfo } = await found(this.#identity.device, this.#room(chat), this.#nowS());
    // Whoever the conversation is with is a member from its beginning, and could not read what is said before the commit.
    const wanted = peer === undefined || peer === this.#context.self.account ? [] : [peer];
    await this.#within(chat, async (batch) => {
      this.#states.putPending(chat, { state, handshake: new Uint8Array() }, batch);
      this.#states.noteWanted(chat, wanted, batch);
    });
    const payload = peer === undefined
      ? xml("found", { xmlns: NS.mls }, textOf(groupInfo))
      : xml("direct", { xmlns: NS.mls, with: `${peer}@${this.#context.self.domain}` }, textOf(groupInfo));
    return this.#settle(chat, payload);
  }

  /** All devices of the members that can be are in. @returns false where it is to be tried again. */
  async #complete(chat: ChatId, peer: AccountId | undefined): Promise<boolean> {
    const state = await this.#current(chat);
    if (!state) return false;
    const present = members(state);
    const wanted = peer === undefined ? [this.#context.self.account] : [this.#context.self.account, peer];
    const missing = wanted.filter((account) => !present.some((leaf) => leaf.account === account));
    const isFull = messagesInEpoch(state) >= MESSAGES_IN_EPOCH_MAX;
    // Of those who are in, further devices come by themselves.
    const packages = missing.length > 0 ? await this.#claim(missing) : [];
    const absent = missing.find((account) => !packages.some((one) => one.account === account));
    if (absent !== undefined) throw new Refusal("not-encrypted", `${absent} has no device that can take sealed messages`);
    const strangers = await this.#strangersIn(chat, state);
    if (packages.length === 0 && strangers.length === 0 && !isFull) {
      await this.#within(chat, async (batch) => this.#states.noteWanted(chat, [], batch));
      return true;
    }
    const step = await made(() => commit(state, { add: packages.map(({ bytes }) => bytes), remove: strangers }, this.#nowS()));
    if (!(await this.#request(chat, step, [], []))) return false;
    await this.#within(chat, async (batch) => {
      this.#states.noteWanted(chat, [], batch);
      await this.#states.noteStrangers(chat, [], strangers, batch);
    });
    return true;
  }

  /** Those of whom nobody vouches yet, now asked again. */
  async #strangersIn(chat: ChatId, state: GroupState): Promise<Leaf[]> {
    const names = await this.#states.strangers(chat, this.#context.store);
    if (names.length === 0) return [];
    const leaves = members(state).filter((leaf) => names.includes(nameOf(leaf)) && nameOf(leaf) !== this.#leafName);
    const strangers = await this.#peers.strangers(leaves);
    const others = leaves.filter((leaf) => !strangers.includes(leaf));
    await this.#within(chat, (batch) => this.#states.noteStrangers(chat, [], others, batch));
    return strangers;
  }

  async #claim(accounts: AccountId[]): Promise<{ account: AccountId; bytes: Uint8Array }[]> {
    if (accounts.length === 0) return [];
    const { self, xmpp } = this.#context;
    const named = accounts.map((account) => xml("account", { jid: `${account}@${self.domain}` }));
    const claimed = await xmpp.iq("set", self.domain, xml("claim", { xmlns: NS.mls }, named));
    const offered = (claimed?.getChildren("key-package") ?? []).map((element) => this.#vouchedPackage(element, accounts));
    return (await Promise.all(offered)).filter((one) => one !== undefined);
  }

  async #vouchedPackage(element: Element, accounts: AccountId[]): Promise<{ account: AccountId; bytes: Uint8Array } | undefined> {
    const bytes = bytesOf(element);
    const leaf = bytes && (await readKeyPackage(bytes, this.#nowS()).then(({ leaf }) => leaf, () => undefined));
    if (!bytes || !leaf || !accounts.includes(leaf.account)) return undefined;
    return (await this.#peers.strangers([leaf])).length > 0 ? undefined : { account: leaf.account, bytes };
  }

  /** Asks the server to take a commit. @returns false where another was first. */
  async #request(chat: ChatId, made: Commit, add: AccountId[], remove: AccountId[]): Promise<boolean> {
    await this.#keepPending(chat, made);
    const jid = (account: AccountId) => ({ jid: `${account}@${this.#context.self.domain}` });
    const payload = xml(
      "commit",
      { xmlns: NS.mls },
      xml("handshake", {}, textOf(made.handshake)),
      made.welcome && xml("welcome", {}, textOf(made.welcome)),
      xml("group-info", {}, textOf(made.groupInfo)),
      add.map((account) => xml("add", jid(account))),
      remove.map((account) => xml("remove", jid(account))),
    );
    return this.#settle(chat, payload);
  }

  /** Brings what is pending to its end. */
  async #settle(chat: ChatId, payload: Element): Promise<boolean> {
    try {
      const committed = await this.#context.xmpp.iq("set", this.#room(chat), payload);
      if (committed?.getChild("gone")) this.onGone(chat);
    } catch (error) {
      // Where there is no answer nobody knows: the log will say.
      if (!(error instanceof StanzaRefused)) throw error;
      await this.#within(chat, async (batch) => this.#states.removePending(chat, batch));
      if (error.is("other-epoch") || error.is("server-restored")) return this.#follow(chat, error);
      // Who founds a conversation of two in the same moment as the other side may be told that there is none.
      if (error.name === "item-not-found" && (await this.#ask(chat, xml("group", { xmlns: NS.mls })))) return false;
      throw error;
    }
    await this.#within(chat, async (batch) => {
      const pending = await this.#states.pending(chat, batch);
      if (pending) this.#states.adopt(chat, pending, batch);
    });
    return true;
  }

  /** Waits until the log has brought what was first; where it does not come, this device is not in. */
  async #follow(chat: ChatId, error: StanzaRefused): Promise<false> {
    const epoch = Number(error.application?.attrs["epoch"] ?? 0);
    for (let waits = 0; waits < FOLLOW_WAITS_MAX; waits++) {
      const state = await this.#current(chat);
      if (!state || state.epoch >= epoch) return false;
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
    }
    await this.#within(chat, async (batch) => this.#states.remove(chat, batch));
    return false;
  }

  async #ask(chat: ChatId, payload: Element): Promise<Element | undefined> {
    return this.#context.xmpp.iq("get", this.#room(chat), payload).catch((error: unknown) => {
      if (error instanceof StanzaRefused && (error.name === "item-not-found" || error.is("server-restored"))) return undefined;
      throw error;
    });
  }

  #keepPending(chat: ChatId, step: Pick<Commit, "state" | "handshake">): Promise<void> {
    return this.#within(chat, async (batch) => this.#states.putPending(chat, step, batch));
  }

  #current(chat: ChatId): Promise<GroupState | undefined> {
    const { conversations, store } = this.#context;
    return conversations.exclusive(chat, () => this.#states.get(chat, store));
  }

  #within(chat: ChatId, task: (batch: Batch) => Promise<void>): Promise<void> {
    const { conversations, store } = this.#context;
    return conversations.exclusive(chat, async () => {
      const batch = store.batch();
      try {
        await task(batch);
        await batch.commit();
      } catch (error) {
        this.#states.drop(chat);
        throw error;
      }
    });
  }

  #steps(chat: ChatId): Serial {
    const known = this.#stepping.get(chat) ?? new Serial();
    this.#stepping.set(chat, known);
    return known;
  }

  get #leafName(): string {
    const { account, id } = this.#identity.device;
    return nameOf({ account, device: id });
  }

  #room(chat: ChatId): string {
    return `${chat}@${this.#context.self.groups}`;
  }

  #nowS(): number {
    return Math.floor(this.#context.now() / 1000);
  }
}

function made(make: () => Promise<Commit>): Promise<Commit> {
  return make().catch((cause: unknown) => {
    throw cause instanceof MlsError ? new Refusal("internal", cause.message, { cause }) : cause;
  });
}

const TRIES_MAX = 8;
/** ts-mls keeps keys for so many; then a commit begins a new epoch. */
export const MESSAGES_IN_EPOCH_MAX = 500;
const FOLLOW_MS = 100;
const FOLLOW_WAITS_MAX = 50;
