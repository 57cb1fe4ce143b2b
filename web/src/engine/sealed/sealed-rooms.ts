// Conversations' MLS side (docs/protocol/mls.md, "Rooms"): founding, joining, following commits, sealing
// and opening. A step that the server must take first is kept as pending, and counts once it stands in
// the log or is answered, whichever is first.

import { xml, type Element } from "@xmpp/client";
import { NS, bytesOf, textOf, type LogEntry } from "../conversations/log-entry";
import {
  commit, commitEpoch, found, isOwn, joinByWelcome, joinExternally, members, messagesInEpoch, MlsError, open, process,
  readKeyPackage, safetyNumber, seal, type Commit, type GroupState, type Leaf,
} from "../mls";
import type { Context, Sealed, Taken } from "../parts";
import type { AccountId, ChatId } from "../protocol";
import { Refusal } from "../refusal";
import { StanzaRefused } from "../connection/stanza-refused";
import type { Batch } from "../store/store";
import { Serial } from "../conversations/serial";
import { Identity, packageKey } from "./identity";
import { leaveKey, newSecret } from "./linking";
import { Peers } from "./peers";
import { nameOf, States } from "./states";

export class SealedRooms implements Sealed {
  readonly #context: Context;
  readonly #identity: Identity;
  readonly #states: States;
  readonly #peers: Peers;
  /** Of each chat one step at a time is pending. */
  readonly #stepping = new Map<ChatId, Serial>();

  static async load(context: Context): Promise<SealedRooms> {
    return new SealedRooms(context, await Identity.load(context));
  }

  private constructor(context: Context, identity: Identity) {
    this.#context = context;
    this.#identity = identity;
    this.#states = new States(identity.device);
    this.#peers = new Peers(context, identity);
  }

  async take(entry: LogEntry, batch: Batch): Promise<Taken> {
    const { chat, what } = entry;
    if (what.kind === "sealed") return this.#open(chat, what.message, batch);
    if (what.kind === "founded") await this.#takeFounding(chat, what.by, batch);
    if (what.kind === "commit") await this.#takeCommit(entry, what, batch);
    const state = await this.#states.get(chat, batch);
    const isIn = state !== undefined && !state.isRemoved;
    return { kind: "followed", isIn: isIn || what.kind === "founded", keyChanged: this.#peers.takeChanged() };
  }

  async seal(chat: ChatId, bytes: Uint8Array, batch: Batch): Promise<Uint8Array | undefined> {
    const state = await this.#states.get(chat, batch);
    if (!state || state.isRemoved || messagesInEpoch(state) >= MESSAGES_IN_EPOCH_MAX) return undefined;
    if ((await this.#states.strangers(chat, batch)).length > 0) return undefined;
    const sealed = await seal(state, bytes);
    this.#states.put(chat, sealed.state, batch);
    return sealed.message;
  }

  enter(chat: ChatId, peer?: AccountId): Promise<void> {
    return this.#steps(chat).run(() => this.#enter(chat, peer));
  }

  change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<{ absent: AccountId[] }> {
    return this.#steps(chat).run(() => this.#change(chat, add, remove));
  }

  async #enterFounded(chat: ChatId): Promise<void> {
    if (await this.#ask(chat, xml("group", { xmlns: NS.mls }))) await this.#enter(chat);
  }

  async #enter(chat: ChatId, peer?: AccountId): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const state = await this.#current(chat);
      if (!state || state.isRemoved) {
        if (!(await this.#begin(chat, peer))) continue;
      }
      if (await this.#complete(chat, peer)) return;
    }
    throw new Refusal("conflict", "others were faster each time");
  }

  async #change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<{ absent: AccountId[] }> {
    if (!(await this.#current(chat))) await this.#enter(chat);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const state = await this.#current(chat);
      if (!state) throw new Refusal("not-found", "this device is not in the group");
      const packages = await this.#claim(add);
      const there = add.filter((account) => packages.some((one) => one.account === account));
      const leaving = members(state).filter((leaf) => remove.includes(leaf.account));
      if (packages.length > 0 || leaving.length > 0) {
        const step = await made(() => commit(state, { add: packages.map(({ bytes }) => bytes), remove: leaving }, this.#nowS()));
        if (!(await this.#request(chat, step, there, remove))) continue;
      }
      return { absent: add.filter((account) => !there.includes(account)) };
    }
    throw new Refusal("conflict", "others were faster each time");
  }

  drop(chat: ChatId): void {
    this.#states.drop(chat);
  }

  /** Joins the groups that this device is not in: those from before it was linked, or that it could not follow. */
  async enterAll(): Promise<void> {
    const { xmpp, self, store } = this.#context;
    const listed = await xmpp.iq("get", self.groups, xml("groups", { xmlns: NS.groups }));
    for (const group of listed?.getChildren("group") ?? []) {
      const [chat, domain] = (group.attrs["jid"] ?? "").split("@");
      if (!chat || domain !== self.groups || (await this.#states.get(chat, store))) continue;
      // One that is open, or not founded yet, is none of ours.
      await this.#steps(chat).run(() => this.#enterFounded(chat)).catch(() => undefined);
    }
  }

  /** Leaves the account's key for the device that is to be linked. @returns what the link says beside. */
  async share(): Promise<string> {
    const key = await this.#identity.accountKey();
    if (!key) throw new Refusal("not-allowed", "this device is not vouched for itself");
    const secret = newSecret();
    await leaveKey(this.#context.xmpp, secret, key);
    return secret;
  }

  /** What both sides compare. */
  async safetyNumber(account: AccountId): Promise<{ digits: string; qr: Uint8Array }> {
    const own = await this.#identity.accountKey();
    const list = await this.#peers.refresh(account);
    if (!own || !list) throw new Refusal("not-found", "there is no key to compare");
    return safetyNumber({ account: this.#context.self.account, accountKey: own.publicKey }, list);
  }

  async withdraw(devices: string[]): Promise<void> {
    await this.#identity.withdraw(devices);
    // Nobody takes out oneself: the other devices do that.
    if (!devices.includes(this.#context.self.device)) await this.#expel();
  }

  async certifiedDevices(): Promise<ReadonlySet<string>> {
    const list = await this.#identity.listOf(this.#context.self.account);
    return new Set(list?.devices.map(({ id }) => id));
  }

  async online(): Promise<void> {
    await this.#identity.publish();
  }

  async receive(stanza: Element): Promise<boolean> {
    const { self } = this.#context;
    if (stanza.name !== "message" || stanza.attrs["type"] !== "headline") return false;
    const low = stanza.getChild("stock-low", NS.mls);
    if (stanza.getChild("device-list", NS.mls)) {
      if (stanza.attrs["from"] === `${self.account}@${self.domain}`) void this.#expel().catch(() => undefined);
      return true;
    }
    if (!low || stanza.attrs["from"] !== self.domain) return false;
    if (low.attrs["device"] === self.device) {
      void this.#identity.restock(Number(low.attrs["single-use"] ?? 0)).catch(() => undefined);
    }
    return true;
  }

  async #open(chat: ChatId, message: Uint8Array, batch: Batch): Promise<Taken> {
    const state = await this.#states.get(chat, batch);
    if (!state) return { kind: "unreadable" };
    try {
      if (await isOwn(state, message)) return { kind: "own" };
      const opened = await open(state, message);
      if ((await this.#states.strangers(chat, batch)).includes(nameOf(opened))) return { kind: "unreadable" };
      this.#states.put(chat, opened.state, batch);
      return { kind: "opened", bytes: opened.bytes, account: opened.account, device: opened.device };
    } catch (error) {
      if (error instanceof MlsError) return { kind: "unreadable" };
      throw error;
    }
  }

  async #takeFounding(chat: ChatId, by: string, batch: Batch): Promise<void> {
    const pending = await this.#states.pending(chat, batch);
    if (by === this.#leafName) {
      if (pending && pending.handshake.length === 0) this.#states.adopt(chat, pending, batch);
      return;
    }
    // Another one began it, perhaps anew after the server was restored.
    this.#states.remove(chat, batch);
    this.#states.removePending(chat, batch);
  }

  async #takeCommit(entry: LogEntry, what: LogEntry["what"] & { kind: "commit" }, batch: Batch): Promise<void> {
    const { chat, at } = entry;
    const state = await this.#states.get(chat, batch);
    if (state && state.epoch >= what.epoch) return;
    const pending = await this.#states.pending(chat, batch);
    if (what.by === this.#leafName) {
      if (pending && isSame(pending.handshake, what.handshake)) this.#states.adopt(chat, pending, batch);
      else this.#states.remove(chat, batch);
      return;
    }
    if (!state || state.isRemoved) return what.welcome && this.#join(chat, what.epoch, what.welcome, batch);
    try {
      if (commitEpoch(what.handshake) !== state.epoch) throw new MlsError("other-epoch", "commits are missing");
      const followed = await process(state, what.handshake, Math.floor(at / 1000));
      this.#states.put(chat, followed.state, batch);
      const came = followed.isExternal ? [...followed.added, followed.committer] : followed.added;
      await this.#states.noteStrangers(chat, await this.#peers.strangers(came), followed.removed, batch);
    } catch (error) {
      if (!(error instanceof MlsError)) throw error;
      // Comes back by an external commit.
      this.#states.remove(chat, batch);
    }
    if (pending) this.#states.removePending(chat, batch);
  }

  async #join(chat: ChatId, epoch: number, welcome: Uint8Array, batch: Batch): Promise<void> {
    try {
      const packages = await this.#identity.packages();
      const shown = await this.#context.xmpp.iq("get", this.#room(chat), xml("group", { xmlns: NS.mls, epoch }));
      const tree = bytesOf(shown?.getChild("tree"));
      if (!tree) return;
      const { state, used } = await joinByWelcome(packages, welcome, tree, this.#room(chat));
      this.#states.put(chat, state, batch);
      await this.#checkMembers(chat, state, batch);
      if (!used.isLastResort) batch.delete("meta", packageKey(used));
    } catch (error) {
      // Not for this device, or its tree is not kept any more: it comes by an external commit when it is needed.
      if (!(error instanceof MlsError) && !(error instanceof StanzaRefused)) throw error;
    }
  }

  /** Own devices that are not vouched for any more leave the groups. */
  async #expel(): Promise<void> {
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

  async #checkMembers(chat: ChatId, state: GroupState, batch: Batch): Promise<void> {
    await this.#states.noteStrangers(chat, await this.#peers.strangers(members(state)), [], batch);
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
    await this.#within(chat, (batch) => this.#checkMembers(chat, step.state, batch));
    return true;
  }

  async #found(chat: ChatId, peer: AccountId | undefined): Promise<boolean> {
    const { state, groupInfo } = await found(this.#identity.device, this.#room(chat), this.#nowS());
    await this.#keepPending(chat, { state, handshake: new Uint8Array() });
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
    if (packages.length === 0 && strangers.length === 0 && !isFull) return true;
    const step = await made(() => commit(state, { add: packages.map(({ bytes }) => bytes), remove: strangers }, this.#nowS()));
    if (!(await this.#request(chat, step, [], []))) return false;
    await this.#within(chat, (batch) => this.#states.noteStrangers(chat, [], strangers, batch));
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
      await this.#context.xmpp.iq("set", this.#room(chat), payload);
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

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

const TRIES_MAX = 8;
/** ts-mls keeps keys for so many; then a commit begins a new epoch. */
const MESSAGES_IN_EPOCH_MAX = 500;
const FOLLOW_MS = 100;
const FOLLOW_WAITS_MAX = 50;
