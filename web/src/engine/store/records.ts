// Indexed Database API 3.0: many rows of a table, by as few requests as the browser can do with. A cursor costs one
// for each row.

import type { Record } from "./database";
import type { Key } from "./store";

/** A row as it lies in the table. */
export interface KeptRow {
  key: Key;
  record: Record;
}

/** @param count at most so many; all where it is not said */
export async function recordsOf(store: IDBObjectStore, bounds: IDBKeyRange | null, isReverse: boolean, count?: number): Promise<KeptRow[]> {
  const limit = count === undefined ? {} : { count };
  if (store.getAllRecords) {
    const direction = isReverse ? "prev" : "next";
    const records = await answered<FoundRecord[]>(store.getAllRecords({ query: bounds, direction, ...limit }));
    return records.map(({ key, value }) => ({ key: key as Key, record: value as Record }));
  }
  if (isReverse) return backwards(store, bounds, count ?? Number.POSITIVE_INFINITY);
  const asked = [store.getAllKeys(bounds, count), store.getAll(bounds, count)] as const;
  const [keys, records] = await Promise.all([answered<IDBValidKey[]>(asked[0]), answered<Record[]>(asked[1])]);
  return records.map((record, index) => ({ key: keys[index] as Key, record }));
}

function backwards(store: IDBObjectStore, bounds: IDBKeyRange | null, count: number): Promise<KeptRow[]> {
  return new Promise((resolve, reject) => {
    const rows: KeptRow[] = [];
    const request = store.openCursor(bounds, "prev");
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor || rows.length >= count) return resolve(rows);
      rows.push({ key: cursor.key as Key, record: cursor.value as Record });
      if (rows.length >= count) resolve(rows);
      else cursor.continue();
    };
  });
}

function answered<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error);
  });
}

interface FoundRecord {
  key: IDBValidKey;
  value: unknown;
}

declare global {
  interface IDBObjectStore {
    /** Not in all browsers. */
    getAllRecords?(options: { query: IDBKeyRange | null; count?: number; direction?: IDBCursorDirection }): IDBRequest;
  }
}
