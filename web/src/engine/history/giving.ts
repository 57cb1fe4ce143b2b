// Gives what this device has to another of the own devices that has asked for it, and goes on where it was after a
// reload: how far it is stands in one batch with the message that says where a portion is.

import type { Desk } from "../chats/desk";
import type { UploadPlace } from "../media/upload";
import type { Store } from "../store/store";
import { KEPT_S, leave, sealParcel } from "./parcels";
import { beginReading, nextPortion, type Reading } from "./portions";

interface Job {
  device: string;
  /** HPKE: only that device opens what is sealed for it. */
  key: Uint8Array;
  reading?: Reading;
  done: number;
  total: number;
}

export class Giving {
  readonly #desk: Desk;
  readonly #uploads: UploadPlace;
  readonly #agreed: () => Promise<void>;
  readonly #show: (done: number, total: number) => void;

  constructor(desk: Desk, uploads: UploadPlace, agreed: () => Promise<void>, show: (done: number, total: number) => void) {
    this.#desk = desk;
    this.#uploads = uploads;
    this.#agreed = agreed;
    this.#show = show;
  }

  /** Another device asks; one that asks again begins anew. */
  async accept(device: string, key: Uint8Array): Promise<void> {
    const job: Job = { device, key, done: 0, total: 0 };
    await this.#store.batch().put("meta", [JOB, device], job).commit();
  }

  /** @throws Refusal `offline` and others: then it goes on another time. */
  async run(): Promise<void> {
    for (const { value } of await this.#store.range<Job>("meta", { prefix: [JOB] })) {
      for (let job: Job | undefined = value; job; ) job = await this.#step(job);
    }
  }

  async #step(job: Job): Promise<Job | undefined> {
    if (!job.reading) await this.#agreed();
    const reading = job.reading ?? (await beginReading(this.#store));
    const total = job.reading ? job.total : await this.#store.count("messages");
    const { portion, next } = await nextPortion(this.#store, reading);
    const isLast = next.rest.length === 0;
    const count = portion.chats.reduce((sum, { rows }) => sum + rows.length, 0);
    // What came meanwhile, or has no place yet, was not counted, or will not come.
    const done = isLast ? total : Math.min(job.done + count, total);
    const file = await leave(portion, this.#uploads, this.#desk.now());
    const after: Job | undefined = isLast ? undefined : { ...job, reading: next, done, total };
    const { enc, sealed } = await sealParcel({ file, done, total, isLast }, job.key, job.device);
    const room = await this.#desk.context.conversations.own();
    await this.#desk.say(room, { kind: "history", device: job.device, enc, sealed }, { lifeS: KEPT_S }, async ({ batch }) => {
      if (after) batch.put("meta", [JOB, job.device], after);
      else batch.delete("meta", [JOB, job.device]);
    });
    this.#show(done, total);
    return after;
  }

  get #store(): Store {
    return this.#desk.context.store;
  }
}

const JOB = "history-job";
