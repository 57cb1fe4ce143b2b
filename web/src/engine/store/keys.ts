// Where the store's key is: on this device, under a key that scripts can use and none can read out; or
// behind the app lock, and then nowhere else.

import type { IDBPDatabase } from "idb";
import { KEYS, openDatabase, TABLES, type Schema } from "./database";

/** How a key is kept by a database without a lock. The store's key itself, as it lies open while it is moved
 *  into the lock, is never written. */
export interface KeptKey {
  device: CryptoKey;
  nonce: Uint8Array<ArrayBuffer>;
  wrapped: Uint8Array<ArrayBuffer>;
}

/** The lock as it is kept: the store's key, wrapped by what each way of opening it gives; see `lock/wrap.ts`. */
export interface LockRecord {
  passphrase: PassphraseWrap;
  passkey?: PasskeyWrap;
  afterMin: number | null;
  /** Wrong tries in a row, and when the next is looked at, in milliseconds since 1970. */
  tries: number;
  waitUntil: number;
}

/** AES-256-GCM under a key that the user's secret gives. */
export interface Wrap {
  salt: Uint8Array<ArrayBuffer>;
  nonce: Uint8Array<ArrayBuffer>;
  wrapped: Uint8Array<ArrayBuffer>;
}

/** RFC 9106 Argon2id. */
export interface PassphraseWrap extends Wrap {
  memoryKib: number;
  passes: number;
  lanes: number;
}

/** WebAuthn Level 3 10.1.4 `prf`: `salt` is what its secret is asked for. */
export interface PasskeyWrap extends Wrap {
  id: Uint8Array<ArrayBuffer>;
}

export class StoreLocked extends Error {
  override name = "StoreLocked";
}

/** The key that lies on this device, drawn where there is none.
 *  @throws {StoreLocked} where it is behind the lock. */
export async function keptKey(database: IDBPDatabase<Schema>): Promise<CryptoKey> {
  const kept = await read(database);
  if (kept) return isLock(kept) ? locked() : unwrap(kept, false);
  // Whoever comes second, in another tab at the same moment, takes the key of the first.
  const drawn = await keep(await newKey());
  const transaction = database.transaction(KEYS, "readwrite", { durability: "strict" });
  const first = (await transaction.store.get(LOCK)) ?? (await transaction.store.get(SEALING));
  if (!first) void transaction.store.put(drawn, SEALING);
  await transaction.done;
  const entry = first ?? drawn;
  return isLock(entry) ? locked() : unwrap(entry, false);
}

/** The kept keys of a database, while nobody needs its tables. */
export class Keys {
  readonly #name: string | undefined;

  constructor(name?: string) {
    this.#name = name;
  }

  /** @returns nothing where there is no lock. */
  lock(): Promise<LockRecord | undefined> {
    return this.#with(async (database) => {
      const entry = await database.get(KEYS, LOCK);
      return entry && isLock(entry) ? entry : undefined;
    });
  }

  /** The store's key in a form that can be wrapped. @throws {StoreLocked} */
  takeOut(): Promise<CryptoKey> {
    return this.#with(async (database) => {
      const kept = await read(database);
      return !kept || isLock(kept) ? locked() : unwrap(kept, true);
    });
  }

  /** Keeps the lock. From then on the key lies nowhere but behind it. */
  keepLock(record: LockRecord): Promise<void> {
    return this.#change(LOCK, record, SEALING);
  }

  /** Keeps the key on this device, and no lock. @param key as {@link takeOut} gives it. */
  async putBack(key: CryptoKey): Promise<void> {
    return this.#change(SEALING, await keep(key), LOCK);
  }

  /** Removes all that the database keeps, the key included. */
  forget(): Promise<void> {
    return this.#with(async (database) => {
      const all = [...TABLES, KEYS] as const;
      const transaction = database.transaction(all, "readwrite", { durability: "strict" });
      await Promise.all(all.map((name) => transaction.objectStore(name).clear()));
      await transaction.done;
    });
  }

  #change(name: string, value: KeptKey | LockRecord, other: string): Promise<void> {
    return this.#with(async (database) => {
      const transaction = database.transaction(KEYS, "readwrite", { durability: "strict" });
      await Promise.all([transaction.store.put(value, name), transaction.store.delete(other), transaction.done]);
    });
  }

  async #with<T>(task: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    const database = await openDatabase(this.#name);
    try {
      return await task(database);
    } finally {
      database.close();
    }
  }
}

async function read(database: IDBPDatabase<Schema>): Promise<KeptKey | LockRecord | undefined> {
  return (await database.get(KEYS, LOCK)) ?? (await database.get(KEYS, SEALING));
}

function newKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
}

async function keep(key: CryptoKey): Promise<KeptKey> {
  const usages = ["wrapKey", "unwrapKey"] as const;
  const device = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [...usages]);
  const nonce = crypto.getRandomValues(new Uint8Array(12));
  const wrapped = await crypto.subtle.wrapKey("raw", key, device, { name: "AES-GCM", iv: nonce });
  return { device, nonce, wrapped: new Uint8Array(wrapped) };
}

function unwrap({ device, nonce, wrapped }: KeptKey, isExtractable: boolean): Promise<CryptoKey> {
  const algorithm = { name: "AES-GCM", iv: nonce };
  return crypto.subtle.unwrapKey("raw", wrapped, device, algorithm, "AES-GCM", isExtractable, ["encrypt", "decrypt"]);
}

function isLock(entry: KeptKey | LockRecord): entry is LockRecord {
  return "passphrase" in entry;
}

function locked(): never {
  throw new StoreLocked("the store's key is behind the lock");
}

const SEALING = "sealing";
export const LOCK = "lock";
