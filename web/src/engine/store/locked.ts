// Whether the app is locked, for those who run without the engine: the service worker.

import { DATABASE, KEYS } from "./database";
import { LOCK } from "./keys";

/** `none`: the app has no lock. `open`: a tab is there that the user has unlocked. `locked`: nothing of what
 *  is kept may be shown, for it cannot be read. */
export async function lockState(): Promise<"none" | "open" | "locked"> {
  if (!(await hasLock())) return "none";
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === OPEN) ? "open" : "locked";
}

/** Held by the engine that has the key. */
export const OPEN = "whimbrel-open";

function hasLock(): Promise<boolean> {
  return new Promise((resolve) => {
    const request = indexedDB.open(DATABASE);
    // There is none yet: it is the engine that makes it.
    request.onupgradeneeded = () => request.transaction?.abort();
    request.onerror = () => resolve(false);
    request.onsuccess = () => {
      const database = request.result;
      const asked = database.transaction(KEYS).objectStore(KEYS).count(LOCK);
      asked.onsuccess = () => resolve(asked.result > 0);
      asked.onerror = () => resolve(true);
      database.onversionchange = () => database.close();
      asked.transaction?.addEventListener("complete", () => database.close());
    };
  });
}
