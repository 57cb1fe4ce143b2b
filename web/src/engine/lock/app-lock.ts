// The app's lock: while it is locked, what is kept on this device opens for nobody who lacks the
// passphrase or the passkey, the app itself included.

import type { Handlers } from "../parts";
import type { LockPasskey, LockSecret, LockState } from "../protocol";
import { Refusal } from "../refusal";
import { Keys, type LockRecord } from "../store/keys";
import { ARGON2ID, sealedKey, unwrapByPasskey, unwrapByPassphrase, wrapByPasskey, wrapByPassphrase, type Cost } from "./wrap";

export type LockCommand =
  | "setLock"
  | "setLockPasskey"
  | "setLockAfter"
  | "removeLock"
  | "lock"
  | "unlock"
  | "stayOpen"
  | "forgetLocked";

/** What the engine does about it. */
export interface Behind {
  /** Milliseconds since 1970. */
  now(): number;
  /** Begins with this key. */
  open(key: CryptoKey): Promise<void>;
  /** Ends all that runs, and lets go of the key. */
  close(): Promise<void>;
  /** Other tabs may go on with this key; or, without one, none may. */
  handOn(key: CryptoKey | undefined): void;
  show(state: LockState | undefined): void;
  /** Removes all that is kept, and begins anew. */
  forget(): Promise<void>;
}

export class AppLock {
  readonly commands: Handlers<LockCommand>;
  readonly #keys: Keys;
  readonly #behind: Behind;
  readonly #cost: Cost;
  #record: LockRecord | undefined;
  #isLocked: boolean;
  #queue: Promise<unknown> = Promise.resolve();
  #seenAt: number;
  #watch: ReturnType<typeof setInterval> | undefined;

  /** @param isOpen another tab, which had the key, has handed it on.
   *  @param cost of new passphrases; for tests. */
  static async load(keys: Keys, isOpen: boolean, behind: Behind, cost = ARGON2ID): Promise<AppLock> {
    return new AppLock(keys, await keys.lock(), isOpen, behind, cost);
  }

  private constructor(keys: Keys, record: LockRecord | undefined, isOpen: boolean, behind: Behind, cost: Cost) {
    this.#keys = keys;
    this.#cost = cost;
    this.#record = record;
    this.#isLocked = record !== undefined && !isOpen;
    this.#behind = behind;
    this.#seenAt = behind.now();
    this.commands = this.#makeCommands();
    this.#stand();
  }

  get isLocked(): boolean {
    return this.#isLocked;
  }

  /** It watches the clock no more. */
  stop(): void {
    clearInterval(this.#watch);
  }

  #makeCommands(): Handlers<LockCommand> {
    const alone = <T>(task: () => Promise<T>): Promise<T> => {
      const done = this.#queue.then(task);
      this.#queue = done.catch(() => undefined);
      return done;
    };
    return {
      setLock: (passphrase, current) => alone(() => this.#set(passphrase, current)),
      setLockPasskey: (passkey, current) => alone(() => this.#setPasskey(passkey, current)),
      setLockAfter: (afterMin) => alone(() => this.#setAfter(afterMin)),
      removeLock: (current) => alone(() => this.#remove(current)),
      lock: () => alone(() => this.#lock()),
      unlock: (by) => alone(() => this.#unlock(by)),
      stayOpen: () => void (this.#seenAt = this.#behind.now()),
      forgetLocked: () => alone(() => this.#forget()),
    };
  }

  async #set(passphrase: string, current: LockSecret | undefined): Promise<void> {
    const length = [...passphrase].length;
    if (length < PASSPHRASE_LENGTH_MIN || length > PASSPHRASE_LENGTH_MAX) {
      throw new Refusal("lock-form", `a passphrase has ${PASSPHRASE_LENGTH_MIN} to ${PASSPHRASE_LENGTH_MAX} characters`);
    }
    const key = this.#record ? await this.#try(current, true) : await this.#keys.takeOut();
    const { passkey, afterMin = AFTER_MIN } = this.#record ?? {};
    const wrapped = await wrapByPassphrase(key, passphrase, this.#cost);
    await this.#keep({ passphrase: wrapped, ...(passkey ? { passkey } : {}), afterMin, tries: 0, waitUntil: 0 });
    this.#seenAt = this.#behind.now();
    this.#behind.handOn(await sealedKey(key));
  }

  async #setPasskey(passkey: LockPasskey | null, current: LockSecret): Promise<void> {
    const key = await this.#try(current, true);
    const { passkey: _, ...record } = this.#needRecord();
    await this.#keep(passkey ? { ...record, passkey: await wrapByPasskey(key, passkey) } : record);
  }

  async #setAfter(afterMin: number | null): Promise<void> {
    this.#needOpen();
    if (afterMin !== null && !(afterMin >= 1)) throw new Refusal("internal", `${afterMin} is no number of minutes`);
    await this.#keep({ ...this.#needRecord(), afterMin });
  }

  async #remove(current: LockSecret): Promise<void> {
    const key = await this.#try(current, true);
    await this.#keys.putBack(key);
    this.#record = undefined;
    this.#stand();
    this.#behind.handOn(undefined);
  }

  async #lock(): Promise<void> {
    this.#needRecord();
    if (this.#isLocked) return;
    this.#isLocked = true;
    this.#behind.handOn(undefined);
    // The pages hide what they show before anything else ends.
    this.#stand();
    await this.#behind.close();
  }

  async #unlock(by: LockSecret): Promise<void> {
    if (!this.#isLocked) return;
    const key = await this.#try(by, false);
    this.#isLocked = false;
    try {
      await this.#behind.open(key);
    } catch (error) {
      this.#isLocked = true;
      await this.#behind.close();
      throw error;
    }
    this.#seenAt = this.#behind.now();
    this.#behind.handOn(key);
    this.#stand();
  }

  async #forget(): Promise<void> {
    if (!this.#isLocked) throw new Refusal("not-allowed", "the app is not locked");
    await this.#behind.forget();
  }

  /** One try, which is counted before anything is known of it: who closes the tab meanwhile has had it.
   *  @throws {Refusal} `lock-wrong` */
  async #try(secret: LockSecret | undefined, isExtractable: boolean): Promise<CryptoKey> {
    const record = this.#needRecord();
    const now = this.#behind.now();
    const waitMs = Math.min(record.waitUntil - now, WAIT_MS_MAX);
    if (waitMs > 0) throw new Refusal("lock-wait", "after wrong tries", { retryAfterS: Math.ceil(waitMs / 1000) });
    if (!secret) throw new Refusal("lock-wrong", "nothing was given");
    const tries = record.tries + 1;
    const nextMs = tries < TRIES_FREE ? 0 : Math.min(WAIT_MS_MIN * 2 ** (tries - TRIES_FREE), WAIT_MS_MAX);
    await this.#keep({ ...record, tries, waitUntil: now + nextMs });
    const key = await this.#unwrap(record, secret, isExtractable);
    if (!key) throw new Refusal("lock-wrong", "it does not open", nextMs > 0 ? { retryAfterS: nextMs / 1000 } : {});
    await this.#keep({ ...record, tries: 0, waitUntil: 0 });
    return key;
  }

  async #unwrap(record: LockRecord, secret: LockSecret, isExtractable: boolean): Promise<CryptoKey | undefined> {
    if ("passphrase" in secret) return unwrapByPassphrase(record.passphrase, secret.passphrase, isExtractable);
    return record.passkey && unwrapByPasskey(record.passkey, secret.passkey, isExtractable);
  }

  async #keep(record: LockRecord): Promise<void> {
    await this.#keys.keepLock(record);
    this.#record = record;
    this.#stand();
  }

  #needRecord(): LockRecord {
    if (!this.#record) throw new Refusal("not-found", "there is no lock");
    return this.#record;
  }

  #needOpen(): void {
    if (this.#isLocked) throw new Refusal("locked", "the app is locked");
  }

  #stand(): void {
    this.#behind.show(this.#state());
    clearInterval(this.#watch);
    if (!this.#record || this.#isLocked || this.#record.afterMin === null) return;
    // By the clock, not by one long wait: a machine that slept is locked when it wakes.
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const { afterMin = null } = this.#record ?? {};
    const sinceMs = this.#behind.now() - this.#seenAt;
    // A clock that was set back begins anew.
    if (sinceMs < 0) this.#seenAt = this.#behind.now();
    if (afterMin !== null && sinceMs >= afterMin * 60_000) void Promise.resolve(this.commands.lock()).catch(() => undefined);
  }

  #state(): LockState | undefined {
    if (!this.#record) return undefined;
    const { afterMin, passkey } = this.#record;
    return { isLocked: this.#isLocked, afterMin, ...(passkey ? { passkey: { id: passkey.id, salt: passkey.salt } } : {}) };
  }
}

const PASSPHRASE_LENGTH_MIN = 8;
const PASSPHRASE_LENGTH_MAX = 1024;
/** A new lock locks after so long without the user. */
const AFTER_MIN = 15;
/** Wrong tries in a row: from this one on the next waits, each time twice as long. */
const TRIES_FREE = 3;
const WAIT_MS_MIN = 5_000;
const WAIT_MS_MAX = 5 * 60_000;
const LOOK_MS = 1_000;
