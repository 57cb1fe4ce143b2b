// This device in MLS: its keys, its stock of key packages, and the account's list of devices.

import { xml, type Element } from "@xmpp/client";
import { NS, bytesOf, textOf } from "../conversations/log-entry";
import { Serial } from "../conversations/serial";
import {
  certify, decodeDeviceList, isEqual, encodeDeviceList, loadKeyPackage, newAccountKey, newDevice, newKeyPackage, storeKeyPackage, vouchesFor,
  type AccountKey, type Device, type DeviceList, type OwnKeyPackage,
} from "../mls";
import type { Context } from "../parts";
import { findKey, removeKey, type Shared } from "./linking";
import { StanzaRefused } from "../connection/stanza-refused";

export class Identity {
  readonly device: Device;
  /** The account's list has this device, or its key is here to have it there. */
  isVouched = false;
  readonly #context: Context;
  readonly #publishing = new Serial();

  /** Draws the device's keys where there are none. */
  static async load(context: Context): Promise<Identity> {
    const { store, self } = context;
    const kept = await store.get<Device>("meta", DEVICE);
    const isThis = kept?.id === self.device && kept.account === self.account;
    const device = isThis ? kept : newDevice(self.account, self.device);
    if (!isThis) await store.batch().put("meta", DEVICE, device).commit();
    const identity = new Identity(context, device);
    identity.isVouched = (await identity.accountKey()) !== undefined;
    return identity;
  }

  private constructor(context: Context, device: Device) {
    this.#context = context;
    this.device = device;
  }

  /** The key that vouches for the account's devices, if this device has it. */
  accountKey(): Promise<AccountKey | undefined> {
    return this.#context.store.get<AccountKey>("meta", ACCOUNT_KEY);
  }

  /** Takes the account's key from a backup: where there is no other device that could hand it on.
   *  @returns whether it vouches for this device now */
  adopt(key: AccountKey): Promise<boolean> {
    return this.#publishing.run(async () => {
      if (await this.accountKey()) return false;
      const list = await this.listOf(this.#context.self.account);
      // Another one came into its place: whoever has that lets this device in.
      if (list && !isEqual(key.publicKey, list.accountKey)) return false;
      await this.#context.store.batch().put("meta", ACCOUNT_KEY, key).commit();
      await this.#publishDevice();
      return true;
    });
  }

  async packages(): Promise<OwnKeyPackage[]> {
    const rows = await this.#context.store.range<Uint8Array>("meta", { prefix: [PACKAGE] });
    return rows.map(({ value }) => loadKeyPackage(this.device, value));
  }

  /** Device list and stock are as they should be. */
  publish(): Promise<void> {
    return this.#publishing.run(() => this.#publishAll());
  }

  /** @returns whether the account's key vouches for this device; a new one is seen to first. */
  async vouched(): Promise<boolean> {
    if (!this.isVouched) await this.publish();
    return this.isVouched;
  }

  async #publishAll(): Promise<void> {
    await this.#publishDevice();
    const stock = await this.#context.xmpp.iq("get", undefined, xml("key-packages", { xmlns: NS.mls }));
    await this.restock(Number(stock?.attrs["single-use"] ?? 0), stock?.attrs["last-resort"] === "true");
  }

  /** @param left single-use ones that the server has */
  async restock(left: number, hasLastResort = true): Promise<void> {
    const nowS = Math.floor(this.#context.now() / 1000);
    const kept = await this.packages();
    const fresh = kept.filter(({ notAfterS }) => notAfterS - nowS > RENEWED_BEFORE_S);
    const usable = Math.min(left, fresh.filter((own) => !own.isLastResort).length);
    const count = usable < STOCK_LOW ? STOCK - usable : 0;
    const needsLastResort = !hasLastResort || !fresh.some((own) => own.isLastResort);
    const isLastResort = [...Array<boolean>(count).fill(false), ...(needsLastResort ? [true] : [])];
    if (isLastResort.length === 0) return;
    const made = await Promise.all(isLastResort.map((isLast) => newKeyPackage(this.device, nowS, isLast)));
    const batch = this.#context.store.batch();
    for (const { own } of made) batch.put("meta", packageKey(own), storeKeyPackage(own));
    for (const own of kept) if (nowS - own.notAfterS > KEPT_BEHIND_S) batch.delete("meta", packageKey(own));
    // Whoever takes one finds its keys here.
    await batch.commit();
    const offered = made.map(({ bytes }) => xml("key-package", {}, textOf(bytes)));
    await this.#context.xmpp.iq("set", undefined, xml("key-packages", { xmlns: NS.mls }, offered));
  }

  /** The newest list that the server has of an account. */
  async listOf(account: string): Promise<DeviceList | undefined> {
    const { self, xmpp } = this.#context;
    const to = account === self.account ? undefined : `${account}@${self.domain}`;
    const element = await xmpp.iq("get", to, xml("device-list", { xmlns: NS.mls })).catch((error: unknown) => {
      if (error instanceof StanzaRefused && error.name === "item-not-found") return undefined;
      throw error;
    });
    return readList(element, account);
  }

  /** The list without these devices. */
  withdraw(ids: string[]): Promise<void> {
    return this.#publishing.run(() => this.#withdraw(ids));
  }

  async #withdraw(ids: string[]): Promise<void> {
    const key = await this.accountKey();
    const list = await this.listOf(this.#context.self.account);
    if (!key || !list?.devices.some(({ id }) => ids.includes(id))) return;
    await this.#publish(key, list.counter + 1, list.devices.filter(({ id }) => !ids.includes(id)));
  }

  /** Another key for the account, which vouches for this device alone: of those that had the one before, none is at hand. */
  beginAnew(): Promise<void> {
    return this.#publishing.run(() => this.#beginAnew());
  }

  async #beginAnew(): Promise<void> {
    const { self, store, now } = this.#context;
    const list = await this.listOf(self.account);
    const key = newAccountKey();
    await store.batch().put("meta", ACCOUNT_KEY, key).commit();
    await this.#publish(key, (list?.counter ?? 0) + 1, [certify(key, this.device, Math.floor(now() / 1000))]);
    this.isVouched = true;
  }

  async #shared(list: DeviceList): Promise<Shared | undefined> {
    const secret = await this.#context.store.get<string>("meta", LINK_SECRET);
    const shared = secret === undefined ? undefined : await findKey(this.#context.xmpp, secret);
    // The server shows the list; who showed the link knows better whose key it is signed by.
    return shared && isEqual(shared.key.publicKey, list.accountKey) ? shared : undefined;
  }

  // The first device draws the account's key; a further one gets it from another when it is linked.
  async #publishDevice(): Promise<void> {
    const { self, store } = this.#context;
    const list = await this.listOf(self.account);
    const leaf = { account: self.account, device: self.device, publicKey: this.device.publicKey };
    this.isVouched = list !== undefined && vouchesFor(list, leaf);
    if (this.isVouched) return;
    const kept = await this.accountKey();
    // One that another device has put aside vouches for nobody.
    const own = kept && (!list || isEqual(kept.publicKey, list.accountKey)) ? kept : undefined;
    const shared = !own && list ? await this.#shared(list) : undefined;
    const key = own ?? shared?.key ?? (list ? undefined : newAccountKey());
    if (!key) return;
    const batch = store.batch().put("meta", ACCOUNT_KEY, key).delete("meta", LINK_SECRET);
    if (shared) batch.put("meta", HISTORY_FROM, shared.device);
    await batch.commit();
    if (shared) await removeKey(this.#context.xmpp);
    const others = (list?.devices ?? []).filter(({ id }) => id !== self.device);
    const certified = certify(key, this.device, Math.floor(this.#context.now() / 1000));
    await this.#publish(key, (list?.counter ?? 0) + 1, [...others, certified]);
    this.isVouched = true;
  }

  async #publish(key: AccountKey, counter: number, devices: DeviceList["devices"]): Promise<void> {
    const { self, xmpp, now } = this.#context;
    const list = encodeDeviceList(key, { account: self.account, counter, madeAtS: Math.floor(now() / 1000), devices });
    await xmpp.iq("set", undefined, xml("device-list", { xmlns: NS.mls }, textOf(list)));
  }
}

/** @returns nothing for what is no list of the account's. */
export function readList(element: Element | undefined, account: string): DeviceList | undefined {
  const bytes = bytesOf(element);
  if (!bytes) return undefined;
  try {
    return decodeDeviceList(bytes, account);
  } catch {
    return undefined;
  }
}

export function packageKey({ ref }: OwnKeyPackage): [string, string] {
  return [PACKAGE, ref];
}

/** Where a device keeps the secret of the link by which it was registered. */
export const LINK_SECRET = "link-secret";
/** Which device is to be asked for the history. */
export const HISTORY_FROM = "history-from";
const DEVICE = "device";
const ACCOUNT_KEY = "account-key";
const PACKAGE = "key-package";
/** Single-use key packages: below this there will be more, up to that. */
const STOCK_LOW = 20;
const STOCK = 40;
/** Before a key package ends (key-packages.ts) there is another in its place: two weeks. */
const RENEWED_BEFORE_S = 14 * 86_400;
/** A Welcome may be read long after it was made. */
const KEPT_BEHIND_S = 30 * 86_400;
