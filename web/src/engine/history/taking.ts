// What this device had not: asked for, of the device that it was linked by, once it is in the account's
// conversations, so that nothing falls between what that one gives and what comes by the log.

import type { Desk } from "../chats/desk";
import type { OwnBody } from "../content/envelope";
import { newMessageId } from "../content/envelope";
import { newHpkeKey, MlsError, type HpkeKey } from "../mls";
import { HISTORY_FROM } from "../sealed/identity";
import { StoreFull, type Store } from "../store/store";
import { fetchPortion, openParcel } from "./parcels";
import { takeIn } from "./taking-in";

/** What this device has asked for. */
interface Wanted {
  from: string;
  key: HpkeKey;
  done: number;
  total: number;
}

export class Taking {
  readonly #desk: Desk;
  readonly #show: (progress: { done: number; total: number } | null) => void;
  readonly #came: (chats: string[]) => Promise<void>;

  /** @param came of these chats something was taken in */
  constructor(desk: Desk, show: (progress: { done: number; total: number } | null) => void, came: (chats: string[]) => Promise<void>) {
    this.#desk = desk;
    this.#show = show;
    this.#came = came;
  }

  /** What the user sees of it after a reload. */
  async begin(): Promise<void> {
    const wanted = await this.#wanted();
    const isNew = (await this.#store.get("meta", HISTORY_FROM)) !== undefined;
    if (wanted || isNew) this.#show({ done: wanted?.done ?? 0, total: wanted?.total ?? 0 });
  }

  /** Asks, if this device was linked and has not asked.
   *  @param devices the own ones that are there */
  async ask(devices: ReadonlySet<string>): Promise<void> {
    const [from, wanted] = await Promise.all([this.#store.get<string>("meta", HISTORY_FROM), this.#wanted()]);
    if (wanted && !devices.has(wanted.from)) return this.#end();
    if (from === undefined) return;
    if (!devices.has(from)) return this.#end();
    await this.#askOf(from);
  }

  async #askOf(from: string): Promise<void> {
    const key = await newHpkeKey();
    const wanted: Wanted = { from, key, done: 0, total: 0 };
    const body = { kind: "history-ask", device: from, key: key.publicKey } as const;
    const room = await this.#desk.context.conversations.own();
    await this.#desk.say(room, body, { id: newMessageId(this.#desk.own) }, async ({ batch }) => {
      batch.put("meta", WANTED, wanted).delete("meta", HISTORY_FROM);
    });
    this.#show({ done: 0, total: 0 });
  }

  /** Takes in a portion.
   *  @throws where it is to be tried again */
  async take(from: string, body: OwnBody & { kind: "history" }): Promise<void> {
    const wanted = await this.#wanted();
    if (!wanted || wanted.from !== from) return;
    const parcel = await openParcel(wanted.key, body, this.#desk.context.self.device).catch((error: unknown) => {
      // Of an earlier question.
      if (error instanceof MlsError) return undefined;
      throw error;
    });
    if (!parcel) return;
    const portion = await fetchPortion(parcel);
    await this.#came(await takeIn(this.#desk, portion));
    if (parcel.isLast) return this.#end();
    const { done, total } = parcel;
    await this.#store.batch().put("meta", WANTED, { ...wanted, done, total }).commit();
    this.#show({ done, total });
  }

  /** The server does not keep a portion any more, or it is nonsense: all of it is asked for anew, once.
   *  @returns false where it is to be tried again with the next stream */
  async failed(error: unknown): Promise<boolean> {    const wanted = await this.#wanted();
    const mustWait = error instanceof StoreFull || !(error instanceof Error) || error.name === "offline" || error instanceof TypeError;
    if (mustWait) return false;
    if (!wanted) return true;
    if ((await this.#store.get("meta", ASKED_AGAIN)) === true) await this.#end();
    else {
      await this.#store.batch().put("meta", ASKED_AGAIN, true).commit();
      await this.#askOf(wanted.from);
    }
    return true;
  }

  async #end(): Promise<void> {
    await this.#store.batch().delete("meta", WANTED).delete("meta", HISTORY_FROM).delete("meta", ASKED_AGAIN).commit();
    this.#show(null);
  }

  #wanted(): Promise<Wanted | undefined> {
    return this.#store.get<Wanted>("meta", WANTED);
  }

  get #store(): Store {
    return this.#desk.context.store;
  }
}

const WANTED = "history-wanted";
const ASKED_AGAIN = "history-asked-again";
