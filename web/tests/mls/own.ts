// Devices of the app's own engine/mls.

import { encodeRatchetTree } from "ts-mls/ratchetTree.js";
import * as mls from "../../src/engine/mls";
import { base64 } from "./openmls";
import type { Made, Member, Shown } from "./member";

export class OwnMember implements Member {
  readonly identity: string;
  readonly #device: mls.Device;
  readonly #packages: mls.OwnKeyPackage[] = [];
  #state: mls.GroupState | undefined;
  #next: mls.GroupState | undefined;

  constructor(account: string, device: string) {
    this.identity = `${account}/${device}`;
    this.#device = mls.newDevice(account, device);
  }

  /** As after a reload: only what was stored is left. */
  reload(): void {
    this.#state = this.#state && mls.load(this.#device, mls.store(this.#state) as mls.StoredGroup);
    this.#packages.splice(0, Infinity, ...this.#packages.map((own) => mls.loadKeyPackage(this.#device, mls.storeKeyPackage(own))));
  }

  async keyPackage(): Promise<Uint8Array> {
    const { bytes, own } = await mls.newKeyPackage(this.#device, now());
    this.#packages.push(own);
    return bytes;
  }

  async found(group: string): Promise<Made> {
    const { state, groupInfo } = await mls.found(this.#device, group, now());
    this.#state = state;
    return { groupInfo };
  }

  async commit(_: string, add: Uint8Array[], remove: string[]): Promise<Made> {
    const leaves = remove.map((identity) => {
      const [account = "", device = ""] = identity.split("/");
      return { account, device };
    });
    const made = await mls.commit(this.#current(), { add, remove: leaves }, now());
    this.#next = made.state;
    return made;
  }

  async accepted(): Promise<void> {
    this.#state = this.#next;
    this.#next = undefined;
  }

  async refused(): Promise<void> {
    this.#next = undefined;
  }

  async join(group: string, welcome: Uint8Array, tree: Uint8Array): Promise<void> {
    this.#state = (await mls.joinByWelcome(this.#packages, welcome, tree, group)).state;
  }

  async joinExternally(group: string, groupInfo: Uint8Array, tree: Uint8Array): Promise<Made> {
    const made = await mls.joinExternally(this.#device, groupInfo, tree, group, now());
    this.#state = made.state;
    return made;
  }

  async send(_: string, text: string): Promise<Uint8Array> {
    const { state, message } = await mls.seal(this.#current(), new TextEncoder().encode(text));
    this.#state = state;
    return message;
  }

  async receive(_: string, message: Uint8Array): Promise<string> {
    // RFC 9420 6: version, and the wire format, of which 1 is a PublicMessage.
    if (message[3] === 1) {
      this.#state = (await mls.process(this.#current(), message, now())).state;
      return this.#state.isRemoved ? "removed" : `epoch ${this.#state.epoch}`;
    }
    const opened = await mls.open(this.#current(), message);
    this.#state = opened.state;
    return `${opened.account}/${opened.device}: ${new TextDecoder().decode(opened.bytes)}`;
  }

  async show(): Promise<Shown> {
    const state = this.#current();
    const exporter = await mls.exporter(state, "compare", new Uint8Array(), 32);
    const members = mls.members(state).map(({ account, device }) => `${account}/${device}`);
    return { epoch: `epoch ${state.epoch}`, exporter: `exporter ${base64(exporter)}`, members };
  }

  async tree(): Promise<Uint8Array> {
    return encodeRatchetTree(this.#current().mls.ratchetTree);
  }

  #current(): mls.GroupState {
    if (!this.#state) throw new Error(`${this.identity} is in no group`);
    return this.#state;
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
