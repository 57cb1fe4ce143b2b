// Messages with files: shown at once, sent when the files are with the server. What waits is kept, so
// that it goes on after a reload, a crash, and once there is a network again.

import type { ChatId, FileRef, MessageId, Upload } from "../protocol";
import { Refusal } from "../refusal";
import type { MessageBody } from "../content/contents";
import { newMessageId } from "../content/envelope";
import { place } from "../content/row";
import type { Media, Progress, Running } from "../media/media";
import { plainFile } from "../open/files";
import type { Batch } from "../store/store";
import type { Desk, Saying } from "./desk";
import { about, bodyOf, type FileContent } from "./file-body";
import { UPLOAD, uploadKey } from "./keys";

type Say = (chat: ChatId, body: MessageBody, saying: Saying, also: (batch: Batch) => void) => Promise<MessageId>;

/** A row under {@link UPLOAD}. */
interface Waiting {
  chat: ChatId;
  id: MessageId;
  /** As it is sent once the file is with the server. */
  body: MessageBody & { file: FileRef };
  saying: Saying;
  /** Where the server takes the upload on. */
  address?: string;
  isPaused?: boolean;
  /** It waits for the user. */
  hasFailed?: boolean;
}

export class Uploads {
  readonly #desk: Desk;
  readonly #media: Media | undefined;
  readonly #running = new Map<MessageId, Running>();
  readonly #progress = new Map<MessageId, Progress>();
  #again: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** Set by what joins both. */
  say: Say = () => Promise.reject(new Refusal("internal", "nobody sends"));

  constructor(desk: Desk, media: Media | undefined) {
    this.#desk = desk;
    this.#media = media;
  }

  /** What is sent again without its bytes is kept by the server for this account too. Without a network it rests
   *  on its first sender. */
  async refer(body: MessageBody, lifeS: number | undefined): Promise<void> {
    if (!("file" in body)) return;
    await this.#media?.refer(body.file, this.#goesAt(lifeS)).catch(() => undefined);
  }

  // When the server may let go of the file of a message that disappears: a message that waits leaves later than its
  // file, and its life begins then.
  #goesAt(lifeS: number | undefined): number | undefined {
    return lifeS === undefined ? undefined : Math.ceil(this.#desk.now() / 1000) + lifeS + FILES_OUTLAST_S;
  }

  /** It is uploaded while it is encrypted, where it can leave now.
   *  @returns once the file is kept on this device.
   *  @throws {StoreFull} */
  async send(chat: ChatId, content: FileContent, { id = newMessageId(this.#desk.own), ...saying }: Saying): Promise<MessageId> {
    if (!this.#media) throw new Refusal("not-allowed", "files cannot be sent");
    const isOpen = (await this.#desk.chat(chat)).encryption === "open";
    const keeping = this.#media.keep(id, content.file);
    let address: string | undefined;
    const hear = this.#hear(chat, id);
    const begun = (given: string) => {
      address = given;
      hear.begun(given);
    };
    const early = isOpen || !this.#media.canStart ? undefined : this.#media.start(id, keeping, undefined, { ...hear, begun }, this.#goesAt(saying.lifeS));
    if (early) this.#running.set(id, early);
    try {
      const kept = await keeping.kept;
      const waiting = { chat, id, body: bodyOf(content, { ...about(content), ...kept }), saying: { ...saying, id } };
      await this.#keep(waiting, () => address);
      if (early) void this.#leave(waiting, early).catch(() => undefined);
      else this.#start(chat, id);
      return id;
    } catch (error) {
      await early?.cancel();
      this.#end(id);
      throw error;
    }
  }

  async #keep(waiting: Waiting, addressNow: () => string | undefined): Promise<void> {
    const { chat, id, body, saying } = waiting;
    await this.#desk.change(chat, async (ledger) => {
      const { reply, forwarded = false, lifeS } = saying;
      const shown = { ...body, file: { ...body.file, digest: "" } };
      const base = { type: "message", body: shown, forwarded, ...(reply && { reply }) } as const;
      ledger.put(place(await ledger.row(id), this.#desk.pendingOrder(), this.#desk.now(), base, lifeS));
      const address = addressNow();
      ledger.batch.put("chats", uploadKey(chat, id), { ...waiting, ...(address !== undefined && { address }) } satisfies Waiting);
      this.#media?.settled(ledger.batch, id);
    });
    if (!this.#progress.has(id)) this.#tell(id, { sentBytes: 0, bytes: body.file.bytes, isPaused: false });
  }

  /** @returns whether it was one of ours. */
  async retry(chat: ChatId, id: MessageId): Promise<boolean> {
    if (!(await this.#change(chat, id, { hasFailed: false, isPaused: false }))) return false;
    await this.#note(chat, id, undefined);
    this.#tell(id, { sentBytes: 0, bytes: 1, isPaused: false });
    this.#start(chat, id);
    return true;
  }

  /** Those that are not done. */
  async all(): Promise<Upload[]> {
    const rows = await this.#desk.context.store.range<Waiting>("chats", { prefix: [UPLOAD] });
    return rows.filter(({ value }) => !value.hasFailed).map(({ value }) => {
      const { sentBytes = 0, bytes = value.body.file.bytes } = this.#progress.get(value.id) ?? {};
      return { id: value.id, sentBytes, bytes, paused: value.isPaused === true };
    });
  }

  async pause(id: MessageId, isPaused: boolean): Promise<void> {
    const { chat } = await this.#find(id);
    await this.#change(chat, id, { isPaused });
    const running = this.#running.get(id);
    if (running) running.pause(isPaused);
    else if (!isPaused) this.#start(chat, id);
    else this.#tell(id, { ...this.#last(id), isPaused });
  }

  async cancel(id: MessageId): Promise<void> {
    const { chat } = await this.#find(id);
    await this.#running.get(id)?.cancel();
    await this.#fail(chat, id, new Refusal("cancelled", "the upload was cancelled"));
  }

  /** The message is deleted. @returns whether it waited here. */
  async drop(chat: ChatId, id: MessageId): Promise<boolean> {
    const { store } = this.#desk.context;
    if (!this.#media || (await store.get("chats", uploadKey(chat, id))) === undefined) return false;
    await this.#running.get(id)?.cancel();
    const batch = store.batch();
    this.#forget(batch, chat, id);
    await batch.commit();
    this.#end(id);
    return true;
  }

  /** What the last session did not bring to its end goes on. */
  async recover(): Promise<void> {
    await this.#media?.recover();
    await this.online();
  }

  /** There may be a network. */
  async online(): Promise<void> {
    for (const { value } of await this.#desk.context.store.range<Waiting>("chats", { prefix: [UPLOAD] })) {
      if (!value.hasFailed && !value.isPaused) this.#start(value.chat, value.id);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#again);
    for (const running of this.#running.values()) running.pause(true);
  }

  #start(chat: ChatId, id: MessageId): void {
    if (!this.#running.has(id)) void this.#upload(chat, id).catch(() => undefined);
  }

  async #upload(chat: ChatId, id: MessageId): Promise<void> {
    const waiting = await this.#desk.context.store.get<Waiting>("chats", uploadKey(chat, id));
    if (!waiting || !this.#media?.canStart || this.#running.has(id) || this.#isClosed) return;
    const { body, saying, address } = waiting;
    if ((await this.#desk.chat(chat)).encryption === "open") return this.#uploadOpenly(waiting, this.#media);
    await this.#leave(waiting, this.#media.start(id, body.file, address, this.#hear(chat, id), this.#goesAt(saying.lifeS)));
  }

  #hear(chat: ChatId, id: MessageId): { begun(address: string): void; progress(progress: Progress): void } {
    return {
      begun: (address) => void this.#change(chat, id, { address }).catch(() => undefined),
      progress: (progress) => this.#tell(id, progress),
    };
  }

  #leave(waiting: Waiting, running: Running): Promise<void> {
    const { chat, id, body, saying } = waiting;
    return this.#await(waiting, running, async () => {
      await running.done;
      await this.say(chat, body, saying, (batch) => this.#forget(batch, chat, id));
    });
  }

  /** What is written beside a file is a message of its own: other clients show a file alone. */
  async #uploadOpenly(waiting: Waiting, media: Media): Promise<void> {
    const { chat, id, body, saying } = waiting;
    const running = media.startOpen(id, body.file, (progress) => this.#tell(id, progress));
    await this.#await(waiting, running, async () => {
      const file = { ...body.file, ...plainFile(await running.url) };
      const words = "caption" in body ? body.caption : "";
      const alone = { ...body, file, ...("caption" in body && { caption: "" }) };
      await this.say(chat, alone, saying, (batch) => this.#forget(batch, chat, id));
      const { id: _id, reply: _reply, ...rest } = saying;
      if (words) await this.say(chat, { kind: "text", text: words, mentions: [] }, rest, () => undefined);
    });
  }

  async #await({ chat, id }: Waiting, running: Running, task: () => Promise<void>): Promise<void> {
    this.#running.set(id, running);
    try {
      await task();
      this.#end(id);
    } catch (error) {
      const refusal = Refusal.of(error);
      this.#running.delete(id);
      if (TRANSIENT.has(refusal.name)) this.#tryLater();
      else if (refusal.name !== "cancelled") await this.#fail(chat, id, refusal);
    }
  }

  #tryLater(): void {
    clearTimeout(this.#again);
    if (!this.#isClosed) this.#again = setTimeout(() => void this.online().catch(() => undefined), TRY_AGAIN_MS);
  }

  async #fail(chat: ChatId, id: MessageId, refusal: Refusal): Promise<void> {
    await this.#change(chat, id, { hasFailed: true });
    this.#end(id);
    await this.#note(chat, id, refusal);
  }

  #end(id: MessageId): void {
    const { bytes } = this.#last(id);
    this.#tell(id, { sentBytes: bytes, bytes, isPaused: false });
    this.#progress.delete(id);
    this.#running.delete(id);
  }

  #forget(batch: Batch, chat: ChatId, id: MessageId): void {
    batch.delete("chats", uploadKey(chat, id));
    this.#media?.drop(batch, id);
  }

  #last(id: MessageId): Progress {
    return this.#progress.get(id) ?? { sentBytes: 0, bytes: 1, isPaused: false };
  }

  #tell(id: MessageId, progress: Progress): void {
    this.#progress.set(id, progress);
    const { sentBytes, bytes, isPaused: paused } = progress;
    this.#desk.context.say({ type: "upload", id, sentBytes, bytes, paused });
  }

  async #find(id: MessageId): Promise<Waiting> {
    const rows = await this.#desk.context.store.range<Waiting>("chats", { prefix: [UPLOAD] });
    const found = rows.find(({ value }) => value.id === id);
    if (!found) throw new Refusal("not-found", "nothing is uploaded for this message");
    return found.value;
  }

  /** @returns whether it is there. */
  async #change(chat: ChatId, id: MessageId, change: Partial<Waiting>): Promise<boolean> {
    return this.#desk.context.conversations.exclusive(chat, async () => {
      const batch = this.#desk.context.store.batch();
      const waiting = await batch.get<Waiting>("chats", uploadKey(chat, id));
      if (!waiting) return false;
      await batch.put("chats", uploadKey(chat, id), { ...waiting, ...change }).commit();
      return true;
    });
  }

  #note(chat: ChatId, id: MessageId, error: Refusal | undefined): Promise<void> {
    return this.#desk.change(chat, async (ledger) => {
      const row = await ledger.find(id);
      if (!row) return;
      const { error: _, ...rest } = row;
      ledger.put(error ? { ...rest, error: error.toError() } : rest);
    });
  }
}

/** No fault of the file: it is tried again by itself. */
const TRANSIENT = new Set(["offline", "busy"]);
const TRY_AGAIN_MS = 30_000;

/** A day. */
const FILES_OUTLAST_S = 86_400;
