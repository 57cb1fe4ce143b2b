// How much is kept in this browser, and for what.

import type { StorageUse } from "../protocol";
import { TABLES } from "./database";
import type { Store } from "./store";

export async function storageUse(store: Store): Promise<StorageUse> {
  const use: StorageUse = { messages: 0, search: 0, files: 0, other: 0 };
  for (const table of TABLES) {
    const kind = table === "messages" || table === "search" || table === "files" ? table : "other";
    use[kind] += await store.weigh(table);
  }
  return use;
}
