// The tables of the store, and beside them its key.

import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { KeptKey, LockRecord } from "./keys";
import type { Key } from "./store";

/** What lies in a table. */
export interface Record {
  /** A blob came sealed, under a key of its own. */
  sealed: Uint8Array<ArrayBuffer> | Blob;
  /** Of messages: what they are also found by. */
  chat?: string;
  id?: string;
}

export interface Schema extends DBSchema {
  meta: { key: Key; value: Record };
  groups: { key: Key; value: Record };
  chats: { key: Key; value: Record };
  messages: { key: Key; value: Record; indexes: { id: [string, string] } };
  outbox: { key: Key; value: Record };
  contacts: { key: Key; value: Record };
  files: { key: Key; value: Record };
  search: { key: Key; value: Record };
  keys: { key: string; value: KeptKey | LockRecord };
}

/** Opens the database, and makes it where there is none. */
export async function openDatabase(name = DATABASE): Promise<IDBPDatabase<Schema>> {
  const database = await openDB<Schema>(name, VERSION, { upgrade: makeTables });
  // Another tab with a newer app wants to upgrade, or the user removes our data: do not stand in the way.
  database.addEventListener("versionchange", () => database.close());
  return database;
}

function makeTables(database: IDBPDatabase<Schema>): void {
  for (const table of TABLES) {
    const store = database.createObjectStore(table);
    if (table !== "messages") continue;
    (store as ReturnType<typeof database.createObjectStore<"messages">>).createIndex("id", ["chat", "id"]);
  }
  database.createObjectStore(KEYS);
}

export const DATABASE = "whimbrel";
export const TABLES = ["meta", "groups", "chats", "messages", "outbox", "contacts", "files", "search"] as const;
export const KEYS = "keys";
const VERSION = 1;
