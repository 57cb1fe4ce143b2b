// Accounts' device lists: which devices their accounts vouch for, and whether an account's key is still
// the one that was first seen.

import { isEqual, members, vouchesFor, type DeviceList, type GroupState, type Leaf } from "../mls";
import type { Context } from "../parts";
import type { AccountId, ChatId } from "../protocol";
import type { Batch, Reader } from "../store/store";
import type { Identity } from "./identity";
import type { States } from "./states";

export class Peers {
  readonly #context: Context;
  readonly #identity: Identity;
  readonly #lists = new Map<AccountId, DeviceList>();
  #changed = new Set<AccountId>();

  constructor(context: Context, identity: Identity) {
    this.#context = context;
    this.#identity = identity;
  }

  /** Those for which their account does not vouch. Of an account whose list was never to be had nobody can
   *  say anything: its key would be as new.
   *  @throws {Refusal} `offline` */
  async strangers(leaves: Leaf[]): Promise<Leaf[]> {
    const verdicts = await Promise.all(leaves.map(async (leaf) => {
      const known = await this.#known(leaf.account);
      if (known && vouchesFor(known, leaf)) return true;
      const newest = await this.refresh(leaf.account);
      return newest === undefined || vouchesFor(newest, leaf);
    }));
    return leaves.filter((_, at) => !verdicts[at]);
  }

  /** Notes which members of a group that was just entered are strangers. */
  async check(states: States, chat: ChatId, state: GroupState, batch: Batch): Promise<void> {
    await states.noteStrangers(chat, await this.strangers(members(state)), [], batch);
  }

  /** The account's newest list; the one before where the server has none, or an older one. */
  async refresh(account: AccountId): Promise<DeviceList | undefined> {
    const [known, shown] = await Promise.all([this.#known(account), this.#identity.listOf(account).catch(unlessOffline)]);
    if (!shown) return known;
    const isSameKey = known !== undefined && isEqual(known.accountKey, shown.accountKey);
    // An older list would bring back devices that were taken from it.
    if (known && isSameKey && shown.counter < known.counter) return known;
    if (known && !isSameKey) this.#changed.add(account);
    if (!isSameKey || shown.counter !== known?.counter) {
      await this.#context.store.batch().put("meta", [LIST, account], shown).commit();
    }
    this.#lists.set(account, shown);
    return shown;
  }

  /** The account's key was found to be another one, and nobody was told. */
  isChanged(account: AccountId): boolean {
    return this.#changed.has(account);
  }

  /** Accounts whose key was found to be another one, since this was last asked. */
  takeChanged(): AccountId[] {
    const changed = [...this.#changed];
    this.#changed = new Set();
    return changed;
  }

  async #known(account: AccountId): Promise<DeviceList | undefined> {
    const known = this.#lists.get(account) ?? (await this.#context.store.get<DeviceList>("meta", [LIST, account]));
    if (known) this.#lists.set(account, known);
    return known;
  }
}

/** The device lists of all accounts, as they were last seen. */
export async function keysSeen(reader: Reader): Promise<DeviceList[]> {
  return (await reader.range<DeviceList>("meta", { prefix: [LIST] })).map(({ value }) => value);
}

/** Takes lists that another of the own devices has seen, where there is none of the account here.
 *  @returns accounts of which another key was seen here */
export async function learnKeys(batch: Batch, lists: DeviceList[]): Promise<AccountId[]> {
  const differing: AccountId[] = [];
  for (const list of lists) {
    const known = await batch.get<DeviceList>("meta", [LIST, list.account]);
    if (!known) batch.put("meta", [LIST, list.account], list);
    else if (!isEqual(known.accountKey, list.accountKey)) differing.push(list.account);
  }
  return differing;
}

/** What the server refuses to show is as if it were not there. */
function unlessOffline(error: unknown): undefined {
  if (error instanceof Error && error.name === "offline") throw error;
  return undefined;
}

const LIST = "device-list";
