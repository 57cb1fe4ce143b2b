// Messages with files: shown at once, sent when the files are with the server.

import type { ChatId, Draft, FileRef, MessageId } from "../protocol";
import { Refusal } from "../refusal";
import type { MessageBody } from "../content/contents";
import { newMessageId } from "../content/envelope";
import { place } from "../content/row";
import type { Desk, Saying } from "./desk";
import { UPLOAD } from "./keys";

/** Encrypts and uploads: engine/media. */
export interface Media {
  /** @returns where the file is, once it is there.
   *  @throws Refusal */
  upload(id: MessageId, file: Blob, about: Pick<FileRef, "name" | "type" | "thumbnail">): Promise<FileRef>;
}

export type FileContent = Extract<Draft["content"], { file: Blob }>;
type Say = (chat: ChatId, body: MessageBody, saying: Saying) => Promise<MessageId>;

export class Uploads {
  readonly #desk: Desk;
  readonly #media: Media | undefined;
  readonly #files = new Map<MessageId, { chat: ChatId; content: FileContent; saying: Saying }>();
  /** Set by what joins both. */
  say: Say = () => Promise.reject(new Refusal("internal", "nobody sends"));

  constructor(desk: Desk, media: Media | undefined) {
    this.#desk = desk;
    this.#media = media;
  }

  async send(chat: ChatId, content: FileContent, { id = newMessageId(this.#desk.own), ...saying }: Saying): Promise<MessageId> {
    if (!this.#media) throw new Refusal("not-allowed", "files cannot be sent");
    await this.#desk.change(chat, async (ledger) => {
      const { reply, forwarded = false, lifeS } = saying;
      const body = bodyOf(content, { ...about(content), digest: "", key: new Uint8Array(32), bytes: content.file.size });
      const base = { type: "message", body, forwarded, ...(reply && { reply }) } as const;
      ledger.put(place(await ledger.row(id), this.#desk.pendingOrder(), this.#desk.now(), base, lifeS));
      ledger.batch.put("chats", [UPLOAD, chat, id], true);
    });
    this.#files.set(id, { chat, content, saying: { ...saying, id } });
    void this.#upload(id).catch(() => undefined);
    return id;
  }

  /** @returns whether it was one of ours. */
  async retry(chat: ChatId, id: MessageId): Promise<boolean> {
    if ((await this.#desk.context.store.get("chats", [UPLOAD, chat, id])) === undefined) return false;
    if (!this.#files.has(id)) throw new Refusal("not-found", "the file is not here any more");
    await this.#note(chat, id, undefined);
    void this.#upload(id).catch(() => undefined);
    return true;
  }

  /** What the last session did not bring to its end has failed: the files went with it. */
  async recover(): Promise<void> {
    for (const { key } of await this.#desk.context.store.range("chats", { prefix: [UPLOAD] })) {
      const [, chat, id] = key as [string, ChatId, MessageId];
      if (!this.#files.has(id)) await this.#note(chat, id, new Refusal("not-found", "the upload was interrupted"));
    }
  }

  async #upload(id: MessageId): Promise<void> {
    const waiting = this.#files.get(id);
    if (!waiting || !this.#media) return;
    const { chat, content, saying } = waiting;
    try {
      const file = await this.#media.upload(id, content.file, about(content));
      await this.say(chat, bodyOf(content, file), saying);
      this.#files.delete(id);
      await this.#desk.context.store.batch().delete("chats", [UPLOAD, chat, id]).commit();
    } catch (error) {
      await this.#note(chat, id, Refusal.of(error));
    }
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

function about(content: FileContent): Pick<FileRef, "name" | "type" | "thumbnail"> {
  const name = "name" in content ? content.name : "";
  const type = content.file.type || "application/octet-stream";
  const thumbnail = "thumbnail" in content ? content.thumbnail : undefined;
  return { name, type, ...(thumbnail && { thumbnail }) };
}

function bodyOf(content: FileContent, file: FileRef): MessageBody {
  switch (content.kind) {
    case "voice":
      return { kind: "voice", file, durationMs: content.durationMs, waveform: content.waveform };
    case "document":
      return { kind: "document", file, caption: content.caption };
    default: {
      const { caption, width, height, durationMs } = content;
      return { kind: content.kind, file, caption, width, height, ...(durationMs !== undefined && { durationMs }) };
    }
  }
}
