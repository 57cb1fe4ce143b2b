// What this device keeps: IndexedDB, each value sealed, each step one atomic and durable batch.
//
// Keys lie open (conversations' ids, orders, messages' ids: what the server sees too), values do not.

import { unwrap, type IDBPDatabase } from "idb";
import { OpenBatch, bounded, type Step } from "./batch";
import { decode, encode } from "./cbor";
import { openDatabase, TABLES, type Record, type Schema } from "./database";
import { keptKey } from "./keys";
import { isHeldWhole, isRemembered, Memory, nameOf, type Change } from "./memory";
import { recordsOf } from "./records";
import { Sealer } from "./seal";

/** `messages` are keyed by [chat, order], and found by [chat, id] too. */
export type Table = (typeof TABLES)[number];
export type Key = string | number | (string | number)[];
export interface Row<T> {
  key: Key;
  value: T;
}

/** A part of a table, in the order of its keys. */
export interface Range {
  /** Array keys that begin so. */
  prefix?: (string | number)[];
  /** Keys behind, and before, this one; itself not. */
  after?: Key;
  before?: Key;
  /** From the end on. */
  reverse?: boolean;
  /** At most so many; else all. */
  count?: number;
}

/** What can be read, by those who know what it is. */
export interface Reader {
  get<T>(table: Table, key: Key): Promise<T | undefined>;
  range<T>(table: Table, range?: Range): Promise<Row<T>[]>;
  /** A message by the id that its sender gave it. */
  message<T extends { id: string }>(chat: string, id: string): Promise<Row<T> | undefined>;
}

/** What one step changes: all of it is kept, or nothing. Reading sees what the batch has changed. Values
 *  are not copied: who changes one after it was put, or read, changes what is kept. */
export interface Batch extends Reader {
  /** A message's row has its id beside its key.
   *  @param value what {@link encode} takes; or a blob that is encrypted already, under a key that is kept
   *  elsewhere: it is kept as it is, and never read into memory. */
  put(table: Exclude<Table, "messages">, key: Key, value: unknown): Batch;
  put(table: "messages", key: [chat: string, order: string], value: { id: string }): Batch;
  delete(table: Table, key: Key): Batch;
  /** Deletes a part of a table, all of it where nothing is said. */
  deleteRange(table: Table, range: Omit<Range, "reverse" | "count">): Batch;
  /** @returns once it is on disk.
   *  @throws {StoreFull} where there is no room: nothing was changed, and the batch can be tried again. */
  commit(): Promise<void>;
}

export class StoreFull extends Error {
  override name = "StoreFull";
}

export class Store implements Reader {
  readonly #database: IDBPDatabase<Schema>;
  readonly #sealer: Sealer;
  readonly #memory = new Memory();

  /** Opens the store, and makes it where there is none. One that opens it may write; see `leader.ts`.
   *  @param key what came out of the lock, where there is one.
   *  @throws {StoreLocked} */
  static async open(name?: string, key?: CryptoKey): Promise<Store> {
    const database = await openDatabase(name);
    try {
      return new Store(database, new Sealer(key ?? (await keptKey(database))));
    } catch (error) {
      database.close();
      throw error;
    }
  }

  private constructor(database: IDBPDatabase<Schema>, sealer: Sealer) {
    this.#database = database;
    this.#sealer = sealer;
  }

  async get<T>(table: Table, key: Key): Promise<T | undefined> {
    if (!isRemembered(table)) {
      const record = await this.#database.get(table, key);
      return record && (await this.#open<T>(table, key, record));
    }
    const plain = await this.#plain(table, key);
    return plain && (decode(plain) as T);
  }

  async range<T>(table: Table, range: Range = {}): Promise<Row<T>[]> {
    const bounds = bounded(range);
    if (bounds === "empty") return [];
    if (isHeldWhole(table)) return this.#within<T>(table, range, bounds);
    const { store } = this.#database.transaction(table);
    const rows = await recordsOf(unwrap(store), bounds, range.reverse === true, range.count);
    return Promise.all(rows.map(async ({ key, record }) => ({ key, value: await this.#open<T>(table, key, record) })));
  }

  /** How many rows there are in a part of a table. */
  async count(table: Table, range: Omit<Range, "reverse" | "count"> = {}): Promise<number> {
    const bounds = bounded(range);
    return bounds === "empty" ? 0 : this.#database.count(table, bounds ?? undefined);
  }

  /** The bytes of a table's values, as they are kept. */
  async weigh(table: Table): Promise<number> {
    let bytes = 0;
    for (let rest: IDBKeyRange | null = null; ; ) {
      const { store } = this.#database.transaction(table);
      const [keys, records] = await Promise.all([store.getAllKeys(rest, WEIGHED_AT_ONCE), store.getAll(rest, WEIGHED_AT_ONCE)]);
      for (const { sealed } of records) bytes += sealed instanceof Blob ? sealed.size : sealed.length;
      const last = keys.at(-1);
      if (last === undefined || keys.length < WEIGHED_AT_ONCE) return bytes;
      rest = IDBKeyRange.lowerBound(last, true);
    }
  }

  async message<T extends { id: string }>(chat: string, id: string): Promise<Row<T> | undefined> {
    const key = await this.#database.getKeyFromIndex("messages", "id", [chat, id]);
    if (key === undefined) return undefined;
    const value = await this.get<T>("messages", key as Key);
    return value === undefined ? undefined : { key: key as Key, value };
  }

  batch(): Batch {
    return new OpenBatch(this, (steps) => this.#commit(steps));
  }

  /** Removes all that is kept but the key. */
  async clear(): Promise<void> {
    const transaction = this.#database.transaction(TABLES, "readwrite", { durability: "strict" });
    await Promise.all(TABLES.map((name) => transaction.objectStore(name).clear()));
    await transaction.done;
    this.#memory.forget();
  }

  close(): void {
    this.#database.close();
  }

  async #plain(table: Table, key: Key): Promise<Uint8Array | undefined> {
    const name = nameOf(table, key);
    if (this.#memory.has(name)) return this.#memory.get(name);
    const isUnchanged = this.#memory.reading();
    const record = await this.#database.get(table, key);
    const plain = record && (await this.#unseal(table, key, record));
    if (isUnchanged()) this.#memory.note(name, plain);
    return plain;
  }

  async #within<T>(table: Table, range: Range, bounds: IDBKeyRange | null): Promise<Row<T>[]> {
    const rows = (this.#memory.table(table) ?? (await this.#wholeTable(table))).filter(({ key }) => !bounds || bounds.includes(key));
    const direction = range.reverse ? -1 : 1;
    rows.sort((one, other) => direction * indexedDB.cmp(one.key, other.key));
    return rows.slice(0, range.count).map(({ key, value }) => ({ key, value: decode(value) as T }));
  }

  async #wholeTable(table: Table): Promise<Row<Uint8Array>[]> {
    const isUnchanged = this.#memory.reading();
    const kept = await recordsOf(unwrap(this.#database.transaction(table).store), null, false);
    const rows = await Promise.all(kept.map(async ({ key, record }) => ({ key, value: await this.#unseal(table, key, record) })));
    if (isUnchanged()) this.#memory.noteTable(table, rows);
    return rows;
  }

  async #open<T>(table: Table, key: Key, record: Record): Promise<T> {
    return (record.sealed instanceof Blob ? record.sealed : decode(await this.#unseal(table, key, record))) as T;
  }

  #unseal(table: Table, key: Key, { sealed }: Record): Promise<Uint8Array> {
    if (sealed instanceof Blob) throw new TypeError("a blob lies where none belongs");
    return this.#sealer.open(sealed, place(table, key));
  }

  // A transaction does not wait for the sealing: all is sealed before it begins.
  async #commit(steps: Step[]): Promise<void> {
    if (steps.length === 0) return;
    const sealed = await Promise.all(steps.map((step) => this.#seal(step)));
    const tables = [...new Set(steps.map((step) => step.table))];
    const ended = this.#memory.changing(sealed);
    try {
      const transaction = this.#database.transaction(tables, "readwrite", { durability: "strict" });
      const requests = sealed.map(({ table, key, record }) => {
        const store = transaction.objectStore(table);
        return record ? store.put(record, key as Key) : store.delete(key);
      });
      await Promise.all([...requests, transaction.done]);
      ended(true);
    } catch (error) {
      ended(false);
      if (error instanceof Error && error.name === "QuotaExceededError") {
        throw new StoreFull("there is no room for what is to be kept", { cause: error });
      }
      throw error;
    }
  }

  async #seal(step: Step): Promise<SealedStep> {
    if (step.kind !== "put") return { table: step.table, key: step.key, record: null };
    if (step.value instanceof Blob) return { table: step.table, key: step.key, record: { sealed: step.value } };
    const plain = encode(step.value);
    const record: Record = { sealed: await this.#sealer.seal(plain, place(step.table, step.key)) };
    if (step.table === "messages") {
      record.chat = (step.key as string[])[0];
      record.id = (step.value as { id: string }).id;
    }
    return { table: step.table, key: step.key, record, plain };
  }
}

interface SealedStep extends Change {
  record: Record | null;
}

function place(table: Table, key: Key | IDBKeyRange): Uint8Array<ArrayBuffer> {
  return encode([table, key]);
}

const WEIGHED_AT_ONCE = 500;
