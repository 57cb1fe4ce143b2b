// The browser is asked not to clear what is kept when it needs room: keys and messages are nowhere else.

/** Asks once there is an account to lose. Some browsers ask the user in turn, others decide by how much the app
 *  is used: a refusal is asked again after a week. */
export async function keepStorage(): Promise<void> {
  const { storage } = navigator;
  if (!storage?.persist || (await storage.persisted())) return;
  const askedAt = Number(read()) || 0;
  if (Date.now() - askedAt < ASK_AGAIN_MS) return;
  write(String(Date.now()));
  await storage.persist();
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function write(value: string): void {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Without room it is asked again at the next start.
  }
}

const KEY = "whimbrel.asked-to-keep";
const ASK_AGAIN_MS = 7 * 24 * 3_600_000;
