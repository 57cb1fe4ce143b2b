// The server's time, as far as this device knows it: messages end and key packages hold by that, and a device's
// own clock may be hours off.

import type { Store } from "./store/store";

export class Clock {
  readonly #store: Store;
  readonly #own: () => number;
  /** The server's time less the own. */
  #aheadMs: number;
  #isHeard = false;
  /** Called when another time holds from now on. */
  changed: () => void = () => undefined;

  /** @param own milliseconds since 1970, by this device */
  static async load(store: Store, own: () => number): Promise<Clock> {
    return new Clock(store, own, (await store.get<number>("meta", KEY)) ?? 0);
  }

  private constructor(store: Store, own: () => number, aheadMs: number) {
    this.#store = store;
    this.#own = own;
    this.#aheadMs = aheadMs;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#own() + this.aheadMs;
  }

  /** What is to be added to the own clock. Until the server is heard of, that one may have been set right since: of
   *  both times the earlier one holds, by which nothing ends too early. */
  get aheadMs(): number {
    return this.#isHeard ? this.#aheadMs : Math.min(0, this.#aheadMs);
  }

  /** RFC 9110 6.6.1: an answer's `Date`. */
  heard(date: string | null): void {
    const serverMs = Date.parse(date ?? "");
    if (Number.isNaN(serverMs)) return;
    const differenceMs = serverMs - this.#own();
    const aheadMs = Math.abs(differenceMs) < TOLERATED_MS ? 0 : differenceMs;
    const isNews = Math.abs(aheadMs - this.#aheadMs) >= TOLERATED_MS;
    const before = this.aheadMs;
    this.#isHeard = true;
    if (isNews) this.#aheadMs = aheadMs;
    if (this.aheadMs !== before) this.changed();
    if (!isNews) return;
    // Where it cannot be kept it is heard again at the next start.
    this.#store.batch().put("meta", KEY, aheadMs).commit().catch(() => undefined);
  }
}

/** `Date` says whole seconds, and answers take their time. */
const TOLERATED_MS = 30_000;
const KEY = "clock";
