import "fake-indexeddb/auto";
import { openDB } from "idb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LockState } from "../protocol";
import { Keys, type LockRecord } from "../store/keys";
import { Store } from "../store/store";
import { AppLock } from "./app-lock";
import { ARGON2ID, unwrapByPassphrase, wrapByPassphrase } from "./wrap";

const PASSPHRASE = "a tern over the bar";
let name: string;
let now: number;
let shown: LockState | undefined;
let handed: CryptoKey | undefined;
let opened: CryptoKey | undefined;
let locks: AppLock[];

beforeEach(async () => {
  name = crypto.randomUUID();
  now = 1_800_000_000_000;
  [shown, handed, opened, locks] = [undefined, undefined, undefined, []];
  const store = await Store.open(name);
  await store.batch().put("meta", "secret", "the plaintext").commit();
  store.close();
});
afterEach(() => {
  for (const lock of locks) lock.stop();
  vi.useRealTimers();
});

test("what is kept opens by the passphrase alone, and nothing on the disk opens it without", async () => {
  const lock = await load();
  await lock.commands.setLock(PASSPHRASE);
  expect(shown).toEqual({ isLocked: false, afterMin: 15 });
  await expect(Store.open(name)).rejects.toThrow("behind the lock");
  expect((await keysOnDisk()).some((value) => holdsKey(value))).toBe(false);
  expect(await secret(handed)).toBe("the plaintext");

  const restarted = await load();
  expect(shown?.isLocked).toBe(true);
  await expect(restarted.commands.unlock({ passphrase: "a tern over the bay" })).rejects.toMatchObject({ name: "lock-wrong" });
  expect(opened).toBeUndefined();
  await restarted.commands.unlock({ passphrase: PASSPHRASE });
  expect(shown?.isLocked).toBe(false);
  expect(opened?.extractable).toBe(false);
  expect(await secret(opened)).toBe("the plaintext");
});

test("a passkey opens it too; another passphrase takes the place of the first; without lock all is as before", async () => {
  const secret32 = crypto.getRandomValues(new Uint8Array(32));
  const passkey = { id: new Uint8Array([1, 2]), salt: new Uint8Array(32), secret: secret32 };
  const lock = await load();
  await lock.commands.setLock(PASSPHRASE);
  await expect(lock.commands.setLockPasskey(passkey, { passphrase: "something else" })).rejects.toMatchObject({ name: "lock-wrong" });
  await lock.commands.setLockPasskey(passkey, { passphrase: PASSPHRASE });
  await lock.commands.setLock("the godwits are back", { passkey: secret32 });
  await expect((await load()).commands.unlock({ passphrase: PASSPHRASE })).rejects.toMatchObject({ name: "lock-wrong" });
  const again = await load();
  expect(shown?.passkey?.id).toEqual(new Uint8Array([1, 2]));
  await expect(again.commands.unlock({ passkey: new Uint8Array(32) })).rejects.toMatchObject({ name: "lock-wrong" });
  await again.commands.unlock({ passkey: secret32 });
  expect(await secret(opened)).toBe("the plaintext");

  await again.commands.removeLock({ passphrase: "the godwits are back" });
  expect(shown).toBeUndefined();
  expect(await secret(undefined)).toBe("the plaintext");
});

test("wrong tries are counted through a restart, and from the third on the next one waits", async () => {
  await (await load()).commands.setLock(PASSPHRASE);
  const wrong = async (lock: AppLock) => Promise.resolve(lock.commands.unlock({ passphrase: "not this one" })).catch((error: { name: string; retryAfterS?: number }) => [error.name, error.retryAfterS]);
  const lock = await load();
  expect(await wrong(lock)).toEqual(["lock-wrong", undefined]);
  expect(await wrong(lock)).toEqual(["lock-wrong", undefined]);
  expect(await wrong(await load())).toEqual(["lock-wrong", 5]);
  const restarted = await load();
  await expect(restarted.commands.unlock({ passphrase: PASSPHRASE })).rejects.toMatchObject({ name: "lock-wait", retryAfterS: 5 });
  now += 5_000;
  expect(await wrong(restarted)).toEqual(["lock-wrong", 10]);
  // A clock that is set back does not make it longer than it ever is.
  now -= 365 * 24 * 3_600_000;
  await expect(restarted.commands.unlock({ passphrase: PASSPHRASE })).rejects.toMatchObject({ retryAfterS: 300 });
  now += 365 * 24 * 3_600_000 + 10_000;
  await restarted.commands.unlock({ passphrase: PASSPHRASE });
  await expect((await load()).commands.unlock({ passphrase: PASSPHRASE })).resolves.toBeUndefined();
});

test("it locks when the user is away for as long as was chosen, and at once after a sleep", async () => {
  const lock = await load();
  await lock.commands.setLock(PASSPHRASE);
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  await lock.commands.setLockAfter(5);
  now += 4 * 60_000;
  lock.commands.stayOpen();
  now += 4 * 60_000;
  vi.advanceTimersByTime(1_000);
  expect(shown?.isLocked).toBe(false);
  now += 3_600_000;
  vi.advanceTimersByTime(1_000);
  await vi.waitFor(() => expect(shown?.isLocked).toBe(true));
  expect(handed).toBeUndefined();
});

test("a passphrase of seven characters is refused, and so is what needs a lock where there is none", async () => {
  const lock = await load();
  await expect(lock.commands.setLock("sevenfo")).rejects.toMatchObject({ name: "lock-form" });
  await expect(lock.commands.lock()).rejects.toMatchObject({ name: "not-found" });
  await expect(lock.commands.forgetLocked()).rejects.toMatchObject({ name: "not-allowed" });
});

test("a passphrase costs whoever guesses 64 MiB and three passes", async () => {
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
  const kept = await wrapByPassphrase(key, PASSPHRASE, ARGON2ID);
  expect(kept).toMatchObject({ memoryKib: 65_536, passes: 3, lanes: 4 });
  expect(await unwrapByPassphrase(kept, PASSPHRASE, false)).toBeDefined();
  expect(await unwrapByPassphrase({ ...kept, passes: 1 }, PASSPHRASE, false)).toBeUndefined();
}, 30_000);

async function load(): Promise<AppLock> {
  const lock = await AppLock.load(new Keys(name), false, {
    now: () => now,
    open: async (key) => void (opened = key),
    close: async () => undefined,
    handOn: (key) => void (handed = key),
    show: (state) => void (shown = state),
    forget: async () => undefined,
  }, { memoryKib: 64, passes: 1, lanes: 1 });
  locks.push(lock);
  return lock;
}

async function secret(key: CryptoKey | undefined): Promise<string | undefined> {
  const store = await Store.open(name, key);
  const kept = await store.get<string>("meta", "secret");
  store.close();
  return kept;
}

async function keysOnDisk(): Promise<LockRecord[]> {
  const raw = await openDB(name);
  const all = (await raw.getAll("keys")) as LockRecord[];
  raw.close();
  expect(all).toHaveLength(1);
  return all;
}

function holdsKey(value: unknown): boolean {
  if (value instanceof CryptoKey) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsKey);
}
