// Groups' states as they are kept: the newest one in memory, and in each batch what has changed of it.

import { load, store, type Commit, type Device, type GroupState, type Leaf, type StoredGroup } from "../mls";
import type { AccountId, ChatId } from "../protocol";
import type { Batch, Reader } from "../store/store";

/** A commit or founding that the server was asked to take. It is kept before it is asked. */
export interface Pending {
  /** Of a founding: empty. */
  handshake: Uint8Array;
  state: StoredGroup;
}

export class States {
  readonly #device: Device;
  /** As of the last batch that was kept, or of the one that is being made. */
  readonly #newest = new Map<ChatId, GroupState>();

  constructor(device: Device) {
    this.#device = device;
  }

  async get(chat: ChatId, reader: Reader): Promise<GroupState | undefined> {
    const known = this.#newest.get(chat);
    if (known) return known;
    const parts = await Promise.all(PARTS.map((part) => reader.get<Uint8Array>("groups", [chat, part])));
    const [epoch, secrets, past] = parts;
    if (!epoch || !secrets || !past) return undefined;
    const state = load(this.#device, { epoch, secrets, past });
    this.#newest.set(chat, state);
    return state;
  }

  /** Chats whose group this device has a state of. */
  async chats(reader: Reader): Promise<ChatId[]> {
    const rows = await reader.range<unknown>("groups");
    const chats = rows.flatMap(({ key }) => (Array.isArray(key) && key[1] === "epoch" ? [String(key[0])] : []));
    return [...new Set(chats)];
  }

  put(chat: ChatId, state: GroupState, batch: Batch): void {
    const changed = store(state, this.#newest.get(chat));
    for (const part of PARTS) if (changed[part]) batch.put("groups", [chat, part], changed[part]);
    this.#newest.set(chat, state);
  }

  /** This device is not in the group any more, or cannot follow it. */
  remove(chat: ChatId, batch: Batch): void {
    for (const part of [...PARTS, STRANGERS, WANTED]) batch.delete("groups", [chat, part]);
    this.#newest.delete(chat);
  }

  /** Names of leaves for which no account vouches: nothing is sealed while there are such. */
  async strangers(chat: ChatId, reader: Reader): Promise<string[]> {
    return (await reader.get<string[]>("groups", [chat, STRANGERS])) ?? [];
  }

  /** Members came and went. */
  async noteStrangers(chat: ChatId, came: Leaf[], went: Leaf[], batch: Batch): Promise<void> {
    const before = await this.strangers(chat, batch);
    if (came.length === 0 && before.length === 0) return;
    const names = new Set([...before, ...came.map(nameOf)]);
    for (const leaf of went) names.delete(nameOf(leaf));
    batch.put("groups", [chat, STRANGERS], [...names]);
  }

  /** Members who have no leaf yet: nothing is sealed until they have. */
  async wanted(chat: ChatId, reader: Reader): Promise<AccountId[]> {
    return (await reader.get<AccountId[]>("groups", [chat, WANTED])) ?? [];
  }

  noteWanted(chat: ChatId, accounts: AccountId[], batch: Batch): void {
    if (accounts.length > 0) batch.put("groups", [chat, WANTED], accounts);
    else batch.delete("groups", [chat, WANTED]);
  }

  /** What was put was not kept. */
  drop(chat: ChatId): void {
    this.#newest.delete(chat);
  }

  pending(chat: ChatId, reader: Reader): Promise<Pending | undefined> {
    return reader.get<Pending>("groups", [chat, PENDING]);
  }

  putPending(chat: ChatId, { state, handshake }: Pick<Commit, "state" | "handshake">, batch: Batch): void {
    const pending: Pending = { handshake, state: store(state) as StoredGroup };
    batch.put("groups", [chat, PENDING], pending);
  }

  /** The pending step counts: its state is the group's. */
  adopt(chat: ChatId, pending: Pending, batch: Batch): void {
    batch.delete("groups", [chat, PENDING]);
    this.#newest.delete(chat);
    this.put(chat, load(this.#device, pending.state), batch);
  }

  removePending(chat: ChatId, batch: Batch): void {
    batch.delete("groups", [chat, PENDING]);
  }
}

/** `ACCOUNT/DEVICE` */
export function nameOf({ account, device }: Pick<Leaf, "account" | "device">): string {
  return `${account}/${device}`;
}

const PARTS = ["epoch", "secrets", "past"] as const;
const STRANGERS = "strangers";
const WANTED = "wanted";
const PENDING = "pending";
