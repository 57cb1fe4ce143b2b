// The history of a further device: asked for by the device that was linked, given by the one that showed the link,
// through the group of the own devices (docs/protocol/envelope.md, "History").

import type { Desk } from "../chats/desk";
import { HEARD, type Heard } from "../chats/keys";
import { Serial } from "../conversations/serial";
import type { UploadPlace } from "../media/upload";
import type { ChatId, HistoryProgress } from "../protocol";
import type { Row } from "../store/store";
import { Giving } from "./giving";
import { Taking } from "./taking";

export interface HistorySurroundings {
  uploads: UploadPlace;
  show(progress: HistoryProgress | null): void;
  /** What own devices have agreed on is the chats' own from now on. */
  agreed(): Promise<void>;
  /** Something of these chats was taken in: who is in them now the server knows. */
  came(chats: ChatId[]): Promise<void>;
}

export class History {
  readonly #desk: Desk;
  readonly #giving: Giving;
  readonly #taking: Taking;
  readonly #turn = new Serial();
  #isReady = false;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(desk: Desk, { uploads, show, agreed, came }: HistorySurroundings) {
    this.#desk = desk;
    this.#giving = new Giving(desk, uploads, agreed, (done, total) => show(done < total ? { role: "giving", done, total } : null));
    this.#taking = new Taking(desk, (progress) => show(progress && { role: "taking", ...progress }), came);
  }

  /** What a reload has cut. */
  begin(): Promise<void> {
    return this.#taking.begin();
  }

  /** The stream has caught up, and this device is in the account's groups.
   *  @param devices the own ones for which the account vouches */
  async online(devices: ReadonlySet<string>): Promise<void> {
    this.#isReady = true;
    await this.#turn.run(() => this.#taking.ask(devices));
    this.#runSoon(0);
  }

  /** Another of the own devices asks, or gives: it is kept with its place in the own log. */
  heard(): void {
    // Its batch is on its way when it is told of.
    for (const afterMs of HEARD_AFTER_MS) this.#runSoon(afterMs);
  }

  close(): void {
    this.#isReady = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #runSoon(afterMs: number): void {
    if (!this.#isReady) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#turn.run(() => this.#run()).catch(() => this.#runSoon(AGAIN_AFTER_MS));
    }, afterMs);
    this.#timers.add(timer);
  }

  async #run(): Promise<void> {
    const { store } = this.#desk.context;
    for (const row of await store.range<Heard>("meta", { prefix: [HEARD] })) {
      if (!this.#isReady) return;
      await this.#take(row);
      await store.batch().delete("meta", row.key).commit();
    }
    await this.#giving.run();
  }

  async #take({ value: { body, device } }: Row<Heard>): Promise<void> {
    if (body.kind === "history-ask") return this.#giving.accept(device, body.key);
    try {
      await this.#taking.take(device, body);
    } catch (error) {
      if (!(await this.#taking.failed(error))) throw error;
    }
  }
}

const HEARD_AFTER_MS = [50, 1_000, 10_000];
const AGAIN_AFTER_MS = 10_000;
