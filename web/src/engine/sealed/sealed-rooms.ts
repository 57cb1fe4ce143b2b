// Conversations' MLS side (docs/protocol/mls.md, "Rooms"): what stands in the log is followed and opened,
// what is to be sent is sealed. A step that the server must take first (steps.ts) is kept as pending, and
// counts once it stands in the log or is answered, whichever is first.

import { xml, type Element } from "@xmpp/client";
import { StanzaRefused } from "../connection/stanza-refused";
import { NS, bytesOf, type LogEntry } from "../conversations/log-entry";
import { commitEpoch, isOwn, joinByWelcome, members, messagesInEpoch, MlsError, open, process, safetyNumber, seal, type AccountKey } from "../mls";
import type { Changed, Context, Sealed, Taken } from "../parts";
import type { AccountId, CallKeys, ChatId } from "../protocol";
import { Refusal } from "../refusal";
import type { Batch } from "../store/store";
import { callKeysOf } from "./call-keys";
import { Identity, packageKey } from "./identity";
import { leaveKey, newSecret } from "./linking";
import { Peers } from "./peers";
import { nameOf, States } from "./states";
import { MESSAGES_IN_EPOCH_MAX, Steps } from "./steps";
import { Upkeep } from "./upkeep";

export class SealedRooms implements Sealed {
  readonly #context: Context;
  readonly #identity: Identity;
  readonly #states: States;
  readonly #peers: Peers;
  readonly #steps: Steps;
  readonly #upkeep: Upkeep;
  /** Set by who wants to know: the group is, or is about to be, in another epoch. */
  onEpoch: (chat: ChatId) => void = () => undefined;

  static async load(context: Context): Promise<SealedRooms> {
    return new SealedRooms(context, await Identity.load(context));
  }

  private constructor(context: Context, identity: Identity) {
    this.#context = context;
    this.#identity = identity;
    this.#states = new States(identity.device);
    this.#peers = new Peers(context, identity);
    this.#steps = new Steps(context, identity, this.#states, this.#peers);
    this.#upkeep = new Upkeep(context, identity, this.#states, this.#steps);
    this.#steps.onGone = (chat) => this.#upkeep.soon(chat);
  }

  async take(entry: LogEntry, batch: Batch): Promise<Taken> {
    const { chat, what } = entry;
    if (what.kind === "sealed") return this.#open(chat, what.message, batch);
    if (what.kind === "founded") await this.#takeFounding(chat, what.by, batch);
    if (what.kind === "commit") await this.#takeCommit(entry, what, batch);
    this.onEpoch(chat);
    const state = await this.#states.get(chat, batch);
    const isIn = state !== undefined && !state.isRemoved;
    return { kind: "followed", isIn: isIn || what.kind === "founded", keyChanged: this.#peers.takeChanged() };
  }

  async seal(chat: ChatId, bytes: Uint8Array, batch: Batch): Promise<Uint8Array | undefined> {
    const state = await this.#states.get(chat, batch);
    if (!state || state.isRemoved || messagesInEpoch(state) >= MESSAGES_IN_EPOCH_MAX) return undefined;
    if ((await this.#states.strangers(chat, batch)).length > 0) return undefined;
    if ((await this.#states.wanted(chat, batch)).length > 0) return undefined;
    const sealed = await seal(state, bytes);
    this.#upkeep.used(chat);
    this.#states.put(chat, sealed.state, batch);
    return sealed.message;
  }

  enter(chat: ChatId, peer?: AccountId): Promise<void> {
    return this.#steps.enter(chat, peer);
  }

  change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<Changed> {
    return this.#steps.change(chat, add, remove);
  }

  enterAll(): Promise<void> {
    return this.#steps.enterAll();
  }

  isVouched(): boolean {
    return this.#identity.isVouched;
  }

  async beginAnew(): Promise<void> {
    await this.#identity.beginAnew();
    await this.#steps.enterAll();
  }

  memberLeft(chat: ChatId): void {
    this.#upkeep.soon(chat);
  }

  close(): void {
    this.#upkeep.close();
  }

  drop(chat: ChatId): void {
    this.#states.drop(chat);
  }

  /** Leaves the account's key for the device that is to be linked. @returns what the link says beside. */
  async share(): Promise<string> {
    const key = await this.#identity.accountKey();
    if (!key) throw new Refusal("not-allowed", "this device is not vouched for itself");
    const secret = newSecret();
    await leaveKey(this.#context.xmpp, secret, { key, device: this.#context.self.device });
    return secret;
  }

  accountKey(): Promise<AccountKey | undefined> {
    return this.#identity.accountKey();
  }

  /** The account's key has come out of a backup. */
  async adopt(key: AccountKey): Promise<void> {
    if (await this.#identity.adopt(key)) await this.#steps.enterAll();
  }

  async callKeys(chat: ChatId): Promise<CallKeys> {
    const { conversations, store } = this.#context;
    const state = await conversations.exclusive(chat, () => this.#states.get(chat, store));
    if (!state || state.isRemoved) throw new Refusal("not-encrypted", "this device is in no group of the chat");
    return callKeysOf(state);
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
    if (!devices.includes(this.#context.self.device)) await this.#steps.expel();
  }

  async certifiedDevices(): Promise<ReadonlySet<string>> {
    const list = await this.#identity.listOf(this.#context.self.account);
    return new Set(list?.devices.map(({ id }) => id));
  }

  async online(): Promise<void> {
    await this.#identity.publish();
    this.#upkeep.begin();
  }

  async receive(stanza: Element): Promise<boolean> {
    const { self } = this.#context;
    if (stanza.name !== "message" || stanza.attrs["type"] !== "headline") return false;
    const low = stanza.getChild("stock-low", NS.mls);
    if (stanza.getChild("device-list", NS.mls)) {
      if (stanza.attrs["from"] === `${self.account}@${self.domain}`) void this.#steps.expel().catch(() => undefined);
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
      const strangers = await this.#peers.strangers(came);
      // Where an account has another key, what the one before vouched for is vouched for by nobody.
      const doubtful = members(followed.state).filter(({ account }) => this.#peers.isChanged(account));
      strangers.push(...(await this.#peers.strangers(doubtful)));
      await this.#states.noteStrangers(chat, strangers, followed.removed, batch);
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
      await this.#peers.check(this.#states, chat, state, batch);
      if (!used.isLastResort) batch.delete("meta", packageKey(used));
    } catch (error) {
      // Not for this device, or its tree is not kept any more: it comes by an external commit when it is needed.
      if (!(error instanceof MlsError) && !(error instanceof StanzaRefused)) throw error;
    }
  }

  get #leafName(): string {
    const { account, id } = this.#identity.device;
    return nameOf({ account, device: id });
  }

  #room(chat: ChatId): string {
    return `${chat}@${this.#context.self.groups}`;
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
